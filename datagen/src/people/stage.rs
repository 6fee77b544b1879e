//! What every person of a dataset shares: the head model, its refined topology cut into meshes, and the atlas.
use crate::config::Config;
use crate::people::cloth;
use crate::people::landmarks::Landmarks;
use crate::people::outline::Outline;
use crate::people::relief::grain;
use crate::people::teeth::Arches;
use crate::tracer::scene::Texture;
use formats::exit::Failure;
use formats::segmentation::Class;
use glam::{Vec2, Vec3};
use head::ibug;
use head::model::{HeadModel, Part};
use head::normals::triangles;
use head::sampler::Sampler;
use head::uv::Padding;
use head::{Correctives, Subdivision, UvAtlas};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shared by all persons; made once.
pub struct Stage {
    /// Parameters → mesh.
    pub model: HeadModel,
    /// Mends its poses.
    pub correctives: Correctives,
    /// Draws shapes for it.
    pub sampler: Sampler,
    /// Refines it.
    pub subdivision: Subdivision,
    /// The parts, each a mesh of its own. The first is the skin.
    pub pieces: Vec<Piece>,
    /// Where landmarks lie on the refined mesh.
    pub landmarks: Landmarks,
    /// Region masks over the vertices of the skin piece.
    pub regions: BTreeMap<String, Vec<f32>>,
    /// What garments cover.
    pub cloth: cloth::Wardrobe,
    /// The refined mesh in texture space, at the tracer's texture size.
    pub atlas: UvAtlas,
    /// Extends its charts.
    pub padding: Padding,
    /// The crowns of the teeth.
    pub arches: Arches,
    /// `[V]` jaw and place of the tooth that each vertex of the refined mesh is of.
    pub tooth_of_vertex: Vec<Option<[u8; 2]>>,
    /// Pores, as a tile, and how often it repeats over the atlas.
    pub grain: (Arc<Texture>, f32),
    /// Region masks in texture space, `[S, S]` each.
    pub region_maps: BTreeMap<String, Vec<f32>>,
    /// The model's own mesh in texture space, at the size of the identities' maps.
    pub identity_atlas: UvAtlas,
}

/// One part of the refined mesh. `V` vertices, `T` triangles.
pub struct Piece {
    /// What it is.
    pub part: Part,
    /// `[V]` vertices of the refined mesh.
    pub vertices: Vec<u32>,
    /// `[T]` indices into `vertices`.
    pub triangles: Vec<[u32; 3]>,
    /// `[T]`
    pub uvs: Vec<[Vec2; 3]>,
    /// `[T]` class ids of `formats::segmentation`.
    pub classes: Vec<u8>,
}

impl Stage {
    /// Loads or builds the head that the config names and prepares it.
    ///
    /// # Errors
    /// A missing head file (66), one that is no head (65).
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self::with_model(crate::head_file::load(&config.head)?, config)?)
    }

    /// Prepares `model`.
    ///
    /// # Errors
    /// Bad data (65) when the model has no skin or no landmarks.
    pub fn with_model(model: HeadModel, config: &Config) -> Result<Self, Failure> {
        let levels = config.mesh.subdivision as usize;
        let subdivision = Subdivision::new(&model.faces, &model.face_uvs, model.n_vertices(), &model.uvs, levels);
        if model.landmarks.len() < ibug::COUNT {
            return Err(Failure::bad_data("the head model has fewer than 68 landmarks"));
        }
        let mut refined: BTreeMap<String, Vec<f32>> =
            model.regions.iter().map(|(name, mask)| (name.clone(), subdivision.apply_scalars(mask))).collect();
        let outline = Outline::new(&model);
        let template = subdivision.apply(&model.template);
        let ears = refined.get("ears").cloned().unwrap_or_else(|| vec![0.0; template.len()]);
        refined.insert("lips".into(), template.iter().map(|p| outline.lips(*p)).collect());
        let bare = |(p, e): (&Vec3, &f32)| outline.scalp(*p) * (1.0 - e * outline.beside_ear(*p));
        refined.insert("scalp".into(), template.iter().zip(&ears).map(bare).collect());
        let parts: Vec<Part> = subdivision.parent.iter().map(|&f| model.face_parts[f as usize]).collect();
        let pieces = cut(&subdivision, &parts, &refined);
        let skin = pieces.first().filter(|p| p.part == Part::Skin);
        let Some(skin) = skin else {
            return Err(Failure::bad_data("the head model has no skin"));
        };
        let landmarks = Landmarks::new(&model, &pieces, &template);
        let chin = model.landmarks_at(&model.template)[ibug::CHIN];
        let cloth = cloth::Wardrobe::new(skin, &skin.gather(&template), chin);
        let on_skin = |mask: &Vec<f32>| skin.vertices.iter().map(|&v| mask[v as usize]).collect();
        let regions = refined.iter().map(|(name, mask)| (name.clone(), on_skin(mask))).collect();
        let size = config.mesh.texture_size as usize;
        let atlas = UvAtlas::from_mesh(&subdivision.faces, &subdivision.face_uvs, &subdivision.uvs, &parts, size);
        let padding = atlas.padding(3);
        let mut region_maps: BTreeMap<String, Vec<f32>> =
            refined.iter().map(|(name, mask)| (name.clone(), atlas.scalar_map(mask))).collect();
        // Per texel rather than per vertex: the lips' border is finer than the mesh.
        let places = atlas.position_map(&template);
        region_maps.insert("lips".into(), places.values.iter().map(|p| outline.lips(*p)).collect());
        let identity_atlas = UvAtlas::new(&model, config.maps.uv_size as usize);
        let sampler = Sampler::new(&model);
        let correctives = Correctives::new(&model);
        let grain = (Arc::new(grain::tile()), grain::repeats(&model));
        let arches = Arches::of(&model);
        let tooth_of_vertex = refined_teeth(&arches.tooth_of_vertex(model.n_vertices()), &model.faces, &subdivision);
        Ok(Stage {
            model,
            grain,
            arches,
            tooth_of_vertex,
            correctives,
            sampler,
            subdivision,
            pieces,
            landmarks,
            regions,
            cloth,
            atlas,
            padding,
            region_maps,
            identity_atlas,
        })
    }

    /// The skin.
    pub fn skin(&self) -> &Piece {
        &self.pieces[0]
    }
}

