//! What is worn on the shoulders: the skin below a neck line, lifted off a little, with a hem or a collar along it, and
//! a skirt that widens to shoulders, so that the head does not end in a cut.
mod garment;

use crate::people::shell::{Path, Shell};
use crate::people::stage::Piece;
use crate::people::surface::Surface;
use crate::people::sweep::Ring;
use crate::tracer::scene::{Material, MeshDesc};
use formats::segmentation::Class;
pub use garment::{Garment, GarmentKind, KINDS, Trim, Weave};
use glam::{Vec2, Vec3};
use std::collections::{BTreeMap, BTreeSet};

/// Part id in the labels, above those of `head::model::Part` and of strands.
const PART_CLOTH: u8 = 17;
/// How far cloth stands off the skin (meters).
const LIFT_M: f32 = 0.0035;
/// How far below the chin a T-shirt's neck line lies in front (meters).
const NECK_LINE_M: f32 = 0.062;
/// Rings of the skirt: outwards and downwards from the skin's border (meters).
const SKIRT: [[f32; 2]; 4] = [[0.012, 0.006], [0.05, 0.035], [0.085, 0.09], [0.10, 0.30]];
/// Side of a tile of the weave (meters).
const TILE_M: f32 = 0.06;

/// The cuts of all kinds of garments for one template.
pub struct Wardrobe {
    cuts: Vec<Cut>,
}

impl Wardrobe {
    /// On the template's skin (`[V]` of the piece), `chin` being its lowest landmark.
    pub fn new(skin: &Piece, positions: &[Vec3], chin: Vec3) -> Self {
        Wardrobe { cuts: KINDS.iter().map(|kind| Cut::new(skin, positions, chin, *kind)).collect() }
    }

    /// The garment on a posed skin; none if the model ends above the neck line.
    pub fn mesh(&self, skin: &Surface, garment: &Garment) -> Option<MeshDesc> {
        let cut = self.cut(garment);
        Some(cut.mesh(cut.drape(skin)?, garment))
    }

    /// Its cloth without hem and collar: what hair lies on. A collar has two sides and no inside.
    pub fn drape(&self, skin: &Surface, garment: &Garment) -> Option<Shell> {
        self.cut(garment).drape(skin)
    }

    fn cut(&self, garment: &Garment) -> &Cut {
        let kind = KINDS.iter().position(|k| *k == garment.kind);
        &self.cuts[kind.expect("the list has all kinds")]
    }
}

/// The covered part of the skin, its upper rim, and the border that the skirt hangs on.
struct Cut {
    /// Vertices: on the edge between two of the skin's, that far along (0 for a vertex of the skin itself).
    vertices: Vec<(u32, u32, f32)>,
    /// Indices into `vertices`.
    triangles: Vec<[u32; 3]>,
    /// Directed border edges (indices into `vertices`), the cloth to their left.
    border: Vec<[u32; 2]>,
    /// The neck line, round and round (indices into `vertices`).
    rim: Vec<u32>,
}

impl Cut {
    fn new(skin: &Piece, positions: &[Vec3], chin: Vec3, kind: GarmentKind) -> Self {
        // How far below the neck line, which rises towards the nape.
        let below = |v: u32| {
            let p = positions[v as usize];
            let rise = 0.45 * (chin.z - 0.06 - p.z).clamp(0.0, 0.10);
            chin.y - NECK_LINE_M - kind.lower_m(p.x, p.z - chin.z + 0.06) + rise - p.y
        };
        let mut builder = Builder::default();
        let mut edges: BTreeSet<[u32; 2]> = BTreeSet::new();
        for t in &skin.triangles {
            builder.add_below(*t, &below);
            for e in [[t[0], t[1]], [t[1], t[2]], [t[2], t[0]]] {
                if !edges.remove(&[e[1], e[0]]) {
                    edges.insert(e);
                }
            }
        }
        let low = edges.into_iter().filter(|e| e.iter().all(|&v| below(v) > 0.0));
        let border: Vec<[u32; 2]> = low.map(|e| e.map(|v| builder.vertex(v, v, 0.0))).collect();
        let rim = builder.rim(&border);
        Cut { vertices: builder.vertices, triangles: builder.triangles, border, rim }
    }

