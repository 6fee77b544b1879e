//! One image file as the columns take it.
use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageReader};
use formats::exit::Failure;
use formats::{Error, image};
use std::io::Cursor;
use std::path::Path;

/// An image, upright, RGB.
pub struct Found {
    /// The file itself where it is 8-bit RGB and upright already, else PNG.
    pub image: Vec<u8>,
    /// 8-bit grey PNG.
    pub alpha: Option<Vec<u8>>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// By the ending of its name.
pub fn is_image_name(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| ["png", "jpg", "jpeg", "webp"].contains(&e.as_str()))
}

/// Has the image an alpha channel? Reads its head alone.
pub fn has_alpha(path: &Path) -> anyhow::Result<bool> {
    let bytes = std::fs::read(path).map_err(|e| Error::reading("image", path, e))?;
    let decoder = reader(&bytes, path)?.into_decoder().map_err(|e| unreadable(path, &e))?;
    Ok(decoder.color_type().has_alpha())
}

/// Reads, turns upright as its EXIF says, splits off the alpha channel; where there is none, `with_alpha` gives white.
pub fn read(path: &Path, with_alpha: bool) -> anyhow::Result<Found> {
    let bytes = std::fs::read(path).map_err(|e| Error::reading("image", path, e))?;
    let mut decoder = reader(&bytes, path)?.into_decoder().map_err(|e| unreadable(path, &e))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(|e| unreadable(path, &e))?;
    let as_it_is = orientation == Orientation::NoTransforms && matches!(decoded, DynamicImage::ImageRgb8(_));
    decoded.apply_orientation(orientation);
    let (width, height) = (decoded.width(), decoded.height());
    let (w, h) = (width as usize, height as usize);
    let alpha = with_alpha.then(|| {
        let alpha: Vec<u8> = decoded.to_rgba8().pixels().map(|p| p.0[3]).collect();
        image::png_from_gray8(w, h, &alpha)
    });
    let image = if as_it_is { bytes } else { image::png_from_rgb8(w, h, &decoded.into_rgb8())? };
    Ok(Found { image, alpha: alpha.transpose()?, width, height })
}

/// By the content, whatever the name says; allocations are limited by the library.
fn reader<'a>(bytes: &'a [u8], path: &Path) -> anyhow::Result<ImageReader<Cursor<&'a [u8]>>> {
    ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| Error::reading("image", path, e).into())
}

fn unreadable(path: &Path, err: &::image::ImageError) -> Failure {
    Failure::bad_data(format!("not a readable image ({err}): {path:?}"))
}
