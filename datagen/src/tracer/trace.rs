//! The tracer's front: build a scene once, render it through any camera under any environment.
//!
//! A picture is a pure function of (scene, camera, environment, settings): the numbers of a path depend on the seed,
//! its pixel and its number, so threads change no byte. The denoiser keeps that on one kind of processor.
#[cfg(test)]
#[path = "trace/test_scenes.rs"]
pub(crate) mod test_scenes;

mod coverage;
mod tile;

use crate::tracer::accel::{self, Accel, Ray, Shape};
use crate::tracer::bsdf::hair::Strands;
use crate::tracer::denoise;
use crate::tracer::environment::Environment;
use crate::tracer::film::Film;
use crate::tracer::integrator::{Integrator, MASK_CLEAR, MASK_COVERS, MASK_OPAQUE};
use crate::tracer::optics::Optics;
use crate::tracer::sampler::Sampler;
use crate::tracer::scene::{AccelKind, CurveDesc, Denoise, Material, MeshDesc, RenderSettings, SceneDesc, Subsurface};
use coverage::Coverage;
use formats::segmentation::Class;
use glam::{Mat4, Vec2, Vec3, Vec4};
use rayon::prelude::*;
use splat::Camera;
use std::sync::{Arc, OnceLock};
use tile::{TILE, Tile};

/// What can go wrong between a description and a picture.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The description contradicts itself.
    #[error("scene: {0}")]
    Scene(String),
    /// The camera or the settings make no picture.
    #[error("view: {0}")]
    View(String),
    /// Embree is demanded and absent, or failed.
    #[error("{0}")]
    Embree(String),
    /// Open Image Denoise is demanded and absent, or failed.
    #[error("{0}")]
    Denoise(String),
    /// An EXR image could not be put together.
    #[error("exr: {0}")]
    Exr(String),
    /// A signal came before the picture was finished.
    #[error("stopped by a signal")]
    Stopped,
}

/// A scene that rays can hit. Serves any number of cameras and environments.
pub struct Scene {
    pub(crate) accel: Arc<dyn Accel>,
    /// The skin meshes alone, for walks below them; built when first asked for.
    pub(crate) skin: OnceLock<Option<Arc<dyn Accel>>>,
    kind: AccelKind,
    /// Shapes `0..meshes.len()` of `accel`.
    pub(crate) meshes: Vec<MeshDesc>,
    /// The shapes after the meshes.
    pub(crate) strands: Vec<StrandSet>,
}

/// Strands as the integrator needs them.
pub(crate) struct StrandSet {
    /// What was described; its points are in `points`.
    pub desc: CurveDesc,
    pub points: Arc<Vec<Vec4>>,
    /// First control point of each segment.
    pub segments: Vec<u32>,
    /// Strand of each segment.
    pub strand_of: Vec<u32>,
    pub constants: Strands,
}

/// Builds a scene.
///
/// # Errors
/// [`TraceError::Scene`] if array lengths or indices do not fit, [`TraceError::Embree`] if Embree is demanded
/// ([`AccelKind::Embree`]) and absent.
pub fn build(scene: &SceneDesc, kind: AccelKind) -> Result<Scene, TraceError> {
    let meshes = scene.meshes.iter().enumerate().map(|(i, m)| checked(i, m)).collect::<Result<Vec<_>, _>>()?;
    let strands = scene.curves.iter().enumerate().map(|(i, c)| StrandSet::new(i, c)).collect::<Result<Vec<_>, _>>()?;
    let mut shapes: Vec<Shape> = meshes.iter().map(|m| mesh_shape(m, mask_of(&m.material))).collect();
    shapes.extend(strands.iter().map(|s| Shape::Curves {
        points: &s.points,
        segments: &s.segments,
        mask: if is_of_face(s.desc.class) { MASK_OPAQUE } else { MASK_OPAQUE | MASK_COVERS },
    }));
    let accel = accel::build(kind, &shapes)?;
    Ok(Scene { accel, skin: OnceLock::new(), kind, meshes, strands })
}

fn mesh_shape(m: &MeshDesc, mask: u32) -> Shape<'_> {
    Shape::Triangles { positions: &m.positions, triangles: &m.triangles, mask }
}

fn mask_of(material: &Material) -> u32 {
    if matches!(material, Material::Dielectric(_)) { MASK_CLEAR } else { MASK_OPAQUE | MASK_COVERS }
}

/// Whether strands of a class belong to the face: brows, beard, lashes.
fn is_of_face(class: u8) -> bool {
    matches!(Class::from_id(class), Some(Class::Brow | Class::Beard | Class::Lash))
}

