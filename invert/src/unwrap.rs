//! Pictures → texture: every texel looks where it lies in each picture that sees it.
use crate::subject::View;
use formats::image::Picture;
use glam::{Vec2, Vec3};
use head::model::Part;
use head::normals::vertex_normals;
use head::{Correctives, HeadModel};
use prior::maps::UvSpace;
use splat::Camera;
use tch::Tensor;

/// How much nearer something must be to hide a point (metres).
const HIDDEN_M: f32 = 0.006;
/// Cosine between normal and view at which a texel begins to count, and from which it counts fully.
const GRAZING: (f32, f32) = (0.2, 0.6);

/// Factors on the mean texture's RGB that make it a person's, least and most.
const TONE: (f32, f32) = (0.2, 2.5);

/// `[1, 3, U, U]` display RGB: what the pictures show, weighted by how squarely they see it; elsewhere `mean` in the tone of
/// the person's skin or hair. Lips and lids stay `mean` too: a tracked outline is a few pixels off, and would paint teeth on
/// the lips and the eyes' rim on the lids.
pub fn unwrap(views: &[View], model: &HeadModel, shape: &[f32], space: &UvSpace, mean: &Tensor) -> Tensor {
    let u = mean.size()[1] as usize;
    let mut sum = vec![Vec3::ZERO; u * u];
    let mut weight = vec![0f32; u * u];
    let correctives = Correctives::new(model);
    let mut neutral = model.neutral(shape);
    correctives.rest(model, &mut neutral);
    let zones = Zones::new(model, space, u);
    for view in views {
        let mut in_head = neutral.clone();
        in_head.iter_mut().zip(correctives.offsets(model, &neutral, &view.params)).for_each(|(p, o)| *p += o);
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
            let seen = square * bilinear(&view.alpha, pixel).x * (1.0 - zones.outlined[texel]);
            sum[texel] += bilinear(&view.image, pixel) * seen;
            weight[texel] += seen;
        }
    }
    let mean: Vec<f32> = Vec::try_from(mean.contiguous().view([-1])).expect("a texture of floats");
    let mean: Vec<Vec3> = (0..u * u).map(|t| Vec3::new(mean[t], mean[u * u + t], mean[2 * u * u + t])).collect();
    let tones = [Zone::Skin, Zone::Hair].map(|zone| {
        let of_zone = || (0..u * u).filter(|&t| zones.of[t] == zone);
        let (shown, usual) =
            of_zone().fold((Vec3::ZERO, Vec3::ZERO), |(shown, usual), t| (shown + sum[t], usual + weight[t] * mean[t]));
        // A few texels' worth of belief that the person is like the mean.
        ((shown + 4.0 * Vec3::ONE) / (usual + 4.0 * Vec3::ONE)).clamp(Vec3::splat(TONE.0), Vec3::splat(TONE.1))
    });
    let texel = |t: usize| {
        let usual = match zones.of[t] {
            Zone::Skin => mean[t] * tones[0],
            Zone::Hair => mean[t] * tones[1],
            Zone::Other => mean[t],
        };
        usual.lerp(sum[t] / weight[t].max(1e-4), weight[t].min(1.0))
    };
    let texels: Vec<Vec3> = (0..u * u).map(texel).collect();
    let planes: Vec<f32> = (0..3).flat_map(|c| texels.iter().map(move |v| v[c])).collect();
    Tensor::from_slice(&planes).view([1, 3, u as i64, u as i64])
}

/// What has a tone of its own.
#[derive(Clone, Copy, PartialEq)]
enum Zone {
    Skin,
    Hair,
    Other,
}

/// What every texel belongs to.
struct Zones {
    /// `[U · U]`
    of: Vec<Zone>,
    /// `[U · U]` 0..=1 on lips and lids.
    outlined: Vec<f32>,
}

impl Zones {
    fn new(model: &HeadModel, space: &UvSpace, u: usize) -> Self {
        let region = |name: &str, v: usize| model.regions.get(name).map_or(0.0, |mask| mask[v]);
        let mut is_skin = vec![0f32; model.n_vertices()];
        for (face, part) in model.faces.iter().zip(&model.face_parts) {
            face.iter().for_each(|&v| is_skin[v as usize] = if *part == Part::Skin { 1.0 } else { 0.0 });
        }
        let outlined = |v: usize| region("lips", v).max(region("eyelids", v));
        let masks: Vec<Vec3> =
            (0..model.n_vertices()).map(|v| Vec3::new(is_skin[v], region("scalp", v), outlined(v))).collect();
        let planes = space.planes(&masks);
        let zone = |t: usize| match (planes[t] >= 0.5, planes[u * u + t] >= 0.5) {
            (false, _) => Zone::Other,
            (true, true) => Zone::Hair,
            (true, false) => Zone::Skin,
        };
        Zones { of: (0..u * u).map(zone).collect(), outlined: planes[2 * u * u..].to_vec() }
    }
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

    #[test]
    fn what_no_picture_shows_has_the_tone_of_what_one_shows() {
        let model = head::analytic::head();
        let shape = vec![0.0; model.identity.names.len()];
        let (size, u) = (64, 64);
        let flat = |rgb: &[f32]| Picture {
            width: size,
            height: size,
            channels: rgb.len(),
            data: rgb.iter().copied().cycle().take(size * size * rgb.len()).collect(),
        };
        let rows = [[1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.6], [0.0, 0.0, 0.0, 1.0]];
        let camera = formats::FrameRow {
            camera_from_world: rows,
            intrinsics: [[100.0, 0.0, 32.0], [0.0, 100.0, 32.0], [0.0, 0.0, 1.0]],
            width: size as u32,
            height: size as u32,
            ..Default::default()
        }
        .camera();
        let view = View {
            frame_id: 0,
            image: flat(&[0.6, 0.3, 0.2]),
            alpha: flat(&[1.0]),
            valid: flat(&[1.0]),
            camera,
            landmarks_2d: vec![],
            params: head::HeadParams::neutral(shape.len()),
        };
        let space = UvSpace::new(&model, u);
        let zones = Zones::new(&model, &space, u);
        let usual: Vec<f32> = (0..3).flat_map(|_| zones.outlined.iter().map(|o| 0.5 + 0.3 * o)).collect();
        let mean = Tensor::from_slice(&usual).view([3, u as i64, u as i64]);
        let texture: Vec<f32> = Vec::try_from(unwrap(&[view], &model, &shape, &space, &mean).view([-1])).unwrap();
        let red = |zone: Zone| -> Vec<f32> {
            (0..u * u).filter(|&t| zones.of[t] == zone && zones.outlined[t] == 0.0).map(|t| texture[t]).collect()
        };
        // Seen or not, skin and hair are as red as the picture; what has no tone of its own and was not seen stays.
        for zone in [Zone::Skin, Zone::Hair] {
            let red = red(zone);
            assert!(
                red.len() > 100 && red.iter().all(|r| (r - 0.6).abs() < 0.04),
                "{:?}",
                red.iter().fold(1f32, |a, b| a.min(*b))
            );
        }
        assert!(red(Zone::Other).iter().any(|r| (r - 0.5).abs() < 1e-6));
        // Lips and lids are not read from the picture: theirs is the usual color in the skin's tone.
        let outlined: Vec<f32> =
            (0..u * u).filter(|&t| zones.of[t] == Zone::Skin && zones.outlined[t] > 0.99).map(|t| texture[t]).collect();
        assert!(!outlined.is_empty() && outlined.iter().all(|r| (r - 0.8 * 1.2).abs() < 0.06), "{outlined:?}");
    }
}
