//! The bridge between `splat` and torch: [`render`] draws Gaussians held in tensors, differentiably.
//!
//! Invariant: it draws where the tensors are, in f32, straight on their memory: on the CPU by [`splat::rasterize`], on
//! a GPU by [`splat::cuda`] in torch's current stream. What else is to be done is the same for both and stands here.

mod cpu;
mod cuda;

use crate::bridge::custom::custom;
use crate::error::{Error, check_shape};
use splat::{Camera, Colors, Gaussians};
use tch::{Device, Kind, Tensor};

pub(crate) use cpu::floats;
pub use cuda::EngineRenderer;
pub use splat::rasterize::Settings;

/// N Gaussians in tensors; units and parametrization as in [`splat::Gaussians`].
#[derive(Debug)]
pub struct GaussianTensors {
    /// `[N, 3]` meters, world.
    pub means: Tensor,
    /// `[N, 4]` w x y z, any non-zero length.
    pub quats: Tensor,
    /// `[N, 3]` ln of the standard deviations in meters.
    pub log_scales: Tensor,
    /// `[N]` opacity = sigmoid.
    pub opacity_logits: Tensor,
    /// `[N, kind.stride()]` linear RGB (or features) as `kind` says.
    pub colors: Tensor,
    /// How `colors` is read.
    pub kind: Colors,
}

/// Images of B cameras.
#[derive(Debug)]
pub struct RenderedTensors {
    /// `[B, H, W, C]` linear, premultiplied, background added.
    pub color: Tensor,
    /// `[B, H, W]` in 0..1.
    pub alpha: Tensor,
    /// `[B, H, W]` accumulated depth `Σ wᵢ zᵢ`, meters; divide by alpha for the expected depth.
    pub depth: Tensor,
}

impl RenderedTensors {
    /// `[B, C, H, W]`, the layout of losses and networks (a view, no copy).
    pub fn color_chw(&self) -> Tensor {
        self.color.permute([0, 3, 1, 2])
    }
}

impl GaussianTensors {
    /// Copies of owned arrays, on the CPU, without gradient.
    pub fn from_gaussians(g: &Gaussians) -> Self {
        let n = g.len() as i64;
        GaussianTensors {
            means: Tensor::from_slice(&g.means).view([n, 3]),
            quats: Tensor::from_slice(&g.quats).view([n, 4]),
            log_scales: Tensor::from_slice(&g.log_scales).view([n, 3]),
            opacity_logits: Tensor::from_slice(&g.opacity_logits),
            colors: Tensor::from_slice(&g.colors).view([n, g.kind.stride() as i64]),
            kind: g.kind,
        }
    }

    /// Copies into owned arrays.
    ///
    /// # Errors
    /// [`Error::Shape`]
    pub fn to_gaussians(&self) -> Result<Gaussians, Error> {
        self.check()?;
        let [means, quats, log_scales, opacity_logits, colors] =
            self.tensors().map(|t| floats(&plain(&t.to_device(Device::Cpu))).to_vec());
        Ok(Gaussians { means, quats, log_scales, opacity_logits, colors, kind: self.kind })
    }