    fn drape(&self, skin: &Surface) -> Option<Shell> {
        if self.triangles.is_empty() || self.border.is_empty() {
            return None;
        }
        let lifted = |&(a, b, t): &(u32, u32, f32)| {
            let [p, q] = [a, b].map(|v| skin.positions[v as usize] + skin.normals[v as usize] * LIFT_M);
            p.lerp(q, t)
        };
        let mut shell =
            Shell { positions: self.vertices.iter().map(lifted).collect(), triangles: self.triangles.clone() };
        self.hang_skirt(&mut shell.positions, &mut shell.triangles);
        Some(shell)
    }

    fn mesh(&self, mut shell: Shell, garment: &Garment) -> MeshDesc {
        if self.rim.len() > 8 {
            let line: Vec<Vec3> = self.rim.iter().map(|&v| shell.positions[v as usize]).collect();
            shell.append(trimmed(&smoothed(&line), garment.kind.trim()));
        }
        let n = shell.triangles.len();
        let uvs = woven(&shell);
        MeshDesc {
            normals: Surface::new(shell.positions.clone(), shell.triangles.clone()).normals,
            positions: shell.positions,
            uvs,
            material: Material::Diffuse(garment.paint()),
            classes: vec![Class::Cloth.id(); n],
            parts: vec![PART_CLOTH; n],
            triangles: shell.triangles,
        }
    }

    fn hang_skirt(&self, positions: &mut Vec<Vec3>, triangles: &mut Vec<[u32; 3]>) {
        let ring: BTreeSet<u32> = self.border.as_flattened().iter().copied().collect();
        let middle = ring.iter().map(|&v| positions[v as usize]).sum::<Vec3>() / ring.len() as f32;
        let mut last: BTreeMap<u32, u32> = ring.iter().map(|v| (*v, *v)).collect();
        for [out_m, down_m] in SKIRT {
            let mut next = BTreeMap::new();
            for &v in &ring {
                let p = positions[v as usize];
                let away = (p - middle).with_y(0.0).normalize_or(Vec3::Z);
                // Shoulders are wide, chests are not.
                let wide = away * Vec3::new(1.25, 0.0, 0.55);
                next.insert(v, positions.len() as u32);
                positions.push(p + wide * out_m - Vec3::Y * (down_m * (1.0 - 0.35 * away.x.abs())));
            }
            for [a, b] in &self.border {
                triangles.push([last[b], last[a], next[a]]);
                triangles.push([last[b], next[a], next[b]]);
            }
            last = next;
        }
    }
}

/// A loop resampled evenly and evened out: the cut follows the mesh, a hem does not.
fn smoothed(line: &[Vec3]) -> Vec<Vec3> {
    const N: usize = 96;
    let n = line.len();
    let mut lengths = vec![0.0];
    for i in 0..n {
        lengths.push(lengths[i] + line[i].distance(line[(i + 1) % n]));
    }
    let even = |k: usize| {
        let at = lengths[n] * k as f32 / N as f32;
        let i = lengths.partition_point(|l| *l <= at).clamp(1, n) - 1;
        line[i].lerp(line[(i + 1) % n], ((at - lengths[i]) / (lengths[i + 1] - lengths[i]).max(1e-9)).clamp(0.0, 1.0))
    };
    let mut points: Vec<Vec3> = (0..N).map(even).collect();
    for _ in 0..3 {
        let old = points.clone();
        for i in 0..N {
            points[i] = (old[(i + N - 1) % N] + 2.0 * old[i] + old[(i + 1) % N]) / 4.0;
        }
    }
    points
}

/// What runs along the neck line.
fn trimmed(line: &[Vec3], trim: Trim) -> Shell {
    let middle = line.iter().sum::<Vec3>() / line.len() as f32;
    let outward = |p: Vec3| (p - middle).with_y(0.0).normalize_or(Vec3::Z);
    match trim {
        Trim::Roll { front_m, back_m } => {
            let ring = |p: &Vec3| {
                let out = outward(*p);
                let behind = crate::tracer::elementary::smoothstep(0.3, -0.8, out.z);
                let r = front_m + (back_m - front_m) * behind;
                // It rests on the cloth's edge and covers the gap to the neck.
                Ring { center: p + out * (0.35 * r) + Vec3::Y * (0.25 * r), side: out, radii: [r, 1.15 * r] }
            };
            let rings: Vec<Ring> = line.iter().map(ring).collect();
            facing_out(Shell::tube(&rings, Path::Closed, 12))
        }
        Trim::Collar { stand_m, fall_m } => collar(line, middle, stand_m, fall_m),
    }
}

