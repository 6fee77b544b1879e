//! Renders in memory, encoded as they came, and small copies ready to be laid upon anything.
use crate::Error;
use crate::face::Face;
use crate::picture::{Mips, Picture};
use crate::train::labels::FaceLabels;
use anyhow::Context;
use formats::dataset::Dataset;
use head::ibug;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Longest side of the small copies: faces for the detector, pieces, things seen from afar.
const SMALL: usize = 72;

/// One rendered head.
pub struct Render {
    /// Colors freed of the plain background, coverage in the fourth channel; at most [`SMALL`] pixels.
    pub small: Mips,
    /// Pixels of the picture per pixel of the small copy.
    pub shrink: f32,
    /// The encoded picture and its coverage.
    encoded: [Vec<u8>; 2],
    /// What is known of the face, in pixels of the picture.
    pub labels: FaceLabels,
    /// Where the face is (pixels of the picture).
    pub face: Face,
    /// Row of the dataset.
    pub row: usize,
    /// Whose head.
    pub identity_id: u32,
}

impl Render {
    /// From an encoded picture and its coverage.
    ///
    /// # Errors
    /// The decoder's words.
    pub fn new(image: Vec<u8>, alpha: Vec<u8>, labels: FaceLabels) -> anyhow::Result<Self> {
        let face = Face::from_landmarks(&labels.points);
        let mut small = decoded(&image, &alpha)?;
        let mut shrink = 1.0;
        while small.width.max(small.height) > SMALL {
            small = small.halved();
            shrink *= 2.0;
        }
        let small = Mips::new(small);
        Ok(Render { small, shrink, encoded: [image, alpha], labels, face, row: 0, identity_id: 0 })
    }

    /// Where the face is in the small copy (its pixels).
    pub fn small_face(&self) -> Face {
        let k = 1.0 / self.shrink;
        Face { centre: self.face.centre.map(|c| c * k), size: self.face.size * k, ..self.face }
    }

    /// The whole picture, decoded anew: memory holds a hundred times as many renders this way.
    ///
    /// # Panics
    /// Never: what [`Render::new`] could decode can be decoded again.
    pub fn picture(&self) -> Mips {
        Mips::new(decoded(&self.encoded[0], &self.encoded[1]).expect("it was decoded before"))
    }
}

/// Colors freed of the background, and coverage.
fn decoded(image: &[u8], alpha: &[u8]) -> anyhow::Result<Picture> {
    let mut picture = Picture::decode(image, Some(alpha))?;
    free_of_background(&mut picture);
    Ok(picture)
}

/// Reads the given rows of a dataset; `identities` are the coefficients of its people.
///
/// # Errors
/// If a row lacks coverage, landmarks or its person, or a picture cannot be decoded.
pub fn load(
    data: &Dataset,
    rows: &[usize],
    identities: &BTreeMap<u32, [Vec<f32>; 2]>,
    landmarks: usize,
) -> anyhow::Result<Vec<Render>> {
    let read = |&row: &usize| read(data, row, identities, landmarks).with_context(|| format!("row {row}"));
    rows.par_iter().map(read).collect()
}

fn read(
    data: &Dataset,
    row: usize,
    identities: &BTreeMap<u32, [Vec<f32>; 2]>,
    landmarks: usize,
) -> anyhow::Result<Render> {
    let frame = data.frame_with(row, &["image", "alpha"])?;
    let unfit = |what: String| Error::Data { what: format!("row {row} {what}"), path: data.path().into() };
    let alpha = frame.alpha.clone().ok_or_else(|| unfit("has no alpha map (render with maps.alpha = true)".into()))?;
    if frame.landmarks_2d.len() != landmarks || frame.landmark_visible.len() != landmarks {
        let what = format!("has {} landmarks, the head model {landmarks}", frame.landmarks_2d.len());
        return Err(unfit(what).into());
    }
    let identity = identities.get(&frame.identity_id).cloned();
    let identity = identity.ok_or_else(|| unfit(format!("is of nobody (identity {})", frame.identity_id)))?;
    let center = Face::from_landmarks(&frame.landmarks_2d[..ibug::COUNT]).centre;
    let labels = FaceLabels::of_row(&frame, center, identity);
    Ok(Render { row, identity_id: frame.identity_id, ..Render::new(frame.image, alpha, labels)? })
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
