//! Vertex masks of the head's regions, from where the landmarks lie: smooth, symmetric, 0..=1.
use super::Base;
use super::assembly::Assembly;
use crate::model::Part;
use glam::Vec3;
use std::collections::BTreeMap;

/// All masks, `[V]` each; parts other than skin are in none.
pub fn masks(base: &Base, assembly: &Assembly, mirror: &[u32]) -> BTreeMap<String, Vec<f32>> {
    let parts = assembly.vertex_parts();
    let at = |v: u32| base.positions[v as usize];
    let mut regions = BTreeMap::new();
    let mut add = |name: &str, weight: &dyn Fn(Vec3) -> f32| {
        let raw: Vec<f32> = (0..parts.len())
            .map(|v| if parts[v] == Part::Skin { weight(assembly.template[v]).clamp(0.0, 1.0) } else { 0.0 })
            .collect();
        let symmetric = (0..raw.len()).map(|v| 0.5 * (raw[v] + raw[mirror[v] as usize])).collect();
        regions.insert(name.to_string(), symmetric);
    };
    let chin_y = at(5225).y;
    let brow_y = at(204).y;
    // Both sides alike.
    let side = |p: Vec3| Vec3::new(-p.x.abs(), p.y, p.z);
    let near = |p: Vec3, c: Vec3, r: f32| smooth(r, r * 0.6, (p - c).length());
    let lips = |p: Vec3| {
        smooth(1.25, 0.95, ((p - at(513)).with_z(0.0) / Vec3::new(0.027, 0.0135, 1.0)).length())
            * smooth(0.0, 0.01, p.z)
    };
    let face = |p: Vec3| {
        smooth(-0.055, -0.03, p.z) * smooth(chin_y - 0.012, chin_y, p.y) * smooth(brow_y + 0.06, brow_y + 0.045, p.y)
    };
    let neck = |p: Vec3| smooth(chin_y, chin_y - 0.012, p.y + (p.z * -0.45).min(0.03));
    let ears = |p: Vec3| {
        smooth(0.066, 0.073, p.x.abs()) * smooth(0.05, 0.04, (p.y + 0.025).abs()) * smooth(0.0, -0.01, p.z + 0.035)
    };
    add("face", &face);
    add("neck", &neck);
    add("ears", &ears);
    add("lips", &lips);
    add("scalp", &|p| {
        (1.0 - face(p)) * (1.0 - neck(p)) * (1.0 - ears(p)) * smooth(-0.06, -0.02, p.y + (-p.z - 0.06).max(0.0))
    });
    add("brows", &|p| {
        let p = side(p);
        [179, 178, 176, 177, 208].iter().map(|&v| near(p, at(v), 0.012)).fold(0.0, f32::max)
    });
    add("eyelids", &|p| near(side(p), at(44).midpoint(at(9)), 0.026));
    add("nose", &|p| [164, 201, 294, 288].iter().map(|&v| near(side(p), at(v), 0.018)).fold(0.0, f32::max));
    add("cheeks", &|p| near(side(p), at(5286), 0.04) * face(p));
    add("forehead", &|p| face(p) * smooth(brow_y, brow_y + 0.01, p.y));
    add("beard", &|p| smooth(-0.045, -0.055, p.y) * face(p).max(near(p, at(747), 0.05)) * (1.0 - lips(p)));
    regions
}

/// 0 at `from`, 1 at `to`, Hermite between; `from` may be the larger.
fn smooth(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
