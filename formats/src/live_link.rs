//! The CSV of Epic's Live Link Face app (ARKit recordings of an iPhone), in and out.
//!
//! One line a frame: `Timecode`, `BlendShapeCount`, the 52 ARKit units in Apple's order, in Pascal case, then yaw, pitch and
//! roll of the head and of both eyes in radians. Angles follow ARKit's face anchor, which is [`Angles`]: yaw to the
//! person's left, pitch down, roll to the person's right shoulder. A timecode is `HH:MM:SS:FF.mmm`, frame and
//! thousandths of a frame, of 60 or of 30 frames a second.
use crate::exit::Failure;
use crate::motion::{Angles, CHANNELS, Frame};
use anyhow::{Context, Result};
use head::params::unit;
use std::fmt::Write;
use std::io::BufRead;
use std::path::Path;

/// The columns after `Timecode` and `BlendShapeCount`, in the app's order.
pub const COLUMNS: [&str; CHANNELS] = [
    "EyeBlinkLeft",
    "EyeLookDownLeft",
    "EyeLookInLeft",
    "EyeLookOutLeft",
    "EyeLookUpLeft",
    "EyeSquintLeft",
    "EyeWideLeft",
    "EyeBlinkRight",
    "EyeLookDownRight",
    "EyeLookInRight",
    "EyeLookOutRight",
    "EyeLookUpRight",
    "EyeSquintRight",
    "EyeWideRight",
    "JawForward",
    "JawRight",
    "JawLeft",
    "JawOpen",
    "MouthClose",
    "MouthFunnel",
    "MouthPucker",
    "MouthRight",
    "MouthLeft",
    "MouthSmileLeft",
    "MouthSmileRight",
    "MouthFrownLeft",
    "MouthFrownRight",
    "MouthDimpleLeft",
    "MouthDimpleRight",
    "MouthStretchLeft",
    "MouthStretchRight",
    "MouthRollLower",
    "MouthRollUpper",
    "MouthShrugLower",
    "MouthShrugUpper",
    "MouthPressLeft",
    "MouthPressRight",
    "MouthLowerDownLeft",
    "MouthLowerDownRight",
    "MouthUpperUpLeft",
    "MouthUpperUpRight",
    "BrowDownLeft",
    "BrowDownRight",
    "BrowInnerUp",
    "BrowOuterUpLeft",
    "BrowOuterUpRight",
    "CheekPuff",
    "CheekSquintLeft",
    "CheekSquintRight",
    "NoseSneerLeft",
    "NoseSneerRight",
    "TongueOut",
    "HeadYaw",
    "HeadPitch",
    "HeadRoll",
    "LeftEyeYaw",
    "LeftEyePitch",
    "LeftEyeRoll",
    "RightEyeYaw",
    "RightEyePitch",
    "RightEyeRoll",
];

const TIMECODE: &str = "Timecode";
const COUNT: &str = "BlendShapeCount";
/// The app's own rate, and that of the files written here.
const TIMECODE_FPS: f64 = 60.0;
/// Weights beyond are no weights (some tools exaggerate, none so far).
const MOST_WEIGHT: f32 = 3.0;
/// Angles beyond are degrees.
const MOST_RAD: f32 = std::f32::consts::TAU;
/// A longer gap between two frames is a damaged timecode.
const LONGEST_GAP_S: f64 = 60.0;
const DAY_S: f64 = 86400.0;

/// A recording.
pub struct Take {
    /// `[N]` since the first frame, never falling.
    pub seconds: Vec<f64>,
    /// `[N]`
    pub frames: Vec<Frame>,
    /// Lines without a face (`BlendShapeCount` 0), which are not among the frames.
    pub lost: usize,
}

