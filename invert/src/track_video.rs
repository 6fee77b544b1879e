//! A video as a clip: tracked first, by the tool `track` that lies beside this one.
use anyhow::{Context, Result};
use formats::exit::{ExitCode, Failure};
use formats::photo::list::{Kind, kind_of_name};
use formats::progress::Talk;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Is it a file that is neither a recording nor a shard nor a photo?
pub fn is_video(clip: &str) -> bool {
    let path = Path::new(clip);
    let is = |name: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(name));
    let may_move = is("gif") || kind_of_name(path) == Kind::Other;
    path.is_file() && may_move && !is("csv") && !is("parquet")
}

/// How a video is tracked.
pub struct Tracking<'a> {
    /// The video.
    pub video: &'a Path,
    /// Head model that is fitted to the driver.
    pub head: &'a Path,
    /// Dataset to write; one that is there from the same video and settings is used as it is.
    pub out: PathBuf,
    /// Threads, if a user says.
    pub threads: Option<usize>,
    /// How to talk.
    pub talk: Talk,
}

impl Tracking<'_> {
    /// Runs the tool; gives the dataset.
    ///
    /// # Errors
    /// The tool's own line and exit code; 66 where it is not beside this one.
    pub fn run(self) -> Result<PathBuf> {
        let own = std::env::current_exe().context("this program does not know its own path")?;
        self.run_by(&own.with_file_name("track"))
    }

    fn run_by(self, program: &Path) -> Result<PathBuf> {
        let mut command = Command::new(program);
        command.args(["fit", "--no-matte", "--video"]).arg(self.video).arg("--out").arg(&self.out);
        command.arg("--head").arg(self.head);
        if let Some(threads) = self.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        if self.talk != Talk::Auto {
            command.arg("--quiet");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|err| {
            Failure::missing(format!(
                "a video is tracked by the tool track, which does not start ({err}): {program:?}; track it yourself: track fit \
                 --no-matte --video {:?} --out DIR, then drive by DIR",
                self.video
            ))
        })?;
        // Its last line is held back: if it fails, that line says why, and this tool ends with it.
        let stderr = BufReader::new(child.stderr.take().expect("it was piped"));
        let mut last = None;
        for line in stderr.lines().map_while(std::io::Result::ok) {
            if let Some(line) = last.replace(line) {
                eprintln!("{line}");
            }
        }
        let status = child.wait().context("waiting for track")?;
        let last = last.unwrap_or_default();
        if status.success() {
            if !last.is_empty() {
                eprintln!("{last}");
            }
            return Ok(self.out);
        }
        let words = match last.strip_prefix("track: ").unwrap_or(&last) {
            "" => format!("track ended with {status}: {:?}", self.video),
            words => words.into(),
        };
        Err(Failure::new(code_of(status.code()), words).into())
    }
}

/// The exit code of the tool as this tool's.
fn code_of(code: Option<i32>) -> ExitCode {
    use ExitCode::{BadData, Bug, CannotCreate, Config, Io, MissingInput, Stopped, Usage};
    let known = [Usage, BadData, MissingInput, CannotCreate, Io, Stopped, Config];
    known.into_iter().find(|known| Some(*known as i32) == code).unwrap_or(Bug)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("invert-track-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn tracking<'a>(video: &'a Path, out: &Path) -> Tracking<'a> {
        Tracking { video, head: Path::new("head.safetensors"), out: out.into(), threads: Some(1), talk: Talk::Quiet }
    }

    #[test]
    fn the_tool_is_called_and_its_last_line_is_passed_on() {
        let folder = folder("call");
        let out = folder.join("talk.tracked");
        let script = format!("#!/bin/sh\necho \"$@\" > {:?}\necho 'track: 5/9 frames' >&2\n", folder.join("asked"));
        // Each under a name of its own: a program that another thread still holds open for writing cannot start.
        let install = |name: &str, ending: &str| {
            let program = folder.join(name);
            std::fs::write(&program, format!("{script}{ending}\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            program
        };
        let video = folder.join("talk.mp4");
        let program = install("track-works", "exit 0");
        assert_eq!(tracking(&video, &out).run_by(&program).unwrap(), out);
        let asked = std::fs::read_to_string(folder.join("asked")).unwrap();
        assert!(asked.starts_with("fit --no-matte --video ") && asked.contains("--head head.safetensors"), "{asked}");
        let complaint = "cannot read video: moov atom not found: talk.mp4";
        let program = install("track-fails", &format!("echo 'track: {complaint}' >&2; exit 65"));
        let err = tracking(&video, &out).run_by(&program).unwrap_err();
        assert_eq!(formats::exit::code_of(&err), 65);
        assert_eq!(err.to_string(), complaint);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_missing_tool_is_one_line_that_says_what_to_do() {
        let folder = folder("missing");
        let err = tracking(Path::new("talk.mp4"), &folder).run_by(&folder.join("track")).unwrap_err();
        assert_eq!(formats::exit::code_of(&err), 66);
        let line = err.to_string();
        assert!(line.contains("track fit --no-matte --video \"talk.mp4\"") && !line.contains('\n'), "{line}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn videos_are_files_of_other_kinds() {
        let folder = folder("kinds");
        let is_video_named = |name: &str| {
            let path = folder.join(name);
            std::fs::write(&path, b"").unwrap();
            is_video(&path.to_string_lossy())
        };
        assert!(is_video_named("talk.MOV") && is_video_named("talk"));
        assert!(!is_video_named("photo.PNG") && is_video_named("cat.gif"));
        assert!(!is_video_named("take.CSV") && !is_video_named("train-00000-of-00001.parquet"));
        assert!(!is_video("performance") && !is_video(&folder.to_string_lossy()));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
