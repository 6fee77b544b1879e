//! One row of `frames`: an image with everything known about it.

use glam::{Mat4, Vec3};
use head::model::HeadParams;
use splat::Camera;

/// Version of the row layout; a reader refuses newer ones. 2: `valid`, `landmark_spread`, `expression_spread`. Optional
/// columns that older readers may ignore do not raise it: `action`, `capture`, `frame_time`.
pub const SCHEMA_VERSION: u32 = 2;

/// One image. Rendered rows hold the truth, tracked rows hold fitted values in the same columns.
/// Images are encoded files (PNG, or WebP for RGB on request), so that every reader shows them.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameRow {
    /// Unique in the dataset: (identity, expression, camera, light) packed by `datagen plan`.
    pub frame_id: u64,
    /// Row of `identities`.
    pub identity_id: u32,
    /// Index within the identity.
    pub expression_id: u32,
    /// Index within the expression.
    pub camera_id: u32,
    /// Environment light.
    pub light_id: u32,
    /// `train`, `val` or `test`; split by identity.
    pub split: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// RGB, straight (not premultiplied) sRGB; PNG, or WebP lossless on request.
    pub image: Vec<u8>,
    /// 8-bit gray PNG: coverage of the head, hair included.
    pub alpha: Option<Vec<u8>>,
    /// 8-bit gray PNG: 255 where the photo covers the frame, 0 beyond its edge, where nothing is known (tracked rows);
    /// absent: valid everywhere.
    pub valid: Option<Vec<u8>>,
    /// 8-bit gray PNG of class ids, see [`crate::segmentation`].
    pub segmentation: Option<Vec<u8>>,
    /// 16-bit gray PNG: depth along the camera's z in tenths of a millimeter (so up to 6.5 m); 0 where nothing is hit.
    pub depth: Option<Vec<u8>>,
    /// RGB PNG: world-space normal, `(n + 1) / 2`; 0 0 0 where nothing is hit.
    pub normal: Option<Vec<u8>>,
    /// 16-bit RGB PNG: u, v and part id of the first hit; 0 where nothing is hit.
    pub uv: Option<Vec<u8>>,
    /// RGB PNG: color of what is hit, without light, straight sRGB; 0 0 0 where nothing is hit.
    pub albedo: Option<Vec<u8>>,
    /// 16-bit RGB PNG: world position as `(p + 1 m) / 2 m`, so to 0.03 mm within a meter; 0 0 0 where nothing is hit.
    pub position: Option<Vec<u8>>,
    /// ARKit units, 0..=1, order of `head::model::ARKIT`.
    pub expression: [f32; 52],
    /// Axis-angle (radians): neck, head, jaw, left eye, right eye.
    pub pose: [[f32; 3]; 5],
    /// Rigid world → camera (meters), row-major.
    pub camera_from_world: [[f32; 4]; 4],
    /// `[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]` in pixels.
    pub intrinsics: [[f32; 3]; 3],
    /// `[L]` projected landmarks in pixels (68 iBUG, then dense).
    pub landmarks_2d: Vec<[f32; 2]>,
    /// `[L]` landmarks in world space (meters).
    pub landmarks_3d: Vec<[f32; 3]>,
    /// `[L]` share seen: 1 whole, 0 hidden; tracked rows hold the detector's confidence.
    pub landmark_visible: Vec<f32>,
    /// `[L]` expected error of each landmark in pixels (tracked rows), else empty.
    pub landmark_spread: Vec<f32>,
    /// `[52]` standard deviation of each ARKit unit (tracked rows), else empty.
    pub expression_spread: Vec<f32>,
    /// Unit gaze directions in world space: left, right eye.
    pub gaze: [[f32; 3]; 2],
    /// What is known of the light (JSON: kind and parameters).
    pub light: String,
    /// What the person does (JSON: kind and names of the drawn faces; in a sequence clip, frame and rate); empty where
    /// nothing is known, and in shards older than the column.
    pub action: String,
    /// How the picture was taken (JSON: path of the camera, lens, noise, tone curve); empty as `action`.
    pub capture: String,
    /// Seconds since the start of the video that the image is a frame of (tracked rows of a video).
    pub frame_time: Option<f64>,
    /// Monte-Carlo samples a pixel; 0 for photos.
    pub samples_per_pixel: u32,
    /// Seed of the row's random numbers.
    pub seed: u64,
    /// Shape coefficients `[Ks]`; tracked rows carry the fitted ones here, rendered rows may leave it to `identities`.
    pub shape: Vec<f32>,
    /// File the image came from (tracked rows), else empty.
    pub source_path: String,
}

