//! Pictures: reading photos, mip levels, resampling under a similarity.
use crate::Error;
use anyhow::Context;
use formats::photo::{self, Photo, Turn};
use nets::pictures::align::Affine;
use std::io::Cursor;
use std::path::Path;

/// A picture, 8-bit straight sRGB with coverage, row-major `[H, W, 4]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// `[H, W, 4]`
    pub rgba: Vec<u8>,
}

impl Picture {
    /// Reads a photo, upright as its EXIF orientation says and in sRGB: see [`formats::photo`].
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::NotAnImage`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        if !path.is_file() {
            return Err(Error::Missing { what: "photo", path: path.into() });
        }
        let bad = |why: String| Error::NotAnImage { why, path: path.into() };
        let Photo { width, height, rgba, .. } = photo::open(path, Turn::Upright).map_err(|err| match err {
            formats::Error::Data { what, .. } => bad(what),
            other => bad(other.to_string()),
        })?;
        if width < 16 || height < 16 {
            return Err(bad(format!("{width}x{height} px; expected at least 16 a side")));
        }
        Ok(Picture { width, height, rgba })
    }

    /// From bytes of an encoded picture and, if there is one, of its grey coverage.
    ///
    /// # Errors
    /// The decoder's words.
    pub fn decode(image: &[u8], alpha: Option<&[u8]>) -> Result<Self, image::ImageError> {
        let rgba = image::load_from_memory(image)?.into_rgba8();
        let (width, height) = (rgba.width() as usize, rgba.height() as usize);
        let mut picture = Picture { width, height, rgba: rgba.into_raw() };
        if let Some(alpha) = alpha {
            let alpha = image::load_from_memory(alpha)?.into_luma8();
            if alpha.dimensions() != (width as u32, height as u32) {
                let why = format!("alpha is {}x{}, image {width}x{height}", alpha.width(), alpha.height());
                return Err(image::ImageError::IoError(std::io::Error::new(std::io::ErrorKind::InvalidData, why)));
            }
            picture.rgba.chunks_exact_mut(4).zip(alpha.as_raw()).for_each(|(p, a)| p[3] = *a);
        }
        Ok(picture)
    }

    /// Half the size, box filter; odd edges are repeated.
    pub fn halved(&self) -> Picture {
        let (w, h) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut rgba = vec![0u8; w * h * 4];
        for y in 0..h {
            let rows = [2 * y, (2 * y + 1).min(self.height - 1)];
            for x in 0..w {
                let cols = [2 * x, (2 * x + 1).min(self.width - 1)];
                for c in 0..4 {
                    let sum: u32 =
                        rows.iter().flat_map(|r| cols.map(|k| self.rgba[(r * self.width + k) * 4 + c] as u32)).sum();
                    rgba[(y * w + x) * 4 + c] = ((sum + 2) / 4) as u8;
                }
            }
        }
        Picture { width: w, height: h, rgba }
    }
}

/// Encodes a picture as PNG.
///
/// # Errors
/// The encoder's words.
pub fn png(picture: &image::RgbImage) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).context("encoding a PNG")?;
    Ok(bytes.into_inner())
}

/// A picture and its halvings, so that shrinking does not alias.
#[derive(Clone, Debug)]
pub struct Mips {
    /// Level 0 is the picture itself.
    pub levels: Vec<Picture>,
}

impl Mips {
    /// Halves until a side is under 16 pixels.
    pub fn new(picture: Picture) -> Self {
        let mut levels = vec![picture];
        while let Some(last) = levels.last().filter(|p| p.width.min(p.height) >= 32) {
            let next = last.halved();
            levels.push(next);
        }
        Mips { levels }
    }

    /// Width and height of level 0.
    pub fn size(&self) -> (usize, usize) {
        (self.levels[0].width, self.levels[0].height)
    }

    /// Resamples into `out`, `target_from_source` mapping level-0 pixels to pixels of `out`; where the source ends,
    /// coverage is 0 and the colours of its edge go on.
    pub fn warp(&self, target_from_source: &Affine, out: &mut Canvas) {
        let source_from_target = target_from_source.inverse();
        self.warp_by(source_from_target.scale(), |p| source_from_target.apply(p), out);
    }

    /// Resamples into `out` by any map from pixels of `out` to level-0 pixels that enlarges by about `scale`. Bilinear
    /// in the level whose pixels are about as large as the target's.
    pub fn warp_by(&self, scale: f32, source_from_target: impl Fn([f32; 2]) -> [f32; 2], out: &mut Canvas) {
        let level = (scale.max(1.0).log2().floor() as usize).min(self.levels.len() - 1);
        let shrink = 0.5f32.powi(level as i32);
        let picture = &self.levels[level];
        let (w, h) = (picture.width as f32, picture.height as f32);
        for y in 0..out.height {
            for x in 0..out.width {
                let p = source_from_target([x as f32 + 0.5, y as f32 + 0.5]);
                let (u, v) = (p[0] * shrink - 0.5, p[1] * shrink - 0.5);
                out.put(x, y, bilinear(picture, u.clamp(-1.0, w), v.clamp(-1.0, h)));
            }
        }
    }
}

/// Bilinear sample at texel coordinates (0 is the centre of the first); colour is clamped at the edge, coverage fades.
fn bilinear(p: &Picture, u: f32, v: f32) -> [f32; 4] {
    let (x0, y0) = (u.floor(), v.floor());
    let (fx, fy) = (u - x0, v - y0);
    let mut colour = [0.0f32; 3];
    let mut alpha = 0.0;
    for (dy, wy) in [(0isize, 1.0 - fy), (1, fy)] {
        for (dx, wx) in [(0isize, 1.0 - fx), (1, fx)] {
            let (x, y) = (x0 as isize + dx, y0 as isize + dy);
            let inside = x >= 0 && y >= 0 && x < p.width as isize && y < p.height as isize;
            let (xc, yc) = (x.clamp(0, p.width as isize - 1) as usize, y.clamp(0, p.height as isize - 1) as usize);
            let texel = &p.rgba[(yc * p.width + xc) * 4..][..4];
            let weight = wx * wy / 255.0;
            for c in 0..3 {
                colour[c] += weight * texel[c] as f32;
            }
            if inside {
                alpha += weight * texel[3] as f32;
            }
        }
    }
    [colour[0], colour[1], colour[2], alpha]
}

/// A working picture: straight sRGB 0..=1 and coverage 0..=1, four planes of `[H, W]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Red, green, blue, coverage.
    pub planes: [Vec<f32>; 4],
}