/// Reads a file. Columns may have any order and case, others are ignored. The angles of the head, and those of an eye, may
/// be missing; eyes whose angles are missing, or zero in every frame, look where the `EyeLook*` units say.
///
/// `timecode_fps` is the rate of the timecode; by default 60, or 30 where the file lasts longer than its second and counts
/// no frame beyond 29.
///
/// # Errors
/// Exit code 66 where there is no file; 65 for an empty one, a missing column, a wrong number or timecode: one line with
/// line, column and file.
pub fn read(path: &Path, timecode_fps: Option<f32>) -> Result<Take> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {path:?}"))?;
    parse(std::io::BufReader::new(file), path, timecode_fps.map(f64::from))
}

fn parse(mut text: impl BufRead, path: &Path, timecode_fps: Option<f64>) -> Result<Take> {
    let mut table = Table { path, header: None, times: Vec::new(), frames: Vec::new(), lost: 0 };
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if text.read_until(b'\n', &mut bytes).with_context(|| format!("cannot read {path:?}"))? == 0 {
            break;
        }
        let words = String::from_utf8_lossy(&bytes);
        let words = words.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']);
        if !words.trim().is_empty() {
            table.add(line, words)?;
        }
    }
    table.finish(timecode_fps)
}

/// A file while it is read.
struct Table<'a> {
    path: &'a Path,
    header: Option<Header>,
    times: Vec<Timecode>,
    frames: Vec<Frame>,
    lost: usize,
}

/// Where the columns stand.
struct Header {
    n: usize,
    timecode: usize,
    count: Option<usize>,
    /// In the order of [`COLUMNS`].
    channels: [Option<usize>; CHANNELS],
}

struct Timecode {
    line: usize,
    whole_s: f64,
    /// Frame and its fraction.
    frame: f64,
}

fn complain(path: &Path, what: impl std::fmt::Display) -> anyhow::Error {
    Failure::bad_data(format!("{what}: {path:?}")).into()
}

impl Table<'_> {
    fn add(&mut self, line: usize, words: &str) -> Result<()> {
        let cells: Vec<&str> = words.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
        let Some(header) = &self.header else {
            self.header =
                Some(Header::new(&cells).map_err(|what| complain(self.path, format!("line {line}: {what}")))?);
            return Ok(());
        };
        let at = |column: &str, what: String| complain(self.path, format!("line {line}, column {column}: {what}"));
        let is_lost = header.count.and_then(|k| cells.get(k)).is_some_and(|cell| *cell == "0");
        if is_lost {
            self.lost += 1;
            return Ok(());
        }
        let timecode = cells.get(header.timecode).copied().unwrap_or_default();
        let (whole_s, frame) = parse_timecode(timecode)
            .ok_or_else(|| at(TIMECODE, format!("expected HH:MM:SS:FF.mmm, got {timecode:?}")))?;
        let mut values = [0f32; CHANNELS];
        for (k, place) in header.channels.iter().enumerate() {
            let Some(place) = *place else { continue };
            let Some(cell) = cells.get(place) else {
                return Err(at(
                    COLUMNS[k],
                    format!("no value, for the line has {} of {} cells", cells.len(), header.n),
                ));
            };
            let (most, kind) = if k < 52 { (MOST_WEIGHT, "a weight from 0 to 1") } else { (MOST_RAD, "radians") };
            let value = cell.parse::<f32>().ok().filter(|v| v.abs() <= most);
            values[k] = value.ok_or_else(|| at(COLUMNS[k], format!("expected {kind}, got {cell:?}")))?;
        }
        self.times.push(Timecode { line, whole_s, frame });
        self.frames.push(frame_of(&values));
        Ok(())
    }

    fn finish(self, timecode_fps: Option<f64>) -> Result<Take> {
        let Some(header) = self.header else {
            return Err(complain(self.path, "line 1: the file is empty, expected the columns of Live Link Face"));
        };
        if self.frames.is_empty() {
            let what = if self.lost > 0 { "no frame shows a face" } else { "no frames after the columns" };
            return Err(complain(self.path, format!("line 2: {what}")));
        }
        let mut frames = self.frames;
        for eye in 0..2 {
            let known = header.channels[55 + 3 * eye].is_some();
            if !known || frames.iter().all(|f| f.eyes[eye] == Angles::default()) {
                frames.iter_mut().for_each(|f| f.eyes[eye] = Frame::of_expression(f.expression).eyes[eye]);
            }
        }
        let seconds = seconds_of(&self.times, timecode_fps, self.path)?;
        Ok(Take { seconds, frames, lost: self.lost })
    }
}

