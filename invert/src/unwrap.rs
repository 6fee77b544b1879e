//! Pictures → texture: every texel looks where it lies in each picture that sees it.
use crate::subject::View;
use formats::image::Picture;
use glam::{Vec2, Vec3};
use head::HeadModel;
use head::model::HeadParams;
use head::normals::vertex_normals;
use prior::maps::UvSpace;
use splat::Camera;
use tch::Tensor;

/// How much nearer something must be to hide a point (metres).
const HIDDEN_M: f32 = 0.006;
/// Cosine between normal and view at which a texel begins to count, and from which it counts fully.
const GRAZING: (f32, f32) = (0.2, 0.6);

/// `[1, 3, U, U]` display RGB: what the pictures show, weighted by how squarely they see it; `mean` elsewhere.
pub fn unwrap(views: &[View], model: &HeadModel, shape: &[f32], space: &UvSpace, mean: &Tensor) -> Tensor {
    let u = mean.size()[1] as usize;
    let mut sum = vec![Vec3::ZERO; u * u];
    let mut weight = vec![0f32; u * u];
    for view in views {
        let params = HeadParams { shape: shape.to_vec(), ..view.params.clone() };
        let mut in_head = model.neutral(shape);
        in_head.iter_mut().zip(model.expression_offsets(&params)).for_each(|(p, o)| *p += o);
        let depth = depth_buffer(model, &in_head, &view.camera);
        let (points, normals) = (space.planes(&in_head), space.planes(&vertex_normals(&in_head, &model.faces)));
        let eye = view.camera.eye();
        for texel in 0..u * u {
            let at = |planes: &[f32]| Vec3::new(planes[texel], planes[u * u + texel], planes[2 * u * u + texel]);
            let (point, normal) = (at(&points), at(&normals));
            let facing = (eye - point).normalize_or_zero().dot(normal.normalize_or_zero());
            let square = ((facing - GRAZING.0) / (GRAZING.1 - GRAZING.0)).clamp(0.0, 1.0);
            let (pixel, z) = view.camera.project(point);
            if square <= 0.0 || z <= 0.0 || z > depth.at(pixel) + HIDDEN_M {
                continue;
            }
            let seen = square * bilinear(&view.alpha, pixel).x;
            sum[texel] += bilinear(&view.image, pixel) * seen;
            weight[texel] += seen;
        }
    }
    let planes: Vec<f32> = (0..3).flat_map(|c| sum.iter().map(move |v| v[c])).collect();
    let size = [1, u as i64, u as i64];
    let seen = Tensor::from_slice(&weight).view(size);
    let color: Tensor = Tensor::from_slice(&planes).view([3, u as i64, u as i64]) / seen.clamp_min(1e-4);
    let share: Tensor = seen.clamp(0.0, 1.0);
    let unseen: Tensor = 1.0 - &share;
    (color * &share + mean * unseen).unsqueeze(0)
}

/// Nearest depth (metres along the camera's z) of the mesh in each pixel.
struct DepthBuffer {
    width: usize,
    height: usize,
    nearest: Vec<f32>,
}

impl DepthBuffer {
    fn at(&self, pixel: Vec2) -> f32 {
        let (x, y) = (pixel.x.floor() as i64, pixel.y.floor() as i64);
        let inside = x >= 0 && y >= 0 && x < self.width as i64 && y < self.height as i64;
        if inside { self.nearest[y as usize * self.width + x as usize] } else { f32::NEG_INFINITY }
    }
}

fn depth_buffer(model: &HeadModel, positions: &[Vec3], camera: &Camera) -> DepthBuffer {
    let mut buffer = DepthBuffer {
        width: camera.width,
        height: camera.height,
        nearest: vec![f32::INFINITY; camera.width * camera.height],
    };
    let projected: Vec<(Vec2, f32)> = positions.iter().map(|p| camera.project(*p)).collect();
    for face in &model.faces {
        for corners in [[0, 1, 2], [0, 2, 3]] {
            let [a, b, c] = corners.map(|k: usize| projected[face[k] as usize]);
            if a.1 > 0.0 && b.1 > 0.0 && c.1 > 0.0 {
                fill(&mut buffer, a, b, c);
            }
        }
    }
    buffer
}

/// One triangle, depth interpolated linearly in the picture (exact enough for a few millimetres of facet).
fn fill(buffer: &mut DepthBuffer, a: (Vec2, f32), b: (Vec2, f32), c: (Vec2, f32)) {
    let area = (b.0 - a.0).perp_dot(c.0 - a.0);
    if area.abs() < 1e-9 {
        return;
    }
    let (lo, hi) = (a.0.min(b.0).min(c.0), a.0.max(b.0).max(c.0));
    let clip = |v: f32, most: usize| (v.max(0.0) as usize).min(most);
    for y in clip(lo.y, buffer.height)..clip(hi.y.ceil(), buffer.height) {
        for x in clip(lo.x, buffer.width)..clip(hi.x.ceil(), buffer.width) {
            let p = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
            let (wb, wc) = ((p - a.0).perp_dot(c.0 - a.0) / area, (b.0 - a.0).perp_dot(p - a.0) / area);
            if wb >= 0.0 && wc >= 0.0 && wb + wc <= 1.0 {
                let z = a.1 + wb * (b.1 - a.1) + wc * (c.1 - a.1);
                let nearest = &mut buffer.nearest[y * buffer.width + x];
                *nearest = nearest.min(z);
            }
        }
    }
}

/// Value at a pixel position (centres at +0.5), the border repeated; a grey picture gives three equal numbers.
fn bilinear(picture: &Picture, pixel: Vec2) -> Vec3 {
    let last = Vec2::new(picture.width as f32 - 1.0, picture.height as f32 - 1.0);
    let p = (pixel - 0.5).clamp(Vec2::ZERO, last);
    let (x0, y0) = (p.x.floor(), p.y.floor());
    let at = |x: f32, y: f32| {
        let i = (y.min(last.y) as usize * picture.width + x.min(last.x) as usize) * picture.channels;
        let v = &picture.data[i..i + picture.channels];
        Vec3::new(v[0], v[v.len() / 2], v[v.len() - 1])
    };
    let top = at(x0, y0).lerp(at(x0 + 1.0, y0), p.x - x0);
    let bottom = at(x0, y0 + 1.0).lerp(at(x0 + 1.0, y0 + 1.0), p.x - x0);
    top.lerp(bottom, p.y - y0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_of_two_triangles_hides_the_other() {
        let mut buffer = DepthBuffer { width: 4, height: 4, nearest: vec![f32::INFINITY; 16] };
        let corners = [Vec2::new(-1.0, -1.0), Vec2::new(9.0, -1.0), Vec2::new(-1.0, 9.0)];
        fill(&mut buffer, (corners[0], 2.0), (corners[1], 2.0), (corners[2], 2.0));
        fill(&mut buffer, (corners[0], 1.0), (corners[2], 1.0), (corners[1], 1.0));
        assert!((buffer.at(Vec2::new(1.5, 1.5)) - 1.0).abs() < 1e-6);
        assert_eq!(buffer.at(Vec2::new(-3.0, 0.0)), f32::NEG_INFINITY);
    }

    #[test]
    fn bilinear_lookup_hits_pixel_centres() {
        let picture = Picture { width: 2, height: 1, channels: 1, data: vec![0.0, 1.0] };
        assert_eq!(bilinear(&picture, Vec2::new(1.5, 0.5)).x, 1.0);
        assert_eq!(bilinear(&picture, Vec2::new(1.0, 0.5)).x, 0.5);
    }
}
