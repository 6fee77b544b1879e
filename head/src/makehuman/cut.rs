//! Cuts head, neck and collar from the body and says what each face is.
use super::Base;
use super::topology::Topology;
use super::vertices::{CUT, MOUTH_INSIDE, MOUTH_RING};
use crate::error::Error;
use crate::model::Part;
use std::collections::BTreeSet;

/// The meshes beside the body that stay as they are.
const HELPERS: [(&str, Part); 5] = [
    ("helper-tongue", Part::Tongue),
    ("helper-l-eyelashes-1", Part::Lashes),
    ("helper-l-eyelashes-2", Part::Lashes),
    ("helper-r-eyelashes-1", Part::Lashes),
    ("helper-r-eyelashes-2", Part::Lashes),
];

/// The faces of the base mesh that stay, and what each is: flood fills from the crown down to the border loop; the
/// lining of the mouth lies beyond the lips' inner ring.
///
/// # Errors
/// [`Error::Invalid`] when the loops are not where they should be.
pub fn cut(base: &Base) -> Result<Vec<(usize, Part)>, Error> {
    let faces = &base.mesh.faces;
    let body = base.mesh.faces_of_group("body");
    let height = |f: usize| faces[f].iter().map(|&v| base.positions[v as usize].y).sum::<f32>();
    let crown = body.iter().copied().max_by(|&a, &b| height(a).total_cmp(&height(b)));
    let crown = crown.ok_or_else(|| Error::invalid("base.obj", "the group body has no faces"))?;
    let topology = Topology::new(faces, &body);
    let head = topology.flood(faces, crown, &ring_in(base, &topology, CUT)?);
    let mouth = faces_within(base, MOUTH_RING)?;
    if head.len() == body.len() || !mouth.is_subset(&head) {
        return Err(Error::invalid("base.obj", "the loops at collar and lips do not bound head and mouth"));
    }
    let part = |f: usize| if mouth.contains(&f) { Part::Mouth } else { Part::Skin };
    let mut kept: Vec<(usize, Part)> = head.iter().map(|&f| (f, part(f))).collect();
    for (group, part) in HELPERS {
        kept.extend(base.mesh.faces_of_group(group).into_iter().map(|f| (f, part)));
    }
    Ok(kept)
}

/// The edge loop that crosses the middle plane at a vertex, right to left.
///
/// # Errors
/// [`Error::Invalid`] when it does not close.
pub fn ring(base: &Base, start: u32) -> Result<Vec<u32>, Error> {
    ring_in(base, &Topology::new(&base.mesh.faces, &base.mesh.faces_of_group("body")), start)
}

/// Faces of the body inside a loop about the mouth.
///
/// # Errors
/// [`Error::Invalid`] when the loop does not close or bounds nothing.
pub fn faces_within(base: &Base, start: u32) -> Result<BTreeSet<usize>, Error> {
    let body = base.mesh.faces_of_group("body");
    let topology = Topology::new(&base.mesh.faces, &body);
    let ring = ring_in(base, &topology, start)?;
    let seed = body.iter().copied().find(|&f| base.mesh.faces[f].contains(&MOUTH_INSIDE));
    let seed = seed.ok_or_else(|| Error::invalid("base.obj", format!("no face touches vertex {MOUTH_INSIDE}")))?;
    let within = topology.flood(&base.mesh.faces, seed, &ring);
    match within.len() < body.len() / 2 {
        true => Ok(within),
        false => Err(Error::invalid("base.obj", format!("the loop through vertex {start} bounds no mouth"))),
    }
}

fn ring_in(base: &Base, topology: &Topology, start: u32) -> Result<Vec<u32>, Error> {
    let x = |v: u32| base.positions[v as usize].x;
    let side = topology.neighbors(start).find(|&v| x(v) > x(start) + 1e-6);
    let side = side.ok_or_else(|| Error::invalid("base.obj", format!("vertex {start} has no neighbor to its left")))?;
    topology.closed_loop(start, side)
}
