//! Rows with incompressible images and the labels of a rendered frame.
use formats::{ClipRow, FrameRow};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Frame `id` of one identity, its image `bytes` random bytes.
pub fn frame(id: u64, bytes: usize) -> FrameRow {
    let mut rng = ChaCha8Rng::seed_from_u64(id);
    let mut image = vec![0; bytes];
    rng.fill_bytes(&mut image);
    let mut unit = || rng.next_u32() as f32 / u32::MAX as f32;
    FrameRow {
        frame_id: id,
        camera_id: id as u32,
        split: "train".into(),
        width: 512,
        height: 512,
        image,
        landmarks_2d: (0..70).map(|_| [512.0 * unit(), 512.0 * unit()]).collect(),
        landmarks_3d: (0..70).map(|_| [unit(), unit(), unit()]).collect(),
        landmark_visible: vec![1.0; 70],
        samples_per_pixel: 16,
        seed: id,
        light: "{\"kind\":\"studio\"}".into(),
        ..FrameRow::default()
    }
}

/// A clip of `frames` frames made in commit `commit`.
pub fn clip(clip_id: u32, frames: u32, commit: u64, bytes: usize) -> Vec<ClipRow> {
    let row = |i: u32| ClipRow {
        clip_id,
        frame_in_clip: i,
        made_by: "bench".into(),
        iteration: commit * 30,
        frame: frame(commit * 1_000_000 + u64::from(clip_id) * 1000 + u64::from(i), bytes),
    };
    (0..frames).map(row).collect()
}