impl Header {
    fn new(cells: &[&str]) -> Result<Self, String> {
        let find = |name: &str| {
            let mut places = (0..cells.len()).filter(|&k| cells[k].eq_ignore_ascii_case(name));
            match (places.next(), places.next()) {
                (place, None) => Ok(place),
                _ => Err(format!("column {name} is there twice")),
            }
        };
        let missing = |name: &str| format!("column {name} is missing, expected the columns of Live Link Face");
        let mut channels = [None; CHANNELS];
        for (place, name) in channels.iter_mut().zip(COLUMNS) {
            *place = find(name)?;
        }
        let timecode = find(TIMECODE)?.ok_or_else(|| missing(TIMECODE))?;
        for k in 0..CHANNELS {
            // The three angles of a joint come together or not at all.
            let first = 52 + k.saturating_sub(52) / 3 * 3;
            let needed = k < 52 || channels[first..first + 3].iter().any(Option::is_some);
            if needed && channels[k].is_none() {
                return Err(missing(COLUMNS[k]));
            }
        }
        Ok(Header { n: cells.len(), timecode, count: find(COUNT)?, channels })
    }
}

/// `[61]` in the order of [`COLUMNS`] → a frame.
fn frame_of(values: &[f32; CHANNELS]) -> Frame {
    let mut channels = [0.0; CHANNELS];
    for (k, value) in values.iter().enumerate() {
        channels[channel_of(k)] = *value;
    }
    Frame::of_expression([0.0; 52]).with_channels(&channels)
}

/// Of a column of [`COLUMNS`], the place in [`Frame::channels`].
fn channel_of(column: usize) -> usize {
    if column >= 52 {
        return column;
    }
    let mut name = COLUMNS[column].to_string();
    name[..1].make_ascii_lowercase();
    unit(&name).expect("the app's columns are Apple's units")
}

/// Whole seconds of the day, and the frame with its fraction.
fn parse_timecode(text: &str) -> Option<(f64, f64)> {
    let parts: Vec<&str> = text.split([':', ';']).collect();
    let [hours, minutes, seconds, frame] = parts.try_into().ok()?;
    let whole = |text: &str, end: u32| text.parse::<u32>().ok().filter(|v| *v < end);
    let whole_s = whole(hours, 24)? * 3600 + whole(minutes, 60)? * 60 + whole(seconds, 60)?;
    let frame = frame.parse::<f64>().ok().filter(|f| (0.0..1000.0).contains(f))?;
    Some((f64::from(whole_s), frame))
}

/// `[N]` since the first frame; a take may run past midnight.
fn seconds_of(times: &[Timecode], timecode_fps: Option<f64>, path: &Path) -> Result<Vec<f64>> {
    let runs_over = times.iter().any(|t| t.whole_s != times[0].whole_s);
    let is_30 = runs_over && times.iter().all(|t| t.frame < 30.0);
    let fps = timecode_fps.unwrap_or(if is_30 { 30.0 } else { TIMECODE_FPS });
    let (mut seconds, mut day_s): (Vec<f64>, f64) = (Vec::with_capacity(times.len()), 0.0);
    for time in times {
        let at = |what: &str| complain(path, format!("line {}, column {TIMECODE}: {what}", time.line));
        if time.frame >= fps.ceil() {
            return Err(at(&format!("frame {} of {fps} frames a second", time.frame)));
        }
        let mut now = day_s + time.whole_s + time.frame / fps - times[0].whole_s - times[0].frame / fps;
        if let Some(&before) = seconds.last() {
            if now < before - DAY_S / 2.0 {
                (day_s, now) = (day_s + DAY_S, now + DAY_S);
            }
            if now < before - 1e-9 {
                return Err(at("time goes back"));
            }
            if now - before > LONGEST_GAP_S {
                return Err(at(&format!("{:.0} s after the frame before", now - before)));
            }
        }
        seconds.push(now);
    }
    Ok(seconds)
}

