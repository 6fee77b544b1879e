//! What the vertices of the mannequin are: joints, skinning weights, landmarks, regions.
use super::grid::{Mesh, Source};
use super::skull::{EYE_X, MOUTH_HALF_WIDTH, MOUTH_Y, Side, bump, ramp};
use crate::model::{JointRest, Part, SurfacePoint};
use crate::surface::nearest_point;
use glam::{Vec2, Vec3};
use std::collections::BTreeMap;
use std::f32::consts::PI;

/// Place of the jaw joint in the template (meters): in front of the ears.
pub const JAW_PIVOT: Vec3 = Vec3::new(0.0, -0.018, -0.068);
const HEAD_PIVOT: Vec3 = Vec3::new(0.0, -0.055, -0.088);
const NECK_PIVOT: Vec3 = Vec3::new(0.0, -0.180, -0.080);

/// `[5]`: the skull's joints follow symmetric vertices nearby, the eyeballs' their equator.
pub fn joints(mesh: &Mesh, template: &[Vec3]) -> Vec<JointRest> {
    let follow = |pivot: Vec3, vertices: Vec<u32>| {
        let mean = vertices.iter().map(|&v| template[v as usize]).sum::<Vec3>() / vertices.len() as f32;
        JointRest { vertices, offset: Vec3::new(0.0, pivot.y - mean.y, pivot.z - mean.z) }
    };
    // Whole rows of the skin: symmetric, and they widen and move with the identity.
    let ring_of_skin = |low: f32, high: f32| {
        let near =
            |source: &Source| matches!(source, Source::Skin { row, side: Side::None, .. } if (low..high).contains(row));
        mesh.select(near)
    };
    let sides = mesh.select(|source| match source {
        Source::Skin { angle, row, side: Side::None } => (angle.abs() - 1.3).abs() < 0.2 && (6.0..7.5).contains(row),
        _ => false,
    });
    let equator = |sign: f32| {
        let on_equator = |source: &Source| matches!(source, Source::Eye { sign: s, polar, .. } if *s == sign && (polar - 0.5 * PI).abs() < 1e-4);
        JointRest { vertices: mesh.select(on_equator), offset: Vec3::ZERO }
    };
    vec![
        follow(NECK_PIVOT, ring_of_skin(14.2, 15.1)),
        follow(HEAD_PIVOT, ring_of_skin(7.0, 9.5)),
        follow(JAW_PIVOT, sides),
        equator(1.0),
        equator(-1.0),
    ]
}

/// `[V, 5]`
pub fn weights(mesh: &Mesh, template: &[Vec3]) -> Vec<[f32; 5]> {
    let weights_of = |v: usize| match mesh.sources[v] {
        Source::Eye { sign, .. } if sign > 0.0 => [0.0, 0.0, 0.0, 1.0, 0.0],
        Source::Eye { .. } => [0.0, 0.0, 0.0, 0.0, 1.0],
        _ => {
            let head = ramp(-0.172, -0.118, template[v].y);
            let jaw = jaw_share(mesh, template, v);
            [1.0 - head, head * (1.0 - jaw), head * jaw, 0.0, 0.0]
        }
    };
    (0..template.len()).map(weights_of).collect()
}

/// How far a vertex goes with the jaw, 0..=1.
pub fn jaw_share(mesh: &Mesh, template: &[Vec3], v: usize) -> f32 {
    match mesh.sources[v] {
        Source::Tooth { row, .. } => row as f32,
        Source::Eye { .. } => 0.0,
        Source::Skin { side, .. } => jaw_share_of_skin(template[v], side),
        Source::Ring { slit: 2, ring, border, side } => {
            let at_border = jaw_share_of_skin(template[border as usize], side);
            at_border + (0.5 - at_border) * ramp(2.0, 5.0, ring as f32)
        }
        Source::Ring { .. } => 0.0,
    }
}

fn jaw_share_of_skin(p: Vec3, side: Side) -> f32 {
    let toward_ear = ((p.x.abs() - MOUTH_HALF_WIDTH) / 0.035).clamp(0.0, 1.0);
    let band = 0.006 + 0.028 * toward_ear;
    let fade = ramp(-0.092, -0.034, p.z) * ramp(-0.138, -0.112, p.y);
    let beside_mouth = ramp(MOUTH_Y + band, MOUTH_Y - band, p.y);
    fade * (beside_mouth + (below_mouth(p, side) - beside_mouth) * ramp(0.031, 0.019, p.x.abs()))
}

/// 1 below the line of the mouth, 0 above; on the line the border of the mouth decides.
pub fn below_mouth(p: Vec3, side: Side) -> f32 {
    match side {
        _ if p.y > MOUTH_Y + 0.03 => 0.0,
        Side::Lower => 1.0,
        Side::Upper => 0.0,
        Side::None if (p.y - MOUTH_Y).abs() < 1e-4 => 0.5,
        Side::None => (p.y < MOUTH_Y) as u32 as f32,
    }
}