impl Canvas {
    /// Black and empty.
    pub fn new(width: usize, height: usize) -> Self {
        Canvas { width, height, planes: std::array::from_fn(|_| vec![0.0; width * height]) }
    }

    fn put(&mut self, x: usize, y: usize, texel: [f32; 4]) {
        let i = y * self.width + x;
        for c in 0..4 {
            self.planes[c][i] = texel[c];
        }
    }

    /// Lays `over` (same size) upon this: colour by its coverage; own coverage becomes the union.
    pub fn lay_over(&mut self, over: &Canvas) {
        for i in 0..self.width * self.height {
            let a = over.planes[3][i];
            if a > 0.0 {
                for c in 0..3 {
                    self.planes[c][i] += a * (over.planes[c][i] - self.planes[c][i]);
                }
                self.planes[3][i] += a * (1.0 - self.planes[3][i]);
            }
        }
    }

    /// Interleaved 8-bit RGB.
    pub fn to_rgb8(&self) -> image::RgbImage {
        image::RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let i = y as usize * self.width + x as usize;
            image::Rgb(std::array::from_fn(|c| (self.planes[c][i].clamp(0.0, 1.0) * 255.0 + 0.5) as u8))
        })
    }

    /// Takes the colours of an 8-bit picture of the same size, `[H, W, 3]`.
    pub fn set_rgb8(&mut self, rgb: &[u8]) {
        for (i, p) in rgb.chunks_exact(3).enumerate() {
            for c in 0..3 {
                self.planes[c][i] = p[c] as f32 / 255.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warp_by_identity_copies_and_shrinking_averages() {
        let rgba = (0..64 * 64).flat_map(|i| [if (i + i / 64) % 2 == 0 { 0 } else { 200 }, 10, 20, 255]).collect();
        let mips = Mips::new(Picture { width: 64, height: 64, rgba });
        let mut same = Canvas::new(64, 64);
        mips.warp(&Affine::about([0.0; 2], [0.0; 2], 1.0, 0.0), &mut same);
        assert!((same.planes[0][1] - 200.0 / 255.0).abs() < 1e-5 && same.planes[0][0] == 0.0);
        let mut small = Canvas::new(16, 16);
        mips.warp(&Affine::about([0.0; 2], [0.0; 2], 0.25, 0.0), &mut small);
        let worst = small.planes[0].iter().map(|v| (v - 100.0 / 255.0).abs()).fold(0.0, f32::max);
        assert!(worst < 0.01, "a checkerboard shrinks to its mean: {worst}");
    }
}
