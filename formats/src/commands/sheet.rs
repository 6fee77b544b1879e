//! `shards sheet`: a contact sheet, with landmarks and classes drawn on the images.
use formats::exit::{ExitCode, Failure};
use formats::frame::SEGMENTATION;
use formats::image::{self, Picture, linear_from_srgb};
use formats::progress::{Progress, Talk};
use formats::{Error, FrameRow, Part, Shard, dataset, order, publish};
use serde_json::json;
use std::path::{Path, PathBuf};

/// How cells look.
#[derive(Clone, Copy)]
pub struct Look {
    /// Side in pixels.
    pub cell: usize,
    /// Draw the landmarks?
    pub landmarks: bool,
    /// Tint the classes?
    pub masks: bool,
}

/// Pixels between cells.
const GAP: usize = 4;
/// Behind and between the cells, sRGB.
const BACKGROUND: [u8; 3] = [38, 38, 42];

/// Draws `n` frames drawn by lot with `seed`, in their order in the dataset.
pub fn run(path: &Path, out: &Path, n: usize, seed: u64, look: Look, talk: Talk) -> anyhow::Result<ExitCode> {
    let files = dataset::frame_files(path)?;
    let chosen = draw_lots(&files, n, seed)?;
    let columns = chosen.len().isqrt() + usize::from(chosen.len().isqrt().pow(2) < chosen.len());
    let rows = chosen.len().div_ceil(columns.max(1));
    let mut sheet = Sheet::new(columns.max(1), rows.max(1), look.cell);
    let progress = Progress::new("sheet", chosen.len() as u64, "frames", talk);
    let (mut missing_masks, mut missing_landmarks) = (true, true);
    for (k, (file, row)) in chosen.iter().enumerate() {
        let frame: FrameRow = Shard::open(file)?.read_row(*row, Part::All)?;
        missing_masks &= frame.segmentation.is_none();
        missing_landmarks &= frame.landmarks_2d.is_empty();
        sheet.put(k % columns, k / columns, &cell_of(&frame, look)?);
        progress.add(1);
    }
    drop(progress);
    for (flag, asked, missing) in
        [("--masks", look.masks, missing_masks), ("--landmarks", look.landmarks, missing_landmarks)]
    {
        if asked && missing {
            return Err(Failure::bad_data(format!("{flag}: none of these frames has any: {path:?}")).into());
        }
    }
    let png = image::png_from_rgb8(sheet.width, sheet.height, &sheet.rgb)?;
    publish::write_atomically(out, &png)?;
    talk.say(&format!("{} frames on {}x{} pixels: {}", chosen.len(), sheet.width, sheet.height, out.display()));
    talk.event("sheet", json!({"path": out, "frames": chosen.len(), "width": sheet.width, "height": sheet.height}));
    Ok(ExitCode::Done)
}

/// (shard, row in it) of `n` rows, in the order of the dataset.
fn draw_lots(files: &[PathBuf], n: usize, seed: u64) -> Result<Vec<(&PathBuf, usize)>, Error> {
    let mut first_row = 0;
    let mut shards = Vec::new();
    for file in files {
        shards.push((first_row, file));
        first_row += Shard::open(file)?.rows();
    }
    let place = |row: usize| {
        let (first, file) = shards[shards.partition_point(|(first, _)| *first <= row) - 1];
        (file, row - first)
    };
    Ok(order::drawn(first_row, n, seed).into_iter().map(place).collect())
}

/// The image of a frame in linear light, scaled to fit a cell, with what `look` asks for drawn on it.
fn cell_of(frame: &FrameRow, look: Look) -> anyhow::Result<Picture> {
    let decoded = image::rgb8_from_encoded(&frame.image)?;
    let mut picture = Picture::linear_from_rgb8(&decoded);
    if let Some(classes) = frame.segmentation.as_ref().filter(|_| look.masks) {
        tint(&mut picture, &image::gray8_from_png(classes)?);
    }
    let scale = look.cell as f32 / decoded.width.max(decoded.height) as f32;
    let side = |pixels: usize| ((pixels as f32 * scale).round() as usize).clamp(1, look.cell);
    let mut small = picture.resized(side(decoded.width), side(decoded.height));
    if look.landmarks {
        for (i, [x, y]) in frame.landmarks_2d.iter().enumerate() {
            let seen = frame.landmark_visible.get(i).copied().unwrap_or(1.0).clamp(0.0, 1.0);
            // The dense ones, several hundred, must not hide the face.
            let radius = if i < 68 { 1.0 } else { 0.35 } * look.cell as f32 / 160.0;
            dot(&mut small, x * scale, y * scale, [1.0 - seen, 0.1 + 0.9 * seen, 0.1], radius);
        }
    }
    Ok(small)
}

/// Mixes the colour of its class into each pixel; the background stays.
fn tint(picture: &mut Picture, classes: &image::Decoded<u8>) {
    if (classes.width, classes.height) != (picture.width, picture.height) {
        return;
    }
    for (pixel, &class) in picture.data.chunks_exact_mut(3).zip(&classes.data) {
        if class > 0 {
            let color = class_color(class);
            for k in 0..3 {
                pixel[k] = 0.45 * pixel[k] + 0.55 * color[k];
            }
        }
    }
}

/// Linear RGB of a class: hues far apart for neighbouring ids.
fn class_color(class: u8) -> [f32; 3] {
    let hue = f32::from(class) * 0.618_034 % 1.0 * 6.0;
    let value = if usize::from(class) < SEGMENTATION.len() { 0.9 } else { 0.3 };
    [0.0, 4.0, 2.0].map(|offset| {
        let distance = ((hue + offset) % 6.0 - 3.0).abs() - 1.0;
        linear_from_srgb(value * (0.25 + 0.75 * distance.clamp(0.0, 1.0)))
    })
}

/// A soft dot of about `radius` pixels at a pixel position.
fn dot(picture: &mut Picture, x: f32, y: f32, color: [f32; 3], radius: f32) {
    if !(x.is_finite() && y.is_finite()) {
        return;
    }
    let reach = radius + 1.0;
    let range = |centre: f32, size: usize| {
        (centre - reach).max(0.0) as usize..((centre + reach).max(0.0) as usize + 1).min(size)
    };
    for row in range(y, picture.height) {
        for column in range(x, picture.width) {
            let distance = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
            let cover = (radius + 0.5 - distance).clamp(0.0, 1.0);
            let at = (row * picture.width + column) * 3;
            for k in 0..3 {
                picture.data[at + k] += cover * (color[k] - picture.data[at + k]);
            }
        }
    }
}

struct Sheet {
    width: usize,
    height: usize,
    cell: usize,
    rgb: Vec<u8>,
}

impl Sheet {
    fn new(columns: usize, rows: usize, cell: usize) -> Self {
        let (width, height) = (GAP + columns * (cell + GAP), GAP + rows * (cell + GAP));
        Sheet { width, height, cell, rgb: BACKGROUND.repeat(width * height) }
    }

    /// Puts a picture into the middle of a cell.
    fn put(&mut self, column: usize, row: usize, picture: &Picture) {
        let left = GAP + column * (self.cell + GAP) + (self.cell - picture.width) / 2;
        let top = GAP + row * (self.cell + GAP) + (self.cell - picture.height) / 2;
        for (y, line) in picture.srgb8().chunks_exact(picture.width * 3).enumerate() {
            let at = ((top + y) * self.width + left) * 3;
            self.rgb[at..at + line.len()].copy_from_slice(line);
        }
    }
}
