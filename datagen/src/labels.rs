//! From a film to a row of `frames`: encoded pictures and everything known about them.
use crate::config::{Background, Config};
use crate::people::actor::Take;
use crate::people::expressions::Performance;
use crate::studio::cameras::Capture;
use crate::studio::develop::Development;
use crate::studio::light::Light;
use crate::tracer::film::{Film, NO_PART};
use crate::tracer::trace;
use formats::FrameRow;
use formats::image::{png_from_gray8, png_from_gray16, png_from_rgb8, png_from_rgb16, srgb8_from_linear};
use glam::{Mat4, Vec3};
use splat::Camera;

/// Skin, hair, glasses or cloth this far (meters) or farther in front of a landmark hide it.
const COVERED_BY_M: f32 = 0.002;
/// Brows, lashes and beard must be this far before it: they do not hide the lid or chin they grow from.
const HIDDEN_BY_M: f32 = 0.008;
/// Sight is asked for on a small cross (meters), so that one stray hair hides a part only.
const SIGHT_M: f32 = 0.0006;

/// Which row it is.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameKey {
    /// Row of `identities`.
    pub identity_id: u32,
    /// Index within the identity.
    pub expression_id: u32,
    /// Index within the expression.
    pub camera_id: u32,
    /// Environment.
    pub light_id: u32,
    /// `train`, `val` or `test`.
    pub split: &'static str,
    /// Seed of the samples.
    pub seed: u64,
}

impl FrameKey {
    /// The ids in one number: 24 bits of identity, 14 of expression, 10 of camera, 15 of light (63 in all).
    pub fn frame_id(&self) -> u64 {
        let (i, e) = (self.identity_id as u64, self.expression_id as u64);
        (i << 39) | (e << 25) | ((self.camera_id as u64) << 15) | self.light_id as u64
    }
}

/// Everything a row is made of.
pub struct Shot<'a> {
    /// Which row.
    pub key: &'a FrameKey,
    /// The config that switches maps.
    pub config: &'a Config,
    /// The face that was made.
    pub performance: &'a Performance,
    /// The scene and its landmarks.
    pub take: &'a Take,
    /// Where from.
    pub camera: &'a Camera,
    /// How it was taken.
    pub capture: &'a Capture,
    /// Under which light.
    pub light: &'a Light,
    /// The picture.
    pub film: &'a Film,
    /// What rays hit, to test which landmarks are seen.
    pub scene: &'a trace::Scene,
}

