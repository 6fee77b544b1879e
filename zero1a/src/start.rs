//! The first Gaussians: one on every triangle, coloured from the reference where it shows the triangle, from the other
//! side of the face where that does, and by what surrounds it elsewhere; shells of hair over the scalp, as far as the
//! reference's matte reaches; and what the reference shows beyond the mesh.
use crate::subject::Subject;
use formats::image::Picture;
use glam::{Mat3, Quat, Vec2, Vec3};
use head::model::{HeadModel, HeadParams, Part};
use head::normals::{triangles, vertex_normals};
use head::{PersonMesh, TriangleFrame};
use nets::bridge::render::GaussianTensors;
use nets::bridge::rigged::{Bound, Rigged};
use serde::{Deserialize, Serialize};
use splat::Colors;
use splat::gaussians::SH_C0;
use tch::{Device, Tensor};
use track::mesh_view::{self, MeshView};

mod beyond;

/// How the avatar begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Start {
    /// Gaussians a triangle: 1, or 4 for the triangle cut at the middles of its edges.
    pub per_triangle: usize,
    /// Heights of the shells of hair over the scalp (metres).
    pub hair_m: Vec<f32>,
    /// Distance between pieces of what lies beyond the mesh: shoulders, long hair (metres); 0 leaves it out.
    pub beyond_m: f32,
    /// Opacity of what is on the surface.
    pub opacity: f32,
    /// Degree of the colours' spherical harmonics, 0 to 3. Views of a video model disagree: higher degrees store that.
    pub sh_degree: usize,
}

impl Default for Start {
    fn default() -> Self {
        Start { per_triangle: 1, hair_m: vec![0.006, 0.014, 0.024], beyond_m: 0.006, opacity: 0.95, sh_degree: 0 }
    }
}

/// How much nearer something must be to hide a point (metres).
const HIDDEN_M: f32 = 0.004;
/// Cosine between normal and view under which a vertex takes no colour.
const GRAZING: f32 = 0.25;
/// Spread of a Gaussian over that of a uniform triangle: neighbours overlap.
const OVERLAP: f32 = 2.5;
/// Thickness over width.
const FLAT: f32 = 0.25;

/// The avatar before it has learnt anything, on `device`.
pub fn rigged(model: &HeadModel, subject: &Subject, start: &Start, device: Device) -> Rigged {
    let mesh = PersonMesh::new(model, &subject.params.shape);
    let paint = Paint::new(model, subject);
    let cut = triangles(&model.faces);
    let mut list = List::default();
    for (t, corners) in mesh.triangles.iter().enumerate() {
        let at = corners.map(|v| mesh.neutral[v as usize]);
        let frame = TriangleFrame::of(at);
        let colors = corners.map(|v| paint.colors[v as usize]);
        for weights in pieces(start.per_triangle) {
            let mix = |values: [Vec3; 3], w: [f32; 3]| (0..3).map(|i| w[i] * values[i]).sum::<Vec3>();
            let piece = weights.map(|w| mix(at, w));
            let middle = [0, 1, 2].map(|i| weights.iter().map(|w| w[i]).sum::<f32>() / 3.0);
            list.push(t, &frame, piece, 0.0, mix(colors, middle), start.opacity);
        }
        if model.face_parts[cut.face[t] as usize] == Part::Skin && corners.iter().all(|&v| paint.grows_hair(model, v)) {
            for &height in &start.hair_m {
                if let Some(color) = paint.hair(corners, height) {
                    list.push(t, &frame, at, height, color, 0.6);
                }
            }
        }
    }
    if start.beyond_m > 0.0 {
        paint.beyond(&mesh, start, &mut list);
    }
    Rigged { mesh, bound: list.bound(start.sh_degree, device) }
}

