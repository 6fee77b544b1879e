//! One person on the stage: shape, skin, eyes, strands; and the scene of that person making a face.
use crate::config::Config;
use crate::people::accessories::{self, Accessories};
use crate::people::bend;
use crate::people::expressions::Performance;
use crate::people::eyes;
use crate::people::hair::{self, Clearance, Groom, Ground, Obstacle, Shell};
use crate::people::identity::DrawnShape;
use crate::people::person::{Looks, Origin};
use crate::people::relief;
use crate::people::skin_albedo::{self, Face, Paints};
use crate::people::stage::{Piece, Stage};
use crate::people::strain;
use crate::people::surface::Surface;
use crate::stream::{Subject, derive};
use crate::tracer::scene::{
    CoatedMaterial, CurveDesc, Material, MeshDesc, Paint, Relief, SceneDesc, SkinMaterial, Texture,
};
use glam::{Affine3A, Vec3};
use head::model::{HeadParams, Part};
use head::{HeadBox, HeadModel, Posed};
use std::sync::Arc;

/// One person, ready to act.
pub struct Actor<'a> {
    stage: &'a Stage,
    /// Row of `identities`.
    pub identity_id: u32,
    /// Everything about the person is drawn from it.
    pub seed: u64,
    /// Age, sex, ancestry.
    pub origin: Origin,
    /// `[Ks]` identity coefficients.
    pub shape: Vec<f32>,
    /// Skin, eyes, hair.
    pub looks: Looks,
    /// `[V]` neutral positions of the model's own mesh.
    pub neutral: Vec<Vec3>,
    /// Chin to crown of the neutral head.
    pub head_box: HeadBox,
    groom: Groom,
    accessories: Accessories,
    albedo: Arc<Texture>,
    gloss: Arc<Texture>,
    heights: Arc<Texture>,
    /// How sharply the skin bends at its refined vertices.
    bends: Arc<Vec<f32>>,
    /// The skin's refined vertices at rest.
    skin_at_rest: Vec<Vec3>,
}

/// A person making a face, and what is known of it.
pub struct Take {
    /// Meshes and strands.
    pub scene: SceneDesc,
    /// `[L]` landmarks (world, meters).
    pub landmarks: Vec<Vec3>,
    /// Unit gaze directions, left and right.
    pub gaze: [Vec3; 2],
    /// Where the head is now.
    pub head_box: HeadBox,
}

/// What lies before the skin of the neutral head.
pub struct Worn {
    /// Strands.
    pub curves: Vec<CurveDesc>,
    /// Linear RGB of a dense mat of each of `curves`.
    pub curve_colors: Vec<Vec3>,
    /// Garment and hat, with the linear RGB of each. Glasses are left out: seen along the skin's normal they are thin
    /// lines far off the skin, and would be painted on it.
    pub cloth: Vec<(MeshDesc, Vec3)>,
}

/// The seed that everything about a person of the dataset is drawn from.
pub fn person_seed(config: &Config, identity_id: u32) -> u64 {
    derive(config.seed, Subject::Person, &[identity_id.into()])
}

impl<'a> Actor<'a> {
    /// Draws person `identity_id` of the dataset.
    pub fn sample(stage: &'a Stage, config: &Config, identity_id: u32) -> Self {
        let drawn = crate::people::identity::sample_shape(&stage.sampler, person_seed(config, identity_id));
        Self::with_shape(stage, config, identity_id, drawn)
    }

    /// Person `identity_id` of the dataset with another face.
    pub fn with_shape(stage: &'a Stage, config: &Config, identity_id: u32, drawn: DrawnShape) -> Self {
        let seed = person_seed(config, identity_id);
        let mut looks = Looks::sample(seed, drawn.origin);
        accessories::sample(&mut looks, &config.wear, seed, drawn.origin.sex);
        Self::dressed(stage, config, identity_id, drawn, looks)
    }

