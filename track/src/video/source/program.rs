//! Decodes a video through the program `ffmpeg`: PPM pictures on its standard output, their times on its standard error.
//!
//! PPM carries its own size, so that rotation metadata, which the program applies by itself, needs no care here. Times come
//! from the filter `showinfo`; after it the frames are renumbered to a constant rate, so that the program neither doubles
//! nor drops any (every version does so, whatever its option for that is called).
use super::{Cut, Source, VideoFrame};
use crate::Error;
use crate::picture::Picture;
use formats::exit::ExitCode;
use formats::ffmpeg::{self, PROGRAM, Purpose};
use formats::log;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const PURPOSE: Purpose = Purpose {
    what: "videos are read by it",
    instead: "give --video a folder of numbered pictures",
    code: ExitCode::MissingInput,
};
/// A larger picture is no video frame of ours: it was scaled down.
const MOST_SIDE: usize = 16384;

/// What the container says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    seconds: f64,
    fps: f64,
}

impl Known {
    /// Frames of a cut, about.
    pub fn frames(&self, cut: &Cut) -> u64 {
        let end = cut.to_s.unwrap_or(f64::INFINITY).min(self.seconds);
        ((end - cut.from_s).max(0.0) * self.fps / cut.every as f64).ceil() as u64
    }
}

/// Asks the program for duration and rate; `None` where the container does not say.
pub fn estimate(path: &Path) -> anyhow::Result<Option<Known>> {
    let mut command = Command::new(PROGRAM);
    command.args(["-hide_banner", "-nostdin", "-i"]).arg(absolute(path)?);
    let output = command.output().map_err(|err| PURPOSE.cannot_start(&err))?;
    // It complains that there is no output; whether the video can be read is seen when it is.
    let words = String::from_utf8_lossy(&output.stderr);
    let seconds = words.lines().find_map(duration_s);
    let fps = words.lines().find_map(stream_fps);
    Ok(seconds.zip(fps).map(|(seconds, fps)| Known { seconds, fps }))
}

/// A path that starts with a dash is no flag.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    Ok(std::path::absolute(path)?)
}

/// `Duration: 00:01:02.50, start: …`
fn duration_s(line: &str) -> Option<f64> {
    let text = line.split("Duration: ").nth(1)?.split(',').next()?;
    text.split(':').try_fold(0.0, |sum, part| Some(60.0 * sum + part.parse::<f64>().ok()?)).filter(|s| *s > 0.0)
}

/// `Stream #0:0: Video: h264 …, 29.97 fps, …`
fn stream_fps(line: &str) -> Option<f64> {
    let rate = line.contains("Video:").then(|| line.split(" fps").next()?.rsplit(' ').next())??;
    rate.parse().ok().filter(|fps: &f64| *fps > 0.0 && line.contains(" fps"))
}

/// What the filter says of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Info {
    /// Since the start of the cut; `None` where the container has no times.
    seconds: Option<f64>,
    /// Of the frame before it is scaled.
    size: Option<[usize; 2]>,
}

/// `[Parsed_showinfo_1 @ 0x…] [info] n: 0 pts: 5120 pts_time:0.333333 … s:320x240 …`
fn info_of(line: &str) -> Option<Info> {
    let rest = line.strip_prefix("[Parsed_showinfo_")?;
    let after = |key: &str| rest.split(key).nth(1)?.split_whitespace().next();
    let time = after(" pts_time:")?;
    let size = after(" s:").and_then(|text| text.split_once('x'));
    let size = size.and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
    Some(Info { seconds: time.parse().ok().filter(|s: &f64| s.is_finite()), size })
}

/// What the program complains of.
#[derive(Debug, Default)]
struct Complaints {
    first: Option<String>,
    count: u64,
}

/// The program at work.
pub struct Decoder {
    path: PathBuf,
    from_s: f64,
    child: Child,
    stdout: BufReader<ChildStdout>,
    infos: Receiver<Info>,
    complaints: Arc<Mutex<Complaints>>,
    listener: Option<JoinHandle<()>>,
    next: u64,
    stride: u64,
    last_s: f64,
    has_ended: bool,
}