/// Corners of the pieces of a triangle as weights of its own corners.
fn pieces(n: usize) -> Vec<[[f32; 3]; 3]> {
    let (a, b, c) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
    if n < 4 {
        return vec![[a, b, c]];
    }
    let (ab, bc, ca) = ([0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]);
    vec![[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
}

/// Gaussians in the making.
#[derive(Default)]
struct List {
    means: Vec<f32>,
    quats: Vec<f32>,
    log_scales: Vec<f32>,
    opacity_logits: Vec<f32>,
    colors: Vec<Vec3>,
    triangle: Vec<i64>,
}

impl List {
    /// One as wide as a (piece of a) triangle, `height` metres above it.
    fn push(&mut self, t: usize, frame: &TriangleFrame, piece: [Vec3; 3], height: f32, color: Vec3, opacity: f32) {
        let local = piece.map(|p| frame.local(p));
        let middle = (local[0] + local[1] + local[2]) / 3.0;
        // In the plane a triangle spans the axes x and z; y is the normal. Its covariance: Σ (vᵢ−c)(vᵢ−c)ᵀ / 12.
        let (mut xx, mut xz, mut zz) = (0.0, 0.0, 0.0);
        for p in local.map(|p| p - middle) {
            (xx, xz, zz) = (xx + p.x * p.x / 12.0, xz + p.x * p.z / 12.0, zz + p.z * p.z / 12.0);
        }
        // Turned about y by `angle`, the long axis is x.
        let angle = 0.5 * (2.0 * xz).atan2(xx - zz);
        let (mean, half) = ((xx + zz) / 2.0, ((xx - zz) / 2.0).hypot(xz));
        let wide = |variance: f32| OVERLAP * variance.max(1e-4).sqrt();
        let (long, short) = (wide(mean + half), wide(mean - half));
        let quat = Quat::from_mat3(&Mat3::from_rotation_y(-angle));
        self.means.extend((middle + Vec3::Y * (height / frame.scale)).to_array());
        self.quats.extend([quat.w, quat.x, quat.y, quat.z]);
        // Hair is as thick as it is wide: it fills the room between shells.
        let thick = if height > 0.0 { short } else { FLAT * short };
        self.log_scales.extend([long.ln(), thick.ln(), short.ln()]);
        self.opacity_logits.push((opacity / (1.0 - opacity)).ln());
        self.colors.push(color);
        self.triangle.push(t as i64);
    }

    /// One that faces `facing`, as wide as its neighbours are apart, at a place in the space of `frame`'s triangle.
    fn push_piece(&mut self, t: usize, frame: &TriangleFrame, piece: &beyond::Piece, color: Vec3, opacity: f32) {
        let turn = Quat::from_mat3(&frame.rotation.transpose()) * Quat::from_rotation_arc(Vec3::Y, piece.facing);
        let wide = OVERLAP * piece.spacing / 12f32.sqrt() / frame.scale;
        self.means.extend(frame.local(piece.place).to_array());
        self.quats.extend([turn.w, turn.x, turn.y, turn.z]);
        self.log_scales.extend([wide.ln(), (beyond::DEEP * wide).ln(), wide.ln()]);
        self.opacity_logits.push((opacity / (1.0 - opacity)).ln());
        self.colors.push(color);
        self.triangle.push(t as i64);
    }

    fn bound(self, sh_degree: usize, device: Device) -> Bound {
        let n = self.triangle.len() as i64;
        let kind = Colors::Sh { degree: sh_degree };
        let mut colors = vec![0.0; self.colors.len() * kind.stride()];
        for (harmonics, color) in colors.chunks_mut(kind.stride()).zip(&self.colors) {
            harmonics[..3].copy_from_slice(&((*color - 0.5) / SH_C0 as f32).to_array());
        }
        let tensor = |values: &[f32], width: i64| Tensor::from_slice(values).view([n, width]).to_device(device);
        let local = GaussianTensors {
            means: tensor(&self.means, 3),
            quats: tensor(&self.quats, 4),
            log_scales: tensor(&self.log_scales, 3),
            opacity_logits: Tensor::from_slice(&self.opacity_logits).to_device(device),
            colors: tensor(&colors, kind.stride() as i64),
            kind,
        };
        Bound { local, triangle: Tensor::from_slice(&self.triangle).to_device(device) }
    }
}

/// Colours of the vertices, and what else the reference says of places on the head.
struct Paint<'a> {
    subject: &'a Subject,
    /// `[V]` metres, head space, as posed in the reference.
    positions: Vec<Vec3>,
    /// `[V]`
    normals: Vec<Vec3>,
    /// `[V]` display RGB.
    colors: Vec<Vec3>,
    /// The mesh as the reference shows it.
    view: MeshView,
}

impl<'a> Paint<'a> {
    fn new(model: &HeadModel, subject: &'a Subject) -> Self {
        let params = HeadParams { ..subject.params.clone() };
        let mut positions = model.neutral(&params.shape);
        positions.iter_mut().zip(model.expression_offsets(&params)).for_each(|(p, o)| *p += o);
        let normals = vertex_normals(&positions, &model.faces);
        let view = mesh_view::draw(model, &positions, &subject.camera);
        let eye = subject.camera.eye();
        let seen: Vec<Option<Vec3>> = positions
            .iter()
            .zip(&normals)
            .map(|(point, normal)| {
                let facing = (eye - *point).normalize_or_zero().dot(*normal);
                let (pixel, z) = subject.camera.project(*point);
                let in_front = facing > GRAZING && z <= view.depth_at(pixel) + HIDDEN_M;
                (in_front && bilinear(&subject.alpha, pixel).x > 0.9).then(|| bilinear(&subject.image, pixel))
            })
            .collect();
        let either: Vec<Option<Vec3>> = (0..seen.len()).map(|v| seen[v].or(seen[model.mirror[v] as usize])).collect();
        Paint { colors: spread(model, &either), subject, positions, normals, view }
    }

    /// Adds what the reference shows beyond the mesh.
    fn beyond(&self, mesh: &PersonMesh, start: &Start, list: &mut List) {
        let mut triangle_of: Vec<Option<usize>> = vec![None; self.positions.len()];
        for (t, corners) in mesh.triangles.iter().enumerate() {
            corners.iter().for_each(|&v| triangle_of[v as usize] = Some(t));
        }
        for piece in beyond::pieces(self.subject, &self.view, &self.positions, &self.normals, start.beyond_m) {
            let Some(t) = triangle_of[piece.vertex] else { continue };
            let frame = TriangleFrame::of(mesh.triangles[t].map(|v| self.positions[v as usize]));
            list.push_piece(t, &frame, &piece, bilinear(&self.subject.image, piece.pixel), start.opacity);
        }
    }

    fn grows_hair(&self, model: &HeadModel, vertex: u32) -> bool {
        model.regions.get("scalp").is_some_and(|mask| mask[vertex as usize] > 0.5)
    }

    /// Colour of hair `height` metres above a triangle; none where the picture shows that no hair is.
    fn hair(&self, corners: &[u32; 3], height: f32) -> Option<Vec3> {
        let mean = |values: &[Vec3]| corners.iter().map(|&v| values[v as usize]).sum::<Vec3>() / 3.0;
        let (place, normal) = (mean(&self.positions), mean(&self.normals).normalize_or_zero());
        let point = place + normal * height;
        let facing = (self.subject.camera.eye() - point).normalize_or_zero().dot(normal);
        let (pixel, _) = self.subject.camera.project(point);
        // It must fit under the matte with all its width.
        let radius = corners.iter().map(|&v| self.positions[v as usize].distance(place)).sum::<f32>() / 3.0;
        let (outermost, _) = self.subject.camera.project(point + normal * radius);
        if bilinear(&self.subject.alpha, outermost).x < 0.5 {
            return None;
        }
        // Towards the camera the picture has the colour; behind, the scalp was given that of what surrounds it.
        Some(if facing > 0.0 { bilinear(&self.subject.image, pixel) } else { mean(&self.colors) })
    }
}

/// Gives vertices without colour that of their neighbours, and what no neighbour reaches that of its part.
fn spread(model: &HeadModel, known: &[Option<Vec3>]) -> Vec<Vec3> {
    const ROUNDS: usize = 300;
    let mut edges: Vec<(u32, u32)> = Vec::with_capacity(8 * model.faces.len());
    for face in &model.faces {
        for i in 0..4 {
            let (a, b) = (face[i], face[(i + 1) % 4]);
            if a != b {
                edges.extend([(a, b), (b, a)]);
            }
        }
    }
    let mut colors: Vec<Option<Vec3>> = known.to_vec();
    for _ in 0..ROUNDS {
        let mut sums = vec![(Vec3::ZERO, 0.0f32); colors.len()];
        for &(a, b) in edges.iter().filter(|(a, _)| known[*a as usize].is_none()) {
            if let Some(color) = colors[b as usize] {
                let sum = &mut sums[a as usize];
                *sum = (sum.0 + color, sum.1 + 1.0);
            }
        }
        for (v, (sum, n)) in sums.into_iter().enumerate().filter(|(_, (_, n))| *n > 0.0) {
            colors[v] = Some(sum / n);
        }
    }
    let mut part_of = vec![Part::Skin; colors.len()];
    for (face, part) in model.faces.iter().zip(&model.face_parts) {
        face.iter().for_each(|&v| part_of[v as usize] = *part);
    }
    let seen: Vec<Vec3> =
        known.iter().zip(&part_of).filter(|(_, p)| **p == Part::Skin).filter_map(|(c, _)| *c).collect();
    let skin = seen.iter().sum::<Vec3>() / seen.len().max(1) as f32;
    (0..colors.len()).map(|v| inner(part_of[v], skin).or(colors[v]).unwrap_or(skin)).collect()
}

/// What lies in the mouth is mostly hidden, and what little is seen of it is lip or shadow: it starts from what mouths
/// look like under the light that the skin is under.
fn inner(part: Part, skin: Vec3) -> Option<Vec3> {
    let light = (skin.max_element() / 0.8).clamp(0.3, 1.2);
    let base = match part {
        Part::TeethUpper | Part::TeethLower => Vec3::new(0.80, 0.76, 0.68),
        Part::Gums => Vec3::new(0.52, 0.24, 0.23),
        Part::Tongue => Vec3::new(0.58, 0.29, 0.28),
        Part::Mouth => Vec3::new(0.26, 0.10, 0.09),
        Part::Skin | Part::EyeLeft | Part::EyeRight | Part::Lashes => return None,
    };
    Some(base * light)
}

/// Value at a pixel position (centres at +0.5), the border repeated; a grey picture gives three equal numbers.
fn bilinear(picture: &Picture, pixel: Vec2) -> Vec3 {
    let last = Vec2::new(picture.width as f32 - 1.0, picture.height as f32 - 1.0);
    let p = (pixel - 0.5).clamp(Vec2::ZERO, last);
    let corner = p.floor();
    let at = |by: Vec2| {
        let q = (corner + by).min(last);
        let i = (q.y as usize * picture.width + q.x as usize) * picture.channels;
        let v = &picture.data[i..i + picture.channels];
        Vec3::new(v[0], v[v.len() / 2], v[v.len() - 1])
    };
    let share = p - corner;
    let top = at(Vec2::ZERO).lerp(at(Vec2::X), share.x);
    let bottom = at(Vec2::Y).lerp(at(Vec2::ONE), share.x);
    top.lerp(bottom, share.y)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use splat::Camera;

    /// The analytic head before a camera; left half of the picture red, right half green; covered everywhere but above.
    pub(crate) fn subject() -> (HeadModel, Subject) {
        let model = head::analytic::head();
        let n = 96;
        let camera = Camera::look_at(Vec3::new(0.0, 0.0, 0.9), Vec3::ZERO, Vec3::Y, 2.4 * n as f32, n, n);
        let image = (0..n * n).flat_map(|i| if i % n < n / 2 { [0.8, 0.2, 0.1] } else { [0.1, 0.7, 0.2] }).collect();
        let landmarks = model.landmarks_at(&model.template);
        let subject = Subject {
            frame_id: 0,
            image: Picture { width: n, height: n, channels: 3, data: image },
            alpha: Picture { width: n, height: n, channels: 1, data: vec![1.0; n * n] },
            landmarks_2d: landmarks.iter().map(|p| camera.project(*p).0.to_array()).collect(),
            camera,
            params: model.params(),
        };
        (model, subject)
    }

    #[test]
    fn every_triangle_has_its_gaussian_and_the_pictures_colour() {
        let (model, subject) = subject();
        let bare = Start { hair_m: Vec::new(), beyond_m: 0.0, ..Default::default() };
        let rigged = rigged(&model, &subject, &bare, Device::Cpu);
        let n = rigged.mesh.triangles.len();
        assert_eq!(rigged.bound.len(), n);
        rigged.bound.check(n).unwrap();
        let posed = rigged.posed(&[0.0; 52], &[Vec3::ZERO; 5]).to_gaussians().unwrap();
        let (mut right, mut wrong) = (0, 0);
        for t in 0..n {
            let mean = Vec3::from_slice(&posed.means[3 * t..]);
            let frame = TriangleFrame::of(rigged.mesh.triangles[t].map(|v| rigged.mesh.neutral[v as usize]));
            assert!(mean.distance(frame.origin) < 1e-5);
            if mean.z > 0.0 && mean.x.abs() > 0.02 {
                // The picture's left is the person's right, x < 0.
                let red = posed.colors[3 * t] > posed.colors[3 * t + 1];
                *(if red == (mean.x < 0.0) { &mut right } else { &mut wrong }) += 1;
            }
        }
        assert!(right > 100 && wrong < right / 20, "{right} right, {wrong} wrong");
    }

    #[test]
    fn gaussians_are_as_wide_as_their_triangles() {
        let (model, subject) = subject();
        let starts = [1, 4].map(|n| Start { per_triangle: n, hair_m: Vec::new(), beyond_m: 0.0, ..Default::default() });
        let wide = starts.map(|start| {
            let g = rigged(&model, &subject, &start, Device::Cpu)
                .posed(&[0.0; 52], &[Vec3::ZERO; 5])
                .to_gaussians()
                .unwrap();
            let n = g.len();
            let area = |i: usize| (g.log_scales[3 * i] + g.log_scales[3 * i + 2]).exp();
            (n, (0..n).map(area).sum::<f32>())
        });
        assert_eq!(wide[1].0, 4 * wide[0].0);
        assert!((wide[1].1 / wide[0].1 - 1.0).abs() < 0.1, "four pieces cover what the triangle covers: {wide:?}");
    }

    #[test]
    fn hair_is_where_the_matte_is() {
        let (model, mut subject) = subject();
        let start = Start { hair_m: vec![0.01], beyond_m: 0.0, ..Default::default() };
        let with = rigged(&model, &subject, &start, Device::Cpu).bound.len();
        subject.alpha.data.fill(0.0);
        let without = rigged(&model, &subject, &start, Device::Cpu).bound.len();
        assert!(without < with && without == triangles(&model.faces).indices.len());
    }
}