/// A band that stands up from the line, is turned over and hangs down to two points in front.
fn collar(line: &[Vec3], middle: Vec3, stand_m: f32, fall_m: f32) -> Shell {
    // From one side of the opening in front round the neck to the other.
    let azimuth = |p: &Vec3| (p.x - middle.x).atan2(p.z - middle.z);
    let mut around: Vec<Vec3> = line.to_vec();
    around.sort_by(|a, b| {
        azimuth(a).rem_euclid(std::f32::consts::TAU).total_cmp(&azimuth(b).rem_euclid(std::f32::consts::TAU))
    });
    let mut shell = Shell::default();
    const PROFILE: usize = 7;
    for p in &around {
        let out = (*p - middle).with_y(0.0).normalize_or(Vec3::Z);
        let front = crate::tracer::elementary::smoothstep(0.2, 0.95, out.z);
        let stand = stand_m * (1.0 - 0.45 * front);
        let fall = fall_m * (1.0 + 0.45 * front);
        // Outwards and upwards of the line (meters): inner band, fold, outer leaf.
        let profile = [
            [0.000, -0.004],
            [-0.001, 0.5 * stand],
            [0.001, stand],
            [0.0035, stand + 0.0015],
            [0.006, stand - 0.001],
            [0.011 + 0.003 * front, stand - 0.45 * fall],
            [0.015 + 0.006 * front, stand - fall],
        ];
        shell.positions.extend(profile.map(|[o, u]| p + out * o + Vec3::Y * u));
    }
    for i in 0..around.len() - 1 {
        for k in 0..PROFILE - 1 {
            let at = |i: usize, k: usize| (i * PROFILE + k) as u32;
            let [a, b, c, d] = [at(i, k), at(i + 1, k), at(i + 1, k + 1), at(i, k + 1)];
            shell.triangles.extend([[a, b, c], [a, c, d]]);
        }
    }
    shell
}

/// The same tube, turned inside out if it faces inwards.
fn facing_out(mut shell: Shell) -> Shell {
    let corner = |v: u32| shell.positions[v as usize];
    let volume: f32 = shell.triangles.iter().map(|t| corner(t[0]).dot(corner(t[1]).cross(corner(t[2])))).sum();
    if volume < 0.0 {
        shell.triangles.iter_mut().for_each(|t| t.swap(1, 2));
    }
    shell
}

/// Texture coordinates that run around and down the body, in tiles of the weave.
fn woven(shell: &Shell) -> Vec<[Vec2; 3]> {
    let at = |v: u32| {
        let p = shell.positions[v as usize];
        Vec2::new(p.x.atan2(p.z + 0.06) * 0.09 / TILE_M, (p.y - 0.5 * p.x.abs()) / TILE_M)
    };
    let one = |t: &[u32; 3]| {
        let mut uv = t.map(at);
        // Behind, where the turn ends, all corners stay on one side.
        let whole = 2.0 * std::f32::consts::PI * 0.09 / TILE_M;
        for k in 1..3 {
            uv[k].x -= ((uv[k].x - uv[0].x) / whole).round() * whole;
        }
        uv
    };
    shell.triangles.iter().map(one).collect()
}

/// Collects triangles, cutting those that cross the line.
#[derive(Default)]
struct Builder {
    vertices: Vec<(u32, u32, f32)>,
    triangles: Vec<[u32; 3]>,
    known: BTreeMap<(u32, u32), u32>,
}

impl Builder {
    /// The vertex on the edge from `a` to `b`.
    fn vertex(&mut self, a: u32, b: u32, t: f32) -> u32 {
        *self.known.entry((a, b)).or_insert_with(|| {
            self.vertices.push((a, b, t));
            self.vertices.len() as u32 - 1
        })
    }

    /// The longest loop of open edges that are not the lower border's.
    fn rim(&self, border: &[[u32; 2]]) -> Vec<u32> {
        let mut open: BTreeMap<u32, u32> = BTreeMap::new();
        let mut seen: BTreeSet<[u32; 2]> = BTreeSet::new();
        let edges = || self.triangles.iter().flat_map(|t| [[t[0], t[1]], [t[1], t[2]], [t[2], t[0]]]);
        edges().for_each(|e| {
            seen.insert(e);
        });
        let low: BTreeSet<[u32; 2]> = border.iter().copied().collect();
        open.extend(edges().filter(|e| !seen.contains(&[e[1], e[0]]) && !low.contains(e)).map(|[a, b]| (a, b)));
        let mut longest = Vec::new();
        while let Some((start, mut next)) = open.pop_first() {
            let mut line = vec![start];
            while next != start {
                line.push(next);
                let Some(after) = open.remove(&next) else { break };
                next = after;
            }
            if next == start && line.len() > longest.len() {
                longest = line;
            }
        }
        longest
    }

