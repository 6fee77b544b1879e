//! Pictures: PNG in and out, sRGB, resizing.
//!
//! Encoded forms are 8 or 16 bits a channel; [`Picture`] holds linear or raw floats. Rows run top to bottom, channels
//! lie interleaved (`[H, W, C]`).
use crate::{Error, photo};
use ::image::codecs::png::{CompressionType, FilterType, PngEncoder};
use ::image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageReader};
use std::io::Cursor;

/// Floats `[height, width, channels]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// 1 gray, 3 RGB, 4 RGBA, or any other number.
    pub channels: usize,
    /// Row-major, channels interleaved.
    pub data: Vec<f32>,
}

/// Bytes of an image `[height, width, channels]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded<T> {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Row-major, channels interleaved.
    pub data: Vec<T>,
}

/// 8-bit RGB `[height, width, 3]` as PNG; deterministic and fast.
///
/// # Errors
/// [`Error::Picture`] when the size does not fit the data.
pub fn png_from_rgb8(width: usize, height: usize, rgb: &[u8]) -> Result<Vec<u8>, Error> {
    png(width, height, rgb, 3, ExtendedColorType::Rgb8)
}

/// 8-bit straight RGBA `[height, width, 4]` as PNG.
///
/// # Errors
/// As [`png_from_rgb8`].
pub fn png_from_rgba8(width: usize, height: usize, rgba: &[u8]) -> Result<Vec<u8>, Error> {
    png(width, height, rgba, 4, ExtendedColorType::Rgba8)
}

/// 8-bit gray `[height, width]` as PNG.
///
/// # Errors
/// As [`png_from_rgb8`].
pub fn png_from_gray8(width: usize, height: usize, gray: &[u8]) -> Result<Vec<u8>, Error> {
    png(width, height, gray, 1, ExtendedColorType::L8)
}

/// 8-bit gray `[height, width]` as the smallest PNG this encoder makes; ten times slower than [`png_from_gray8`].
///
/// # Errors
/// As [`png_from_rgb8`].
pub fn small_png_from_gray8(width: usize, height: usize, gray: &[u8]) -> Result<Vec<u8>, Error> {
    png_at(CompressionType::Best, width, height, gray, 1, ExtendedColorType::L8)
}

/// 16-bit gray `[height, width]` as PNG.
///
/// # Errors
/// As [`png_from_rgb8`].
pub fn png_from_gray16(width: usize, height: usize, gray: &[u16]) -> Result<Vec<u8>, Error> {
    png(width, height, &native_bytes(gray), 2, ExtendedColorType::L16)
}

/// 16-bit RGB `[height, width, 3]` as PNG.
///
/// # Errors
/// As [`png_from_rgb8`].
pub fn png_from_rgb16(width: usize, height: usize, rgb: &[u16]) -> Result<Vec<u8>, Error> {
    png(width, height, &native_bytes(rgb), 6, ExtendedColorType::Rgb16)
}

/// 8-bit RGB `[height, width, 3]` as lossless WebP: a quarter smaller than PNG, slower to encode.
///
/// # Errors
/// As [`png_from_rgb8`].
pub fn webp_from_rgb8(width: usize, height: usize, rgb: &[u8]) -> Result<Vec<u8>, Error> {
    check_size(width, height, rgb.len(), 3)?;
    let mut out = Vec::new();
    let encoder = ::image::codecs::webp::WebPEncoder::new_lossless(&mut out);
    encoder
        .encode(rgb, width as u32, height as u32, ExtendedColorType::Rgb8)
        .map_err(|e| unreadable("encodable", &e))?;
    Ok(out)
}

/// 8-bit RGB `[height, width, 3]` as JPEG, `quality` 1 … 100: for pages to look at, and for data that
/// is to be small (`shards pack`).
///
/// # Errors
/// As [`png_from_rgb8`].
pub fn jpeg_from_rgb8(width: usize, height: usize, rgb: &[u8], quality: u8) -> Result<Vec<u8>, Error> {
    check_size(width, height, rgb.len(), 3)?;
    let mut out = Vec::new();
    let encoder = ::image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, quality);
    encoder
        .write_image(rgb, width as u32, height as u32, ExtendedColorType::Rgb8)
        .map_err(|e| unreadable("encodable", &e))?;
    Ok(out)
}

