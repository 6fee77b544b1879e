//! A posed photo as the fit takes it: no larger than asked for, over any background.
use formats::photo::Photo;
use formats::{Error, posed};
use splat::Camera;
use std::path::Path;

/// One photo and the camera that took it.
pub struct View {
    pub camera: Camera,
    /// `[H, W, 4]` as stored: not linear, opacity last.
    rgba: Vec<u8>,
}

impl View {
    /// A photo, scaled down to at most `size` pixels a side.
    pub fn new(photo: Photo, camera: Camera, size: usize) -> Self {
        let shrink = (size as f64 / photo.width.max(photo.height) as f64).min(1.0);
        let scaled = |pixels: usize| ((pixels as f64 * shrink).round() as usize).max(1);
        let (w, h) = (scaled(photo.width), scaled(photo.height));
        let full = image::RgbaImage::from_raw(photo.width as u32, photo.height as u32, photo.rgba);
        let full = full.expect("a photo holds four bytes per pixel");
        let small = image::imageops::resize(&full, w as u32, h as u32, image::imageops::FilterType::Triangle);
        View { camera: camera.resized(w, h), rgba: small.into_raw() }
    }

    /// True if a pixel is not opaque.
    pub fn has_alpha(&self) -> bool {
        self.rgba.chunks_exact(4).any(|p| p[3] < 255)
    }

    /// `[H, W, 3]` in 0..1 before `background`.
    pub fn over(&self, background: [f32; 3]) -> Vec<f32> {
        let mixed = |p: &[u8], c: usize| {
            let alpha = p[3] as f32 / 255.0;
            alpha * p[c] as f32 / 255.0 + (1.0 - alpha) * background[c]
        };
        self.rgba.chunks_exact(4).flat_map(|p| [mixed(p, 0), mixed(p, 1), mixed(p, 2)]).collect()
    }
}

/// All photos of a posed folder, in the order of their names.
pub fn read_folder(folder: &Path, size: usize) -> Result<Vec<View>, Error> {
    let missing = Error::Missing { what: "transforms.json or COLMAP model", path: folder.into() };
    let all = posed::read(folder)?.ok_or(missing)?;
    all.iter().map(|posed| posed.open().map(|(photo, camera)| View::new(photo, camera, size))).collect()
}