    /// Person `identity_id` of the dataset with another face and other looks.
    pub fn dressed(stage: &'a Stage, config: &Config, identity_id: u32, drawn: DrawnShape, looks: Looks) -> Self {
        let DrawnShape { shape, origin } = drawn;
        let seed = person_seed(config, identity_id);
        let mut neutral = stage.model.neutral(&shape);
        stage.correctives.rest(&stage.model, &mut neutral);
        stage.arches.set(&looks.teeth, &mut neutral);
        let refined = stage.subdivision.apply(&neutral);
        let landmarks = stage.model.landmarks_at(&neutral);
        let skin = surface_of(stage.skin(), &refined);
        let eyes = eye_places(&stage.model, &neutral);
        let scalp = stage.regions.get("scalp").cloned().unwrap_or_else(|| vec![0.0; skin.positions.len()]);
        let shell = Shell::new(&skin, &scalp);
        let Paints { albedo, gloss } = skin_albedo::paint(
            stage,
            &looks,
            &refined,
            &Face { skin: &skin, landmarks: &landmarks, eyes, shell: &shell },
        );
        let heights = relief::carve(stage, &looks, &refined, &landmarks);
        let shirt = stage.cloth.drape(&skin, &looks.garment);
        let mut obstacles = vec![Obstacle { positions: &skin.positions, triangles: &skin.triangles }];
        obstacles.extend(shirt.iter().map(|m| Obstacle { positions: &m.positions, triangles: &m.triangles }));
        let clearance = Clearance::new(&obstacles);
        let ground =
            Ground { skin: &skin, regions: &stage.regions, landmarks: &landmarks, eyes, clearance: &clearance };
        let accessories = Accessories::fit(&looks, &ground, &shell);
        let groom = Groom::grow(&ground, &looks, accessories.cover(), config.hair.strands, seed);
        let size = stage.atlas.size;
        let texture = |texels| Arc::new(Texture::new(size, size, texels).expect("one texel for each of the atlas"));
        let crown_y = skin.positions.iter().map(|p| p.y).fold(f32::MIN, f32::max);
        let head_box = HeadBox::from_landmarks(&landmarks, crown_y);
        Actor {
            stage,
            identity_id,
            seed,
            origin,
            shape,
            looks,
            head_box,
            groom,
            accessories,
            albedo: texture(albedo),
            gloss: texture(gloss),
            heights: texture(heights),
            bends: Arc::new(bend::bends(&skin)),
            skin_at_rest: skin.positions,
            neutral,
        }
    }

    /// Number of strands on the person.
    pub fn strands(&self) -> usize {
        self.groom.len()
    }

    /// Glasses and hats.
    pub fn accessories(&self) -> &Accessories {
        &self.accessories
    }

    /// The albedo texture, `[S, S]`.
    pub fn albedo(&self) -> &Texture {
        &self.albedo
    }

    /// The person making a face.
    pub fn take(&self, performance: &Performance) -> Take {
        let params =
            HeadParams { shape: self.shape.clone(), expression: performance.expression, pose: performance.pose };
        let posed = self.stage.correctives.pose(&self.stage.model, &self.neutral, &params);
        let refined = self.stage.subdivision.apply(&posed.positions);
        let landmarks = self.stage.landmarks.at(&refined);
        let skin = surface_of(self.stage.skin(), &refined);
        let mut meshes = Vec::new();
        for piece in &self.stage.pieces {
            meshes.extend(self.mesh(piece, &refined, &posed, &landmarks, &skin));
        }
        meshes.extend(self.stage.cloth.mesh(&skin, &self.looks.garment));
        let skull = posed.world_from_head();
        meshes.extend(self.accessories.meshes(skull));
        let curves = self.curves(&skin, skull);
        let center = skull.transform_point3(self.head_box.center);
        Take {
            scene: SceneDesc { meshes, curves },
            landmarks,
            gaze: posed.gaze,
            head_box: HeadBox { center, ..self.head_box },
        }
    }