/// PNG, WebP or JPEG as 8-bit RGB; alpha is dropped, gray is spread, 16 bits are rounded.
///
/// # Errors
/// [`Error::Picture`] when it cannot be decoded.
pub fn rgb8_from_encoded(bytes: &[u8]) -> Result<Decoded<u8>, Error> {
    let image = decode(bytes)?.into_rgb8();
    Ok(Decoded { width: image.width() as usize, height: image.height() as usize, channels: 3, data: image.into_raw() })
}

/// An 8-bit gray PNG, exactly.
///
/// # Errors
/// [`Error::Picture`] when it cannot be decoded or has another kind of pixels.
pub fn gray8_from_png(bytes: &[u8]) -> Result<Decoded<u8>, Error> {
    match decode(bytes)? {
        DynamicImage::ImageLuma8(i) => {
            Ok(Decoded { width: i.width() as usize, height: i.height() as usize, channels: 1, data: i.into_raw() })
        }
        other => Err(other_pixels("8-bit grey", other.color())),
    }
}

/// A 16-bit gray PNG, exactly.
///
/// # Errors
/// As [`gray8_from_png`].
pub fn gray16_from_png(bytes: &[u8]) -> Result<Decoded<u16>, Error> {
    match decode(bytes)? {
        DynamicImage::ImageLuma16(i) => {
            Ok(Decoded { width: i.width() as usize, height: i.height() as usize, channels: 1, data: i.into_raw() })
        }
        other => Err(other_pixels("16-bit grey", other.color())),
    }
}

/// A 16-bit RGB PNG, exactly.
///
/// # Errors
/// As [`gray8_from_png`].
pub fn rgb16_from_png(bytes: &[u8]) -> Result<Decoded<u16>, Error> {
    match decode(bytes)? {
        DynamicImage::ImageRgb16(i) => {
            Ok(Decoded { width: i.width() as usize, height: i.height() as usize, channels: 3, data: i.into_raw() })
        }
        other => Err(other_pixels("16-bit RGB", other.color())),
    }
}

/// Width and height of an encoded image, which is decoded whole, so that damage shows.
///
/// # Errors
/// [`Error::Picture`] when it cannot be decoded.
pub fn size_of(bytes: &[u8]) -> Result<(usize, usize), Error> {
    let image = decode(bytes)?;
    Ok((image.width() as usize, image.height() as usize))
}

/// File name extension of encoded bytes, by their first bytes.
pub fn extension_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [0xff, 0xd8, ..] => "jpg",
        [b'R', b'I', b'F', b'F', ..] => "webp",
        _ => "bin",
    }
}

/// Linear light from an sRGB value, both in 0..=1 (IEC 61966-2-1).
pub fn linear_from_srgb(srgb: f32) -> f32 {
    if srgb <= 0.04045 { srgb / 12.92 } else { ((srgb + 0.055) / 1.055).powf(2.4) }
}

