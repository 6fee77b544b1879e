//! Importer of ICT-FaceKit Light (USC ICT, MIT license) from the user's checkout.
//!
//! Reads `FaceXModel/generic_neutral_mesh.obj`, `identity000.obj` … `identity099.obj`, the expression meshes and
//! `vertex_indices.json`. One unit of the files is a centimeter: eyeball centers then stand 62 mm apart. Dropped: the
//! iris shells (the outer shell is the cornea, colored downstream), lacrimal fluid, blend and occlusion meshes, the
//! shapes `cheekRaiser_*` (a second `cheekSquint`) and `PupilDilate_*`. `tongueOut` has no source: a zero column.
//! Identity columns are principal components in standard deviations.
mod layout;
mod regions;
mod rigging;

use crate::error::Error;
use crate::ibug;
use crate::model::{ARKIT, Basis, HeadModel, IdentityPrior, Part, SurfacePoint};
use crate::obj::{self, Obj};
use glam::Vec3;
use layout::{Block, ICT_FACES, ICT_VERTICES};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Meters per unit of the files.
const METERS: f32 = 0.01;
/// Principal components of identity in the Light release.
const N_IDENTITY: usize = 100;
/// Every so many vertices of the narrow face is a dense landmark.
const DENSE_STEP: usize = 53;

/// Imports from a checkout: the folder that holds `FaceXModel`, or that folder itself.
///
/// # Errors
/// [`Error::Missing`] for a file that is not there, [`Error::Text`] and [`Error::Invalid`] for one of another topology.
pub fn import(folder: &Path) -> Result<HeadModel, Error> {
    let folder = if folder.join("FaceXModel").is_dir() { folder.join("FaceXModel") } else { folder.to_path_buf() };
    let neutral = read_neutral(&folder)?;
    let kept = Kept::new(&neutral);
    let origin = rigging::eye_middle(&neutral.positions);
    let template: Vec<Vec3> =
        kept.vertices.iter().map(|&v| METERS * (neutral.positions[v as usize] - origin)).collect();
    let identity = read_identity(&folder, &neutral, &kept)?;
    let expression = read_expression(&folder, &neutral, &kept)?;
    let jaw_open = expression.column(ARKIT.iter().position(|&unit| unit == "jawOpen").unwrap_or(0));
    let rig = rigging::Rig::new(&template, &kept, jaw_open);
    let landmarks = landmarks(&folder, &template, &kept)?;
    let contour: Vec<Vec3> = landmarks.iter().map(|point| point.at(&kept.faces, &template)).collect();
    let n_identity = identity.len();
    let model = HeadModel {
        source: "ict".into(),
        regions: regions::from_landmarks(&template, &kept, &contour),
        mirror: layout::mirror(&template, &kept.blocks),
        uvs: layout::atlas(&neutral, &kept),
        face_uvs: kept.face_uvs,
        face_parts: kept.face_parts,
        faces: kept.faces,
        template,
        identity,
        expression,
        joints: rig.joints,
        weights: rig.weights,
        landmarks,
        identity_prior: independent(n_identity),
    };
    model.check()?;
    Ok(model)
}

/// What of the mesh is used, renumbered.
pub(crate) struct Kept {
    /// `[V]` index in the files of each vertex.
    pub vertices: Vec<u32>,
    /// `[ICT_VERTICES]` the inverse, `u32::MAX` for dropped ones.
    pub from_file: Vec<u32>,
    /// `[V]` block of the mesh each vertex is of.
    pub blocks: Vec<Block>,
    /// `[F]`
    pub faces: Vec<[u32; 4]>,
    /// `[F]`
    pub face_uvs: Vec<[u32; 4]>,
    /// `[F]`
    pub face_parts: Vec<Part>,
    /// `[T]` index in the files, and block, of each texture vertex.
    pub uvs: Vec<(u32, Block)>,
}

impl Kept {
    fn new(neutral: &Obj) -> Kept {
        let mut kept = Kept {
            vertices: Vec::new(),
            from_file: vec![u32::MAX; ICT_VERTICES],
            blocks: Vec::new(),
            faces: Vec::new(),
            face_uvs: Vec::new(),
            face_parts: Vec::new(),
            uvs: Vec::new(),
        };
        let block_of_vertex = layout::blocks_of_vertices();
        for v in 0..ICT_VERTICES {
            if block_of_vertex[v] != Block::Dropped {
                kept.from_file[v] = kept.vertices.len() as u32;
                kept.vertices.push(v as u32);
                kept.blocks.push(block_of_vertex[v]);
            }
        }
        let mut uv_index = std::collections::HashMap::new();
        for (f, block) in layout::blocks_of_faces().into_iter().enumerate() {
            if block == Block::Dropped {
                continue;
            }
            kept.faces.push(neutral.faces[f].map(|v| kept.from_file[v as usize]));
            kept.face_parts.push(block.part(f));
            kept.face_uvs.push(neutral.face_uvs[f].map(|t| {
                *uv_index.entry((t, block.tile())).or_insert_with(|| {
                    kept.uvs.push((t, block));
                    kept.uvs.len() as u32 - 1
                })
            }));
        }
        kept
    }
}

fn read_neutral(folder: &Path) -> Result<Obj, Error> {
    let path = folder.join("generic_neutral_mesh.obj");
    let neutral = with_path(&path, obj::read(&read(&path)?))?;
    for (what, expected, got) in
        [("vertices", ICT_VERTICES, neutral.positions.len()), ("faces", ICT_FACES, neutral.faces.len())]
    {
        if expected != got {
            let what = format!("{what} of generic_neutral_mesh.obj (ICT-FaceKit Light)");
            return Err(Error::Shape { what, expected, got });
        }
    }
    let stray = neutral.face_uvs.iter().flatten().any(|&t| t == obj::NO_UV);
    if stray {
        Err(Error::invalid("generic_neutral_mesh.obj", "a face has no texture coordinates"))
    } else {
        Ok(neutral)
    }
}

