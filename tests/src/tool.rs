//! A tool of the workspace, run as a user runs it.
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A command line in the making.
pub struct Tool {
    name: &'static str,
    command: Command,
}

/// How a run ended.
#[derive(Debug)]
pub struct Run {
    /// The command line, for messages.
    pub line: String,
    /// Exit code; −signal when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_path_buf()
}

/// Path of a tool's executable: beside the test executable's folder, built now if it is missing.
///
/// # Panics
/// If it cannot be built.
pub fn executable(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this executable");
    let path = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps").join(name);
    static BUILDING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if !path.exists() {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--release", "--quiet", "--workspace", "--bin", name])
            .current_dir(root())
            .status();
        assert!(
            built.is_ok_and(|s| s.success()) && path.exists(),
            "{name} is not built; `make build` builds it: {path:?}"
        );
    }
    path
}

/// Sends a running program a signal: `TERM`, `USR1`, `STOP`.
///
/// # Panics
/// If it cannot be sent.
pub fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.is_ok_and(|s| s.success()), "SIG{name} is not sent");
}

impl Tool {
    /// `datagen`, `shards`, `track`, `prior`, `invert` or `nets`, run in the folder `at`.
    pub fn new(name: &'static str, at: &Path) -> Self {
        let mut command = Command::new(executable(name));
        command.current_dir(at);
        Tool { name, command }
    }

    /// Any other program, run in the folder `at`.
    pub fn of(mut command: Command, at: &Path) -> Self {
        command.current_dir(at);
        Tool { name: "program", command }
    }

    /// The command itself, to be started in another way.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// The same tool under a shell that limits the size of a file it may write to `kib`: what a full disk does to it.
    /// A write beyond fails as any other (the signal that would end the tool is off).
    pub fn with_room_for(name: &'static str, at: &Path, kib: u32) -> Self {
        let mut command = Command::new("bash");
        let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\"");
        command.current_dir(at).args(["-c", &script, name]).arg(executable(name));
        Tool { name, command }
    }

    /// Adds the words of a line, split at blanks.
    pub fn words(mut self, line: &str) -> Self {
        self.command.args(line.split_whitespace());
        self
    }

    /// Adds the words of a line, split at blanks; a word that is the name of a place becomes its path, blanks and all.
    pub fn words_with(mut self, line: &str, places: &[(&str, PathBuf)]) -> Self {
        for word in line.split_whitespace() {
            match places.iter().find(|(name, _)| *name == word) {
                Some((_, path)) => self.command.arg(path),
                None => self.command.arg(word),
            };
        }
        self
    }

    /// Adds a path.
    pub fn path(mut self, path: impl AsRef<Path>) -> Self {
        self.command.arg(path.as_ref());
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it in the background.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut self) -> std::process::Child {
        use std::process::Stdio;
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.command.spawn().unwrap_or_else(|e| panic!("{e}: {:?}", self.name))
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(mut self) -> Run {
        let words: Vec<_> = self.command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        let line = format!("{} {}", self.name, words.join(" "));
        let clock = Instant::now();
        let output = self.command.output().unwrap_or_else(|e| panic!("{e}: {line}"));
        Run::new(line, output, clock.elapsed())
    }

    /// Runs it; it must end with 0.
    ///
    /// # Panics
    /// If it ends otherwise.
    pub fn done(self) -> Run {
        let run = self.run();
        assert_eq!(run.code, 0, "{}\n{}{}", run.line, run.stdout, run.stderr);
        run
    }
}

impl Run {
    fn new(line: String, output: Output, took: Duration) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0));
        Run { line, code, stdout: text(output.stdout), stderr: text(output.stderr), took }
    }

    /// The events of a run with `--json`: one JSON object a line.
    ///
    /// # Panics
    /// If a line is something else.
    pub fn events(&self) -> Vec<serde_json::Value> {
        let parse =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?} of {}", self.line));
        self.stdout.lines().map(parse).collect()
    }
}
