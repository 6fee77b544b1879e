//! Training of the small video model: stopped and gone on with, it ends in the same bytes; what it writes can be used.
use formats::progress::Talk;
use formats::{Dataset, Existing, FrameRow, FrameWriter, Provenance, image};
use nets::training::trainer::TrainConfig;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor};
use zero1a::video::small::SmallConfig;
use zero1a::video::train::{VideoTrainConfig, train, vae_path};
use zero1a::video::{ChainConfig, Condition, invert, noise, open, sample};

const SIDE: usize = 32;

/// Torch has one generator a process: tests that draw weights from it take turns.
static GENERATOR: Mutex<()> = Mutex::new(());

/// People of one colour each, whose faces are circles of landmarks that move from frame to frame.
fn dataset(folder: &Path) -> Dataset {
    for (split, people) in [("train", 0..3u32), ("val", 3..4)] {
        let path = folder.join(format!("frames/{split}-00000-of-00001.parquet"));
        let plan = Provenance::new("test", "0", "", 1);
        let mut writer = FrameWriter::create(&path, &plan, Existing::Keep).unwrap();
        for (identity_id, k) in people.flat_map(|p| (0..4u32).map(move |k| (p, k))) {
            writer.push(frame(split, identity_id, k)).unwrap();
        }
        writer.finish().unwrap();
    }
    Dataset::open(folder).unwrap()
}

fn frame(split: &str, identity_id: u32, k: u32) -> FrameRow {
    let (x0, tone) = (10.0 + 3.0 * k as f32, 60 * identity_id as usize + 30);
    let pixel = |i: usize| {
        let (x, y) = ((i % SIDE) as f32, (i / SIDE) as f32);
        if (x - x0).hypot(y - 16.0) < 8.0 { [tone as u8, 120, 200] } else { [255; 3] }
    };
    let rgb: Vec<u8> = (0..SIDE * SIDE).flat_map(pixel).collect();
    let point = |i: usize| {
        let at = i as f32 * std::f32::consts::TAU / 68.0;
        [x0 + 8.0 * at.cos(), 16.0 + 8.0 * at.sin()]
    };
    FrameRow {
        frame_id: u64::from(identity_id * 4 + k),
        identity_id,
        camera_id: k,
        split: split.into(),
        width: SIDE as u32,
        height: SIDE as u32,
        image: image::png_from_rgb8(SIDE, SIDE, &rgb).unwrap(),
        landmarks_2d: (0..68).map(point).collect(),
        ..FrameRow::default()
    }
}

fn config(steps: u64) -> VideoTrainConfig {
    let part = |steps| TrainConfig {
        steps,
        batch: 2,
        warmup: 2,
        cache_images: 100,
        device: "cpu".into(),
        ..Default::default()
    };
    VideoTrainConfig {
        model: SmallConfig {
            size: SIDE as i64,
            vae_widths: vec![8, 8],
            widths: vec![8, 16],
            head_width: 8,
            ..Default::default()
        },
        frames: 2,
        perceptual: "none".into(),
        vae: part(4),
        unet: part(steps),
    }
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("effigy-train-video-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

#[test]
fn a_stopped_training_goes_on_bit_for_bit() {
    let _turn = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::set_num_threads(1);
    let folder = folder("resume");
    let data = [dataset(&folder.join("data"))];
    let (whole, halved) = (folder.join("whole.safetensors"), folder.join("halved.safetensors"));
    train(&data, &config(6), None, &whole, Talk::Quiet).unwrap();

    // Stopped by the clock before the first step, of the VAE and then of the U-Net; then let run.
    let mut short = config(6);
    short.vae.minutes = 1e-9;
    assert!(!train(&data, &short, None, &halved, Talk::Quiet).unwrap().finished);
    let mut short = config(6);
    short.unet.minutes = 5e-4;
    let stopped = train(&data, &short, None, &halved, Talk::Quiet).unwrap();
    assert!(stopped.steps < 6 || stopped.finished);
    let done = train(&data, &config(6), None, &halved, Talk::Quiet).unwrap();
    assert!(done.finished && done.steps == 6);
    let same = |a: &Path, b: &Path| std::fs::read(a).unwrap() == std::fs::read(b).unwrap();
    assert!(same(&vae_path(&whole), &vae_path(&halved)), "the VAEs differ");
    assert!(same(&whole, &halved), "the U-Nets differ");

    let other = SmallConfig { widths: vec![8, 8], ..config(6).model };
    let error = train(&data, &VideoTrainConfig { model: other, ..config(6) }, None, &whole, Talk::Quiet).unwrap_err();
    assert!(error.to_string().contains("another configuration"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_trained_can_be_opened_and_inverts() {
    let _turn = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = folder("use");
    let out = folder.join("video.safetensors");
    train(&[dataset(&folder.join("data"))], &config(3), None, &out, Talk::Quiet).unwrap();
    let model = open(&out, Device::Cpu).unwrap();
    let rand = |size: &[i64]| Tensor::rand(size, (Kind::Float, Device::Cpu));
    let side = model.size();
    let condition = Condition {
        reference: rand(&[3, side, side]),
        reference_map: rand(&[3, side, side]),
        maps: rand(&[2, 3, side, side]),
        moved: rand(&[2, 3, side, side]),
    };
    let chain = ChainConfig { steps: 10, guidance: Some(1.0), refinements: 4, ..ChainConfig::WHOLE };
    let clean = noise(model.as_ref(), 2, 9, Device::Cpu);
    let up = invert(model.as_ref(), &clean, &condition, &chain).unwrap();
    let back = sample(model.as_ref(), &up, &condition, &chain).unwrap();
    let off = (back - &clean).abs().max().double_value(&[]);
    assert!(off < 1e-2, "up and down again: off by {off}");
    let error = open(&folder, Device::Cpu).err().unwrap();
    assert!(format!("{error:#}").contains("sd-vae-ft-mse/config.json"), "{error:#}");
    std::fs::remove_dir_all(folder).unwrap();
}