/// sRGB from linear light, both in 0..=1; values outside are clamped (IEC 61966-2-1).
pub fn srgb_from_linear(linear: f32) -> f32 {
    let linear = linear.clamp(0.0, 1.0);
    if linear <= 0.0031308 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

/// The 8-bit sRGB code of linear light, rounded.
pub fn srgb8_from_linear(linear: f32) -> u8 {
    code8(srgb_from_linear(linear))
}

/// The 8-bit code of a value in 0..=1, rounded, without a curve; values outside are clamped.
pub fn code8(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

impl Picture {
    /// A picture of zeros.
    pub fn new(width: usize, height: usize, channels: usize) -> Self {
        Picture { width, height, channels, data: vec![0.0; width * height * channels] }
    }

    /// Linear light in 0..=1 from 8-bit sRGB.
    pub fn linear_from_rgb8(image: &Decoded<u8>) -> Self {
        let table: Vec<f32> = (0..256).map(|code| linear_from_srgb(code as f32 / 255.0)).collect();
        let data = image.data.iter().map(|&code| table[code as usize]).collect();
        Picture { width: image.width, height: image.height, channels: image.channels, data }
    }

    /// Values in 0..=1 from 8-bit codes, without a curve: masks, normals.
    pub fn raw_from_8bit(image: &Decoded<u8>) -> Self {
        let data = image.data.iter().map(|&code| code as f32 / 255.0).collect();
        Picture { width: image.width, height: image.height, channels: image.channels, data }
    }

    /// 8-bit codes of values in 0..=1, without a curve: the inverse of [`Picture::raw_from_8bit`].
    pub fn raw8(&self) -> Vec<u8> {
        self.data.iter().map(|&v| code8(v)).collect()
    }

    /// 8-bit sRGB codes of linear light.
    pub fn srgb8(&self) -> Vec<u8> {
        self.data.iter().map(|&v| srgb8_from_linear(v)).collect()
    }

    /// Another size: every new pixel is the mean over its area (an exact box filter); enlarging interpolates linearly.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let across = self.resized_rows(&weights(self.width, width), width);
        across.resized_columns(&weights(self.height, height), height)
    }

    fn resized_rows(&self, weights: &[Vec<(usize, f32)>], width: usize) -> Self {
        let mut out = Picture::new(width, self.height, self.channels);
        let c = self.channels;
        for y in 0..self.height {
            for (x, taps) in weights.iter().enumerate() {
                let to = (y * width + x) * c;
                for &(from, weight) in taps {
                    let from = (y * self.width + from) * c;
                    for k in 0..c {
                        out.data[to + k] += weight * self.data[from + k];
                    }
                }
            }
        }
        out
    }

    fn resized_columns(&self, weights: &[Vec<(usize, f32)>], height: usize) -> Self {
        let mut out = Picture::new(self.width, height, self.channels);
        let row = self.width * self.channels;
        for (y, taps) in weights.iter().enumerate() {
            for &(from, weight) in taps {
                for i in 0..row {
                    out.data[y * row + i] += weight * self.data[from * row + i];
                }
            }
        }
        out
    }
}

/// For each new pixel: old pixels and their weights, which sum to one.
fn weights(old: usize, new: usize) -> Vec<Vec<(usize, f32)>> {
    let scale = old as f64 / new as f64;
    let area = |i: usize| {
        let (from, to) = (i as f64 * scale, (i + 1) as f64 * scale);
        let pixels = from.floor() as usize..(to.ceil() as usize).min(old);
        let covered = |p: usize| ((to.min((p + 1) as f64) - from.max(p as f64)) / scale) as f32;
        pixels.map(|p| (p, covered(p))).filter(|(_, w)| *w > 1e-9).collect()
    };
    let linear = |i: usize| {
        let center = ((i as f64 + 0.5) * scale - 0.5).clamp(0.0, (old - 1) as f64);
        let (low, part) = (center.floor() as usize, center.fract() as f32);
        vec![(low, 1.0 - part), ((low + 1).min(old - 1), part)]
    };
    (0..new).map(|i| if scale >= 1.0 { area(i) } else { linear(i) }).collect()
}

fn png(
    width: usize,
    height: usize,
    bytes: &[u8],
    pixel_bytes: usize,
    kind: ExtendedColorType,
) -> Result<Vec<u8>, Error> {
    png_at(CompressionType::Fast, width, height, bytes, pixel_bytes, kind)
}

fn png_at(
    compression: CompressionType,
    width: usize,
    height: usize,
    bytes: &[u8],
    pixel_bytes: usize,
    kind: ExtendedColorType,
) -> Result<Vec<u8>, Error> {
    check_size(width, height, bytes.len(), pixel_bytes)?;
    let mut out = Vec::with_capacity(bytes.len() / 2);
    let encoder = PngEncoder::new_with_quality(&mut out, compression, FilterType::Adaptive);
    encoder.write_image(bytes, width as u32, height as u32, kind).map_err(|e| unreadable("encodable", &e))?;
    Ok(out)
}

fn check_size(width: usize, height: usize, bytes: usize, pixel_bytes: usize) -> Result<(), Error> {
    match width > 0 && height > 0 && bytes == width * height * pixel_bytes {
        true => Ok(()),
        false => Err(Error::Picture {
            what: "image data",
            expected: format!("{} bytes for {width}x{height} pixels", width * height * pixel_bytes),
            got: format!("{bytes} bytes"),
        }),
    }
}

/// A whole file of at most [`photo::MAX_PIXELS`], the limit of those who write such files.
fn decode(bytes: &[u8]) -> Result<DynamicImage, Error> {
    let refused = |got: String| Error::Picture { what: "image", expected: EXPECTED.into(), got };
    photo::whole::check(bytes).map_err(refused)?;
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|e| refused(e.to_string()))?;
    reader.no_limits();
    let decoder = reader.into_decoder().map_err(|e| unreadable(EXPECTED, &e))?;
    let (width, height) = decoder.dimensions();
    photo::check_pixels(width.into(), height.into()).map_err(refused)?;
    DynamicImage::from_decoder(decoder).map_err(|e| unreadable(EXPECTED, &e))
}

