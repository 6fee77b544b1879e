//! MP4 through the `ffmpeg` program: raw frames into its standard input, H.264 out.
use super::{Film, Pixels};
use anyhow::{Context, Result};
use formats::exit::{ExitCode, Failure};
use formats::ffmpeg::{PROGRAM, Purpose};
use formats::publish::{sweep_once, temp_beside};
use formats::{Existing, publish};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

const PURPOSE: Purpose = Purpose {
    what: ".mp4 is written by it",
    instead: "write .webp or a folder of PNG frames",
    code: ExitCode::CannotCreate,
};

/// Is the program there?
///
/// # Errors
/// Exit code 73 where it is not.
pub fn find() -> Result<()> {
    Ok(PURPOSE.check()?)
}

/// A video while it is written, beside its place.
pub struct Mp4 {
    path: PathBuf,
    fps: f32,
    temp: PathBuf,
    encoder: Option<Encoder>,
}

/// The program at work.
struct Encoder {
    child: Child,
    complaints: JoinHandle<String>,
}

impl Mp4 {
    /// The program starts with the first frame, whose size it must know.
    pub fn new(path: &Path, fps: f32) -> Self {
        Mp4 { path: path.into(), fps, temp: temp_beside(path), encoder: None }
    }

    fn start(&self, width: usize, height: usize) -> Result<Encoder> {
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|err| {
            Failure::new(ExitCode::CannotCreate, format!("cannot create a folder: {err}: {folder:?}"))
        })?;
        sweep_once(folder);
        let mut command = Command::new(PROGRAM);
        command.args(["-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]);
        command.args(["-s", &format!("{width}x{height}"), "-r", &self.fps.to_string(), "-i", "pipe:0", "-an"]);
        // Colors as browsers and phones expect them; both sides even, as 4:2:0 needs.
        command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"]);
        command.args([
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
            "-color_range",
            "tv",
        ]);
        command.args(["-c:v", "libx264", "-preset", "medium", "-crf", "18", "-movflags", "+faststart", "-f", "mp4"]);
        // A path that starts with a dash is no flag.
        command.arg(std::path::absolute(&self.temp).context("no current folder")?);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|err| PURPOSE.cannot_start(&err))?;
        let mut stderr = child.stderr.take().expect("it was piped");
        let complaints = std::thread::spawn(move || {
            let mut words = Vec::new();
            // What it said until then is what there is.
            let _ = stderr.read_to_end(&mut words);
            String::from_utf8_lossy(&words).into_owned()
        });
        Ok(Encoder { child, complaints })
    }

    /// Closes its input and waits.
    fn end(&mut self) -> Result<()> {
        let Some(mut encoder) = self.encoder.take() else {
            return Err(Failure::bad_data("a clip without frames").into());
        };
        drop(encoder.child.stdin.take());
        let status = encoder.child.wait().context("waiting for ffmpeg")?;
        let complaints = encoder.complaints.join().unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let words = complaints.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing").trim();
        let message = format!("{PROGRAM} cannot write the video ({status}): {words}: {:?}", self.path);
        Err(Failure::new(ExitCode::CannotCreate, message).into())
    }
}

impl Film for Mp4 {
    fn add(&mut self, frame: Pixels) -> Result<()> {
        if self.encoder.is_none() {
            self.encoder = Some(self.start(frame.width, frame.height)?);
        }
        let stdin = self.encoder.as_mut().and_then(|encoder| encoder.child.stdin.as_mut());
        let written = stdin.expect("it is open until the end").write_all(&frame.data);
        match written {
            Ok(()) => Ok(()),
            // The program has ended; it says why.
            Err(err) => Err(self.end().err().unwrap_or_else(|| anyhow::Error::from(err).context("writing to ffmpeg"))),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.end()?;
        publish(&self.temp, &self.path, Existing::Replace)?;
        Ok(())
    }
}

impl Drop for Mp4 {
    fn drop(&mut self) {
        if let Some(mut encoder) = self.encoder.take() {
            // It may have ended already.
            let _ = encoder.child.kill();
            let _ = encoder.child.wait();
        }
        // After a finished film it is gone already.
        let _ = std::fs::remove_file(&self.temp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_one_line_that_says_how_to_install_it() {
        let err = PURPOSE.cannot_start(&std::io::Error::from(std::io::ErrorKind::NotFound));
        assert_eq!(err.code, ExitCode::CannotCreate);
        let line = err.to_string();
        assert!(line.starts_with("ffmpeg is not installed") && line.contains("apt install ffmpeg"), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }

    #[test]
    fn no_frames_are_bad_data() {
        let film = Box::new(Mp4::new(Path::new("never.mp4"), 25.0));
        assert_eq!(formats::exit::code_of(&film.finish().unwrap_err()), 65);
    }
}