/// A copy with normals filled in; or what does not fit.
fn checked(i: usize, m: &MeshDesc) -> Result<MeshDesc, TraceError> {
    let (v, t) = (m.positions.len(), m.triangles.len());
    let must = |what: &str, got: usize, expected: usize| {
        let fits = got == expected;
        fits.then_some(()).ok_or_else(|| TraceError::Scene(format!("mesh {i}: {got} {what}, expected {expected}")))
    };
    must("classes", m.classes.len(), t)?;
    must("parts", m.parts.len(), t)?;
    if !m.uvs.is_empty() {
        must("texture coordinates", m.uvs.len(), t)?;
    }
    if let Some(k) = m.triangles.iter().flatten().find(|&&k| k as usize >= v) {
        return Err(TraceError::Scene(format!("mesh {i}: a triangle names vertex {k} of {v}")));
    }
    let mut mesh = m.clone();
    if mesh.normals.is_empty() {
        mesh.normals = averaged_normals(&mesh.positions, &mesh.triangles);
    }
    must("normals", mesh.normals.len(), v)?;
    Ok(mesh)
}

/// `[V]` unit normals: the mean of the triangles around each vertex, weighted by area.
pub fn averaged_normals(positions: &[Vec3], triangles: &[[u32; 3]]) -> Vec<Vec3> {
    let mut sum = vec![Vec3::ZERO; positions.len()];
    for t in triangles {
        let [a, b, c] = t.map(|i| positions[i as usize]);
        t.iter().for_each(|&i| sum[i as usize] += (b - a).cross(c - a));
    }
    sum.into_iter().map(|n| n.normalize_or(Vec3::Y)).collect()
}

impl StrandSet {
    fn new(i: usize, c: &CurveDesc) -> Result<Self, TraceError> {
        let strands = c.first.len();
        if !c.absorption.is_empty() && c.absorption.len() != strands {
            return Err(TraceError::Scene(format!(
                "strands {i}: {} absorptions, expected {strands}",
                c.absorption.len()
            )));
        }
        let (mut segments, mut strand_of) = (Vec::new(), Vec::new());
        for s in 0..strands {
            let points = c.strand(s);
            if points.end > c.points.len() || points.len() < 4 {
                return Err(TraceError::Scene(format!(
                    "strands {i}: strand {s} has {} control points, expected 4 or more",
                    points.len()
                )));
            }
            segments.extend(points.start as u32..points.end as u32 - 3);
            strand_of.resize(segments.len(), s as u32);
        }
        let points = Arc::new(c.points.clone());
        let desc = CurveDesc { points: Vec::new(), absorption: c.absorption.clone(), first: c.first.clone(), ..*c };
        Ok(StrandSet { desc, points, segments, strand_of, constants: Strands::new(&c.material) })
    }
}

impl Scene {
    /// Builds what walks under the skin are bounded by.
    ///
    /// # Errors
    /// [`TraceError::Embree`] if Embree fails.
    pub(crate) fn prepare_skin(&self) -> Result<(), TraceError> {
        if self.skin.get().is_some() {
            return Ok(());
        }
        let skins = self.meshes.iter().filter(|m| matches!(m.material, Material::Skin(_)));
        let shapes: Vec<Shape> = skins.map(|m| mesh_shape(m, MASK_OPAQUE)).collect();
        let built = if shapes.is_empty() { None } else { Some(accel::build(self.kind, &shapes)?) };
        self.skin.get_or_init(|| built);
        Ok(())
    }

    /// The skin meshes alone, once prepared.
    pub(crate) fn skin(&self) -> Option<&dyn Accel> {
        self.skin.get()?.as_deref()
    }

    /// Whether something opaque lies between two points (meters); what is nearer than `slack_m` to `to` does not count,
    /// so that a point on a surface does not hide itself.
    pub fn hidden(&self, from: Vec3, to: Vec3, slack_m: f32) -> bool {
        self.blocked(from, to, slack_m, MASK_OPAQUE)
    }

    /// As [`Scene::hidden`], but brows, beard and lashes are looked through.
    pub fn covered(&self, from: Vec3, to: Vec3, slack_m: f32) -> bool {
        self.blocked(from, to, slack_m, MASK_COVERS)
    }

    fn blocked(&self, from: Vec3, to: Vec3, slack_m: f32, mask: u32) -> bool {
        let way = to - from;
        let length = way.length();
        let t_max = length - slack_m;
        t_max > 0.0 && self.accel.occluded1(&Ray { t_max, mask, ..Ray::new(from, way / length) })
    }
}