impl Default for FrameRow {
    /// Zeros, no maps, no landmarks.
    fn default() -> Self {
        FrameRow {
            frame_id: 0,
            identity_id: 0,
            expression_id: 0,
            camera_id: 0,
            light_id: 0,
            split: String::new(),
            width: 0,
            height: 0,
            image: Vec::new(),
            alpha: None,
            valid: None,
            segmentation: None,
            depth: None,
            normal: None,
            uv: None,
            albedo: None,
            position: None,
            expression: [0.0; 52],
            pose: Default::default(),
            camera_from_world: Default::default(),
            intrinsics: Default::default(),
            landmarks_2d: Vec::new(),
            landmarks_3d: Vec::new(),
            landmark_visible: Vec::new(),
            landmark_spread: Vec::new(),
            expression_spread: Vec::new(),
            gaze: Default::default(),
            light: String::new(),
            action: String::new(),
            capture: String::new(),
            frame_time: None,
            samples_per_pixel: 0,
            seed: 0,
            shape: Vec::new(),
            source_path: String::new(),
        }
    }
}

impl FrameRow {
    /// The camera of the row.
    pub fn camera(&self) -> Camera {
        let [[fx, _, cx], [_, fy, cy], _] = self.intrinsics;
        let camera_from_world = Mat4::from_cols_array_2d(&self.camera_from_world).transpose();
        Camera { width: self.width as usize, height: self.height as usize, fx, fy, cx, cy, camera_from_world }
    }

    /// Sets image size, intrinsics and extrinsics.
    pub fn set_camera(&mut self, camera: &Camera) {
        (self.width, self.height) = (camera.width as u32, camera.height as u32);
        self.intrinsics = [[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]];
        self.camera_from_world = camera.camera_from_world.transpose().to_cols_array_2d();
    }

    /// What poses the head of the row; `shape` comes from the row itself or, when rendered, from its identity.
    pub fn head_params(&self, shape: &[f32]) -> HeadParams {
        HeadParams { shape: shape.into(), expression: self.expression, pose: self.pose.map(Vec3::from) }
    }

    /// Sets expression and pose, and the row's own shape.
    pub fn set_head_params(&mut self, params: &HeadParams) {
        self.shape.clone_from(&params.shape);
        self.expression = params.expression;
        self.pose = params.pose.map(|p| p.to_array());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cameras_and_params_come_back_from_a_row() {
        let camera = Camera::look_at(Vec3::new(0.3, 0.1, 0.9), Vec3::ZERO, Vec3::Y, 300.0, 64, 48);
        let mut row = FrameRow::default();
        row.set_camera(&camera);
        assert_eq!(row.camera(), camera);
        assert_eq!(row.camera_from_world[3], [0.0, 0.0, 0.0, 1.0], "row-major: the translation is the last column");
        let pose = [Vec3::X, Vec3::Y, Vec3::Z, Vec3::NEG_X, Vec3::NEG_Y];
        let params = HeadParams { shape: vec![1.0, 2.0], expression: [0.5; 52], pose };
        row.set_head_params(&params);
        assert_eq!(row.head_params(&row.shape), params);
    }
}
