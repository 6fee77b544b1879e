//! Draws a mesh, smoothly shaded, with a depth buffer: for overlays, and for tests that need a head without a renderer.
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
    /// `[H, W]` metres along the camera's z; infinite where nothing is.
    pub depth: Vec<f32>,
}

impl MeshView {
    /// Depth (metres) at a pixel position; negative infinity outside of the picture, where nothing is known.
    pub fn depth_at(&self, pixel: Vec2) -> f32 {
        let (x, y) = (pixel.x.floor(), pixel.y.floor());
        let inside = x >= 0.0 && y >= 0.0 && x < self.width as f32 && y < self.height as f32;
        if inside { self.depth[y as usize * self.width + x as usize] } else { f32::NEG_INFINITY }
    }
}

/// Draws `positions` `[V]` (metres) of `model` as `camera` sees them.
pub fn draw(model: &HeadModel, positions: &[Vec3], camera: &Camera) -> MeshView {
    let n = camera.width * camera.height;
    let (shade, part, depth) = (vec![0.0; n], vec![None; n], vec![f32::INFINITY; n]);
    let mut view = MeshView { width: camera.width, height: camera.height, shade, part, depth };
    let projected: Vec<(Vec2, f32)> = positions.iter().map(|p| camera.project(*p)).collect();
    let eye = camera.eye();
    let normals = head::normals::vertex_normals(positions, &model.faces);
    let shades: Vec<f32> =
        positions.iter().zip(&normals).map(|(p, n)| n.dot((eye - *p).normalize_or_zero()).abs()).collect();
    for (face, part) in model.faces.iter().zip(&model.face_parts) {
        for corners in [[face[0], face[1], face[2]], [face[0], face[2], face[3]]] {
            let corners = corners.map(|i| i as usize);
            if corners[1] == corners[2] || corners.iter().any(|i| projected[*i].1 < 0.01) {
                continue;
            }
            let corners = corners.map(|i| Corner { at: projected[i].0, depth: projected[i].1, shade: shades[i] });
            triangle(&corners, &mut view, *part);
        }
    }
    view
}

/// A projected vertex.
struct Corner {
    at: Vec2,
    depth: f32,
    shade: f32,
}

fn triangle(p: &[Corner; 3], view: &mut MeshView, part: Part) {
    let area = (p[1].at - p[0].at).perp_dot(p[2].at - p[0].at);
    if area.abs() < 1e-9 {
        return;
    }
    let low = p[0].at.min(p[1].at).min(p[2].at).floor().max(Vec2::ZERO);
    let high = p[0].at.max(p[1].at).max(p[2].at).ceil().min(Vec2::new(view.width as f32, view.height as f32));
    for y in low.y as usize..high.y.max(0.0) as usize {
        for x in low.x as usize..high.x.max(0.0) as usize {
            let q = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
            let weight = |i: usize, j: usize| (p[j].at - p[i].at).perp_dot(q - p[i].at) / area;
            // Each corner's weight is the area opposite of it.
            let w = [weight(1, 2), weight(2, 0), weight(0, 1)];
            if w.iter().any(|v| *v < 0.0) {
                continue;
            }
            let mix = |of: fn(&Corner) -> f32| w.iter().zip(p).map(|(w, c)| w * of(c)).sum::<f32>();
            let z = mix(|c| c.depth);
            let i = y * view.width + x;
            if z < view.depth[i] {
                view.depth[i] = z;
                view.shade[i] = mix(|c| c.shade);
                view.part[i] = Some(part);
            }
        }
    }
}
