//! What the pictures themselves look like: sheets to see, and light and skin measured on a sample.
use super::chart::Histogram;
use super::frames::{Frames, SHOWN_PER_LIGHT};
use crate::commands::sheet::Look;
use crate::commands::sheet::cell::{self, Draw};
use crate::commands::sheet::grid::{Grid, strip};
use formats::image::{self, Decoded};
use formats::{Error, FrameRow, Part, Scan, Shard, page, scan::ScanError};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Frames on the first sheet.
const SHEET: usize = 60;
/// Frames that are decoded to be measured.
const MEASURED: usize = 240;
/// Frames shown with all their layers.
const LAYERED: usize = 3;

/// Pictures and measurements.
pub struct Pictures {
    /// Frames drawn by lot (data URI).
    pub sheet: String,
    /// Some frames with all their layers; none when there are no layers.
    pub layers: Option<String>,
    /// Kind of light → some of its frames.
    pub lights: Vec<(String, String)>,
    /// Frames that were measured.
    pub measured: usize,
    /// Mean of each picture, sRGB codes.
    pub brightness: Histogram,
    /// Percentage of the pixels at 0 or 255 in all channels.
    pub clipped: Histogram,
    /// Percentage of the picture that the head covers.
    pub coverage: Histogram,
    /// By individual typology angle of the mean skin color (Chardon et al. 1991), from light to dark.
    pub tones: Vec<(String, u64)>,
    /// Pictures that cannot be decoded.
    pub broken: u64,
}

/// Classes of the individual typology angle: name, and the angle in degrees above which it begins.
const TONES: [(&str, f64); 6] =
    [("very light", 55.0), ("light", 41.0), ("intermediate", 28.0), ("tan", 10.0), ("brown", -30.0), ("dark", -91.0)];

impl Pictures {
    /// Reads what is shown and measured.
    ///
    /// # Errors
    /// A shard that cannot be read; a picture that cannot be decoded is counted.
    pub fn read(scan: &Scan, frames: &Frames, seed: u64) -> Result<Self, ScanError> {
        let places = scan.draw_lots(MEASURED, seed)?;
        let sample: Vec<FrameRow> = read_all(scan, &places, Part::Columns(&SAMPLED))?;
        let shares: Vec<Option<Measure>> = sample.par_iter().map(|frame| measure(frame).ok()).collect();
        let mut pictures = Pictures {
            sheet: String::new(),
            layers: None,
            lights: Vec::new(),
            measured: sample.len(),
            brightness: Histogram::new(0.0, 256.0, 4.0),
            clipped: Histogram::new(0.0, 100.5, 0.5),
            coverage: Histogram::new(0.0, 101.0, 1.0),
            tones: Vec::new(),
            broken: 0,
        };
        pictures.count(&shares);
        let every = (places.len() / SHEET).max(1);
        let shown: Vec<&FrameRow> = sample.iter().step_by(every).take(SHEET).collect();
        pictures.sheet = sheet_of(&shown, 10, &plain(128, &[]));
        let layered: Vec<(usize, usize)> =
            places.iter().step_by((places.len() / LAYERED).max(1)).take(LAYERED).copied().collect();
        pictures.layers = layers_of(&read_all(scan, &layered, Part::All)?);
        for (kind, places) in &frames.light_places {
            let frames: Vec<FrameRow> = read_all(scan, places, Part::Columns(&SAMPLED))?;
            let shown: Vec<&FrameRow> = frames.iter().collect();
            pictures.lights.push((kind.clone(), sheet_of(&shown, SHOWN_PER_LIGHT, &plain(112, &[]))));
        }
        Ok(pictures)
    }

    fn count(&mut self, measures: &[Option<Measure>]) {
        let mut tones: BTreeMap<usize, u64> = BTreeMap::new();
        for measure in measures {
            let Some(measure) = measure else {
                self.broken += 1;
                continue;
            };
            self.brightness.add(measure.mean);
            self.clipped.add(measure.clipped * 100.0);
            if let Some(coverage) = measure.coverage {
                self.coverage.add(coverage * 100.0);
            }
            if let Some(angle) = measure.typology_deg {
                *tones.entry(TONES.iter().position(|t| angle > t.1).unwrap_or(TONES.len() - 1)).or_default() += 1;
            }
        }
        if !tones.is_empty() {
            let count = |k: usize| tones.get(&k).copied().unwrap_or(0);
            self.tones = TONES.iter().enumerate().map(|(k, (name, _))| (name.to_string(), count(k))).collect();
        }
    }
}

/// The columns of a frame without its heavy maps.
const SAMPLED: [&str; 24] = [
    "frame_id",
    "identity_id",
    "expression_id",
    "camera_id",
    "light_id",
    "split",
    "width",
    "height",
    "image",
    "alpha",
    "segmentation",
    "expression",
    "pose",
    "camera_from_world",
    "intrinsics",
    "gaze",
    "landmarks_2d",
    "landmarks_3d",
    "landmark_visible",
    "shape",
    "light",
    "samples_per_pixel",
    "seed",
    "source_path",
];

fn read_all(scan: &Scan, places: &[(usize, usize)], part: Part) -> Result<Vec<FrameRow>, ScanError> {
    let mut frames = Vec::with_capacity(places.len());
    for of_file in places.chunk_by(|a, b| a.0 == b.0) {
        let shard = Shard::open(&scan.files()[of_file[0].0])?;
        for (_, row) in of_file {
            frames.push(shard.read_row(*row, part)?);
        }
    }
    Ok(frames)
}