    /// What the neutral head wears.
    pub fn at_rest(&self) -> Worn {
        let skin = surface_of(self.stage.skin(), &self.stage.subdivision.apply(&self.neutral));
        let curves = self.curves(&skin, Affine3A::IDENTITY);
        let curve_colors = curves.iter().map(|c| hair::mat_color(c.class, &self.looks)).collect();
        let garment = self.stage.cloth.mesh(&skin, &self.looks.garment);
        let mut cloth = self.accessories.headwear_meshes(Affine3A::IDENTITY);
        cloth.extend(garment.map(|mesh| (mesh, self.looks.garment.mean_color())));
        Worn { curves, curve_colors, cloth }
    }

    fn curves(&self, skin: &Surface, skull: Affine3A) -> Vec<CurveDesc> {
        self.groom.curves(skin, skull).into_iter().filter(|c| !c.first.is_empty()).collect()
    }

    /// A part as it is traced; lashes are strands of ours, so the model's own are left out.
    fn mesh(
        &self,
        piece: &Piece,
        refined: &[Vec3],
        posed: &Posed,
        landmarks: &[Vec3],
        skin: &Surface,
    ) -> Option<MeshDesc> {
        let positions = piece.gather(refined);
        let eye = |side| eyes::material(&self.looks.eyes, posed, side, &positions, landmarks, skin, self.seed);
        let material = match piece.part {
            Part::Lashes => return None,
            Part::Skin => self.skin_material(&positions, &piece.triangles),
            Part::EyeLeft => eye(0),
            Part::EyeRight => eye(1),
            part => coated(part, Paint::Map(self.albedo.clone())),
        };
        let normals = Surface::new(positions.clone(), piece.triangles.clone()).normals;
        let kept: Vec<usize> = (0..piece.triangles.len()).filter(|&t| !self.is_missing(piece, t)).collect();
        Some(MeshDesc {
            positions,
            normals,
            triangles: kept.iter().map(|&t| piece.triangles[t]).collect(),
            uvs: kept.iter().map(|&t| piece.uvs[t]).collect(),
            material,
            classes: kept.iter().map(|&t| piece.classes[t]).collect(),
            parts: vec![piece.part as u8; kept.len()],
        })
    }

    /// Whether a triangle is of a tooth that is gone.
    fn is_missing(&self, piece: &Piece, triangle: usize) -> bool {
        let vertex = piece.vertices[piece.triangles[triangle][0] as usize];
        self.stage.tooth_of_vertex[vertex as usize].is_some_and(|tooth| self.looks.teeth.missing.contains(&tooth))
    }

    /// `posed` are the skin's vertices in this pose.
    fn skin_material(&self, posed: &[Vec3], triangles: &[[u32; 3]]) -> Material {
        let mut skin = SkinMaterial::new(Paint::Map(self.albedo.clone()));
        skin.gloss = Paint::Map(self.gloss.clone());
        skin.roughness = [self.looks.skin.roughness, 0.45 * self.looks.skin.roughness];
        skin.sharp = 0.25;
        skin.fuzz = self.looks.skin.down;
        skin.bends = self.bends.clone();
        skin.relief = Some(Relief {
            heights: self.heights.clone(),
            folds: Arc::new(strain::folds(&self.skin_at_rest, posed, triangles)),
            grain: Some(self.stage.grain.0.clone()),
            repeats: self.stage.grain.1,
        });
        Material::Skin(skin)
    }
}

fn coated(part: Part, albedo: Paint) -> Material {
    let (roughness, ior) = match part {
        Part::TeethUpper | Part::TeethLower => (0.12, 1.5),
        Part::Tongue => (0.3, 1.33),
        _ => (0.2, 1.33),
    };
    Material::Coated(CoatedMaterial { albedo, roughness, ior })
}

fn surface_of(piece: &Piece, refined: &[Vec3]) -> Surface {
    Surface::new(piece.gather(refined), piece.triangles.clone())
}

/// Centers of the eyeballs at rest.
fn eye_places(model: &HeadModel, neutral: &[Vec3]) -> [Vec3; 2] {
    let rest = HeadParams { shape: Vec::new(), expression: [0.0; 52], pose: [Vec3::ZERO; 5] };
    model.pose_neutral(neutral, &rest).eye_centers
}
