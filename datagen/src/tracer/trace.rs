//! The tracer's front: build a scene once, render it through any camera under any environment.
//!
//! A picture is a pure function of (scene, camera, environment, settings): the numbers of a path depend on the seed,
//! its pixel and its number, so threads change no byte. The denoiser keeps that on one kind of processor.
#[cfg(test)]
#[path = "trace/test_scenes.rs"]
pub(crate) mod test_scenes;

mod coverage;

use crate::tracer::accel::embree::FlushDenormals;
use crate::tracer::accel::{self, Accel, Ray, Shape};
use crate::tracer::bsdf::hair::Strands;
use crate::tracer::denoise;
use crate::tracer::environment::Environment;
use crate::tracer::film::Film;
use crate::tracer::integrator::{Integrator, Label, MASK_CLEAR, MASK_COVERS, MASK_OPAQUE, PathSample};
use crate::tracer::optics::Optics;
use crate::tracer::sampler::Sampler;
use crate::tracer::scene::{AccelKind, CurveDesc, Denoise, Material, MeshDesc, RenderSettings, SceneDesc, Subsurface};
use coverage::{Coverage, Mask};
use glam::{Mat4, Vec2, Vec3, Vec4};
use rayon::prelude::*;
use splat::Camera;
use std::sync::{Arc, OnceLock};

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
    matches!(formats::frame::SEGMENTATION.get(class as usize), Some(&("brow" | "beard" | "lash")))
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

    /// Whether something opaque lies between two points (metres); what is nearer than `slack_m` to `to` does not count,
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

/// Rays that the coverage of a partly covered pixel is worth where it is not drawn ([`Coverage`]): hair over a background
/// shows every error of its alpha, and such a ray costs a fraction of a path.
const COVERAGE_RAYS: u32 = 64;

/// Coverage of pixel `at`, `found` of whose `spp` paths met something: the sampler's points go on where the paths ended.
fn sampled_coverage(
    found: f32,
    settings: &RenderSettings,
    at: (usize, usize),
    mut covers: impl FnMut(Sampler) -> bool,
) -> f32 {
    let pixel = (at.1 * settings.width + at.0) as u32;
    let more = (settings.spp..COVERAGE_RAYS).map(|sample| Sampler::new(settings.seed, pixel, sample));
    let met = more.filter(|sampler| covers(sampler.clone())).count();
    (found + met as f32) / settings.spp.max(COVERAGE_RAYS) as f32
}

/// Side of a tile in pixels: the unit of work of a thread.
const TILE: usize = 16;

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

/// Renders the scene; `optics` blurs colour and coverage, and leaves the labels as they are.
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
    let coverage = if optics.is_pinhole() { Coverage::new(scene, &camera) } else { None };
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

/// Some pixels of a picture.
struct Tile {
    origin: (usize, usize),
    size: (usize, usize),
    pixels: Vec<(PathSample, Label)>,
    rays: u64,
}

impl Tile {
    /// `mask`: what of the tile is covered, where that is known.
    fn render(
        integrator: &Integrator,
        view: &View,
        settings: &RenderSettings,
        mask: Option<&Mask>,
        origin: (usize, usize),
    ) -> Self {
        let _flush = FlushDenormals::new();
        let size = (TILE.min(settings.width - origin.0), TILE.min(settings.height - origin.1));
        let mut rays = 0;
        let pixels = (0..size.0 * size.1).map(|i| {
            let within = (i % size.0, i / size.0);
            let (x, y) = (origin.0 + within.0, origin.1 + within.1);
            let corner = Vec2::new(x as f32, y as f32);
            let share = mask.map(|mask| mask.share(within.0, within.1));
            if share == Some(0.0) {
                return (PathSample::default(), Label::NOTHING);
            }
            let label = integrator.label(&view.ray(corner + 0.5), view.forward, &mut rays);
            let partial = mask.zip(share).filter(|(_, share)| *share < 1.0);
            let mut sum = PathSample::default();
            for sample in 0..settings.spp {
                let mut sampler = Sampler::new(settings.seed, (y * settings.width + x) as u32, sample);
                let ray = match partial {
                    // only where something stands
                    Some((mask, _)) => view.ray(corner + mask.place(within.0, within.1, sampler.next_2d()[0])),
                    None => view.sampled_ray(corner, &mut sampler),
                };
                sum.add(&integrator.path(ray, &mut sampler, &mut rays));
            }
            if let Some((_, share)) = partial {
                return (PathSample { alpha: share, ..sum.scaled(share / sum.alpha.max(1.0)) }, label);
            }
            let mut mean = sum.scaled(1.0 / settings.spp as f32);
            if share.is_none() && mean.alpha > 0.0 && mean.alpha < 1.0 {
                let met = |mut s: Sampler| integrator.covers(&view.sampled_ray(corner, &mut s), &mut rays);
                mean.alpha = sampled_coverage(sum.alpha, settings, (x, y), met);
            }
            (mean, label)
        });
        Tile { origin, size, pixels: pixels.collect(), rays }
    }

    fn copy_to(&self, film: &mut Film) {
        film.rays += self.rays;
        for (i, (sample, label)) in self.pixels.iter().enumerate() {
            let at = (self.origin.1 + i / self.size.0) * film.width + self.origin.0 + i % self.size.0;
            film.rgb[at] = sample.rgb;
            film.alpha[at] = sample.alpha;
            film.albedo[at] = sample.albedo;
            film.normal[at] = sample.normal;
            let labels = &mut film.labels;
            labels.depth[at] = label.depth;
            labels.normal[at] = label.normal;
            labels.uv[at] = label.uv;
            labels.class[at] = label.class;
            labels.part[at] = label.part;
            labels.surface[at] = label.surface;
        }
    }
}

#[cfg(test)]
#[path = "trace/tests.rs"]
mod tests;
#[cfg(test)]
#[path = "trace/truth.rs"]
mod truth;