const EXPECTED: &str = "a PNG, WebP or JPEG";

fn unreadable(expected: &str, err: &::image::ImageError) -> Error {
    Error::Picture { what: "image", expected: expected.into(), got: err.to_string() }
}

fn other_pixels(expected: &str, got: ColorType) -> Error {
    Error::Picture { what: "image", expected: format!("{expected} pixels"), got: format!("{got:?}") }
}

/// The encoder takes 16-bit samples in the machine's byte order.
fn native_bytes(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_png() {
        let rgb: Vec<u8> = (0..5 * 4 * 3).map(|i| (i * 37 % 256) as u8).collect();
        let back = rgb8_from_encoded(&png_from_rgb8(5, 4, &rgb).unwrap()).unwrap();
        assert_eq!((back.width, back.height, back.data), (5, 4, rgb.clone()));
        assert_eq!(rgb8_from_encoded(&webp_from_rgb8(5, 4, &rgb).unwrap()).unwrap().data, rgb);
        let gray: Vec<u8> = (0..20).map(|i| i * 12).collect();
        assert_eq!(gray8_from_png(&png_from_gray8(5, 4, &gray).unwrap()).unwrap().data, gray);
        let deep: Vec<u16> = (0..60).map(|i| i * 1091).collect();
        assert_eq!(gray16_from_png(&png_from_gray16(5, 4, &deep[..20]).unwrap()).unwrap().data, deep[..20]);
        assert_eq!(rgb16_from_png(&png_from_rgb16(5, 4, &deep).unwrap()).unwrap().data, deep);
        assert_eq!(gray8_from_png(&small_png_from_gray8(5, 4, &gray).unwrap()).unwrap().data, gray);
        assert!(gray8_from_png(&png_from_rgb8(5, 4, &rgb).unwrap()).is_err());
        assert!(png_from_rgb8(5, 5, &rgb).is_err());
    }

    #[test]
    fn srgb_codes_survive_linear_light() {
        for code in 0..=255u8 {
            assert_eq!(srgb8_from_linear(linear_from_srgb(code as f32 / 255.0)), code);
        }
        assert_eq!((srgb8_from_linear(-1.0), srgb8_from_linear(7.0)), (0, 255));
    }

    #[test]
    fn resizing_keeps_the_mean_and_flat_stays_flat() {
        let mut picture = Picture::new(7, 5, 2);
        picture.data.iter_mut().enumerate().for_each(|(i, v)| *v = (i * 31 % 17) as f32);
        let mean = |p: &Picture, k: usize| p.data.iter().skip(k).step_by(2).sum::<f32>() / (p.width * p.height) as f32;
        let small = picture.resized(3, 2);
        for k in 0..2 {
            assert!((mean(&small, k) - mean(&picture, k)).abs() < 1e-4, "the mean over the area is exact");
        }
        let flat = Picture { data: vec![0.25; 70], ..picture };
        assert!(flat.resized(13, 11).data.iter().all(|v| (v - 0.25).abs() < 1e-6));
    }
}
