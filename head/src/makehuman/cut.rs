//! Cuts head, neck and collar from the body and says what each face is.
use super::Base;
use super::topology::Topology;
use super::vertices::{CUT, MOUTH_INSIDE, MOUTH_RING};
use crate::error::Error;
use crate::model::Part;
use std::collections::BTreeSet;

/// The faces of the base mesh that stay.
pub struct Cut {
    /// `(face of the base mesh, what it is)`.
    pub faces: Vec<(usize, Part)>,
}

/// Flood fills from the crown down to the border loop; the lining of the mouth lies beyond the lips' inner ring.
pub fn cut(base: &Base) -> Result<Cut, Error> {
    let faces = &base.mesh.faces;
    let body = base.mesh.faces_of_group("body");
    let topology = Topology::new(faces, &body);
    let ring_through = |start: u32| -> Result<Vec<u32>, Error> {
        let side = topology
            .neighbours(start)
            .find(|&v| base.positions[v as usize].x > base.positions[start as usize].x + 1e-6)
            .ok_or_else(|| Error::invalid("base.obj", format!("vertex {start} has no neighbour to its left")))?;
        topology.closed_loop(start, side)
    };
    let face_at = |vertex: u32| {
        let found = body.iter().copied().find(|&f| faces[f].contains(&vertex));
        found.ok_or_else(|| Error::invalid("base.obj", format!("no face of the body touches vertex {vertex}")))
    };
    let height = |f: usize| faces[f].iter().map(|&v| base.positions[v as usize].y).sum::<f32>();
    let crown = body.iter().copied().max_by(|&a, &b| height(a).total_cmp(&height(b)));
    let crown = crown.ok_or_else(|| Error::invalid("base.obj", "the group body has no faces"))?;
    let border = ring_through(CUT)?;
    let head = topology.flood(faces, crown, &border);
    let mouth = topology.flood(faces, face_at(MOUTH_INSIDE)?, &ring_through(MOUTH_RING)?);
    if head.len() == body.len() || mouth.len() > 600 {
        return Err(Error::invalid("base.obj", "the neck or lip loop does not separate the head"));
    }
    let mut kept: Vec<(usize, Part)> =
        head.iter().map(|&f| (f, if mouth.contains(&f) { Part::Mouth } else { Part::Skin })).collect();
    kept.extend(helpers(base));
    Ok(Cut { faces: kept })
}

/// Teeth, tongue and lashes are meshes of their own in the base mesh.
fn helpers(base: &Base) -> Vec<(usize, Part)> {
    let mut kept = Vec::new();
    let groups: [(&str, Part); 7] = [
        ("helper-upper-teeth", Part::TeethUpper),
        ("helper-lower-teeth", Part::TeethLower),
        ("helper-tongue", Part::Tongue),
        ("helper-l-eyelashes-1", Part::Lashes),
        ("helper-l-eyelashes-2", Part::Lashes),
        ("helper-r-eyelashes-1", Part::Lashes),
        ("helper-r-eyelashes-2", Part::Lashes),
    ];
    for (group, part) in groups {
        let faces: BTreeSet<usize> = base.mesh.faces_of_group(group).into_iter().collect();
        kept.extend(faces.into_iter().map(|f| (f, part)));
    }
    kept
}
