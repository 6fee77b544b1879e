//! The focal length that a camera wrote into its photo (EXIF 2.32).
use exif::{Exif, In, Reader, Tag, Value};
use std::io::Cursor;
use std::path::Path;

/// Diagonal of 35 mm film (millimeters): what `FocalLengthIn35mmFilm` refers to (CIPA DCG-001).
const FILM_DIAGONAL_MM: f64 = 43.27;
/// Most that width over height of a photo may differ from what the camera says it stored: beyond, it was cut.
const MOST_ASPECT_CHANGE: f64 = 0.02;

/// Focal length in pixels of a photo that is `size` pixels wide and high as stored; `None` where the file does not say it,
/// or where the photo was cut since.
pub fn focal_px(path: &Path, size: (usize, usize)) -> Option<f64> {
    focal_px_of(&std::fs::read(path).ok()?, size)
}

/// The same of the file's bytes.
pub fn focal_px_of(bytes: &[u8], (width, height): (usize, usize)) -> Option<f64> {
    let exif = Reader::new().read_from_container(&mut Cursor::new(bytes)).ok()?;
    let number = |tag: Tag| number(&exif, tag).filter(|v| v.is_finite() && *v > 0.0);
    let (width, height) = (width as f64, height as f64);
    // Pixels of this file per pixel that the camera stored.
    let scale = match (number(Tag::PixelXDimension), number(Tag::PixelYDimension)) {
        (Some(x), Some(y)) => {
            // A program may have turned the pixels and left the camera's numbers as they were.
            let (x, y) = if (x > y) == (width > height) { (x, y) } else { (y, x) };
            if ((x / y) / (width / height) - 1.0).abs() > MOST_ASPECT_CHANGE {
                return None;
            }
            width / x
        }
        _ => 1.0,
    };
    if let Some(mm) = number(Tag::FocalLengthIn35mmFilm) {
        return Some(mm / FILM_DIAGONAL_MM * width.hypot(height));
    }
    let unit_mm = match number(Tag::FocalPlaneResolutionUnit) {
        Some(3.0) => 10.0,
        _ => 25.4,
    };
    Some(number(Tag::FocalLength)? * number(Tag::FocalPlaneXResolution)? / unit_mm * scale)
}

fn number(exif: &Exif, tag: Tag) -> Option<f64> {
    let field = exif.get_field(tag, In::PRIMARY)?;
    match &field.value {
        Value::Rational(v) => v.first().map(|r| r.to_f64()),
        value => value.get_uint(0).map(f64::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exif::experimental::Writer;
    use exif::{Field, Rational};

    /// A JPEG of 40 x 30 pixels with these EXIF fields.
    fn jpeg(fields: &[(Tag, Value)]) -> Vec<u8> {
        let mut plain = Vec::new();
        let picture = image::RgbImage::new(40, 30);
        image::codecs::jpeg::JpegEncoder::new(&mut plain).encode_image(&picture).unwrap();
        if fields.is_empty() {
            return plain;
        }
        let fields: Vec<Field> =
            fields.iter().map(|(tag, value)| Field { tag: *tag, ifd_num: In::PRIMARY, value: value.clone() }).collect();
        let mut writer = Writer::new();
        fields.iter().for_each(|f| writer.push_field(f));
        let mut tiff = Cursor::new(Vec::new());
        writer.write(&mut tiff, false).unwrap();
        let mut block = b"Exif\0\0".to_vec();
        block.extend(tiff.into_inner());
        let length = (block.len() as u16 + 2).to_be_bytes();
        [&plain[..2], &[0xff, 0xe1], &length, &block, &plain[2..]].concat()
    }

    fn millimeters(v: u32) -> Value {
        Value::Rational(vec![Rational { num: v, denom: 1 }])
    }

    #[test]
    fn equivalent_focal_lengths_refer_to_the_diagonal() {
        let fields = [(Tag::FocalLengthIn35mmFilm, Value::Short(vec![28]))];
        let found = focal_px_of(&jpeg(&fields), (40, 30)).unwrap();
        assert!((found - 28.0 / 43.27 * 50.0).abs() < 1e-9, "{found}");
    }

    #[test]
    fn sensor_resolution_serves_too_at_any_picture_size() {
        let fields = [
            (Tag::FocalLength, millimeters(50)),
            (Tag::FocalPlaneXResolution, millimeters(4000)),
            (Tag::FocalPlaneResolutionUnit, Value::Short(vec![3])),
            (Tag::PixelXDimension, Value::Long(vec![4000])),
            (Tag::PixelYDimension, Value::Long(vec![3000])),
        ];
        // 400 pixels a millimeter in the camera, a hundredth of that here.
        assert!((focal_px_of(&jpeg(&fields), (40, 30)).unwrap() - 200.0).abs() < 1e-9);
        assert!((focal_px_of(&jpeg(&fields), (30, 40)).unwrap() - 200.0).abs() < 1e-9, "turned since");
    }

    #[test]
    fn a_photo_that_was_cut_says_nothing() {
        let fields = [
            (Tag::FocalLengthIn35mmFilm, Value::Short(vec![28])),
            (Tag::PixelXDimension, Value::Long(vec![40])),
            (Tag::PixelYDimension, Value::Long(vec![60])),
        ];
        assert_eq!(focal_px_of(&jpeg(&fields), (40, 30)), None);
        assert_eq!(focal_px_of(&jpeg(&[]), (40, 30)), None);
        assert_eq!(focal_px_of(b"no picture", (40, 30)), None);
    }
}
