//! A plain shirt: the skin below the neck line, lifted off a little, and a skirt that widens to shoulders, so that
//! the head does not end in a cut.
use crate::person::Looks;
use crate::scene::{Material, MeshDesc, Paint};
use crate::stage::Piece;
use crate::surface::Surface;
use glam::{Vec2, Vec3};
use std::collections::{BTreeMap, BTreeSet};

/// Class id in `formats::frame::SEGMENTATION`.
const CLASS_CLOTH: u8 = 12;
/// Part id in the labels, above those of `head::model::Part` and of strands.
const PART_CLOTH: u8 = 17;
/// How far cloth stands off the skin (metres).
const LIFT_M: f32 = 0.0035;
/// How far below the chin the neck line lies in front (metres).
const NECK_LINE_M: f32 = 0.062;
/// Rings of the skirt: outwards and downwards from the skin's border (metres).
const SKIRT: [[f32; 2]; 4] = [[0.012, 0.006], [0.05, 0.035], [0.085, 0.09], [0.10, 0.22]];

/// The covered part of the skin, and the border the skirt hangs on.
pub struct Cut {
    /// Vertices: on the edge between two of the skin's, that far along (0 for a vertex of the skin itself).
    vertices: Vec<(u32, u32, f32)>,
    /// Indices into `vertices`.
    triangles: Vec<[u32; 3]>,
    /// Directed border edges (indices into `vertices`), the cloth to their left.
    border: Vec<[u32; 2]>,
}

impl Cut {
    /// On the template's skin (`[V]` of the piece), `chin` being its lowest landmark.
    pub fn new(skin: &Piece, positions: &[Vec3], chin: Vec3) -> Self {
        // How far below the neck line, which rises towards the nape.
        let below = |v: u32| {
            let p = positions[v as usize];
            chin.y - NECK_LINE_M + 0.45 * (chin.z - 0.06 - p.z).clamp(0.0, 0.10) - p.y
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
        let border = low.map(|e| e.map(|v| builder.vertex(v, v, 0.0))).collect();
        Cut { vertices: builder.vertices, triangles: builder.triangles, border }
    }

    /// The shirt on a posed skin; none if the model ends above the neck line.
    pub fn mesh(&self, skin: &Surface, looks: &Looks) -> Option<MeshDesc> {
        if self.triangles.is_empty() || self.border.is_empty() {
            return None;
        }
        let lifted = |&(a, b, t): &(u32, u32, f32)| {
            let [p, q] = [a, b].map(|v| skin.positions[v as usize] + skin.normals[v as usize] * LIFT_M);
            p.lerp(q, t)
        };
        let mut positions: Vec<Vec3> = self.vertices.iter().map(lifted).collect();
        let mut triangles = self.triangles.clone();
        self.hang_skirt(&mut positions, &mut triangles);
        let n = triangles.len();
        Some(MeshDesc {
            normals: Surface::new(positions.clone(), triangles.clone()).normals,
            positions,
            uvs: vec![[Vec2::ZERO; 3]; n],
            material: Material::Diffuse(Paint::Flat(looks.cloth)),
            classes: vec![CLASS_CLOTH; n],
            parts: vec![PART_CLOTH; n],
            triangles,
        })
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
                // From the lower index, so that both neighbours find the same vertex.
                let ((a, da), (b, db)) = if a < b { ((a, da), (b, db)) } else { ((b, db), (a, da)) };
                polygon.push(self.vertex(a, b, da / (da - db)));
            }
        }
        for i in 2..polygon.len() {
            self.triangles.push([polygon[0], polygon[i - 1], polygon[i]]);
        }
    }
}