impl Take {
    /// The motion at `fps` frames a second, from the first frame to the last, linear between frames.
    pub fn resampled(&self, fps: f32) -> Vec<Frame> {
        let Some(&length) = self.seconds.last() else { return Vec::new() };
        let fps = f64::from(fps);
        // Timecodes are rounded to a thousandth of a frame.
        let n = (length * fps + 0.01).floor() as usize + 1;
        let mut k = 0;
        (0..n)
            .map(|i| {
                let now = i as f64 / fps;
                while k + 2 < self.frames.len() && self.seconds[k + 1] <= now {
                    k += 1;
                }
                let (a, b) = (k, (k + 1).min(self.frames.len() - 1));
                let apart = self.seconds[b] - self.seconds[a];
                let mix = if apart > 0.0 { ((now - self.seconds[a]) / apart).clamp(0.0, 1.0) as f32 } else { 0.0 };
                let (from, to) = (self.frames[a].channels(), self.frames[b].channels());
                self.frames[a].with_channels(&std::array::from_fn(|c| from[c] * (1.0 - mix) + to[c] * mix))
            })
            .collect()
    }
}

/// Frames at `fps` as a file of the app, from 00:00:00:00.000 on, 60 frames a second in the timecode.
pub fn to_csv(frames: &[Frame], fps: f32) -> String {
    let mut text = header();
    for (i, frame) in frames.iter().enumerate() {
        add_line(&mut text, i as f64 / f64::from(fps), Some(frame));
    }
    text
}

/// The line of column names.
pub fn header() -> String {
    format!("{TIMECODE},{COUNT},{}\n", COLUMNS.join(","))
}

