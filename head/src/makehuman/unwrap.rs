//! One chart for the whole outer skin, cut open along the back: a disc without flips, then little distortion.
//!
//! The file's own chart gives an eye lid a hundredth of the width it has on the head; here the texture is spread
//! by area, with more of it for eyes, lips and nose and less for scalp and shoulders.
use super::slim::{self, Triangle};
use crate::error::Error;
use glam::{DMat2, DVec2, DVec3, Vec3};
use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::TAU;

/// A chart: texture vertices of the listed faces.
pub struct Chart {
    /// `[n]` (arbitrary unit, up is up).
    pub points: Vec<DVec2>,
    /// `[listed]` indices into `points`.
    pub faces: Vec<[u32; 4]>,
}

/// Unwraps the listed quads of a mesh that is symmetric in x and looks along +z.
///
/// `behind(p)` says which vertices of the middle lie on the cut; `density(p)` how large the texture should be there,
/// relative (a length).
///
/// # Errors
/// [`Error::Invalid`] when the surface, cut so, is no disc with holes.
pub fn unwrap(
    positions: &[Vec3],
    faces: &[[u32; 4]],
    behind: impl Fn(Vec3) -> bool,
    density: impl Fn(Vec3) -> f64,
) -> Result<Chart, Error> {
    let (faces, place) = split(positions, faces, behind);
    let mut boundary = boundaries(&faces)?;
    let length = |ring: &Vec<u32>| -> f32 {
        (0..ring.len()).map(|i| place[ring[i] as usize].distance(place[ring[(i + 1) % ring.len()] as usize])).sum()
    };
    boundary.sort_by(|a, b| length(b).total_cmp(&length(a)));
    let Some((outer, holes)) = boundary.split_first() else {
        return Err(Error::invalid("skin", "expected a border, got a closed surface"));
    };
    let mut points = tutte(&place, &faces, outer, holes);
    let mut triangles: Vec<Triangle> = faces.iter().flat_map(|face| corner_triangles(face, &place, &density)).collect();
    // Start at the size the rest shapes have together.
    let rest_area: f64 = triangles.iter().map(|t| t.rest.determinant() / 2.0).sum::<f64>() / 2.0;
    let scale = (rest_area / (TAU / 2.0)).sqrt();
    points.iter_mut().for_each(|p| *p *= scale);
    let fans = holes.iter().enumerate();
    triangles.extend(fans.flat_map(|(h, ring)| fan(ring, place.len() + h, &place, &density)));
    slim::flatten(&mut points, &triangles);
    points.truncate(place.len());
    Ok(Chart { points, faces })
}

/// Gives the vertices of the cut two texture vertices, one a side; the top of the cut keeps one.
fn split(positions: &[Vec3], faces: &[[u32; 4]], behind: impl Fn(Vec3) -> bool) -> (Vec<[u32; 4]>, Vec<Vec3>) {
    let on_cut = |v: u32| {
        let p = positions[v as usize];
        p.x.abs() < 1e-5 && behind(p)
    };
    let top = faces.iter().flatten().copied().filter(|&v| on_cut(v));
    // The cut ends where it reaches furthest forward over the crown.
    let top = top.max_by(|&a, &b| positions[a as usize].z.total_cmp(&positions[b as usize].z));
    let mut index = BTreeMap::new();
    let mut place = Vec::new();
    let mut split_faces = Vec::with_capacity(faces.len());
    for face in faces {
        let is_left = face.iter().map(|&v| positions[v as usize].x).sum::<f32>() > 0.0;
        split_faces.push(face.map(|v| {
            let side = on_cut(v) && Some(v) != top && is_left;
            *index.entry((v, side)).or_insert_with(|| {
                place.push(positions[v as usize]);
                place.len() as u32 - 1
            })
        }));
    }
    (split_faces, place)
}

/// The border loops, each with the surface on its left.
fn boundaries(faces: &[[u32; 4]]) -> Result<Vec<Vec<u32>>, Error> {
    let directed: BTreeSet<(u32, u32)> =
        faces.iter().flat_map(|f| (0..4).map(|i| (f[i], f[(i + 1) % 4]))).filter(|(a, b)| a != b).collect();
    let mut next: BTreeMap<u32, u32> = BTreeMap::new();
    for &(a, b) in directed.iter().filter(|&&(a, b)| !directed.contains(&(b, a))) {
        if next.insert(a, b).is_some() {
            return Err(Error::invalid("skin", format!("its border touches itself at vertex {a}")));
        }
    }
    let mut rings = Vec::new();
    while let Some((&start, _)) = next.iter().next() {
        let (mut ring, mut at) = (vec![start], start);
        while let Some(following) = next.remove(&at) {
            if following == start {
                break;
            }
            ring.push(following);
            at = following;
        }
        rings.push(ring);
    }
    Ok(rings)
}

