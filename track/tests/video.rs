//! Videos as a user has them: folders of numbered frames, and files through an `ffmpeg` that the tests write themselves.
//! The shipped weights on a real photo that moves; the analytic head.
use formats::dataset::Dataset;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Frames of the video: enough for three chunks of eight.
const FRAMES: usize = 24;
/// Frames that show a wall.
const WITHOUT_FACE: [usize; 2] = [10, 11];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn temp(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("track-video-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    head::analytic::head().save(&folder.join("head.safetensors")).unwrap();
    folder
}

/// A face of some 90 px that moves two pixels a frame, and nothing but a wall for two frames.
fn frames() -> Vec<image::RgbImage> {
    let path = root().join("third_party/photos/astronaut.png");
    let photo = image::open(&path).unwrap_or_else(|e| panic!("{e}: {path:?} (make setup fetches it)")).into_rgb8();
    let frame = |i: usize| match WITHOUT_FACE.contains(&i) {
        true => {
            image::RgbImage::from_fn(256, 256, |x, y| image::Rgb([90, 100 + (x / 8 % 2) as u8, 110 + (y / 64) as u8]))
        }
        false => image::imageops::crop_imm(&photo, 80 + 2 * i as u32, 10 + i as u32 / 2, 256, 256).to_image(),
    };
    (0..FRAMES).map(frame).collect()
}

/// The frames as `take_N.png`, numbered from 1 without leading zeros.
fn numbered(folder: &Path) -> PathBuf {
    let talk = folder.join("talk");
    std::fs::create_dir(&talk).unwrap();
    for (i, frame) in frames().iter().enumerate() {
        frame.save(talk.join(format!("take_{}.png", i + 1))).unwrap();
    }
    talk
}

/// `track fit --video`, small and with three chunks; `path` goes before `PATH`.
fn fit(folder: &Path, video: &Path, out: &str, extra: &[&str], path: Option<&str>) -> Output {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let (head, out) = (text(folder.join("head.safetensors")), text(folder.join(out)));
    let video = text(video.into());
    let fixed = ["fit", "--video", &video, "--head", &head, "--out", &out, "--size", "96", "--threads", "1", "--json"];
    let small = ["--set", "video.candidates=6", "--set", "video.person_frames=3", "--set", "video.chunk=8"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_track"));
    command.current_dir(root()).args(fixed).args(small).args(extra);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command.output().expect("the tool starts")
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The event that closes a run.
fn report(output: &Output) -> serde_json::Value {
    assert_eq!(output.status.code(), Some(0), "{}", words(output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains("\"event\":\"video\"")).unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(line).unwrap()
}

/// Exit code and the one line on stderr.
fn refusal(output: &Output) -> (i32, String) {
    let text = words(output);
    let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("track:")).collect();
    assert_eq!(lines.len(), 1, "one line, got: {text}");
    (output.status.code().unwrap(), lines[0].to_string())
}

#[test]
fn a_folder_of_frames_is_tracked_with_gaps_and_as_a_recording() {
    let folder = temp("folder");
    let talk = numbered(&folder);
    let csv = folder.join("take.csv").to_string_lossy().into_owned();
    let extra = ["--no-matte", "--fps", "25", "--csv", &csv];
    let report = report(&fit(&folder, &talk, "out", &extra, None));
    assert_eq!((&report["frames"], &report["without_face"], &report["gaps"]), (&24.into(), &2.into(), &1.into()));
    let data = Dataset::open(&folder.join("out")).unwrap();
    let rows = data.all_labels();
    assert_eq!((rows.len(), data.shards().len(), data.identities().len()), (22, 3, 1));
    let ids: Vec<usize> = rows.iter().map(|row| row.frame_id as usize).collect();
    let expected: Vec<usize> = (0..FRAMES).filter(|i| !WITHOUT_FACE.contains(i)).collect();
    assert_eq!(ids, expected, "frames are in order of their numbers");
    assert!(rows.iter().all(|row| (row.frame_time.unwrap() - row.frame_id as f64 / 25.0).abs() < 1e-9));
    assert!(rows.iter().all(|row| row.shape == rows[0].shape), "one person");
    let first = data.frame(0).unwrap();
    assert_eq!(formats::image::extension_of(&first.image), "jpg");
    assert!(first.alpha.is_none() && first.valid.is_some() && first.gaze[0][2] > 0.0);
    // The photo only moves: expression and turn of the head stay what they are, but for what the crop does.
    let spread = |of: &dyn Fn(&formats::FrameRow) -> f32| {
        let values: Vec<f32> = rows.iter().map(of).collect();
        values.iter().fold(f32::MIN, |m, v| m.max(*v)) - values.iter().fold(f32::MAX, |m, v| m.min(*v))
    };
    let yaw = spread(&|row| formats::motion::Frame::of_row(row).head.yaw);
    assert!(yaw < 0.25, "the head turns by {yaw} rad though it does not");
    let take = formats::live_link::read(Path::new(&csv), None).unwrap();
    assert_eq!((take.frames.len(), take.lost), (22, 2));
    assert!((take.seconds[21] - 23.0 / 25.0).abs() < 1e-3, "{:?}", take.seconds);
    for (frame, row) in take.frames.iter().zip(rows) {
        assert!(frame.expression.iter().zip(row.expression).all(|(a, b)| (a - b).abs() < 1e-5));
    }
    assert!(folder.join("out/manifest.parquet").is_file() && !folder.join("out/unfinished").exists());
    let overlays = std::fs::read_dir(folder.join("out/overlay")).unwrap().count();
    assert!((1..=3).contains(&overlays), "an overlay of each frame that the person was fitted to: {overlays}");

    let again = fit(&folder, &talk, "out", &extra, None);
    assert!(self::report(&again)["frames_per_s"].is_null(), "nothing is done twice");
    let (code, line) = refusal(&fit(&folder, &talk, "out", &["--every", "2"], None));
    assert_eq!(code, 73);
    assert!(line.contains("holds another dataset"), "{line}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_run_that_ended_early_resumes_and_ends_the_same() {
    let folder = temp("resume");
    let talk = numbered(&folder);
    let extra = ["--no-matte"];
    report(&fit(&folder, &talk, "whole", &extra, None));
    // Frame 17 is no candidate: those are every fourth.
    let broken = talk.join("take_18.png");
    let sound = std::fs::read(&broken).unwrap();
    std::fs::write(&broken, vec![7; sound.len()]).unwrap();
    let (code, line) = refusal(&fit(&folder, &talk, "parts", &extra, None));
    assert_eq!(code, 65);
    assert!(line.contains("take_18.png"), "{line}");
    assert!(!folder.join("parts/manifest.parquet").exists() && folder.join("parts/unfinished/record.json").is_file());
    std::fs::write(&broken, sound).unwrap();
    let resumed = fit(&folder, &talk, "parts", &extra, None);
    assert_eq!(report(&resumed)["frames"], 24);
    let [whole, parts] = ["whole", "parts"].map(|name| Dataset::open(&folder.join(name)).unwrap());
    assert_eq!(whole.len(), parts.len());
    for (a, b) in whole.all_labels().iter().zip(parts.all_labels()) {
        assert_eq!((a.frame_id, a.frame_time), (b.frame_id, b.frame_time));
        // The record keeps 17 digits, the last of which may be rounded.
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart(&a.expression, &b.expression) < 1e-4, "frame {}", a.frame_id);
        let [a, b] = [a, b].map(|row| row.camera_from_world);
        assert!(apart(a.as_flattened(), b.as_flattened()) < 1e-4);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// A program that behaves as `ffmpeg` does for this tool; `body` is what it does once it knows `$first` and `$every`.
fn fake(folder: &Path, name: &str, body: &str) -> String {
    let (bin, raw) = (folder.join(name), folder.join("raw"));
    std::fs::create_dir_all(&bin).unwrap();
    if !raw.exists() {
        std::fs::create_dir(&raw).unwrap();
        for (i, frame) in frames().iter().enumerate() {
            let ppm = [b"P6\n256 256\n255\n".as_slice(), frame.as_raw()].concat();
            std::fs::write(raw.join(format!("{i:02}.ppm")), ppm).unwrap();
        }
    }
    let script = format!(
        r#"#!/bin/sh
echo "$*" >> {bin:?}/asked
case "$*" in
*-vf*) ;;
*)  echo "  Duration: 00:00:00.80, start: 0.000000, bitrate: 46 kb/s" >&2
    echo "  Stream #0:0(und): Video: h264 (High), yuv420p, 256x256, 46 kb/s, 30 fps, 30 tbr, 15360 tbn" >&2
    exit 1 ;;
esac
first=$(echo "$*" | sed 's/.*gte(n\\,\([0-9]*\)).*/\1/')
every=$(echo "$*" | sed 's/.*mod(n\\,\([0-9]*\)).*/\1/')
cd {raw:?}
{body}
"#
    );
    let program = bin.join("ffmpeg");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

/// Frames at an uneven rate: `n / 30`, every third one 4 ms late.
const UNEVEN: &str = r#"n=0
for frame in *.ppm; do
    if [ $n -ge $first ] && [ $((n % every)) -eq 0 ]; then
        time=$(awk "BEGIN { print $n / 30 + ($n % 3 == 2) * 0.004 }")
        echo "[Parsed_showinfo_1 @ 0x1] [info] n: 0 pts: 0 pts_time:$time duration: 1 fmt:rgb24 s:512x512 i:P" >&2
        echo "[Parsed_showinfo_1 @ 0x1] [info] color_range:tv color_space:bt709" >&2
        cat $frame
    fi
    n=$((n + 1))
done"#;

#[test]
fn a_file_is_decoded_by_the_program_with_its_own_times() {
    let folder = temp("program");
    let path = fake(&folder, "bin", UNEVEN);
    let video = folder.join("talk.mov");
    std::fs::write(&video, b"the fake does not look").unwrap();
    let extra = ["--no-matte", "--every", "2", "--from", "1.5", "--to", "2.25"];
    let report = report(&fit(&folder, &video, "out", &extra, Some(&path)));
    assert_eq!((&report["frames"], &report["without_face"]), (&12.into(), &1.into()));
    let data = Dataset::open(&folder.join("out")).unwrap();
    for row in data.all_labels() {
        let n = 2 * row.frame_id;
        let expected = 1.5 + n as f64 / 30.0 + if n % 3 == 2 { 0.004 } else { 0.0 };
        assert!((row.frame_time.unwrap() - expected).abs() < 1e-4, "frame {n}: {:?}", row.frame_time);
    }
    let asked = std::fs::read_to_string(folder.join("bin/asked")).unwrap();
    let last = asked.lines().last().unwrap();
    assert!(last.contains("-ss 1.5 -t 0.75 -i ") && last.contains("-map 0:v:0 -an") && !last.contains("noautorotate"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn every_fault_of_a_video_is_one_line() {
    let folder = temp("faults");
    let video = folder.join("talk.mp4");
    std::fs::write(&video, b"not a video").unwrap();
    let complain = |words: &str| format!("echo '{words}' >&2; exit 183");
    let walls =
        "for n in 10 11; do cat $n.ppm; echo '[Parsed_showinfo_1 @ 0x1] [info] pts_time:0.1 s:256x256' >&2; done";
    let faults = [
        ("corrupt", complain("[in#0 @ 0x1] [error] moov atom not found"), "moov atom not found"),
        ("audio", complain("[fatal] Stream map matches no streams."), "no video stream"),
        ("empty", "exit 0".into(), "no frames"),
        ("cut", "head -c 1000 00.ppm".into(), "cut short"),
        ("wall", walls.into(), "no face in 2 frames"),
    ];
    for (name, body, words) in faults {
        let path = fake(&folder, name, &body);
        let (code, line) = refusal(&fit(&folder, &video, "out", &[], Some(&path)));
        assert_eq!(code, 65, "{name}: {line}");
        assert!(line.contains(words) && line.contains("talk.mp4"), "{name}: {line}");
    }
    let (code, line) = refusal(&fit(&folder, &video, "out", &[], Some("/nonexistent")));
    assert_eq!(code, 66, "{line}");
    assert!(line.contains("ffmpeg is not installed") && line.contains("apt install ffmpeg"), "{line}");
    let (code, line) = refusal(&fit(&folder, &folder.join("none.mp4"), "out", &[], None));
    assert!(code == 66 && line.contains("no video here"), "{line}");
    let empty = folder.join("empty-folder");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(refusal(&fit(&folder, &empty, "out", &[], None)).0, 66);
    for wrong in [["--from", "-1"], ["--to", "0"], ["--fps", "0"]] {
        let argument = format!("{}={}", wrong[0], wrong[1]);
        assert_eq!(refusal(&fit(&folder, &empty, "out", &[&argument], None)).0, 2, "{argument}");
    }
    assert_eq!(fit(&folder, &empty, "out", &["--every", "0"], None).status.code(), Some(2));
    assert!(!folder.join("out").exists(), "nothing was written");
    std::fs::remove_dir_all(folder).unwrap();
}