/// The 68 in iBUG order, then both pupils (left, right), then every so many vertices of the face.
pub fn landmarks(mesh: &Mesh, template: &[Vec3]) -> Vec<SurfacePoint> {
    let mut points = jaw_line(mesh, template);
    let mut front = |x: f32, y: f32| points.push(front_point(mesh, template, Vec2::new(x, y)));
    const BROW: [[f32; 2]; 5] = [[0.010, 0.0180], [0.019, 0.0208], [0.028, 0.0218], [0.037, 0.0207], [0.046, 0.0175]];
    BROW.iter().rev().for_each(|[x, y]| front(-x, *y));
    BROW.iter().for_each(|[x, y]| front(*x, *y));
    [0.002, -0.012, -0.025, -0.039].iter().for_each(|y| front(0.0, *y));
    [[-0.0125, -0.0475], [-0.0065, -0.0500], [0.0, -0.0515], [0.0065, -0.0500], [0.0125, -0.0475]]
        .iter()
        .for_each(|[x, y]| front(*x, *y));
    points.extend(eye_contour(mesh, template));
    points.extend(mouth_contour(mesh, template));
    points.extend(dense(mesh, template).iter().filter_map(|&v| SurfacePoint::at_vertex(&mesh.faces, v)));
    points
}

fn jaw_line(mesh: &Mesh, template: &[Vec3]) -> Vec<SurfacePoint> {
    const LEFT: [[f32; 3]; 8] = [
        [0.020, -0.113, 0.010],
        [0.038, -0.105, 0.001],
        [0.051, -0.092, -0.012],
        [0.060, -0.077, -0.024],
        [0.066, -0.060, -0.034],
        [0.070, -0.042, -0.042],
        [0.073, -0.022, -0.047],
        [0.075, -0.002, -0.050],
    ];
    let on_skin = |[x, y, z]: [f32; 3]| {
        let query = Vec3::new(x, y, z);
        nearest_point(&mesh.faces, template, query, |f| mesh.face_parts[f] == Part::Skin)
    };
    let right = LEFT.iter().rev().map(|[x, y, z]| [-x, *y, *z]);
    let all = right.chain([[0.0, -0.116, 0.014]]).chain(LEFT);
    all.filter_map(on_skin).collect()
}

/// 36..48: the right eye from its outer corner over the upper lid, then the left eye from its inner corner.
fn eye_contour(mesh: &Mesh, template: &[Vec3]) -> Vec<SurfacePoint> {
    let mut points = Vec::new();
    for slit in [1, 0] {
        let slit = &mesh.slits[slit];
        let [low, high] = slit.corners.map(|v| template[v as usize].x);
        let border = |vertices: &[u32], t: f32| nearest_in_x(vertices, template, low + (high - low) * t);
        let vertices = [
            slit.corners[0],
            border(&slit.upper, 0.32),
            border(&slit.upper, 0.68),
            slit.corners[1],
            border(&slit.lower, 0.68),
            border(&slit.lower, 0.32),
        ];
        points.extend(vertices.iter().filter_map(|&v| SurfacePoint::at_vertex(&mesh.faces, v)));
    }
    points
}

/// 48..68: the outer lips from the right corner, then the inner lips from the right corner.
fn mouth_contour(mesh: &Mesh, template: &[Vec3]) -> Vec<SurfacePoint> {
    let slit = &mesh.slits[2];
    let vertex = |v: u32| SurfacePoint::at_vertex(&mesh.faces, v);
    let front = |x: f32, y: f32| Some(front_point(mesh, template, Vec2::new(x, y)));
    let upper = |x: f32| vertex(nearest_in_x(&slit.upper, template, x));
    let lower = |x: f32| vertex(nearest_in_x(&slit.lower, template, x));
    let points = [
        vertex(slit.corners[0]),
        front(-0.0160, -0.0655),
        front(-0.0050, -0.0625),
        front(0.0, -0.0632),
        front(0.0050, -0.0625),
        front(0.0160, -0.0655),
        vertex(slit.corners[1]),
        front(0.0160, -0.0762),
        front(0.0070, -0.0790),
        front(0.0, -0.0795),
        front(-0.0070, -0.0790),
        front(-0.0160, -0.0762),
        upper(-0.022),
        upper(-0.009),
        upper(0.0),
        upper(0.009),
        upper(0.022),
        lower(0.009),
        lower(0.0),
        lower(-0.009),
    ];
    points.into_iter().flatten().collect()
}

fn dense(mesh: &Mesh, template: &[Vec3]) -> Vec<u32> {
    let pupil = |sign: f32| {
        mesh.select(|source| matches!(source, Source::Eye { sign: s, polar, .. } if *s == sign && *polar == 0.0))
    };
    let mut vertices = [pupil(1.0), pupil(-1.0)].concat();
    let face = mesh.select(|source| matches!(source, Source::Skin { .. }));
    let frontal = face.into_iter().filter(|&v| {
        let p = template[v as usize];
        p.z > -0.035 && (-0.115..0.08).contains(&p.y)
    });
    vertices.extend(frontal.step_by(17));
    vertices
}