/// Tutte's embedding: the outer border on the unit circle by arc length, its topmost vertex up; every other point is
/// the mean of its neighbors. Each hole is closed by one point amidst it, which comes after the others.
fn tutte(place: &[Vec3], faces: &[[u32; 4]], outer: &[u32], holes: &[Vec<u32>]) -> Vec<DVec2> {
    let n = place.len();
    let mut neighbors: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); n + holes.len()];
    let mut join = |a: u32, b: u32| {
        neighbors[a as usize].insert(b);
        neighbors[b as usize].insert(a);
    };
    for face in faces {
        (0..4).filter(|&i| face[i] != face[(i + 1) % 4]).for_each(|i| join(face[i], face[(i + 1) % 4]));
    }
    for (h, ring) in holes.iter().enumerate() {
        ring.iter().for_each(|&v| join(v, (n + h) as u32));
    }
    let mut points = vec![DVec2::ZERO; n + holes.len()];
    let mut fixed = vec![false; n + holes.len()];
    let top = top_of_cut(place, outer).unwrap_or(0);
    let ring: Vec<u32> = (0..outer.len()).map(|i| outer[(top + i) % outer.len()]).collect();
    let steps: Vec<f64> = (0..ring.len())
        .map(|i| f64::from(place[ring[i] as usize].distance(place[ring[(i + 1) % ring.len()] as usize])))
        .collect();
    let total: f64 = steps.iter().sum();
    let mut along = 0.0;
    for (i, &v) in ring.iter().enumerate() {
        points[v as usize] = DVec2::from_angle(TAU * (0.25 + along / total));
        fixed[v as usize] = true;
        along += steps[i];
    }
    relax(&mut points, &neighbors, &fixed);
    points
}

/// The border vertex in the middle plane that has only one copy: where the cut ends on the crown.
fn top_of_cut(place: &[Vec3], outer: &[u32]) -> Option<usize> {
    let middle = (0..outer.len()).filter(|&i| place[outer[i] as usize].x.abs() < 1e-5);
    middle
        .filter(|&i| {
            let p = place[outer[i] as usize];
            let copies = outer.iter().filter(|&&v| place[v as usize] == p).count();
            copies == 1
        })
        .max_by(|&a, &b| place[outer[a] as usize].y.total_cmp(&place[outer[b] as usize].y))
}

/// Solves "every free point is the mean of its neighbors" by conjugate gradients.
fn relax(points: &mut [DVec2], neighbors: &[BTreeSet<u32>], fixed: &[bool]) {
    let apply = |x: &[DVec2]| -> Vec<DVec2> {
        let row = |i: usize| match fixed[i] {
            true => DVec2::ZERO,
            false => x[i] * neighbors[i].len() as f64 - neighbors[i].iter().map(|&j| x[j as usize]).sum::<DVec2>(),
        };
        (0..x.len()).map(row).collect()
    };
    let dot = |a: &[DVec2], b: &[DVec2]| a.iter().zip(b).map(|(a, b)| a.dot(*b)).sum::<f64>();
    let mut residual: Vec<DVec2> = apply(points).iter().map(|r| -*r).collect();
    let mut p = residual.clone();
    let mut rr = dot(&residual, &residual);
    let first = rr;
    for _ in 0..4 * points.len() {
        if rr <= 1e-24 * first {
            break;
        }
        let ap = apply(&p);
        let alpha = rr / dot(&p, &ap);
        for i in 0..points.len() {
            points[i] += p[i] * alpha;
            residual[i] -= ap[i] * alpha;
        }
        let next = dot(&residual, &residual);
        for i in 0..p.len() {
            p[i] = residual[i] + p[i] * (next / rr);
        }
        rr = next;
    }
}

/// The four triangles of a quad's corners: while none of them flips, the quad stays convex.
fn corner_triangles(face: &[u32; 4], place: &[Vec3], density: &impl Fn(Vec3) -> f64) -> Vec<Triangle> {
    let corners: Vec<usize> = if face[2] == face[3] {
        face[..3].iter().map(|&v| v as usize).collect()
    } else {
        face.iter().map(|&v| v as usize).collect()
    };
    let n = corners.len();
    let center = corners.iter().map(|&v| place[v]).sum::<Vec3>() / n as f32;
    let size = density(center);
    (0..n)
        .map(|i| [corners[i], corners[(i + 1) % n], corners[(i + n - 1) % n]])
        .map(|[a, b, c]| {
            let (e, f) = ((place[b] - place[a]).as_dvec3(), (place[c] - place[a]).as_dvec3());
            Triangle { corners: [a, b, c], rest: rest(e, f, size), weight: 1.0 }
        })
        .collect()
}

/// Closes a hole by light triangles about its middle point, so that its rims never lie over each other.
fn fan(ring: &[u32], middle: usize, place: &[Vec3], density: &impl Fn(Vec3) -> f64) -> Vec<Triangle> {
    let triangle = |i: usize| {
        let (a, b) = (ring[(i + 1) % ring.len()] as usize, ring[i] as usize);
        let length = f64::from(place[a].distance(place[b]).max(1e-6)) * density(place[a]);
        let rest = DMat2::from_cols(DVec2::new(length, 0.0), DVec2::new(0.5, 0.5) * length);
        Triangle { corners: [a, b, middle], rest, weight: 0.02 }
    };
    (0..ring.len()).map(triangle).collect()
}

/// Two edges laid flat; slivers are opened a little, so that their inverse exists.
fn rest(e: DVec3, f: DVec3, size: f64) -> DMat2 {
    let length = e.length().max(1e-6);
    let along = e.dot(f) / length;
    let across = (f.length_squared() - along * along).max(0.0).sqrt().max(0.05 * length).max(1e-6);
    DMat2::from_cols(DVec2::new(length, 0.0), DVec2::new(along, across)) * size
}