impl Shot<'_> {
    /// The row.
    ///
    /// # Errors
    /// If a picture cannot be encoded.
    pub fn row(&self) -> anyhow::Result<FrameRow> {
        let (w, h) = (self.film.width, self.film.height);
        let maps = &self.config.maps;
        let labels = &self.film.labels;
        let mut row = FrameRow {
            frame_id: self.key.frame_id(),
            identity_id: self.key.identity_id,
            expression_id: self.key.expression_id,
            camera_id: self.key.camera_id,
            light_id: self.key.light_id,
            split: self.key.split.to_owned(),
            width: w as u32,
            height: h as u32,
            image: png_from_rgb8(w, h, &self.rgb8())?,
            expression: self.performance.expression,
            pose: self.performance.pose.map(|p| p.to_array()),
            camera_from_world: rows_of(self.camera.camera_from_world),
            intrinsics: [[self.camera.fx, 0.0, self.camera.cx], [0.0, self.camera.fy, self.camera.cy], [0.0, 0.0, 1.0]],
            landmarks_2d: self.take.landmarks.iter().map(|p| self.camera.project(*p).0.to_array()).collect(),
            landmarks_3d: self.take.landmarks.iter().map(|p| p.to_array()).collect(),
            landmark_visible: self.take.landmarks.iter().map(|p| self.seen(*p)).collect(),
            gaze: self.take.gaze.map(|g| g.to_array()),
            light: self.light_json()?,
            action: serde_json::to_string(&self.performance.action)?,
            capture: serde_json::to_string(self.capture)?,
            samples_per_pixel: self.config.image.samples,
            seed: self.key.seed,
            ..FrameRow::default()
        };
        if maps.alpha {
            let alpha: Vec<u8> = self.film.alpha.iter().map(|a| (a.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
            row.alpha = Some(png_from_gray8(w, h, &alpha)?);
        }
        if maps.segmentation {
            row.segmentation = Some(png_from_gray8(w, h, &labels.class)?);
        }
        if maps.depth {
            let depth: Vec<u16> = labels.depth.iter().map(|d| (d * 1e4).round().clamp(0.0, 65535.0) as u16).collect();
            row.depth = Some(png_from_gray16(w, h, &depth)?);
        }
        if maps.normal {
            let rgb: Vec<u8> = labels.normal.iter().flat_map(|n| encoded_normal(*n)).collect();
            row.normal = Some(png_from_rgb8(w, h, &rgb)?);
        }
        if maps.uv {
            let texel = |(uv, part): (&glam::Vec2, &u8)| match *part {
                NO_PART => [0; 3],
                part => [
                    (uv.x.clamp(0.0, 1.0) * 65535.0).round() as u16,
                    (uv.y.clamp(0.0, 1.0) * 65535.0).round() as u16,
                    part as u16,
                ],
            };
            let rgb: Vec<u16> = labels.uv.iter().zip(&labels.part).flat_map(texel).collect();
            row.uv = Some(png_from_rgb16(w, h, &rgb)?);
        }
        if maps.frame_albedo {
            let straight = self.film.albedo.iter().zip(&self.film.alpha).map(|(c, a)| *c / a.max(1e-6));
            let rgb: Vec<u8> = straight.flat_map(|c| c.to_array().map(srgb8_from_linear)).collect();
            row.albedo = Some(png_from_rgb8(w, h, &rgb)?);
        }
        if maps.frame_position {
            row.position = Some(png_from_rgb16(w, h, &self.positions())?);
        }
        Ok(row)
    }

    /// World positions of the labels as `(p + 1 m) / 2 m`.
    fn positions(&self) -> Vec<u16> {
        let world_from_camera = self.camera.camera_from_world.inverse();
        let encode = |(i, depth): (usize, &f32)| {
            if *depth <= 0.0 {
                return [0; 3];
            }
            let (x, y) = ((i % self.film.width) as f32 + 0.5, (i / self.film.width) as f32 + 0.5);
            let seen = Vec3::new((x - self.camera.cx) / self.camera.fx, (y - self.camera.cy) / self.camera.fy, 1.0);
            let p = world_from_camera.transform_point3(seen * *depth);
            p.to_array().map(|v| ((0.5 * (v + 1.0)).clamp(0.0, 1.0) * 65535.0).round() as u16)
        };
        self.film.labels.depth.iter().enumerate().flat_map(encode).collect()
    }

    /// The picture over its background, as 8-bit sRGB.
    pub fn rgb8(&self) -> Vec<u8> {
        rgb8(self.film, background(self.config, self.light), &self.capture.development)
    }

    /// Fraction of a small cross about a landmark that the camera sees.
    fn seen(&self, landmark: Vec3) -> f32 {
        let (pixel, z) = self.camera.project(landmark);
        let inside = z > 0.0
            && pixel.min_element() >= 0.0
            && pixel.x < self.camera.width as f32
            && pixel.y < self.camera.height as f32;
        if !inside {
            return 0.0;
        }
        let eye = self.camera.eye();
        let (right, down) = crate::tracer::bsdf::frame((landmark - eye).normalize_or(Vec3::Z));
        let cross = [Vec3::ZERO, right, -right, down, -down].map(|step| landmark + step * SIGHT_M);
        let clear =
            |p: &&Vec3| !self.scene.covered(eye, **p, COVERED_BY_M) && !self.scene.hidden(eye, **p, HIDDEN_BY_M);
        cross.iter().filter(clear).count() as f32 / cross.len() as f32
    }

    fn light_json(&self) -> anyhow::Result<String> {
        let mut json = serde_json::to_value(self.light)?;
        json["background"] = serde_json::to_value(background(self.config, self.light))?;
        json["tone"] = TONE.into();
        Ok(json.to_string())
    }
}

/// The curve that every picture ends with, for the row's JSON; what a frame draws besides is in `capture`.
const TONE: &str = "linear to 0.8, then 1 - 0.2 exp(-(x - 0.8) / 0.2); sRGB";

/// Linear RGB behind the head.
pub fn background(config: &Config, light: &Light) -> Vec3 {
    match config.image.background {
        Background::Plain => light.background,
        Background::Black => Vec3::ZERO,
        Background::White => Vec3::ONE,
    }
}

/// A film over a background as 8-bit sRGB.
pub fn rgb8(film: &Film, background: Vec3, development: &Development) -> Vec<u8> {
    development.develop(&film.over(background))
}

fn encoded_normal(n: Vec3) -> [u8; 3] {
    if n == Vec3::ZERO { [0; 3] } else { n.to_array().map(|v| ((0.5 + 0.5 * v).clamp(0.0, 1.0) * 255.0).round() as u8) }
}

fn rows_of(m: Mat4) -> [[f32; 4]; 4] {
    m.transpose().to_cols_array_2d()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_do_not_collide() {
        let key = |i, e, c, l| {
            FrameKey { identity_id: i, expression_id: e, camera_id: c, light_id: l, split: "train", seed: 0 }.frame_id()
        };
        let top = key((1 << 23) - 1, (1 << 14) - 1, (1 << 10) - 1, (1 << 15) - 1);
        assert!(top < 1 << 63 && key(0, 0, 0, 1) < key(0, 0, 1, 0) && key(0, 1, 0, 0) < key(1, 0, 0, 0));
    }

    #[test]
    fn landmarks_lie_on_the_skin_that_is_traced() {
        let sets = ["head=analytic", "mesh.texture_size=32", "mesh.subdivision=2", "hair.strands=50"];
        let config = Config::load(None, &sets.map(str::to_owned)).unwrap();
        let stage = crate::people::stage::Stage::new(&config).unwrap();
        let actor = crate::people::actor::Actor::sample(&stage, &config, 1);
        let take = actor.take(&Performance::neutral());
        let skin = &take.scene.meshes[0];
        let surface = crate::people::surface::Surface::new(skin.positions.clone(), skin.triangles.clone());
        let on_skin: Vec<Vec3> = take
            .landmarks
            .iter()
            .zip(&stage.model.landmarks)
            .filter(|(_, l)| stage.model.face_parts[l.face as usize] == head::model::Part::Skin)
            .map(|(p, _)| *p)
            .collect();
        assert!(on_skin.len() >= 68, "{}", on_skin.len());
        for (k, (root, landmark)) in surface.nearest(&on_skin).iter().zip(&on_skin).enumerate() {
            let off_m = surface.position(*root).distance(*landmark);
            // rounding: a quarter of a pixel of 512 is fifteen times as much
            assert!(off_m < 1e-5, "landmark {k} lies {off_m} m off the skin");
        }
    }
}
