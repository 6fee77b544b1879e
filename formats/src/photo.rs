//! Photos as people have them → upright 8-bit sRGB.
//!
//! PNG, JPEG, WebP, TIFF, BMP and GIF are decoded here, by content, whatever the name says; HEIC and AVIF by the program
//! `heif-convert` or `ffmpeg` where one is installed ([`program`]). A file cut short is an error ([`whole`]); a color
//! profile is converted to sRGB ([`color`]); the limit on size is one for all readers ([`MAX_PIXELS`]).
pub mod color;
pub mod lens;
pub mod list;
pub mod program;
pub mod whole;

use crate::{Error, exit};
use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use std::io::Cursor;
use std::path::Path;

/// Most pixels of a picture that is read, here and by [`crate::verify`]: room for a sensor of 200 megapixels.
pub const MAX_PIXELS: u64 = 1 << 28;
/// Bytes a decoder may take besides: 16-bit RGBA of [`MAX_PIXELS`].
const MAX_BYTES: u64 = MAX_PIXELS * 8;

/// A photo, 8-bit straight (not premultiplied) sRGB, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// `[H, W, 4]`
    pub rgba: Vec<u8>,
    /// Does the file store opacity?
    pub has_alpha: bool,
    /// The file's bytes, where they are a PNG, JPEG or WebP of exactly these pixels as 8-bit RGB.
    pub stored: Option<Vec<u8>>,
}

/// Which way up a photo is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Upright, as the EXIF orientation says.
    Upright,
    /// As its rows are stored: the space in which pose estimators count pixels.
    AsStored,
}

/// Reads a photo.
///
/// # Errors
/// [`Error::Missing`]; [`Error::Data`] with the reason when it is no picture, cut short, too large or in a format that
/// cannot be read here.
pub fn open(path: &Path, turn: Turn) -> Result<Photo, Error> {
    let bytes = std::fs::read(path).map_err(|e| Error::reading("photo", path, e))?;
    if list::is_raw_name(path) {
        return Err(unreadable(path, list::RAW));
    }
    // What the programs return is upright and has no profile left that would matter.
    let decoded = match program::container(&bytes) {
        Some(name) => program::decode(path, name).and_then(|png| decode(&png, Turn::AsStored)).map(|mut photo| {
            photo.stored = None;
            photo
        }),
        None => decode(&bytes, turn),
    };
    decoded.map_err(|why| unreadable(path, &why))
}

/// Decodes a photo from the bytes of a PNG, JPEG, WebP, TIFF, BMP or GIF.
///
/// # Errors
/// In words: why not.
pub fn decode(bytes: &[u8], turn: Turn) -> Result<Photo, String> {
    whole::check(bytes)?;
    exit::catch_panic(|| decode_whole(bytes, turn)).unwrap_or_else(|| Err("damaged".into()))
}

/// Width and height as stored, and the EXIF orientation, from the head of the file alone.
///
/// # Errors
/// In words: why not.
pub fn size_as_stored(bytes: &[u8]) -> Result<((usize, usize), Orientation), String> {
    let mut decoder = decoder(bytes)?;
    let (width, height) = decoder.dimensions();
    Ok(((width as usize, height as usize), decoder.orientation().unwrap_or(Orientation::NoTransforms)))
}

/// Does a quarter turn belong to this orientation, so that width and height change places?
pub fn is_sideways(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

/// Complains of more than [`MAX_PIXELS`].
pub(crate) fn check_pixels(width: u64, height: u64) -> Result<(), String> {
    match width * height {
        0 => Err("an image without pixels".into()),
        pixels if pixels <= MAX_PIXELS => Ok(()),
        _ => Err(format!("{width}x{height} pixels; expected at most {} megapixels", MAX_PIXELS / 1_000_000)),
    }
}

fn decode_whole(bytes: &[u8], turn: Turn) -> Result<Photo, String> {
    let mut decoder = decoder(bytes)?;
    let (width, height) = decoder.dimensions();
    check_pixels(width.into(), height.into())?;
    let orientation = match turn {
        Turn::Upright => decoder.orientation().unwrap_or(Orientation::NoTransforms),
        Turn::AsStored => Orientation::NoTransforms,
    };
    let profile = color::profile(&mut decoder);
    let has_alpha = decoder.color_type().has_alpha();
    let decoded = DynamicImage::from_decoder(decoder).map_err(|e| in_words(&e))?;
    let plain = matches!(decoded, DynamicImage::ImageRgb8(_)) && orientation == Orientation::NoTransforms;
    let mut decoded = match profile {
        Some(profile) => color::to_srgb(decoded, &profile)?,
        None => color::Converted::Unchanged(decoded),
    };
    let stored = plain && matches!(decoded, color::Converted::Unchanged(_)) && is_common(bytes);
    decoded.image_mut().apply_orientation(orientation);
    let rgba = decoded.into_image().into_rgba8();
    let (width, height) = (rgba.width() as usize, rgba.height() as usize);
    Ok(Photo { width, height, rgba: rgba.into_raw(), has_alpha, stored: stored.then(|| bytes.to_vec()) })
}

fn decoder(bytes: &[u8]) -> Result<impl ImageDecoder + '_, String> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    if reader.format().is_none() {
        return Err("no PNG, JPEG, WebP, TIFF, BMP, GIF, HEIC or AVIF".into());
    }
    reader.limits(limits);
    reader.into_decoder().map_err(|e| in_words(&e))
}

/// A format that every reader of our datasets decodes.
fn is_common(bytes: &[u8]) -> bool {
    crate::image::extension_of(bytes) != "bin"
}

/// The decoder's words; what ends too early is called so.
fn in_words(err: &::image::ImageError) -> String {
    let text = err.to_string();
    let early = ["unexpected end", "failed to fill whole buffer", "UnexpectedEof", "unexpected EOF", "ended too soon"];
    match early.iter().any(|words| text.to_lowercase().contains(&words.to_lowercase())) {
        true => format!("{}: {text}", whole::CUT_SHORT),
        false => text,
    }
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::data(path, format!("not a readable image ({why})"))
}
