//! The driver's own images, where a clip comes from a dataset.
use crate::clip;
use anyhow::{Context, Result};
use formats::Dataset;
use formats::image::{Decoded, rgb8_from_encoded};
use std::path::Path;

/// How the frames of a clip follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// At a constant rate.
    InTime,
    /// As the rows of a dataset come: nothing is known of the time between them.
    ByRow,
}

/// Images of a driver.
pub struct Footage {
    dataset: Dataset,
    /// `[N]` the row whose image is nearest to each frame of the clip.
    rows: Vec<usize>,
    /// Of the frames.
    pub order: Order,
}

impl Footage {
    /// Behind the `n` frames at `fps` that [`clip::open`] gives for the same name; none for clips without images.
    ///
    /// # Errors
    /// A dataset that cannot be read.
    pub fn open(asked: &str, fps: f32, n: usize) -> Result<Option<Self>> {
        if !clip::is_dataset(asked) {
            return Ok(None);
        }
        let dataset = Dataset::open(Path::new(asked))?;
        let mut rows: Vec<usize> = (0..dataset.len()).collect();
        rows.sort_by_key(|&row| dataset.labels(row).frame_id);
        let times: Option<Vec<f64>> = rows.iter().map(|&row| dataset.labels(row).frame_time).collect();
        let Some(times) = times else { return Ok(Some(Footage { dataset, rows, order: Order::ByRow })) };
        let rows = nearest(&times, fps, n).into_iter().map(|k| rows[k]).collect();
        Ok(Some(Footage { dataset, rows, order: Order::InTime }))
    }

    /// The driver at frame `frame` of the clip.
    ///
    /// # Errors
    /// An image that cannot be read.
    pub fn image(&self, frame: usize) -> Result<Decoded<u8>> {
        let row = self.rows[frame];
        let encoded = self.dataset.frame_with(row, &["image"])?.image;
        rgb8_from_encoded(&encoded).with_context(|| format!("row {row} of {:?}", self.dataset.path()))
    }
}

/// `[n]` for each frame at `fps` the nearest of `times` (seconds, not falling), the first of which is that of frame 0.
fn nearest(times: &[f64], fps: f32, n: usize) -> Vec<usize> {
    let first_s = times.first().copied().unwrap_or_default();
    let of_frame = |frame: usize| {
        let now = first_s + frame as f64 / f64::from(fps);
        let after = times.partition_point(|time| *time < now).min(times.len().saturating_sub(1));
        let before = after.saturating_sub(1);
        if now - times[before] < times[after] - now { before } else { after }
    };
    (0..n).map(of_frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_shows_the_image_nearest_in_time() {
        // 25 images a second, of which the third and fourth show no face.
        let times = [2.0, 2.04, 2.16, 2.2];
        assert_eq!(nearest(&times, 25.0, 6), [0, 1, 1, 2, 2, 3]);
        assert_eq!(nearest(&times, 12.5, 3), [0, 1, 2]);
        assert_eq!(nearest(&times, 25.0, 8)[7], 3, "beyond the last image");
    }

    #[test]
    fn clips_without_images_have_none() {
        assert!(Footage::open("performance", 25.0, 3).unwrap().is_none());
        assert!(Footage::open("take.CSV", 25.0, 3).unwrap().is_none());
        assert_eq!(formats::exit::code_of(&Footage::open("/absent", 25.0, 3).err().unwrap()), 66);
    }
}
