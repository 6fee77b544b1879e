//! Renders in memory, ready to be laid upon anything.
use crate::Error;
use crate::face::{Face, mirror_of};
use crate::picture::{Mips, Picture};
use anyhow::Context;
use formats::dataset::Dataset;
use rayon::prelude::*;

/// One rendered head.
pub struct Render {
    /// Colours freed of the plain background, coverage in the fourth channel.
    pub mips: Mips,
    /// The 68 landmarks (pixels of level 0).
    pub landmarks: Vec<[f32; 2]>,
    /// Where the face is (pixels of level 0).
    pub face: Face,
    /// Row of the dataset.
    pub row: usize,
    /// Whose head.
    pub identity_id: u32,
}

/// Landmarks the network knows: the iBUG points.
pub const LANDMARKS: usize = 68;

/// Reads the given rows of a dataset; pictures above `max_side` pixels are halved until they fit.
///
/// # Errors
/// If a row lacks coverage or landmarks, or a picture cannot be decoded.
pub fn load(data: &Dataset, rows: &[usize], max_side: usize) -> anyhow::Result<Vec<Render>> {
    rows.par_iter().map(|&row| read(data, row, max_side).with_context(|| format!("row {row}"))).collect()
}

fn read(data: &Dataset, row: usize, max_side: usize) -> anyhow::Result<Render> {
    let frame = data.frame_with(row, &["image", "alpha"])?;
    let lacks = |what: &str| Error::Data { what: format!("row {row} has no {what}"), path: data.path().into() };
    let alpha = frame.alpha.as_deref().ok_or_else(|| lacks("alpha map (render with maps.alpha = true)"))?;
    if frame.landmarks_2d.len() < LANDMARKS {
        return Err(lacks("68 landmarks").into());
    }
    let mut picture = Picture::decode(&frame.image, Some(alpha))?;
    free_of_background(&mut picture);
    let mut landmarks = frame.landmarks_2d[..LANDMARKS].to_vec();
    while picture.width.max(picture.height) > max_side {
        picture = picture.halved();
        landmarks.iter_mut().flatten().for_each(|v| *v *= 0.5);
    }
    let face = Face::from_landmarks(&landmarks);
    Ok(Render { mips: Mips::new(picture), landmarks, face, row, identity_id: frame.identity_id })
}

/// Takes the plain background's share out of half-covered pixels, `F = (C - (1-α)·B) / α`, so that no rim of the old
/// background tells the networks where a head was pasted. `B` is the mean of the uncovered pixels.
fn free_of_background(picture: &mut Picture) {
    let mut sum = [0.0f32; 3];
    let mut n = 0.0f32;
    for p in picture.rgba.chunks_exact(4).filter(|p| p[3] == 0) {
        (0..3).for_each(|c| sum[c] += p[c] as f32);
        n += 1.0;
    }
    if n < 16.0 {
        return;
    }
    let ground = sum.map(|s| s / n);
    for p in picture.rgba.chunks_exact_mut(4).filter(|p| p[3] > 0 && p[3] < 255) {
        let a = (p[3] as f32 / 255.0).max(0.15);
        for c in 0..3 {
            p[c] = ((p[c] as f32 - (1.0 - a) * ground[c]) / a).clamp(0.0, 255.0) as u8;
        }
    }
}

/// Landmarks seen in a mirror: positions are mirrored by the caller, here left and right swap names.
pub fn swap_sides(points: &[[f32; 2]]) -> Vec<[f32; 2]> {
    (0..points.len()).map(|i| points[mirror_of(i)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_background_leaves_the_rim() {
        let mut rgba = [200u8, 100, 0, 0].repeat(64);
        // Half of foreground 40 over the ground.
        rgba.extend([120, 70, 20, 128]);
        rgba.extend([40, 40, 40, 255].repeat(63));
        let mut picture = Picture { width: 8, height: 16, rgba };
        free_of_background(&mut picture);
        let rim = &picture.rgba[64 * 4..65 * 4];
        assert!(rim[..3].iter().all(|v| (38..=42).contains(v)), "{rim:?}");
    }
}
