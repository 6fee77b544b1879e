//! The program `ffmpeg`, by which videos are read and written: found on `PATH`, never linked.
use crate::exit::{ExitCode, Failure};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{Command, Stdio};

/// Its name.
pub const PROGRAM: &str = "ffmpeg";

/// What the program is wanted for, for the line that says that it is missing.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    /// `.mp4 is written by it`
    pub what: &'static str,
    /// `write .webp or a folder of PNG frames`
    pub instead: &'static str,
    /// The code to end with where the program is missing.
    pub code: ExitCode,
}

impl Purpose {
    /// Is the program there?
    ///
    /// # Errors
    /// One line that says how to install it.
    pub fn check(&self) -> Result<(), Failure> {
        let mut command = Command::new(PROGRAM);
        command.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().map(drop).map_err(|err| self.cannot_start(&err))
    }

    /// The program did not start.
    pub fn cannot_start(&self, err: &std::io::Error) -> Failure {
        let message = match err.kind() {
            ErrorKind::NotFound => format!(
                "{PROGRAM} is not installed, and {}: install it (apt install {PROGRAM}, dnf install {PROGRAM}, brew install \
                 {PROGRAM}), or {}",
                self.what, self.instead
            ),
            _ => format!("{PROGRAM} does not start: {err}"),
        };
        Failure::new(self.code, message)
    }
}

/// What the program says, read line by line in a thread of its own so that it never waits for us.
pub fn listen(
    stderr: impl Read + Send + 'static,
    mut each: impl FnMut(&str) + Send + 'static,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let (mut reader, mut bytes) = (BufReader::new(stderr), Vec::new());
        // What it said until an error is what there is.
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
            let line = String::from_utf8_lossy(&bytes).trim().to_string();
            if !line.is_empty() {
                each(&line);
            }
            bytes.clear();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PURPOSE: Purpose =
        Purpose { what: "videos are read by it", instead: "use a folder of frames", code: ExitCode::MissingInput };

    #[test]
    fn a_missing_program_is_one_line_that_says_how_to_install_it() {
        let failure = PURPOSE.cannot_start(&std::io::Error::from(ErrorKind::NotFound));
        let line = failure.to_string();
        assert_eq!(failure.code, ExitCode::MissingInput);
        assert!(line.starts_with("ffmpeg is not installed") && line.contains("apt install ffmpeg"), "{line}");
        assert!(!line.contains('\n') && line.ends_with("or use a folder of frames"), "{line}");
    }

    #[test]
    fn lines_are_heard_in_order() {
        let (sender, heard) = std::sync::mpsc::channel();
        listen(&b"one\n\n two\nthree"[..], move |line| sender.send(line.to_string()).unwrap()).join().unwrap();
        assert_eq!(heard.iter().collect::<Vec<_>>(), ["one", "two", "three"]);
    }
}
