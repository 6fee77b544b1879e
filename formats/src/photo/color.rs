//! Color profiles → sRGB.
use ::image::{DynamicImage, ImageBuffer, ImageDecoder};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// Differences of 8-bit codes up to which a profile counts as sRGB: that of its common variants.
const SAME: u8 = 2;

/// The outcome of [`to_srgb`].
pub enum Converted {
    /// The pixels were sRGB already, or there is no meaning in converting them.
    Unchanged(DynamicImage),
    /// Other pixels.
    Changed(DynamicImage),
}

impl Converted {
    /// The pixels.
    pub fn into_image(self) -> DynamicImage {
        match self {
            Converted::Unchanged(image) | Converted::Changed(image) => image,
        }
    }

    /// The pixels, to be changed.
    pub fn image_mut(&mut self) -> &mut DynamicImage {
        match self {
            Converted::Unchanged(image) | Converted::Changed(image) => image,
        }
    }
}

/// The color profile of a picture: its ICC profile, or Adobe RGB where EXIF says so in the way of cameras (DCF option
/// file, interoperability index R03). A profile that cannot be read is passed over, as browsers do.
pub fn profile(decoder: &mut impl ImageDecoder) -> Option<ColorProfile> {
    if let Some(icc) = decoder.icc_profile().ok().flatten() {
        return ColorProfile::new_from_slice(&icc).ok();
    }
    let exif = decoder.exif_metadata().ok().flatten()?;
    // Tag 1, type ASCII, 4 bytes, "R03", in either byte order.
    let r03: [&[u8]; 2] = [b"\0\x01\0\x02\0\0\0\x04R03\0", b"\x01\0\x02\0\x04\0\0\0R03\0"];
    r03.iter().any(|tag| exif.windows(tag.len()).any(|w| w == *tag)).then(ColorProfile::new_adobe_rgb)
}

/// Converts pixels of `profile` to sRGB. Profiles of inks stay unused: the decoder has made RGB of CMYK already.
///
/// # Errors
/// In words, when the profile has no transform to sRGB.
pub fn to_srgb(image: DynamicImage, profile: &ColorProfile) -> Result<Converted, String> {
    match (profile.color_space, image.color().has_color()) {
        (DataColorSpace::Rgb, true) if is_srgb(profile)? => Ok(Converted::Unchanged(image)),
        (DataColorSpace::Rgb, true) => rgb_to_srgb(image, profile).map(Converted::Changed),
        (DataColorSpace::Gray, false) => gray_to_srgb(image, profile),
        _ => Ok(Converted::Unchanged(image)),
    }
}

fn complaint(err: impl std::fmt::Debug) -> String {
    format!("its color profile cannot be converted to sRGB: {err:?}")
}

/// Does the profile move no color of a coarse grid by more than [`SAME`]?
fn is_srgb(profile: &ColorProfile) -> Result<bool, String> {
    let level = |i: u32| (i % 6 * 51) as u8;
    let grid: Vec<u8> = (0..6u32.pow(3)).flat_map(|i| [level(i), level(i / 6), level(i / 36)]).collect();
    let mut moved = vec![0; grid.len()];
    let transform = profile
        .create_transform_8bit(Layout::Rgb, &ColorProfile::new_srgb(), Layout::Rgb, TransformOptions::default())
        .map_err(complaint)?;
    transform.transform(&grid, &mut moved).map_err(complaint)?;
    Ok(grid.iter().zip(&moved).all(|(a, b)| a.abs_diff(*b) <= SAME))
}

/// Row by row, so that a large picture is held once; 16-bit pixels are converted as such.
fn rgb_to_srgb(image: DynamicImage, profile: &ColorProfile) -> Result<DynamicImage, String> {
    let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
    let row = 4 * image.width() as usize;
    if image.color().bytes_per_pixel() / image.color().channel_count() > 1 {
        let transform =
            profile.create_transform_16bit(Layout::Rgba, &srgb, Layout::Rgba, options).map_err(complaint)?;
        let mut pixels = image.into_rgba16();
        let mut from = vec![0u16; row];
        for to in pixels.chunks_exact_mut(row) {
            from.copy_from_slice(to);
            transform.transform(&from, to).map_err(complaint)?;
        }
        return Ok(DynamicImage::ImageRgba16(pixels));
    }
    let transform = profile.create_transform_8bit(Layout::Rgba, &srgb, Layout::Rgba, options).map_err(complaint)?;
    let mut pixels = image.into_rgba8();
    let mut from = vec![0u8; row];
    for to in pixels.chunks_exact_mut(row) {
        from.copy_from_slice(to);
        transform.transform(&from, to).map_err(complaint)?;
    }
    Ok(DynamicImage::ImageRgba8(pixels))
}

/// By a table of all 256 grays.
fn gray_to_srgb(image: DynamicImage, profile: &ColorProfile) -> Result<Converted, String> {
    let (grays, mut colors): (Vec<u8>, _) = ((0..=255).collect(), vec![0u8; 3 * 256]);
    let transform = profile
        .create_transform_8bit(Layout::Gray, &ColorProfile::new_srgb(), Layout::Rgb, TransformOptions::default())
        .map_err(complaint)?;
    transform.transform(&grays, &mut colors).map_err(complaint)?;
    if colors.iter().enumerate().all(|(i, c)| c.abs_diff((i / 3) as u8) <= SAME) {
        return Ok(Converted::Unchanged(image));
    }
    let gray = image.into_luma_alpha8();
    let color = |p: &[u8]| {
        let at = 3 * p[0] as usize;
        [colors[at], colors[at + 1], colors[at + 2], p[1]]
    };
    let pixels: Vec<u8> = gray.as_raw().chunks_exact(2).flat_map(color).collect();
    let pixels = ImageBuffer::from_raw(gray.width(), gray.height(), pixels).ok_or("a gray picture of another size")?;
    Ok(Converted::Changed(DynamicImage::ImageRgba8(pixels)))
}