/// Renders the scene through a pinhole; see [`render_through`].
///
/// # Errors
/// As [`render_through`].
pub fn render(
    scene: &Scene,
    camera: &Camera,
    env: &Environment,
    settings: &RenderSettings,
) -> Result<Film, TraceError> {
    render_through(scene, camera, &Optics::default(), env, settings)
}

/// Renders the scene; `optics` blurs color and coverage, and leaves the labels as they are.
///
/// # Errors
/// [`TraceError::View`] for a camera or size without pixels, [`TraceError::Denoise`] if denoising is asked for and
/// Open Image Denoise is absent or fails; [`TraceError::Stopped`].
pub fn render_through(
    scene: &Scene,
    camera: &Camera,
    optics: &Optics,
    env: &Environment,
    settings: &RenderSettings,
) -> Result<Film, TraceError> {
    if settings.width == 0 || settings.height == 0 || settings.spp == 0 {
        return Err(TraceError::View("expected at least one pixel and one sample a pixel".into()));
    }
    let camera = camera.resized(settings.width, settings.height);
    camera.check().map_err(|err| TraceError::View(err.to_string()))?;
    if settings.subsurface == Subsurface::RandomWalk {
        scene.prepare_skin()?;
    }
    let view = View::new(&camera, optics);
    let integrator = Integrator::new(scene, env, settings);
    let coverage = if optics.is_pinhole() { Coverage::new(scene, &camera, settings.coverage) } else { None };
    let (across, down) = (settings.width.div_ceil(TILE), settings.height.div_ceil(TILE));
    // A picture takes seconds; who is asked to stop has few of them.
    let tile = |k| {
        let corner = (k % across * TILE, k / across * TILE);
        let mask = coverage.as_ref().map(|c| c.mask(k)).filter(|mask| !mask.clear);
        (!formats::stop::asked()).then(|| Tile::render(&integrator, &view, settings, mask.as_ref(), corner))
    };
    let tiles: Option<Vec<Tile>> = (0..across * down).into_par_iter().map(tile).collect();
    let tiles = tiles.ok_or(TraceError::Stopped)?;
    let mut film = Film::new(settings.width, settings.height);
    tiles.iter().for_each(|tile| tile.copy_to(&mut film));
    match settings.denoise {
        Denoise::Off => {}
        Denoise::Fast => denoise::denoise(&mut film, denoise::Quality::Fast)?,
        Denoise::High => denoise::denoise(&mut film, denoise::Quality::High)?,
    }
    Ok(film)
}

/// The camera with its pose inverted once.
pub(crate) struct View {
    optics: Optics,
    camera: Camera,
    world_from_camera: Mat4,
    origin: Vec3,
    /// World direction at pixel (0, 0) with depth 1, and its steps per pixel.
    corner: Vec3,
    right: Vec3,
    down: Vec3,
    pub forward: Vec3,
}

impl View {
    fn new(c: &Camera, optics: &Optics) -> Self {
        let world_from_camera = c.camera_from_world.inverse();
        let axis = |v: Vec3| world_from_camera.transform_vector3(v);
        let (right, down, forward) = (axis(Vec3::X) / c.fx, axis(Vec3::Y) / c.fy, axis(Vec3::Z));
        let origin = world_from_camera.transform_point3(Vec3::ZERO);
        let corner = forward - right * c.cx - down * c.cy;
        View { optics: *optics, camera: *c, world_from_camera, origin, corner, right, down, forward }
    }

    /// One of the rays that make up what is seen at a place in pixel `corner`.
    fn sampled_ray(&self, corner: Vec2, sampler: &mut Sampler) -> Ray {
        let at = corner + Vec2::from(sampler.next_2d());
        if self.optics.is_pinhole() {
            return self.ray(at);
        }
        let c = &self.camera;
        let direction = Vec3::new((at.x - c.cx) / c.fx, (at.y - c.cy) / c.fy, 1.0);
        let sight = self.optics.bent(direction, sampler);
        let origin = self.world_from_camera.transform_point3(sight.origin);
        Ray::new(origin, self.world_from_camera.transform_vector3(sight.direction).normalize_or(self.forward))
    }

    /// The pinhole's ray through a pixel position.
    fn ray(&self, at: Vec2) -> Ray {
        Ray::new(self.origin, (self.corner + self.right * at.x + self.down * at.y).normalize_or(self.forward))
    }
}

#[cfg(test)]
#[path = "trace/tests.rs"]
mod tests;
#[cfg(test)]
#[path = "trace/truth.rs"]
mod truth;