fn plain(cell: usize, draw: &[Draw]) -> Look {
    Look { cell, draw: draw.to_vec(), captions: false }
}

/// A JPEG of the frames that can be decoded.
fn sheet_of(frames: &[&FrameRow], columns: usize, look: &Look) -> String {
    let cells: Vec<Decoded<u8>> = frames.par_iter().filter_map(|frame| cell::of_frame(frame, look).ok()).collect();
    if cells.is_empty() {
        return String::new();
    }
    jpeg(&Grid::with_columns(&cells, columns).drawn(&cells))
}

fn jpeg(sheet: &Decoded<u8>) -> String {
    let bytes = image::jpeg_from_rgb8(sheet.width, sheet.height, &sheet.data, 88).unwrap_or_default();
    page::data_uri("image/jpeg", &bytes)
}

/// Image, landmarks, classes, then each map, frame under frame.
fn layers_of(frames: &[FrameRow]) -> Option<String> {
    let all = [Draw::Landmarks, Draw::Segmentation, Draw::Alpha, Draw::Depth, Draw::Normal, Draw::Uv];
    let there: Vec<Draw> = all.into_iter().filter(|layer| frames.iter().any(|f| layer.is_in(f))).collect();
    let maps: Vec<Draw> =
        there.iter().copied().filter(|d| !matches!(d, Draw::Landmarks | Draw::Segmentation)).collect();
    let line = |frame: &FrameRow| -> Result<Decoded<u8>, Error> {
        let mut tiles = vec![cell::of_frame(frame, &plain(176, &[]))?];
        for overlay in [Draw::Landmarks, Draw::Segmentation].into_iter().filter(|d| there.contains(d)) {
            tiles.push(cell::of_frame(frame, &plain(176, &[overlay]))?);
        }
        let with_maps = cell::of_frame(frame, &plain(176, &maps))?;
        // Without the image, which stands in front already.
        let cut = tiles[0].width + 1;
        if with_maps.width > cut {
            let lines = with_maps.data.chunks_exact(with_maps.width * 3);
            let data = lines.flat_map(|line| line[cut * 3..].iter().copied()).collect();
            tiles.push(Decoded { width: with_maps.width - cut, data, ..with_maps });
        }
        Ok(strip(&tiles, None))
    };
    let lines: Vec<Decoded<u8>> = frames.iter().filter_map(|frame| line(frame).ok()).collect();
    (!there.is_empty() && !lines.is_empty()).then(|| jpeg(&Grid::with_columns(&lines, 1).drawn(&lines)))
}

struct Measure {
    mean: f64,
    clipped: f64,
    coverage: Option<f64>,
    typology_deg: Option<f64>,
}

fn measure(frame: &FrameRow) -> Result<Measure, Error> {
    let decoded = image::rgb8_from_encoded(&frame.image)?;
    let pixels = (decoded.width * decoded.height) as f64;
    let clipped = decoded.data.chunks_exact(3).filter(|p| **p == [0; 3] || **p == [255; 3]).count() as f64 / pixels;
    let mean = decoded.data.iter().map(|&c| f64::from(c)).sum::<f64>() / (3.0 * pixels);
    let alpha = frame.alpha.as_ref().map(|bytes| image::gray8_from_png(bytes)).transpose()?;
    let coverage = alpha.map(|a| a.data.iter().map(|&c| f64::from(c)).sum::<f64>() / (255.0 * pixels));
    let classes = frame.segmentation.as_ref().map(|bytes| image::gray8_from_png(bytes)).transpose()?;
    Ok(Measure { mean, clipped, coverage, typology_deg: classes.and_then(|c| typology_deg(&decoded, &c.data)) })
}

/// Individual typology angle of the mean skin color: `atan((L* − 50) / b*)`, CIELAB under D65, degrees.
fn typology_deg(picture: &Decoded<u8>, classes: &[u8]) -> Option<f64> {
    const SKIN: u8 = 1;
    let (mut sum, mut n) = ([0.0f64; 3], 0u32);
    for (pixel, _) in picture.data.chunks_exact(3).zip(classes).filter(|(_, class)| **class == SKIN) {
        n += 1;
        (0..3).for_each(|k| sum[k] += f64::from(image::linear_from_srgb(f32::from(pixel[k]) / 255.0)));
    }
    if n < 64 {
        return None;
    }
    let [r, g, b] = sum.map(|s| s / f64::from(n));
    // sRGB primaries to CIE XYZ over the white of D65 (IEC 61966-2-1); then CIELAB (ISO/CIE 11664-4).
    let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    let z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.0890;
    let f = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
    Some((116.0 * f(y) - 16.0 - 50.0).atan2(200.0 * (f(y) - f(z))).to_degrees())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_are_where_dermatology_puts_them() {
        let angle = |rgb: [u8; 3]| {
            let picture = Decoded { width: 10, height: 10, channels: 3, data: rgb.repeat(100) };
            typology_deg(&picture, &[1; 100]).unwrap()
        };
        // L* 80.6, b* 14.2; L* 34.2, b* 15.5: by hand from the CIE formulas.
        assert!((angle([234, 192, 173]) - 64.6).abs() < 2.0, "{}", angle([234, 192, 173]));
        assert!((angle([112, 71, 52]) + 43.0).abs() < 5.0, "{}", angle([112, 71, 52]));
    }
}
