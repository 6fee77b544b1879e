//! A command with its time and its peak memory.
use effigy_tests::tool::executable;
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a run took.
pub struct Measured {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Processor seconds of all its threads.
    pub core_seconds: f64,
    /// Greatest resident size (MiB).
    pub peak_mib: f64,
    stdout: String,
}

impl Measured {
    /// Events of `--json`; lines that are none are passed over.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let events = self.stdout.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        events.filter(|e| e["event"] == kind).collect()
    }
}

/// Runs a tool in the current folder; `line` is split at blanks.
///
/// # Errors
/// Its last line on stderr if it fails.
pub fn tool(name: &str, line: &str) -> Result<Measured, String> {
    run(Command::new(executable(name)).args(line.split_whitespace()))
}

/// Runs an example of a package and returns the JSON it writes.
///
/// # Errors
/// As [`tool`], or that it wrote no JSON.
pub fn example(name: &str, line: &str, json: &Path) -> Result<Value, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    // The whole workspace, whose set of features all else was built with.
    run(Command::new(cargo).args(["build", "--release", "--quiet", "--workspace", "--example", name]))?;
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    run(Command::new(own.with_file_name(name)).arg("--json").arg(json).args(line.split_whitespace()))?;
    let bytes = std::fs::read(json).map_err(|e| format!("{e}: {json:?}"))?;
    serde_json::from_slice(&bytes).map_err(|e| format!("{e}: {json:?}"))
}

fn run(command: &mut Command) -> Result<Measured, String> {
    let clock = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{e}: {command:?}"))?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let complaints = std::thread::spawn(move || text_of(&mut err));
    let stdout = text_of(&mut out);
    let stderr = complaints.join().unwrap_or_default();
    let (code, usage) = wait(child.id())?;
    if code != 0 {
        return Err(format!("exit code {code}: {}", stderr.lines().last().unwrap_or("it said nothing")));
    }
    let seconds_of = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    Ok(Measured {
        seconds: clock.elapsed().as_secs_f64(),
        core_seconds: seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime),
        peak_mib: usage.ru_maxrss as f64 / 1024.0,
        stdout,
    })
}

fn text_of(pipe: &mut Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    // A pipe that breaks ends the text; the exit code tells the rest.
    let _ = pipe.as_mut().map(|p| p.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Exit code (−1 after a signal) and resources of a child of ours.
fn wait(pid: u32) -> Result<(i32, libc::rusage), String> {
    let mut status = 0;
    // SAFETY: all zeros is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers outlive the call; the child is ours and nobody else waits for it.
    let waited = unsafe { libc::wait4(pid as libc::pid_t, &mut status, 0, &mut usage) };
    match waited {
        -1 => Err(std::io::Error::last_os_error().to_string()),
        _ if libc::WIFEXITED(status) => Ok((libc::WEXITSTATUS(status), usage)),
        _ => Ok((-1, usage)),
    }
}
