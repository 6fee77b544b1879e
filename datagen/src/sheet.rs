//! Contact sheets: pictures in a grid, each with its label below.
use anyhow::anyhow;
use std::path::Path;

/// A grid of equal square pictures.
pub struct Sheet {
    tile: usize,
    columns: usize,
    pictures: Vec<(Vec<u8>, String)>,
}

/// Pictures a second of an animation.
const FPS: f32 = 12.0;
/// Greatest size of a JPEG in bytes.
const PAGE_BYTES: usize = 200_000;

/// A JPEG as good as [`PAGE_BYTES`] allow.
fn page_jpeg(rgb: &[u8], w: usize, h: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for quality in (50..=92).rev().step_by(6) {
        bytes = formats::image::jpeg_from_rgb8(w, h, rgb, quality)?;
        if bytes.len() <= PAGE_BYTES {
            break;
        }
    }
    Ok(bytes)
}

/// Height of the label strip in pixels.
const STRIP: usize = 12;

impl Sheet {
    /// With pictures of `tile` pixels a side, `columns` in a row.
    pub fn new(tile: usize, columns: usize) -> Self {
        Sheet { tile, columns: columns.max(1), pictures: Vec::new() }
    }

    /// Adds an RGB picture (`tile × tile × 3`) and its label.
    pub fn push(&mut self, rgb: Vec<u8>, label: impl Into<String>) {
        debug_assert_eq!(rgb.len(), self.tile * self.tile * 3);
        self.pictures.push((rgb, label.into()));
    }

    /// The whole as RGB, width and height.
    pub fn compose(&self) -> (Vec<u8>, usize, usize) {
        let (t, rows) = (self.tile, self.pictures.len().div_ceil(self.columns).max(1));
        let columns = self.columns.min(self.pictures.len().max(1));
        let (w, h) = (columns * t, rows * (t + STRIP));
        let mut out = vec![24u8; w * h * 3];
        for (i, (rgb, label)) in self.pictures.iter().enumerate() {
            let (x0, y0) = (i % self.columns * t, i / self.columns * (t + STRIP));
            for y in 0..t {
                let at = ((y0 + y) * w + x0) * 3;
                out[at..at + 3 * t].copy_from_slice(&rgb[y * t * 3..(y + 1) * t * 3]);
            }
            write(&mut out, w, x0 + 3, y0 + t + 3, label, t.saturating_sub(6) / 4);
        }
        (out, w, h)
    }

    /// Writes it by the name's ending: `.png`; `.jpg` of at most 200 kB, for pages; `.webp`, an animation that shows one
    /// picture after the other, twelve a second, forever.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let (rgb, w, h) = self.compose();
        let bytes = match extension.as_deref() {
            Some("webp") => self.animation()?,
            Some("jpg" | "jpeg") => page_jpeg(&rgb, w, h)?,
            _ => formats::image::png_from_rgb8(w, h, &rgb)?,
        };
        Ok(formats::publish::write_atomically(path, &bytes)?)
    }

    /// The pictures in turn, without labels, as an animated WebP.
    fn animation(&self) -> anyhow::Result<Vec<u8>> {
        let side = self.tile as u32;
        let mut config = webp::WebPConfig::new().map_err(|()| anyhow!("libwebp refused its own defaults"))?;
        config.quality = 80.0;
        let mut encoder = webp::AnimEncoder::new(side, side, &config);
        encoder.set_loop_count(0);
        for (i, (rgb, _)) in self.pictures.iter().enumerate() {
            encoder.add_frame(webp::AnimFrame::from_rgb(rgb, side, side, (i as f32 * 1000.0 / FPS).round() as i32));
        }
        Ok(encoder.encode().to_vec())
    }
}

/// Letters of 3 × 5 pixels, one row of three bits after the other, most significant first.
fn glyph(c: char) -> u16 {
    const DIGITS: [u16; 10] = [0x7b6f, 0x2c97, 0x73e7, 0x73cf, 0x5bc9, 0x79cf, 0x79ef, 0x7249, 0x7bef, 0x7bcf];
    const LETTERS: [u16; 26] = [
        0x2bed, 0x6bae, 0x3923, 0x6b6e, 0x79a7, 0x79a4, 0x396b, 0x5bed, 0x7497, 0x126a, 0x5bad, 0x4927, 0x5f6d, 0x6b6d,
        0x2b6a, 0x6ba4, 0x2b7b, 0x6bad, 0x388e, 0x7492, 0x5b6f, 0x5b6a, 0x5b7d, 0x5aad, 0x5a92, 0x72a7,
    ];
    match c.to_ascii_lowercase() {
        d @ '0'..='9' => DIGITS[d as usize - '0' as usize],
        l @ 'a'..='z' => LETTERS[l as usize - 'a' as usize],
        '-' => 0x01c0,
        '.' => 0x0002,
        '+' => 0x05d0,
        '/' => 0x12a4,
        _ => 0,
    }
}

fn write(out: &mut [u8], width: usize, x: usize, y: usize, text: &str, most: usize) {
    for (k, c) in text.chars().take(most).enumerate() {
        let bits = glyph(c);
        for b in 0..15 {
            if bits >> (14 - b) & 1 == 1 {
                let at = ((y + b / 3) * width + x + 4 * k + b % 3) * 3;
                out[at..at + 3].fill(210);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_land_where_they_belong() {
        let mut sheet = Sheet::new(8, 2);
        (0..3).for_each(|i| sheet.push(vec![50 * i as u8; 8 * 8 * 3], "a1"));
        let (rgb, w, h) = sheet.compose();
        assert_eq!((w, h), (16, 2 * (8 + STRIP)));
        assert_eq!((rgb[0], rgb[8 * 3], rgb[(8 + STRIP) * w * 3]), (0, 50, 100));
    }
}
