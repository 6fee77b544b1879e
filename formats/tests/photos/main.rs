//! Photos of every kind come out upright, whole and in sRGB, or are refused with the reason.
mod posed;

use formats::photo::list::{Kind, Listing, kind_of_name, short_stem};
use formats::photo::{self, Turn, whole};
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageFormat, RgbImage};
use moxcms::ColorProfile;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// A new folder of its own.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("formats-photos-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A picture with detail, so that half of its file is about half of its rows.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let noise = (x.wrapping_mul(2654435761) ^ y.wrapping_mul(40503)).wrapping_mul(2246822519) >> 27;
        image::Rgb([(x * 3) as u8 ^ noise as u8, (y * 5) as u8, (x + y) as u8 ^ noise as u8])
    })
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture(64, 48).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

const FORMATS: [(ImageFormat, &str); 6] = [
    (ImageFormat::Png, "png"),
    (ImageFormat::Jpeg, "jpg"),
    (ImageFormat::WebP, "webp"),
    (ImageFormat::Tiff, "tif"),
    (ImageFormat::Bmp, "bmp"),
    (ImageFormat::Gif, "gif"),
];

#[test]
fn every_format_is_read_by_its_content() {
    for (format, ending) in FORMATS {
        let photo = photo::decode(&encoded(format), Turn::Upright).unwrap();
        assert_eq!((photo.width, photo.height, photo.has_alpha), (64, 48, format == ImageFormat::Gif), "{ending}");
        let want = picture(64, 48);
        let apart = photo.rgba.chunks(4).zip(want.as_raw().chunks(3));
        let apart: u32 = apart.flat_map(|(a, b)| (0..3).map(|c| u32::from(a[c].abs_diff(b[c])))).sum();
        assert!(apart / (64 * 48 * 3) < 20, "{ending}: {apart}");
        assert_eq!(photo.stored.is_some(), ["png", "jpg", "webp"].contains(&ending), "{ending}");
    }
}

/// No decoder may fill the missing half with gray, and `verify` sees what photos are refused for.
#[test]
fn a_file_cut_short_is_refused() {
    for (format, ending) in FORMATS {
        let bytes = encoded(format);
        for percent in [30, 60, 95] {
            let cut = &bytes[..bytes.len() * percent / 100];
            let refused = photo::decode(cut, Turn::Upright).expect_err(&format!("{ending} cut at {percent} %"));
            if ["png", "jpg", "webp"].contains(&ending) {
                assert_eq!(refused, whole::CUT_SHORT, "{ending}");
                assert!(formats::image::size_of(cut).is_err(), "verify takes a {ending} cut at {percent} %");
            }
        }
    }
    // Phones append a film or a second picture.
    let more = [encoded(ImageFormat::Jpeg), b"\0\0\0\x18ftypmp42 and a film".to_vec()].concat();
    assert!(photo::decode(&more, Turn::Upright).is_ok());
}

/// Color of the first pixel of a flat picture with an ICC profile.
fn through(profile: &ColorProfile, rgb: [u8; 3], jpeg: bool) -> photo::Photo {
    let (icc, pixels) = (profile.encode().unwrap(), rgb.repeat(16 * 16));
    let mut bytes = Vec::new();
    if jpeg {
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
        encoder.set_icc_profile(icc).unwrap();
        encoder.write_image(&pixels, 16, 16, ExtendedColorType::Rgb8).unwrap();
    } else {
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(icc).unwrap();
        encoder.write_image(&pixels, 16, 16, ExtendedColorType::Rgb8).unwrap();
    }
    photo::decode(&bytes, Turn::Upright).unwrap()
}

/// Display P3 → sRGB by the published matrix of the two sets of primaries.
fn srgb_from_p3(rgb: [u8; 3]) -> [u8; 3] {
    const M: [[f32; 3]; 3] = [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]];
    let linear = rgb.map(|v| formats::image::linear_from_srgb(f32::from(v) / 255.0));
    M.map(|row| formats::image::srgb8_from_linear((0..3).map(|i| row[i] * linear[i]).sum()))
}

#[test]
fn color_profiles_are_converted_to_srgb() {
    let near = |got: &[u8], want: [u8; 3]| got[..3].iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 3);
    for jpeg in [false, true] {
        for rgb in [[200, 100, 50], [90, 140, 60], [128, 128, 128]] {
            let photo = through(&ColorProfile::new_display_p3(), rgb, jpeg);
            assert!(near(&photo.rgba, srgb_from_p3(rgb)), "{rgb:?}: {:?}", &photo.rgba[..4]);
            assert!(photo.stored.is_none(), "other pixels than the file's");
            let photo = through(&ColorProfile::new_srgb(), rgb, jpeg);
            assert!(near(&photo.rgba, rgb) && photo.stored.is_some(), "sRGB stays as it is");
        }
    }
    // Adobe RGB's green lies outside of sRGB; its grays have a gamma of 2.2.
    let photo = through(&ColorProfile::new_adobe_rgb(), [100, 180, 90], false);
    assert!(photo.rgba[0] < 60 && photo.rgba[1].abs_diff(181) <= 3, "{:?}", &photo.rgba[..4]);
}