fn read_identity(folder: &Path, neutral: &Obj, kept: &Kept) -> Result<Basis, Error> {
    let names: Vec<String> = (0..N_IDENTITY).map(|k| format!("identity{k:03}")).collect();
    let columns =
        names.par_iter().map(|name| read_offsets(folder, name, neutral, kept)).collect::<Result<Vec<_>, _>>()?;
    Ok(Basis { names, columns: columns.concat() })
}

fn read_expression(folder: &Path, neutral: &Obj, kept: &Kept) -> Result<Basis, Error> {
    let read_unit = |unit: &&str| -> Result<Vec<Vec3>, Error> {
        let mut column = vec![Vec3::ZERO; kept.vertices.len()];
        for name in shapes_of(unit) {
            let offsets = read_offsets(folder, &name, neutral, kept)?;
            column.iter_mut().zip(offsets).for_each(|(sum, offset)| *sum += offset);
        }
        // The eyeballs turn by the rig alone.
        for (offset, block) in column.iter_mut().zip(&kept.blocks) {
            if matches!(block, Block::EyeLeft | Block::EyeRight) {
                *offset = Vec3::ZERO;
            }
        }
        Ok(column)
    };
    let columns = ARKIT.par_iter().map(read_unit).collect::<Result<Vec<_>, _>>()?;
    Ok(Basis { names: ARKIT.map(String::from).to_vec(), columns: columns.concat() })
}

/// The files that add up to an ARKit unit: `browDownLeft` is `browDown_L`, two units are stored by halves.
fn shapes_of(unit: &str) -> Vec<String> {
    match unit {
        "tongueOut" => Vec::new(),
        "browInnerUp" | "cheekPuff" => vec![format!("{unit}_L"), format!("{unit}_R")],
        "jawLeft" | "jawRight" | "mouthLeft" | "mouthRight" => vec![unit.into()],
        _ => match (unit.strip_suffix("Left"), unit.strip_suffix("Right")) {
            (Some(stem), _) => vec![format!("{stem}_L")],
            (_, Some(stem)) => vec![format!("{stem}_R")],
            _ => vec![unit.into()],
        },
    }
}

/// `[V]` displacements of a shape from the neutral mesh (meters).
fn read_offsets(folder: &Path, name: &str, neutral: &Obj, kept: &Kept) -> Result<Vec<Vec3>, Error> {
    let path = folder.join(format!("{name}.obj"));
    let positions = with_path(&path, obj::read_positions(&read(&path)?))?;
    if positions.len() != ICT_VERTICES {
        return Err(Error::Shape {
            what: format!("vertices of {name}.obj"),
            expected: ICT_VERTICES,
            got: positions.len(),
        });
    }
    let offset = |&v: &u32| METERS * (positions[v as usize] - neutral.positions[v as usize]);
    Ok(kept.vertices.iter().map(offset).collect())
}

/// The 68 of `idx_to_landmark_verts` (Multi-PIE order, which is iBUG's), both pupils, then dense ones.
fn landmarks(folder: &Path, template: &[Vec3], kept: &Kept) -> Result<Vec<SurfacePoint>, Error> {
    let path = folder.join("vertex_indices.json");
    let lists: serde_json::Value = serde_json::from_slice(&read(&path)?).map_err(|err| Error::Text {
        what: "vertex_indices.json".into(),
        line: err.line(),
        reason: err.to_string(),
    })?;
    let entries = lists["idx_to_landmark_verts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let indices: Vec<usize> = entries.iter().filter_map(|v| v.as_u64().map(|v| v as usize)).collect();
    if indices.len() != ibug::COUNT {
        let what = "idx_to_landmark_verts in vertex_indices.json".into();
        return Err(Error::Shape { what, expected: ibug::COUNT, got: indices.len() });
    }
    if let Some(&index) = indices.iter().find(|&&v| v >= ICT_VERTICES) {
        return Err(Error::Index { what: "idx_to_landmark_verts".into(), index, count: ICT_VERTICES });
    }
    let pupils = [Block::EyeLeft, Block::EyeRight].map(|block| {
        let of_block = (0..template.len()).filter(|&v| kept.blocks[v] == block);
        of_block.max_by(|&a, &b| template[a].z.total_cmp(&template[b].z)).unwrap_or(0) as u32
    });
    let dense = (0..layout::NARROW_FACE).step_by(DENSE_STEP).map(|v| kept.from_file[v]);
    let vertices = indices.iter().map(|&v| kept.from_file[v]).chain(pupils).chain(dense);
    vertices
        .map(|v| {
            SurfacePoint::at_vertex(&kept.faces, v)
                .ok_or_else(|| Error::invalid("landmarks", format!("vertex {v} is on no kept face")))
        })
        .collect()
}

/// Components of unit deviation, largest first as the files are.
fn independent(n: usize) -> IdentityPrior {
    let unit = |k: usize| (0..n).map(|i| if i == k { 1.0 } else { 0.0 }).collect();
    IdentityPrior { mean: vec![0.0; n], components: (0..n).map(unit).collect() }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::reading("file of ICT-FaceKit Light", path, source))
}

/// Says which file a complaint of the OBJ reader is about.
fn with_path<T>(path: &Path, result: Result<T, Error>) -> Result<T, Error> {
    let name = PathBuf::from(path.file_name().unwrap_or_default());
    result.map_err(|err| match err {
        Error::Text { line, reason, .. } => Error::Text { what: name.display().to_string(), line, reason },
        other => other,
    })
}