    /// Adds the part of a triangle where `below` is positive.
    fn add_below(&mut self, triangle: [u32; 3], below: &impl Fn(u32) -> f32) {
        let mut polygon = Vec::with_capacity(4);
        for i in 0..3 {
            let (a, b) = (triangle[i], triangle[(i + 1) % 3]);
            let (da, db) = (below(a), below(b));
            if da > 0.0 {
                polygon.push(self.vertex(a, a, 0.0));
            }
            if (da > 0.0) != (db > 0.0) {
                // From the lower index, so that both neighbors find the same vertex.
                let ((a, da), (b, db)) = if a < b { ((a, da), (b, db)) } else { ((b, db), (a, da)) };
                polygon.push(self.vertex(a, b, da / (da - db)));
            }
        }
        for i in 2..polygon.len() {
            self.triangles.push([polygon[0], polygon[i - 1], polygon[i]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::people::actor::Actor;
    use crate::people::stage::Stage;
    use crate::studio::cameras::Orbit;
    use crate::tracer::accel::{Ray, Shape, build};
    use crate::tracer::scene::AccelKind;

    /// Looks at every garment from all around: below the chin no ray may meet the inner side of skin or drape first. (Hem
    /// and collar cover the gap between them; a collar's strip is seen from both sides.)
    #[test]
    fn no_garment_leaves_a_hole_at_the_neck() {
        let mut config = Config { head: "analytic".into(), ..Config::default() };
        (config.mesh.texture_size, config.hair.strands) = (16, 0);
        let stage = Stage::new(&config).unwrap();
        let actor = Actor::sample(&stage, &config, 1);
        let refined = stage.subdivision.apply(&actor.neutral);
        let skin = Surface::new(stage.skin().gather(&refined), stage.skin().triangles.clone());
        // The skirt's own lower end is out of the picture of any head; the neck's opening lies above the skin's.
        let lowest = skin.positions.iter().map(|p| p.y).fold(f32::MAX, f32::min) + 0.02;
        let chin_y = stage.model.landmarks_at(&actor.neutral)[head::ibug::CHIN].y - 0.01;
        for kind in KINDS {
            let garment = Garment { kind, ..actor.looks.garment.clone() };
            let drape = stage.cloth.drape(&skin, &garment).expect("cloth");
            let whole = stage.cloth.mesh(&skin, &garment).expect("cloth");
            assert!(whole.triangles.len() > drape.triangles.len(), "{kind:?} has a hem or a collar");
            let shapes = [
                Shape::Triangles { positions: &skin.positions, triangles: &skin.triangles, mask: 1 },
                Shape::Triangles { positions: &whole.positions, triangles: &whole.triangles, mask: 1 },
            ];
            let accel = build(AccelKind::Portable, &shapes).unwrap();
            let (mut met, mut inside) = (0, [0; 36]);
            for k in 0..36 {
                let orbit = Orbit {
                    yaw_deg: -90.0 + 22.5 * (k % 9) as f32,
                    pitch_deg: [-10.0, 0.0, 15.0, 35.0][k / 9],
                    distance_m: 0.8,
                    fill: 0.6,
                    roll_deg: 0.0,
                };
                let camera = orbit.camera(actor.head_box.center, actor.head_box.height_m, 64);
                let world_from_camera = camera.camera_from_world.inverse();
                for i in 0..64 * 64 {
                    let (x, y) = ((i % 64) as f32 + 0.5, (i / 64) as f32 + 0.5);
                    let d = Vec3::new((x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0);
                    let ray = Ray::new(camera.eye(), world_from_camera.transform_vector3(d).normalize_or(Vec3::Z));
                    let height = |t: f32| (ray.origin + ray.direction * t).y;
                    let hit = accel.intersect1(&ray).filter(|h| (lowest..chin_y).contains(&height(h.t)));
                    if let Some(hit) = hit {
                        met += 1;
                        let trim = hit.shape == 1 && hit.primitive as usize >= drape.triangles.len();
                        inside[k] += usize::from(!trim && hit.normal.dot(ray.direction) > 0.0);
                    }
                }
            }
            // A hem evens out the cut's zigzag and may leave slits of a fraction of a millimeter, which a ray meets here
            // and there; through a hole many of one picture's 4,096 see the inside.
            assert!(met > 2000 && inside.iter().all(|&n| n <= 6), "{kind:?}: rays that see the inside: {inside:?}");
        }
    }
}
