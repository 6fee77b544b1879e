//! The output frame: the photo seen by a camera that looks at the head as datagen's cameras do.
//!
//! The new camera stands where the photo's stood and only turns (and zooms), so one homography connects the pictures:
//! `photo = K_p · R_p · R_fᵀ · K_f⁻¹ · frame`. The world is the head's own space.
use crate::config::FrameConfig;
use crate::face::Face;
use crate::face_net;
use crate::fit::{FittedView, Lens};
use crate::matte::{self, Square, Window};
use crate::mesh_view;
use crate::networks::Networks;
use crate::picture::{Canvas, Mips};
use glam::{DMat3, DVec3, Mat4, Vec3};
use head::{HeadBox, HeadModel, ibug};
use nets::pictures::align::Affine;
use nets::pictures::augment::blur_rows;
use splat::Camera;

/// Crop side over face size of the readings of the matte: the first holds most heads, the others much hair and shoulders.
const MATTE_MARGINS: [f32; 3] = [1.95, 2.6, 3.6];

/// A photo reframed.
pub struct Frame {
    /// The camera of the frame; world is head space.
    pub camera: Camera,
    /// `[size, size]`: colours, and in the fourth plane the head's coverage.
    pub canvas: Canvas,
    photo_from_frame: DMat3,
    /// `[size, size]` 1 where the photo has something to say.
    inside: Vec<f32>,
}

impl Frame {
    /// Cuts the frame out of the photo, in which `face` is, and mattes it.
    pub fn new(
        networks: &Networks,
        photo: &Mips,
        face: &Face,
        view: &FittedView,
        lens: &Lens,
        head: HeadBox,
        config: &FrameConfig,
    ) -> Self {
        let mut frame = Frame::without_matte(photo, view, lens, head, config);
        frame.matte(&CoarseMatte::read(networks, photo, face));
        frame
    }

    /// Cuts the frame out of the photo; coverage is 1 wherever the photo is.
    pub fn without_matte(photo: &Mips, view: &FittedView, lens: &Lens, head: HeadBox, config: &FrameConfig) -> Self {
        let camera = look_at_head(view, head, config);
        let photo_from_frame = homography(view, lens, &camera);
        let mut frame =
            Frame { camera, canvas: Canvas::new(config.size, config.size), photo_from_frame, inside: Vec::new() };
        frame.canvas = frame.colours_at(photo, config.size);
        frame.inside.clone_from(&frame.canvas.planes[3]);
        frame
    }

    /// Covers what lies well within the fitted head above the chin: no hair style and no light makes a hole there.
    pub fn cover_head(&mut self, model: &HeadModel, posed: &[Vec3]) {
        let size = self.camera.width;
        let chin = self.camera.project(model.landmarks_at(posed)[ibug::CHIN]).0.y;
        let view = mesh_view::draw(model, posed, &self.camera);
        let in_head = |i: usize| view.part[i].is_some() && ((i / size) as f32) < chin;
        let mut sure: Vec<f32> = (0..size * size).map(|i| in_head(i) as u8 as f32).collect();
        blur_rows(&mut sure, size, 1, size as f32 / 64.0);
        for i in 0..size * size {
            let within = ((sure[i] - 0.8) * 5.0).clamp(0.0, 1.0) * self.inside[i];
            self.canvas.planes[3][i] = self.canvas.planes[3][i].max(within);
        }
    }

    /// `[size, size]` 255 where the photo covers the frame, 0 beyond its edge.
    pub fn valid(&self) -> Vec<u8> {
        self.inside.iter().map(|v| if *v > 0.999 { 255 } else { 0 }).collect()
    }

    /// Where a photo's pixel lies in the frame.
    pub fn from_photo(&self, pixel: [f32; 2]) -> [f32; 2] {
        through(&self.photo_from_frame.inverse(), pixel)
    }

    /// The same frame at another size, colours only.
    pub fn colours_at(&self, photo: &Mips, size: usize) -> Canvas {
        let mut canvas = Canvas::new(size, size);
        let zoom = self.camera.width as f32 / size as f32;
        let map = |p: [f32; 2]| through(&self.photo_from_frame, p.map(|v| v * zoom));
        photo.warp_by(self.scale() * zoom, map, &mut canvas);
        canvas
    }

    /// Photo pixels per pixel of the frame, in the middle.
    pub fn scale(&self) -> f32 {
        let middle = self.camera.width as f32 / 2.0;
        let at = |x: f32| through(&self.photo_from_frame, [x, middle]);
        let (a, b) = (at(middle), at(middle + 1.0));
        (b[0] - a[0]).hypot(b[1] - a[1])
    }

    /// `[size, size]` the fourth plane in 8 bits.
    pub fn coverage(&self) -> Vec<u8> {
        self.canvas.planes[3].iter().map(|a| (a * 255.0 + 0.5) as u8).collect()
    }

    /// Replaces the fourth plane by the head's coverage, `coarse` sharpened along the edges of the picture.
    pub fn matte(&mut self, coarse: &CoarseMatte) {
        let size = self.canvas.width;
        let coverage = |pixel| coarse.at(pixel);
        let center = |i: usize| [(i % size) as f32 + 0.5, (i / size) as f32 + 0.5];
        let coarse: Vec<f32> = (0..size * size).map(|i| coverage(through(&self.photo_from_frame, center(i)))).collect();
        let [r, g, b, inside] = &self.canvas.planes;
        let gray: Vec<f32> = (0..size * size).map(|i| 0.3 * r[i] + 0.59 * g[i] + 0.11 * b[i]).collect();
        let window = Window { radius: (size / 48).max(2), epsilon: 4e-4 };
        let alpha = matte::refine(Square { values: &coarse, side: size }, Square { values: &gray, side: size }, window);
        let mut alpha = matte::without_background([r, g, b], &alpha, size);
        alpha.iter_mut().zip(inside).for_each(|(a, i)| *a *= i);
        self.canvas.planes[3] = alpha;
    }
}