    /// Number of Gaussians.
    pub fn len(&self) -> usize {
        self.opacity_logits.numel()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One scene from several, e.g. the Gaussians of each UV region.
    ///
    /// # Panics
    /// If there are none or their `kind`s differ.
    pub fn concat(parts: &[GaussianTensors]) -> Self {
        let kind = parts[0].kind;
        assert!(parts.iter().all(|p| p.kind == kind), "all parts show the same kind of colour");
        let cat = |f: fn(&GaussianTensors) -> &Tensor| Tensor::cat(&parts.iter().map(f).collect::<Vec<_>>(), 0);
        GaussianTensors {
            means: cat(|p| &p.means),
            quats: cat(|p| &p.quats),
            log_scales: cat(|p| &p.log_scales),
            opacity_logits: cat(|p| &p.opacity_logits),
            colors: cat(|p| &p.colors),
            kind,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let n = self.opacity_logits.size().first().copied().unwrap_or(0);
        check_shape("opacity_logits", &self.opacity_logits, &[n])?;
        check_shape("means", &self.means, &[n, 3])?;
        check_shape("quats", &self.quats, &[n, 4])?;
        check_shape("log_scales", &self.log_scales, &[n, 3])?;
        check_shape("colors", &self.colors, &[n, self.kind.stride() as i64])?;
        let device = self.means.device();
        match self.tensors().into_iter().map(Tensor::device).find(|d| *d != device) {
            None => Ok(()),
            Some(other) => Err(Error::Devices { what: "Gaussians".into(), one: device, other }),
        }
    }

    fn tensors(&self) -> [&Tensor; 5] {
        [&self.means, &self.quats, &self.log_scales, &self.opacity_logits, &self.colors]
    }
}

/// Draws the Gaussians as every camera sees them, on the device of the tensors. Differentiable in all five.
///
/// All cameras must have the same image size. The background is in `settings` (C values; empty is black); a random
/// one per step, on both sides of a loss, is how training makes opacity matter. Tensors that are not contiguous f32 are
/// copied once; on a GPU nothing passes through the host.
///
/// # Errors
/// [`Error::Shape`] and [`Error::Devices`] for tensors or cameras that do not fit together, [`Error::Splat`] from the
/// rasterizer, [`Error::Device`] for a device that it cannot draw on, [`Error::Cuda`] from the driver. What goes wrong
/// on the backward pass is an error of [`Tensor::f_backward`].
pub fn render(g: &GaussianTensors, cameras: &[Camera], settings: &Settings) -> Result<RenderedTensors, Error> {
    match g.means.device() {
        Device::Cpu => render_on(&cpu::Cpu, g, cameras, settings),
        Device::Cuda(index) => render_on(&EngineRenderer::of_torch(index)?, g, cameras, settings),
        other => Err(no_rasterizer(other)),
    }
}

/// Whether [`render`] can draw on a device, as far as that is known before the first image: a GPU that it can use is
/// there, and its driver. Before hours of work, rather than after.
///
/// # Errors
/// [`Error::Device`]
pub fn check_device(device: Device) -> Result<(), Error> {
    match device {
        Device::Cpu => Ok(()),
        Device::Cuda(index) => EngineRenderer::of_torch(index).map(drop),
        other => Err(no_rasterizer(other)),
    }
}

fn no_rasterizer(device: Device) -> Error {
    Error::Device { asked: format!("{device:?}"), why: "the rasterizer draws on the CPU and on CUDA".into() }
}

/// Who draws: reads and writes tensors of one kind of device.
trait Backend {
    /// Fills all three images.
    fn forward(&self, scene: &Scene, images: &RenderedTensors) -> Result<Box<dyn BackwardPass>, Error>;
}

/// What a backend keeps for the backward pass.
trait BackwardPass: Send {
    /// Fills the gradients by the five inputs.
    fn run(&self, scene: &Scene, upstream: &Upstream, gradients: &[Tensor; 5]) -> Result<(), Error>;
}

/// What is drawn; kept until the graph is dropped.
struct Scene {
    /// Contiguous f32 without graph, in the order of [`GaussianTensors`].
    inputs: [Tensor; 5],
    kind: Colors,
    cameras: Vec<Camera>,
    settings: Settings,
}

/// Gradients of a loss by the images, contiguous f32.
struct Upstream {
    /// `[B, H, W, C]`
    color: Tensor,
    /// `[B, H, W]`; absent if nothing depends on it.
    alpha: Option<Tensor>,
    /// `[B, H, W]`; absent if nothing depends on it.
    depth: Option<Tensor>,
}

fn render_on(
    backend: &dyn Backend,
    g: &GaussianTensors,
    cameras: &[Camera],
    settings: &Settings,
) -> Result<RenderedTensors, Error> {
    g.check()?;
    let (h, w) = one_size(cameras)?;
    let (b, c) = (cameras.len() as i64, g.kind.channels() as i64);
    let scene =
        Scene { inputs: g.tensors().map(plain), kind: g.kind, cameras: cameras.to_vec(), settings: settings.clone() };
    let new = |size: &[i64]| Tensor::empty(size, (Kind::Float, g.means.device()));
    let images = RenderedTensors { color: new(&[b, h, w, c]), alpha: new(&[b, h, w]), depth: new(&[b, h, w]) };
    let backward_pass = backend.forward(&scene, &images)?;
    let size = [b, h, w, c];
    let backward = move |up: &[Option<Tensor>]| {
        let gradients = run_backward(&*backward_pass, &scene, size, up);
        // Autograd takes no other kind of refusal.
        gradients.unwrap_or_else(|error| panic!("{error}")).map(Some).into()
    };
    let RenderedTensors { color, alpha, depth } = images;
    let outputs = custom(&g.tensors(), || (vec![color, alpha, depth], backward));
    let [color, alpha, depth] = <[Tensor; 3]>::try_from(outputs).expect("three went in");
    Ok(RenderedTensors { color, alpha, depth })
}

fn run_backward(
    backward_pass: &dyn BackwardPass,
    scene: &Scene,
    size: [i64; 4],
    up: &[Option<Tensor>],
) -> Result<[Tensor; 5], Error> {
    let device = scene.inputs[0].device();
    let upstream = Upstream {
        color: up[0].as_ref().map_or_else(|| Tensor::zeros(size, (Kind::Float, device)), plain),
        alpha: up[1].as_ref().map(plain),
        depth: up[2].as_ref().map(plain),
    };
    let gradients = scene.inputs.each_ref().map(|t| Tensor::empty(t.size(), (Kind::Float, device)));
    backward_pass.run(scene, &upstream, &gradients)?;
    Ok(gradients)
}

/// The values as contiguous f32 without graph: shared, not copied, if they are so already.
fn plain(t: &Tensor) -> Tensor {
    tch::no_grad(|| t.detach().to_kind(Kind::Float).contiguous())
}

fn one_size(cameras: &[Camera]) -> Result<(i64, i64), Error> {
    let size = |c: &Camera| (c.height as i64, c.width as i64);
    let Some(first) = cameras.first() else {
        return Err(Error::Shape { what: "cameras".into(), expected: vec![-1], got: vec![0] });
    };
    match cameras.iter().find(|c| size(c) != size(first)) {
        None => Ok(size(first)),
        Some(odd) => Err(Error::Shape {
            what: "cameras of one batch: image size".into(),
            expected: vec![first.height as i64, first.width as i64],
            got: vec![odd.height as i64, odd.width as i64],
        }),
    }
}
