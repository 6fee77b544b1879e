//! A mannequin head from formulas: no asset, no file. Unit tests use it, and so does anyone offline.
//!
//! The skin is one quad grid around the head, cut open along three rows: two lid slits and the mouth. Every slit has
//! rings of faces that lead inside: lid margins onto the eyeballs, lips into the mouth. Eyeballs and two rows of teeth
//! are parts of their own; there is no tongue and there are no lashes.
//!
//! Identity columns and lid units are differences of two heads from the same formulas, so one unit of an identity
//! column is about one standard deviation of an adult population. Units without displacement: `tongueOut`.
mod expression;
mod grid;
mod labels;
mod skull;

use crate::model::{Basis, HeadModel, IdentityPrior};
use glam::Vec3;
use skull::Shape;

/// Builds the mannequin.
pub fn head() -> HeadModel {
    let mesh = grid::Mesh::new();
    let template = mesh.positions(&Shape::default());
    let identity = identity(&mesh, &template);
    let expression = expression::basis(&mesh, &template);
    let identity_prior = identity_prior(&identity);
    HeadModel {
        source: "analytic".into(),
        joints: labels::joints(&mesh, &template),
        weights: labels::weights(&mesh, &template),
        mirror: mesh.mirror(),
        landmarks: labels::landmarks(&mesh, &template),
        regions: labels::regions(&mesh, &template),
        faces: mesh.faces,
        face_parts: mesh.face_parts,
        uvs: mesh.uvs,
        face_uvs: mesh.face_uvs,
        template,
        identity,
        expression,
        identity_prior,
    }
}

fn identity(mesh: &grid::Mesh, template: &[Vec3]) -> Basis {
    let mut basis = Basis { names: skull::COLUMNS.map(String::from).to_vec(), columns: Vec::new() };
    for k in 0..skull::COLUMNS.len() {
        let mut shape = Shape::default();
        shape.columns[k] = 1.0;
        basis.columns.extend(mesh.positions(&shape).iter().zip(template).map(|(p, rest)| *p - *rest));
    }
    basis
}

/// Independent columns of unit deviation, the one that moves most first.
fn identity_prior(identity: &Basis) -> IdentityPrior {
    let n = identity.names.len();
    let energy = |k: usize| identity.column(k).iter().map(|d| d.length_squared()).sum::<f32>();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| energy(b).total_cmp(&energy(a)));
    let unit = |k: &usize| (0..n).map(|i| if i == *k { 1.0 } else { 0.0 }).collect();
    IdentityPrior { mean: vec![0.0; n], components: order.iter().map(unit).collect() }
}