/// Appends the line of a frame `seconds` after the start; `None` where no face was seen: `BlendShapeCount` 0, no values.
pub fn add_line(text: &mut String, seconds: f64, frame: Option<&Frame>) {
    let thousandths = (seconds * TIMECODE_FPS * 1000.0).round() as u64;
    let (whole_s, in_second) = (thousandths / 60_000, thousandths % 60_000);
    let (hours, minutes) = (whole_s / 3600 % 24, whole_s / 60 % 60);
    let (whole, part) = (in_second / 1000, in_second % 1000);
    // Writing to a string does not fail.
    let _ = write!(text, "{hours:02}:{minutes:02}:{:02}:{whole:02}.{part:03}", whole_s % 60);
    match frame {
        Some(frame) => {
            let channels = frame.channels();
            let _ = write!(text, ",{CHANNELS}");
            (0..CHANNELS).for_each(|column| {
                let _ = write!(text, ",{}", channels[channel_of(column)]);
            });
        }
        None => {
            let _ = write!(text, ",0{}", ",".repeat(CHANNELS));
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A take in the app's format: `n` frames from 14:24:08:33.643 on, a blink in the middle, head and eyes turning.
    fn take(n: usize) -> String {
        let mut text = format!("Timecode,BlendShapeCount,{}\r\n", COLUMNS.join(","));
        for i in 0..n {
            let (second, frame) = (8 + (33 + i) / 60, (33 + i) % 60);
            let _ = write!(text, "14:24:{second:02}:{frame:02}.643,61");
            for name in COLUMNS {
                let value = match name {
                    "EyeBlinkLeft" if i == n / 2 => 0.9,
                    "HeadYaw" | "LeftEyeYaw" => i as f64 * 0.01,
                    "RightEyeYaw" => i as f64 * 0.01 + 0.02,
                    "JawOpen" => 0.25,
                    _ => 0.0,
                };
                let _ = write!(text, ",{value:.10}");
            }
            text.push_str("\r\n");
        }
        text
    }

    fn parsed(text: &str) -> Result<Take> {
        parse(text.as_bytes(), Path::new("take.csv"), None)
    }

    #[test]
    fn the_columns_are_all_units_once() {
        let mut places: Vec<usize> = (0..CHANNELS).map(channel_of).collect();
        assert_eq!(places[0], unit("eyeBlinkLeft").unwrap());
        places.sort_unstable();
        assert_eq!(places, (0..CHANNELS).collect::<Vec<_>>());
    }

    #[test]
    fn a_recording_is_read_by_time() {
        let take = parsed(&take(61)).unwrap();
        assert_eq!((take.frames.len(), take.lost), (61, 0));
        assert!((take.seconds[60] - 1.0).abs() < 1e-9, "60 frames are a second");
        assert_eq!(take.frames[30].expression[unit("eyeBlinkLeft").unwrap()], 0.9);
        assert_eq!(take.frames[7].expression[unit("jawOpen").unwrap()], 0.25);
        assert!((take.frames[10].head.yaw - 0.1).abs() < 1e-6 && (take.frames[10].eyes[1].yaw - 0.12).abs() < 1e-6);
        let slow = take.resampled(30.0);
        assert_eq!(slow.len(), 31);
        assert!((slow[5].head.yaw - 0.1).abs() < 1e-5, "the sixth frame at 30 is the eleventh at 60");
        let odd = take.resampled(25.0);
        assert!((odd[1].head.yaw - 0.024).abs() < 1e-5, "between two frames: {}", odd[1].head.yaw);
        assert_eq!(take.resampled(60.0).len(), 61);
    }

    #[test]
    fn timecodes_of_30_frames_and_past_midnight() {
        let rows = |timecodes: &[&str]| {
            let zeros = ",0".repeat(CHANNELS);
            let lines: Vec<String> = timecodes.iter().map(|t| format!("{t},61{zeros}\n")).collect();
            format!("Timecode,BlendshapeCount,{}\n{}", COLUMNS.join(","), lines.concat())
        };
        let take = parsed(&rows(&["23:59:59:28.000", "23:59:59:29.500", "00:00:00:01.000"])).unwrap();
        assert!((take.seconds[1] - 0.05).abs() < 1e-9 && (take.seconds[2] - 0.1).abs() < 1e-9, "{:?}", take.seconds);
        let line = parsed(&rows(&["10:00:00:05.000", "10:00:00:04.000"])).err().unwrap().to_string();
        assert_eq!(line, "line 3, column Timecode: time goes back: \"take.csv\"");
        let line = parsed(&rows(&["10:00:00:05.000", "11:00:00:04.000"])).err().unwrap().to_string();
        assert!(line.contains("line 3, column Timecode: 3600 s after the frame before"), "{line}");
        let line = parsed(&rows(&["10:00:00:61.000"])).err().unwrap().to_string();
        assert!(line.contains("frame 61 of 60 frames a second"), "{line}");
    }

    #[test]
    fn lost_frames_are_counted_and_bridged() {
        let mut lines: Vec<String> = take(9).lines().map(String::from).collect();
        lines[3] = "14:24:08:35.643,0".into();
        let take = parsed(&lines.join("\n")).unwrap();
        assert_eq!((take.frames.len(), take.lost), (8, 1));
        let even = take.resampled(60.0);
        assert_eq!(even.len(), 9);
        assert!((even[2].head.yaw - 0.02).abs() < 1e-5, "the gap is interpolated: {}", even[2].head.yaw);
    }

    #[test]
    fn a_frame_without_a_face_is_written_as_the_app_does() {
        let mut text = header();
        let frame = Frame::of_expression([0.25; 52]);
        add_line(&mut text, 0.0, Some(&frame));
        add_line(&mut text, 1.0 / 30.0, None);
        add_line(&mut text, 2.0 / 30.0, Some(&frame));
        let cells: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(cells, [63; 4], "every line has every cell");
        let take = parsed(&text).unwrap();
        assert_eq!((take.frames.len(), take.lost), (2, 1));
        assert!((take.seconds[1] - 2.0 / 30.0).abs() < 1e-4);
    }

    #[test]
    fn what_is_written_is_read_again() {
        for fps in [12.5f32, 23.976, 25.0, 30.0, 60.0] {
            let original = parsed(&take(90)).unwrap().resampled(fps);
            let take = parsed(&to_csv(&original, fps)).unwrap();
            let back = take.resampled(fps);
            assert_eq!(back.len(), original.len(), "{fps} frames a second");
            for (a, b) in original.iter().zip(&back) {
                let off = a.channels().iter().zip(b.channels()).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
                // Timecodes are rounded to 1/60000 s, and an eye closes within 1/60 s.
                assert!(off < 2e-3, "{fps} frames a second: {off}");
            }
        }
        let header = to_csv(&[], 30.0);
        assert!(header.starts_with("Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,"));
        assert!(header.ends_with(",TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll\n"));
    }

    #[test]
    fn eyes_without_angles_follow_the_units() {
        let text = take(3);
        let cut = |line: &str| line.split(',').take(2 + 52 + 3).collect::<Vec<_>>().join(",");
        let mut lines: Vec<String> = text.lines().map(cut).collect();
        let outward = 2 + COLUMNS.iter().position(|c| *c == "EyeLookOutLeft").unwrap();
        let mut cells: Vec<&str> = lines[1].split(',').collect();
        cells[outward] = "0.5";
        lines[1] = cells.join(",");
        let take = parsed(&lines.join("\n")).unwrap();
        assert!((take.frames[0].eyes[0].yaw - 0.5 * head::rig::LOOK_SIDE_RAD).abs() < 1e-5);
        assert_eq!(take.frames[1].eyes[0], Angles::default());
    }

    #[test]
    fn a_damaged_file_is_one_clear_line() {
        let text = take(3);
        let line = |text: &str| {
            let err = parsed(text).err().expect("an error");
            assert_eq!(crate::exit::code_of(&err), 65);
            err.to_string()
        };
        assert!(line("").starts_with("line 1: the file is empty"));
        assert_eq!(line(text.lines().next().unwrap()), "line 2: no frames after the columns: \"take.csv\"");
        assert!(line("a,b\n1,2\n").contains("line 1: column Timecode is missing"));
        assert!(line(&text.replace("JawOpen", "JawOpenness")).contains("line 1: column JawOpen is missing"));
        assert!(line(&text.replace("HeadPitch", "Nod")).contains("line 1: column HeadPitch is missing"));
        assert!(line(&text.replace("JawLeft", "JawRight")).contains("line 1: column JawRight is there twice"));
        let wrong = text.replacen("0.2500000000", "wide", 1);
        assert_eq!(line(&wrong), "line 2, column JawOpen: expected a weight from 0 to 1, got \"wide\": \"take.csv\"");
        assert!(line(&text.replacen("0.2500000000", "nan", 1)).contains("line 2, column JawOpen"));
        let degrees = text.replacen("0.0100000000", "12.5", 1);
        assert!(line(&degrees).contains("line 3, column HeadYaw: expected radians, got \"12.5\""));
        let short = text.trim_end().rsplit_once(',').unwrap().0;
        assert!(line(short).contains("line 4, column RightEyeRoll: no value, for the line has 62 of 63 cells"));
        assert!(
            line(&text.replacen("14:24:08", "14:24", 1)).contains("line 2, column Timecode: expected HH:MM:SS:FF.mmm")
        );
    }
}
