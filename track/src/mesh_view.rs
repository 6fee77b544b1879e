//! Draws a mesh, flat shaded, with a depth buffer: for overlays, and for tests that need a head without a renderer.
use glam::{Vec2, Vec3};
use head::model::{HeadModel, Part};
use splat::Camera;

/// A drawn mesh.
pub struct MeshView {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// `[H, W]` brightness 0..=1 under a lamp at the camera.
    pub shade: Vec<f32>,
    /// `[H, W]` the part in front; `None` where nothing is.
    pub part: Vec<Option<Part>>,
}

/// Draws `positions` `[V]` (metres) of `model` as `camera` sees them.
pub fn draw(model: &HeadModel, positions: &[Vec3], camera: &Camera) -> MeshView {
    let n = camera.width * camera.height;
    let mut view = MeshView { width: camera.width, height: camera.height, shade: vec![0.0; n], part: vec![None; n] };
    let mut depth = vec![f32::INFINITY; n];
    let projected: Vec<(Vec2, f32)> = positions.iter().map(|p| camera.project(*p)).collect();
    let in_camera: Vec<Vec3> = positions.iter().map(|p| camera.camera_from_world.transform_point3(*p)).collect();
    for (face, part) in model.faces.iter().zip(&model.face_parts) {
        for corners in [[face[0], face[1], face[2]], [face[0], face[2], face[3]]] {
            let [a, b, c] = corners.map(|i| i as usize);
            if b == c || [a, b, c].iter().any(|i| projected[*i].1 < 0.01) {
                continue;
            }
            let normal = (in_camera[b] - in_camera[a]).cross(in_camera[c] - in_camera[a]).normalize_or_zero();
            let towards = -(in_camera[a] + in_camera[b] + in_camera[c]).normalize_or_zero();
            let shade = normal.dot(towards).abs();
            triangle([a, b, c].map(|i| projected[i]), &mut view, &mut depth, shade, *part);
        }
    }
    view
}

fn triangle(p: [(Vec2, f32); 3], view: &mut MeshView, depth: &mut [f32], shade: f32, part: Part) {
    let area = (p[1].0 - p[0].0).perp_dot(p[2].0 - p[0].0);
    if area.abs() < 1e-9 {
        return;
    }
    let low = p[0].0.min(p[1].0).min(p[2].0).floor().max(Vec2::ZERO);
    let high = p[0].0.max(p[1].0).max(p[2].0).ceil().min(Vec2::new(view.width as f32, view.height as f32));
    for y in low.y as usize..high.y.max(0.0) as usize {
        for x in low.x as usize..high.x.max(0.0) as usize {
            let q = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
            let w = [1, 2, 0].map(|i: usize| (p[(i + 1) % 3].0 - p[i].0).perp_dot(q - p[i].0) / area);
            if w.iter().any(|v| *v < 0.0) {
                continue;
            }
            let z = w[0] * p[0].1 + w[1] * p[1].1 + w[2] * p[2].1;
            let i = y * view.width + x;
            if z < depth[i] {
                depth[i] = z;
                view.shade[i] = shade;
                view.part[i] = Some(part);
            }
        }
    }
}