impl Decoder {
    /// From number `first` of the cut on, every `stride`-th.
    pub fn start(path: &Path, cut: &Cut, first: u64, stride: u64) -> anyhow::Result<Self> {
        let mut command = Command::new(PROGRAM);
        command.args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info"]);
        if cut.from_s > 0.0 {
            command.args(["-ss", &cut.from_s.to_string()]);
        }
        if let Some(to_s) = cut.to_s {
            command.args(["-t", &(to_s - cut.from_s).to_string()]);
        }
        let longest = Source::LONGEST_PX;
        let filters = format!(
            "select='gte(n\\,{})*not(mod(n\\,{}))',showinfo=checksum=0,\
             scale=w='min(iw\\,{longest})':h='min(ih\\,{longest})':force_original_aspect_ratio=decrease,\
             settb=1/1000,setpts=N*40,format=rgb24",
            first * cut.every,
            stride * cut.every
        );
        command.arg("-i").arg(absolute(path)?).args(["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", &filters]);
        command.args(["-r", "25", "-c:v", "ppm", "-f", "image2pipe", "pipe:1"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|err| PURPOSE.cannot_start(&err))?;
        let stdout = BufReader::with_capacity(1 << 20, child.stdout.take().expect("it was piped"));
        let stderr = child.stderr.take().expect("it was piped");
        let complaints = Arc::new(Mutex::new(Complaints::default()));
        let (sender, infos) = channel();
        let heard = complaints.clone();
        let listener = ffmpeg::listen(stderr, move |line| {
            if let Some(info) = info_of(line) {
                // The receiver may be gone: then nobody wants to know.
                let _ = sender.send(info);
            } else if let Some(words) = ["[error] ", "[fatal] "].iter().find_map(|tag| line.split(tag).nth(1)) {
                let mut heard = heard.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                heard.count += 1;
                heard.first.get_or_insert_with(|| words.trim_end_matches('.').to_string());
            }
        });
        Ok(Decoder {
            path: path.into(),
            from_s: cut.from_s,
            child,
            stdout,
            infos,
            complaints,
            listener: Some(listener),
            // A frame whose number is no multiple of the stride is not selected.
            next: first.next_multiple_of(stride),
            stride,
            last_s: cut.from_s,
            has_ended: false,
        })
    }

    fn bad(&self, why: impl Into<String>) -> anyhow::Error {
        Error::Video { why: why.into(), path: self.path.clone() }.into()
    }

    fn read(&mut self) -> anyhow::Result<Option<VideoFrame>> {
        let Some(picture) = read_ppm(&mut self.stdout).map_err(|why| self.bad(why))? else {
            self.end()?;
            return Ok(None);
        };
        // The line about a frame is written before the frame; it may be heard a little later.
        let info = self.infos.recv_timeout(Duration::from_secs(20)).ok();
        let time = info.and_then(|info| info.seconds).map(|s| self.from_s + s.max(0.0));
        let seconds = time.unwrap_or(self.last_s).max(self.last_s);
        self.last_s = seconds;
        let width = picture.width as f64;
        let shrink = info.and_then(|info| info.size).map_or(1.0, |[w, _]| w as f64 / width);
        let number = self.next;
        self.next += self.stride;
        Ok(Some(VideoFrame { number, seconds, picture, shrink }))
    }

    /// The program has closed its output: did it like the video?
    fn end(&mut self) -> anyhow::Result<()> {
        let status = self.child.wait()?;
        if let Some(listener) = self.listener.take() {
            // Whatever it panicked of, the program has ended.
            let _ = listener.join();
        }
        let Complaints { first, count } =
            std::mem::take(&mut *self.complaints.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let words = first.map(|words| match words.contains("matches no streams") {
            true => "it has no video stream".to_string(),
            false => words,
        });
        if !status.success() {
            return Err(self.bad(words.unwrap_or_else(|| format!("{PROGRAM} ended with {status}"))));
        }
        if let Some(words) = words {
            let text = format!("track: {PROGRAM} complained {count} times, first: {words}: {:?}", self.path);
            log::warn("damaged video", &text);
        }
        Ok(())
    }
}

impl Iterator for Decoder {
    type Item = anyhow::Result<VideoFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let frame = self.read().transpose();
        self.has_ended = !matches!(frame, Some(Ok(_)));
        frame
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next picture, or nothing at the end.
fn read_ppm(input: &mut impl BufRead) -> Result<Option<Picture>, String> {
    let mut header = Vec::new();
    for _ in 0..3 {
        let before = header.len();
        input.by_ref().take(64).read_until(b'\n', &mut header).map_err(|e| e.to_string())?;
        if header.len() == before {
            return if header.is_empty() { Ok(None) } else { Err("the last frame is cut short".into()) };
        }
    }
    let words: Vec<String> = String::from_utf8_lossy(&header).split_whitespace().map(String::from).collect();
    let side = |k: usize| words.get(k).and_then(|w| w.parse().ok()).filter(|n: &usize| (1..=MOST_SIDE).contains(n));
    let (Some("P6"), Some(width), Some(height), Some("255"), 4) =
        (words.first().map(String::as_str), side(1), side(2), words.get(3).map(String::as_str), words.len())
    else {
        return Err(format!("{PROGRAM} wrote no picture"));
    };
    if width < 16 || height < 16 {
        return Err(format!("{width}x{height} px; expected at least 16 a side"));
    }
    let mut rgb = vec![0; width * height * 3];
    input.read_exact(&mut rgb).map_err(|_| "the last frame is cut short".to_string())?;
    let mut rgba = vec![255; width * height * 4];
    for (to, from) in rgba.chunks_exact_mut(4).zip(rgb.chunks_exact(3)) {
        to[..3].copy_from_slice(from);
    }
    Ok(Some(Picture { width, height, rgba }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_program_are_understood() {
        let line = "[Parsed_showinfo_1 @ 0x7f81] [info] n:   0 pts:   5120 pts_time:0.333333 duration:    512 \
            duration_time:0.0333333 fmt:yuv444p cl:left sar:1/1 s:320x240 i:P iskey:0 type:B";
        assert_eq!(info_of(line), Some(Info { seconds: Some(0.333333), size: Some([320, 240]) }));
        let untimed = line.replace("0.333333 duration", "NOPTS duration");
        assert_eq!(info_of(&untimed).map(|info| info.seconds), Some(None));
        assert_eq!(info_of("[Parsed_showinfo_1 @ 0x7f81] [info] color_range:unknown color_space:unknown"), None);
        assert_eq!(duration_s("  Duration: 01:02:03.50, start: 0.0, bitrate: 46 kb/s"), Some(3723.5));
        assert_eq!(duration_s("  Duration: N/A, start: 0.0"), None);
        let stream =
            "  Stream #0:0[0x1](und): Video: h264 (High), yuv444p(progressive), 320x240, 46 kb/s, 29.97 fps, 30 tbr";
        assert_eq!(stream_fps(stream), Some(29.97));
        assert_eq!(stream_fps("  Stream #0:1: Audio: aac, 44100 Hz, mono"), None);
        let known = Known { seconds: 10.0, fps: 30.0 };
        let cut = Cut { every: 2, from_s: 1.0, to_s: Some(3.0), folder_fps: 30.0 };
        assert_eq!(known.frames(&cut), 30);
    }

    #[test]
    fn pictures_follow_each_other_and_a_short_one_is_named() {
        let ppm = |tone: u8| [b"P6\n16 20\n255\n".to_vec(), vec![tone; 16 * 20 * 3]].concat();
        let two = [ppm(10), ppm(200)].concat();
        let mut input = BufReader::new(&two[..]);
        let tones: Vec<u8> = (0..2).map(|_| read_ppm(&mut input).unwrap().unwrap().rgba[0]).collect();
        assert_eq!(tones, [10, 200]);
        assert!(read_ppm(&mut input).unwrap().is_none());
        let mut short = BufReader::new(&two[..two.len() - 5]);
        read_ppm(&mut short).unwrap();
        assert_eq!(read_ppm(&mut short).unwrap_err(), "the last frame is cut short");
        assert!(read_ppm(&mut BufReader::new(&b"no picture at all\n\n\n"[..])).is_err());
    }
}
