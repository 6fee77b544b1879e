//! `shards report` and `shards stat` on 100,000 rows: 98 shards of small pictures with everything that a report counts.
use crate::process::{Of, peak_mib_of, processor_secs};
use crate::table::{Table, Threshold};
use formats::{Error, Existing, FrameRow, IdentityRow, Provenance, ShardName, image};
use glam::Vec3;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROWS: usize = 100_000;
/// Rows of a shard.
const SHARD: usize = 1024;
/// Rows of a person.
const EACH: usize = 50;
/// Pixels a side.
const SIZE: usize = 32;

/// Fills the table. The tool is the one beside this program: `cargo build --release -p formats --bin shards`.
pub fn measure(folder: &Path, table: &mut Table) -> Result<(), Box<dyn std::error::Error>> {
    write_dataset(folder)?;
    let (data, page) = (folder.display().to_string(), folder.join("report.html"));
    let report = run(&["report", &data, "--out", &page.display().to_string(), "--quiet"])?;
    table.push("report on 100,000 rows", report.secs, "s", None);
    table.push("report: processor time", report.cpu_secs, "s", None);
    let over = report.cpu_secs * 1e3 / crate::calibration::loop_ms();
    table.push("report: processor time over 16 million multiply-adds", over, "x", Threshold::most(1500.0));
    table.push("report: peak memory", report.peak_mib, "MiB", Threshold::most(500.0));
    table.push("report: the page", std::fs::metadata(&page)?.len() as f64 / 1e6, "MB", None);
    let stat = run(&["stat", &data, "--where", "age > 60 and split = 'train'", "--quiet"])?;
    table.push("stat of 100,000 rows with a condition", stat.secs, "s", None);
    Ok(())
}

struct Cost {
    secs: f64,
    cpu_secs: f64,
    peak_mib: f64,
}

/// Runs `shards` beside this example's folder.
fn run(args: &[&str]) -> Result<Cost, Box<dyn std::error::Error>> {
    let own = std::env::current_exe()?;
    let tool: PathBuf = own.ancestors().nth(2).ok_or("examples lie in target/PROFILE/examples")?.join("shards");
    let (before, clock) = (processor_secs(Of::Children), Instant::now());
    let mut child =
        Command::new(&tool).args(args).stdout(Stdio::null()).spawn().map_err(|e| format!("{e}: {tool:?}"))?;
    let mut peak_mib = f64::NAN;
    let status = loop {
        let now = peak_mib_of(child.id());
        peak_mib = if now.is_nan() { peak_mib } else { now };
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    };
    if !status.success() {
        return Err(format!("shards {}: {status}", args[0]).into());
    }
    Ok(Cost { secs: clock.elapsed().as_secs_f64(), cpu_secs: processor_secs(Of::Children) - before, peak_mib })
}

fn write_dataset(folder: &Path) -> Result<(), Error> {
    let plan = Provenance::new("datagen", "0.1.0", "rows = 100000\n", 1);
    let people = ROWS.div_ceil(EACH);
    let path = folder.join("identities").join(ShardName::new("part", 0, 1).file_name());
    formats::write_identities(&path, (0..people).map(|i| Ok::<_, Error>(person(i))), &plan, Existing::Replace)?;
    let shards = ROWS.div_ceil(SHARD);
    for shard in 0..shards {
        let name = ShardName::new("train", shard as u32, shards as u32);
        let of_shard = (shard * SHARD..((shard + 1) * SHARD).min(ROWS)).map(|i| Ok::<_, Error>(frame(i)));
        formats::write_frames(&folder.join("frames").join(name.file_name()), of_shard, &plan, Existing::Replace)?;
    }
    Ok(())
}

fn person(i: usize) -> IdentityRow {
    IdentityRow {
        identity_id: i as u32,
        split: "train".into(),
        age: (i * 37 % 80) as f32 + 5.0,
        sex: (i % 10) as f32 / 9.0,
        ancestry: [0.2, 0.3, 0.5],
        skin_tone: ["I", "II", "III", "IV", "V", "VI"][i % 6].into(),
        hair_style: ["short", "long", "bald"][i % 3].into(),
        parameters: r#"{"eyes":{"color":"brown"},"beard":{"style":"none"}}"#.into(),
        shape: vec![0.1; 100],
        ..IdentityRow::default()
    }
}

fn frame(i: usize) -> FrameRow {
    let noise = |k: usize| ((i * 7919 + k * 104_729) % 251) as f32 / 251.0;
    let place = Vec3::new(noise(1) * 2.0 - 1.0, noise(2) - 0.5, 0.6 + noise(3));
    let camera = splat::Camera::look_at(place, Vec3::ZERO, Vec3::Y, 60.0, SIZE, SIZE);
    let rgb: Vec<u8> = (0..SIZE * SIZE * 3).map(|k| ((k * 31 + i * 17) % 256) as u8).collect();
    let mask: Vec<u8> = (0..SIZE * SIZE).map(|k| u8::from(k % SIZE > 8)).collect();
    let mut row = FrameRow {
        frame_id: i as u64,
        identity_id: (i / EACH) as u32,
        expression_id: (i % EACH) as u32,
        light_id: (i % 512) as u32,
        split: "train".into(),
        image: image::png_from_rgb8(SIZE, SIZE, &rgb).expect("a picture"),
        segmentation: Some(image::png_from_gray8(SIZE, SIZE, &mask).expect("a mask")),
        landmarks_2d: (0..300).map(|k| [noise(k), noise(k + 1)]).collect(),
        landmarks_3d: (0..300).map(|k| [noise(k), noise(k + 1), noise(k + 2)]).collect(),
        landmark_visible: vec![1.0; 300],
        light: format!(r#"{{"kind":"{}","seed":{}}}"#, ["sky", "studio", "indoor"][i % 3], i % 512),
        ..FrameRow::default()
    };
    row.expression = std::array::from_fn(|k| (noise(k) - 0.8).max(0.0));
    row.set_camera(&camera);
    row
}