impl Piece {
    /// Its vertices of the refined mesh.
    pub fn gather(&self, refined: &[Vec3]) -> Vec<Vec3> {
        self.vertices.iter().map(|&v| refined[v as usize]).collect()
    }
}

/// The teeth of the refined vertices: of the coarse face each lies on.
fn refined_teeth(coarse: &[Option<[u8; 2]>], faces: &[[u32; 4]], subdivision: &Subdivision) -> Vec<Option<[u8; 2]>> {
    let mut refined = vec![None; subdivision.n_vertices()];
    for (face, &parent) in subdivision.faces.iter().zip(&subdivision.parent) {
        let tooth = coarse[faces[parent as usize][0] as usize];
        face.iter().for_each(|&v| refined[v as usize] = tooth);
    }
    refined
}

/// Cuts the refined mesh into one piece per part, in the order of [`Part`].
fn cut(subdivision: &Subdivision, parts: &[Part], regions: &BTreeMap<String, Vec<f32>>) -> Vec<Piece> {
    let all = triangles(&subdivision.faces);
    let mut pieces: BTreeMap<Part, (Piece, Vec<u32>)> = BTreeMap::new();
    for ((indices, face), corners) in all.indices.iter().zip(&all.face).zip(&all.corners) {
        let part = parts[*face as usize];
        let blank = || {
            let piece =
                Piece { part, vertices: Vec::new(), triangles: Vec::new(), uvs: Vec::new(), classes: Vec::new() };
            (piece, vec![u32::MAX; subdivision.n_vertices()])
        };
        let (piece, local) = pieces.entry(part).or_insert_with(blank);
        let triangle = indices.map(|v| {
            if local[v as usize] == u32::MAX {
                local[v as usize] = piece.vertices.len() as u32;
                piece.vertices.push(v);
            }
            local[v as usize]
        });
        let uv = corners.map(|c| subdivision.uvs[subdivision.face_uvs[*face as usize][c as usize] as usize]);
        piece.triangles.push(triangle);
        piece.uvs.push(uv);
        piece.classes.push(class(part, *indices, regions).id());
    }
    pieces.into_values().map(|(piece, _)| piece).collect()
}

/// Class of a triangle, by part and by the regions its corners lie in.
fn class(part: Part, corners: [u32; 3], regions: &BTreeMap<String, Vec<f32>>) -> Class {
    let inside = |name: &str| {
        let mask = regions.get(name);
        mask.is_some_and(|m| corners.iter().map(|&v| m[v as usize]).sum::<f32>() > 1.5)
    };
    match part {
        Part::Skin if inside("lips") => Class::Lip,
        Part::Skin if inside("ears") => Class::Ear,
        Part::Skin if inside("neck") => Class::Neck,
        Part::Skin => Class::Skin,
        Part::EyeLeft | Part::EyeRight => Class::Eye,
        Part::TeethUpper | Part::TeethLower => Class::Teeth,
        Part::Tongue => Class::Tongue,
        Part::Gums | Part::Mouth => Class::Mouth,
        Part::Lashes => Class::Lash,
    }
}
