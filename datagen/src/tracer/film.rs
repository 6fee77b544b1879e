//! What a rendering gives: the filtered picture and the labels of the rays through the pixel centers.
use glam::{Vec2, Vec3};

/// A rendered picture. Every buffer is row-major from the top left, `[height · width]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Film {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Linear RGB, premultiplied by `alpha`; the environment behind is left out.
    pub rgb: Vec<Vec3>,
    /// Coverage, 0..=1; of more rays than the color where it is partial.
    pub alpha: Vec<f32>,
    /// Mean albedo of first hits, premultiplied: a guide for the denoiser.
    pub albedo: Vec<Vec3>,
    /// Mean shading normal of first hits (world), not unit: a guide for the denoiser.
    pub normal: Vec<Vec3>,
    /// What the ray through each pixel center meets.
    pub labels: Labels,
    /// Rays traced for it, shadow rays and label rays included.
    pub rays: u64,
}

/// First opaque hits of the rays through the pixel centers; clear materials are looked through. Buffers as in [`Film`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// Depth along the camera's z (meters); 0 where nothing is hit.
    pub depth: Vec<f32>,
    /// Unit shading normal (world, without bumps; a strand's faces the camera); zero where nothing is hit.
    pub normal: Vec<Vec3>,
    /// Texture coordinate; zero on strands and where nothing is hit.
    pub uv: Vec<Vec2>,
    /// Class id; 0 is background.
    pub class: Vec<u8>,
    /// Part id, [`NO_PART`] where nothing is hit.
    pub part: Vec<u8>,
    /// Triangle and barycentrics; `None` on strands and where nothing is hit.
    pub surface: Vec<Option<SurfaceHit>>,
}

/// Part id of the background.
pub const NO_PART: u8 = 255;

/// A place on a mesh of the scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurfaceHit {
    /// Index into `SceneDesc::meshes`.
    pub mesh: u32,
    /// Index into its triangles.
    pub triangle: u32,
    /// Weights of the second and third corner; the first has the rest.
    pub bary: Vec2,
}

impl Film {
    /// All background.
    pub fn new(width: usize, height: usize) -> Self {
        let n = width * height;
        Film {
            width,
            height,
            rgb: vec![Vec3::ZERO; n],
            alpha: vec![0.0; n],
            albedo: vec![Vec3::ZERO; n],
            normal: vec![Vec3::ZERO; n],
            labels: Labels {
                depth: vec![0.0; n],
                normal: vec![Vec3::ZERO; n],
                uv: vec![Vec2::ZERO; n],
                class: vec![0; n],
                part: vec![NO_PART; n],
                surface: vec![None; n],
            },
            rays: 0,
        }
    }

    /// The picture over a plain background: straight linear RGB.
    pub fn over(&self, background: Vec3) -> Vec<Vec3> {
        self.rgb.iter().zip(&self.alpha).map(|(c, a)| *c + background * (1.0 - a)).collect()
    }
}