fn nearest_in_x(vertices: &[u32], template: &[Vec3], x: f32) -> u32 {
    let off = |v: &u32| (template[*v as usize].x - x).abs();
    vertices.iter().copied().min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(0)
}

/// The frontmost point of the skin at `(x, y)`.
fn front_point(mesh: &Mesh, template: &[Vec3], xy: Vec2) -> SurfacePoint {
    let cut = crate::normals::triangles(&mesh.faces);
    let mut best = (f32::NEG_INFINITY, SurfacePoint { face: 0, weights: [1.0, 0.0, 0.0, 0.0] });
    for t in (0..cut.indices.len()).filter(|&t| mesh.face_parts[cut.face[t] as usize] == Part::Skin) {
        let [a, b, c] = cut.indices[t].map(|v| template[v as usize]);
        let (ab, ac, ap) = (b.truncate() - a.truncate(), c.truncate() - a.truncate(), xy - a.truncate());
        let area2 = ab.perp_dot(ac);
        let (wb, wc) = (ap.perp_dot(ac) / area2, ab.perp_dot(ap) / area2);
        let barycentric = [1.0 - wb - wc, wb, wc];
        let z = barycentric[0] * a.z + wb * b.z + wc * c.z;
        if barycentric.iter().all(|w| *w >= -1e-4) && z > best.0 {
            let mut weights = [0.0; 4];
            (0..3).for_each(|i| weights[cut.corners[t][i] as usize] = barycentric[i]);
            best = (z, SurfacePoint { face: cut.face[t], weights });
        }
    }
    best.1
}

/// How much a place of the template belongs to a region.
type Mask = fn(Vec3) -> f32;

/// `[V]` masks by name.
pub fn regions(mesh: &Mesh, template: &[Vec3]) -> BTreeMap<String, Vec<f32>> {
    let names: [(&str, Mask); 11] = [
        ("face", |p| front(p) * ramp(-0.124, -0.112, p.y) * ramp(0.088, 0.074, p.y)),
        ("scalp", |p| hair_line(p) * ramp(-0.125, -0.095, p.y) * (1.0 - ear(p))),
        ("neck", |p| ramp(-0.110, -0.128, p.y + 0.10 * (p.z + 0.06).min(0.0))),
        ("ears", ear),
        ("lips", lips),
        ("brows", |p| front(p) * bump((p.x.abs() - 0.028) / 0.020, 0.55) * ramp(0.0090, 0.0040, brow_distance(p))),
        ("beard", beard),
        ("eyelids", |p| front(p) * ramp(0.0215, 0.0155, (p.x.abs() - EYE_X).hypot(1.25 * p.y))),
        ("nose", |p| {
            front(p)
                * ramp(0.019, 0.013, p.x.abs() + 0.20 * p.y.max(-0.03))
                * ramp(-0.056, -0.050, p.y)
                * ramp(0.012, 0.0, p.y)
        }),
        ("cheeks", |p| front(p) * ramp(0.026, 0.016, (p.x.abs() - 0.045).hypot(p.y + 0.036))),
        ("forehead", |p| front(p) * ramp(0.024, 0.034, p.y) * ramp(0.090, 0.076, p.y)),
    ];
    let skin = |v: usize| match mesh.sources[v] {
        Source::Skin { .. } | Source::Ring { slit: 2, ring: 1, .. } => 1.0,
        _ => 0.0,
    };
    let mask = |of: Mask| (0..template.len()).map(|v| (skin(v) * of(template[v])).clamp(0.0, 1.0)).collect();
    names.into_iter().map(|(name, of)| (name.to_string(), mask(of))).collect()
}

fn front(p: Vec3) -> f32 {
    ramp(-0.052, -0.036, p.z)
}

fn ear(p: Vec3) -> f32 {
    let r = ((p.z + 0.088) / 0.024).hypot((p.y + 0.006) / 0.036);
    ramp(1.1, 0.9, r) * ramp(0.066, 0.074, p.x.abs())
}

/// 1 where hair grows: above the forehead, beside the temples, behind the ears.
fn hair_line(p: Vec3) -> f32 {
    let behind = ramp(-0.062, -0.078, p.z - 0.30 * p.y.max(0.0));
    behind.max(ramp(0.076, 0.088, p.y))
}

fn lips(p: Vec3) -> f32 {
    let across = 1.0 - (p.x / (MOUTH_HALF_WIDTH + 0.001)).powi(2);
    let half_height = 0.0093 * across.max(0.0).sqrt();
    front(p) * ramp(half_height + 0.0015, half_height - 0.0008, (p.y - MOUTH_Y).abs()) * (across > 0.0) as u32 as f32
}

fn brow_distance(p: Vec3) -> f32 {
    (p.y - (0.0218 - 12.5 * (p.x.abs() - 0.028).powi(2))).abs()
}

fn beard(p: Vec3) -> f32 {
    let below = ramp(-0.048, -0.056, p.y - 0.25 * (p.x.abs() - 0.02).max(0.0)) * ramp(-0.140, -0.122, p.y);
    below * ramp(-0.078, -0.060, p.z) * (1.0 - lips(p))
}
