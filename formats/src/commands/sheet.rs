//! `shards sheet`: a contact sheet, with landmarks, classes and maps drawn.
pub mod cell;
pub mod grid;

use cell::Draw;
use formats::exit::{ExitCode, Failure};
use formats::frame::FrameRow;
use formats::progress::{Progress, Talk};
use formats::{Part, Scan, Shard, image, publish};
use grid::Grid;
use serde_json::json;
use std::path::Path;

/// What is drawn, and how.
pub struct Look {
    /// Side of a picture in pixels.
    pub cell: usize,
    /// Layers on and beside the image.
    pub draw: Vec<Draw>,
    /// Write identity, expression, camera and light under each frame?
    pub captions: bool,
}

/// Draws `n` of the frames that match `condition`, sampled at random by `seed`, in their order in the dataset.
pub fn run(
    path: &Path,
    condition: Option<&str>,
    out: &Path,
    n: usize,
    seed: u64,
    look: &Look,
    talk: Talk,
) -> anyhow::Result<ExitCode> {
    let scan = Scan::open(path, condition)?;
    let chosen = scan.draw_lots(n, seed)?;
    if chosen.is_empty() {
        return Err(Failure::bad_data(format!("no frame to draw: {path:?}")).into());
    }
    let progress = Progress::new("sheet", chosen.len() as u64, "frames", talk);
    let mut missing = look.draw.clone();
    let mut cells = Vec::with_capacity(chosen.len());
    for &(file, row) in &chosen {
        let frame: FrameRow = Shard::open(&scan.files()[file])?.read_row(row, Part::All)?;
        missing.retain(|layer| !layer.is_in(&frame));
        cells.push(cell::of_frame(&frame, look)?);
        progress.add(1);
    }
    drop(progress);
    if let Some(layer) = missing.first() {
        return Err(Failure::bad_data(format!("--draw {layer}: none of these frames has it: {path:?}")).into());
    }
    let sheet = Grid::fitting(&cells).drawn(&cells);
    publish::write_atomically(out, &image::png_from_rgb8(sheet.width, sheet.height, &sheet.data)?)?;
    let (width, height, frames) = (sheet.width, sheet.height, chosen.len());
    talk.say(&format!("{frames} frames on {width}x{height} pixels: {}", out.display()));
    talk.event("sheet", json!({"path": out, "frames": frames, "width": width, "height": height}));
    Ok(ExitCode::Done)
}
