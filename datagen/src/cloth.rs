//! A plain shirt: the skin below the neck line, lifted off a little, and a skirt that widens to shoulders, so that
//! the head does not end in a cut.
use crate::person::Looks;
use crate::scene::{Material, MeshDesc, Paint};
use crate::stage::Piece;
use crate::surface::Surface;
use glam::{Vec2, Vec3};
use std::collections::BTreeMap;

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

/// Which triangles of the skin are covered, and the border the skirt hangs on.
pub struct Cut {
    triangles: Vec<[u32; 3]>,
    /// Directed border edges, the cloth to their left.
    border: Vec<[u32; 2]>,
}

impl Cut {
    /// On the template's skin (`[V]` of the piece), `chin` being its lowest landmark.
    pub fn new(skin: &Piece, positions: &[Vec3], chin: Vec3) -> Self {
        let below = |p: Vec3| p.y < chin.y - NECK_LINE_M + 0.45 * (chin.z - 0.06 - p.z).clamp(0.0, 0.10);
        let covered = |t: &&[u32; 3]| t.iter().all(|&v| below(positions[v as usize]));
        let triangles: Vec<[u32; 3]> = skin.triangles.iter().filter(covered).copied().collect();
        let mut edges: BTreeMap<[u32; 2], ()> = BTreeMap::new();
        for t in &skin.triangles {
            for e in [[t[0], t[1]], [t[1], t[2]], [t[2], t[0]]] {
                if edges.remove(&[e[1], e[0]]).is_none() {
                    edges.insert(e, ());
                }
            }
        }
        let low = |e: &[u32; 2]| e.iter().all(|&v| below(positions[v as usize]));
        let border = edges.into_keys().filter(low).collect();
        Cut { triangles, border }
    }

    /// The shirt on a posed skin; none if the model ends above the neck line.
    pub fn mesh(&self, skin: &Surface, looks: &Looks) -> Option<MeshDesc> {
        if self.triangles.is_empty() || self.border.is_empty() {
            return None;
        }
        let mut local: BTreeMap<u32, u32> = BTreeMap::new();
        let mut positions = Vec::new();
        for &v in self.triangles.as_flattened().iter().chain(self.border.as_flattened()) {
            local.entry(v).or_insert_with(|| {
                positions.push(skin.positions[v as usize] + skin.normals[v as usize] * LIFT_M);
                positions.len() as u32 - 1
            });
        }
        let mut triangles: Vec<[u32; 3]> = self.triangles.iter().map(|t| t.map(|v| local[&v])).collect();
        self.hang_skirt(skin, &local, &mut positions, &mut triangles);
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

    fn hang_skirt(&self, skin: &Surface, local: &BTreeMap<u32, u32>, positions: &mut Vec<Vec3>, triangles: &mut Vec<[u32; 3]>) {
        let ring: Vec<u32> = {
            let mut ring: Vec<u32> = self.border.as_flattened().to_vec();
            ring.sort_unstable();
            ring.dedup();
            ring
        };
        let middle = ring.iter().map(|&v| skin.positions[v as usize]).sum::<Vec3>() / ring.len() as f32;
        let mut last: BTreeMap<u32, u32> = ring.iter().map(|v| (*v, local[v])).collect();
        for [out_m, down_m] in SKIRT {
            let mut next = BTreeMap::new();
            for &v in &ring {
                let p = skin.positions[v as usize] + skin.normals[v as usize] * LIFT_M;
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