/// Cameras in Adobe RGB store no profile but say so in EXIF.
#[test]
fn cameras_that_say_adobe_rgb_are_believed() {
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, 100)
        .write_image(&[100, 180, 90].repeat(256), 16, 16, ExtendedColorType::Rgb8)
        .unwrap();
    let plain = photo::decode(&jpeg, Turn::Upright).unwrap();
    // IFD0 with one entry, the interoperability index (in files it stands in its own IFD).
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\0\x01\0\x02\0\0\0\x04R03\0\0\0\0\0";
    jpeg.splice(2..2, exif.iter().copied());
    let photo = photo::decode(&jpeg, Turn::Upright).unwrap();
    assert!(plain.rgba[0].abs_diff(100) < 3 && photo.rgba[0] < 60, "{:?}", &photo.rgba[..4]);
}

/// `cmyk.jpg` and `ycck.jpg` by `make_photos.py`: real encodings, with Adobe's inversion.
#[test]
fn inks_become_the_colors_of_their_makers() {
    let want = [[255, 255, 255], [255, 0, 0], [44, 125, 205], [55, 55, 55]];
    for bytes in [&include_bytes!("cmyk.jpg")[..], include_bytes!("ycck.jpg")] {
        let photo = photo::decode(bytes, Turn::Upright).unwrap();
        assert_eq!((photo.width, photo.height), (64, 32));
        for (i, want) in want.iter().enumerate() {
            let got = &photo.rgba[(16 * 64 + 16 * i + 8) * 4..][..3];
            assert!(got.iter().zip(want).all(|(a, b): (&u8, &u8)| a.abs_diff(*b) <= 3), "{got:?}, {want:?}");
        }
    }
}

#[test]
fn one_limit_of_size_for_all_readers() {
    // A PNG header that promises 20000 x 20000 pixels and holds few.
    let mut png = encoded(ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let refused = photo::decode(&png, Turn::Upright).unwrap_err();
    assert!(refused.contains("20000x20000 pixels; expected at most 268 megapixels"), "{refused}");
    let verified = formats::image::size_of(&png).unwrap_err().to_string();
    assert!(verified.contains("expected at most 268 megapixels"), "{verified}");
    // 200 megapixels of one gray: read by both.
    let (w, h) = (16320u32, 12240u32);
    let gray = formats::image::png_from_gray8(w as usize, h as usize, &vec![90; (w * h) as usize]).unwrap();
    assert_eq!(formats::image::size_of(&gray).unwrap(), (w as usize, h as usize));
    assert_eq!(photo::size_as_stored(&gray).unwrap().0, (w as usize, h as usize));
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

#[test]
fn names_say_what_is_a_photo() {
    for name in ["a.JPG", "a.jfif", "a.HEIC", "a.tiff", "a.avif", "Ü b.webp"] {
        assert_eq!(kind_of_name(Path::new(name)), Kind::Photo, "{name}");
    }
    for name in ["._IMG_1.jpg", ".hidden.png", "notes.txt", "film.mov", "jpg"] {
        assert_eq!(kind_of_name(Path::new(name)), Kind::Other, "{name}");
    }
    for name in ["a.DNG", "a.cr2", "a.jxl"] {
        assert!(matches!(kind_of_name(Path::new(name)), Kind::NotRead(_)), "{name}");
    }
    let long = format!("{}.jpg", "ü".repeat(125));
    assert!(short_stem(Path::new(&long)).len() <= 200 && short_stem(Path::new("a.b.jpg")) == "a.b");
}

#[test]
fn what_is_not_read_is_named_with_the_reason() {
    let folder = folder("listing");
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    put("good.jfif", &encoded(ImageFormat::Jpeg));
    put("half.jpg", &encoded(ImageFormat::Jpeg)[..500]);
    put("raw.NEF", b"II*\0");
    put("._good.jpg", b"\0\x05\x16\x07");
    put("notes.txt", b"no picture");
    let mut listing = Listing::of(&folder).unwrap();
    listing.keep_readable(|path| photo::open(path, Turn::Upright).map(drop)).unwrap();
    assert_eq!(listing.photos, [folder.join("good.jfif")]);
    let lines = listing.lines();
    assert!(lines.len() == 2 && lines[0].contains("half.jpg") && lines[0].contains("cut short"), "{lines:?}");
    assert!(lines[1].contains("raw.NEF") && lines[1].contains("raw photo"), "{lines:?}");
    std::fs::remove_file(folder.join("good.jfif")).unwrap();
    let mut listing = Listing::of(&folder).unwrap();
    let none = listing.keep_readable(|path| photo::open(path, Turn::Upright).map(drop)).unwrap_err();
    assert!(none.to_string().contains("cut short"), "all unreadable is an error: {none}");
    std::fs::remove_dir_all(folder).unwrap();
}