/// The head's coverage as the network reads it around the face: close, and from farther for what the close crop does not
/// hold, as in training.
pub struct CoarseMatte {
    /// `[96, 96]` coverage of each crop.
    alphas: Vec<Vec<f32>>,
    /// Crop ← photo, pixels.
    places: [Affine; MATTE_MARGINS.len()],
}

impl CoarseMatte {
    /// Reads it around `face`.
    pub fn read(networks: &Networks, photo: &Mips, face: &Face) -> Self {
        let places = MATTE_MARGINS.map(|margin| face.crop(face_net::SIDE, margin));
        let crops = places.each_ref().map(|place| {
            let mut crop = Canvas::new(face_net::SIDE, face_net::SIDE);
            photo.warp(place, &mut crop);
            crop
        });
        let readings = networks.face.read(&crops, networks.device());
        CoarseMatte { alphas: readings.into_iter().map(|reading| reading.alpha).collect(), places }
    }

    /// At a pixel of the photo. Each reading fades out over a tenth of its crop, into the next one; the last into nothing.
    fn at(&self, pixel: [f32; 2]) -> f32 {
        let readings = self.alphas.iter().zip(&self.places).rev();
        readings.fold(0.0, |farther, (alpha, place)| {
            let at = place.apply(pixel).map(|v| v / face_net::SIDE as f32);
            let edge = at.iter().fold(1.0f32, |least, v| least.min(v.min(1.0 - v)));
            let alpha = Square { values: alpha, side: face_net::ALPHA_SIDE };
            farther + (10.0 * edge).clamp(0.0, 1.0) * (alpha.sample(at) - farther)
        })
    }
}

/// The camera of the frame: at the photo camera's place, looking at the head's middle, the head's up being up.
fn look_at_head(view: &FittedView, head: HeadBox, config: &FrameConfig) -> Camera {
    let eye = -(view.rotation.transpose() * view.translation);
    let eye = eye.as_vec3();
    let focal_px = config.fill * config.size as f32 * eye.distance(head.center) / head.height_m;
    Camera::look_at(eye, head.center, Vec3::Y, focal_px, config.size, config.size)
}

fn homography(view: &FittedView, lens: &Lens, camera: &Camera) -> DMat3 {
    let intrinsic = |f: f64, cx: f64, cy: f64| {
        DMat3::from_cols(DVec3::new(f, 0.0, 0.0), DVec3::new(0.0, f, 0.0), DVec3::new(cx, cy, 1.0))
    };
    let photo = intrinsic(view.focal_px, lens.centre[0], lens.centre[1]);
    let frame = intrinsic(camera.fx as f64, camera.cx as f64, camera.cy as f64);
    let turn = DMat3::from_mat4(camera.camera_from_world.as_dmat4());
    photo * view.rotation * turn.transpose() * frame.inverse()
}

fn through(h: &DMat3, p: [f32; 2]) -> [f32; 2] {
    let q = *h * DVec3::new(p[0] as f64, p[1] as f64, 1.0);
    [(q.x / q.z) as f32, (q.y / q.z) as f32]
}

/// The photo's own camera in head space.
pub fn photo_camera(view: &FittedView, lens: &Lens, size: (usize, usize)) -> Camera {
    let r = view.rotation.as_mat3();
    let t = view.translation.as_vec3();
    let camera_from_world =
        Mat4::from_cols(r.x_axis.extend(0.0), r.y_axis.extend(0.0), r.z_axis.extend(0.0), t.extend(1.0));
    let f = view.focal_px as f32;
    let (cx, cy) = (lens.centre[0] as f32, lens.centre[1] as f32);
    Camera { width: size.0, height: size.1, fx: f, fy: f, cx, cy, camera_from_world }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photo_and_frame_agree_on_where_a_point_is() {
        let turn = DMat3::from_rotation_z(0.3) * DMat3::from_diagonal(DVec3::new(1.0, -1.0, -1.0));
        let rotation = turn * DMat3::from_rotation_y(0.4);
        let view = FittedView {
            rotation,
            translation: DVec3::new(0.1, -0.15, 0.9),
            focal_px: 700.0,
            expression: [0.0; 52],
            rms_px: 0.0,
        };
        let lens = Lens { focal_px: 700.0, focal_spread: 0.0, centre: [256.0, 200.0] };
        let head = HeadBox { center: Vec3::new(0.0, 0.02, -0.03), height_m: 0.23 };
        let camera = look_at_head(&view, head, &FrameConfig { size: 256, fill: 0.7 });
        let h = homography(&view, &lens, &camera);
        let photo = photo_camera(&view, &lens, (512, 400));
        for p in [Vec3::new(0.05, 0.0, 0.08), Vec3::new(-0.04, -0.1, 0.05), Vec3::ZERO] {
            let (in_photo, in_frame) = (photo.project(p).0, camera.project(p).0);
            let mapped = through(&h, in_frame.to_array());
            assert!((mapped[0] - in_photo.x).abs() < 0.02 && (mapped[1] - in_photo.y).abs() < 0.02);
        }
        let up = camera.project(Vec3::new(0.0, 0.1, 0.0)).0 - camera.project(Vec3::ZERO).0;
        assert!(up.y < 0.0 && up.x.abs() < 0.05 * up.y.abs(), "the head stands upright in the frame");
    }
}
