//! The bridge between `splat` and torch: [`render`] draws Gaussians held in tensors, differentiably.
//!
//! The rasterizer works on the CPU, in f32, straight on the tensors' memory. Tensors elsewhere are brought there and
//! their gradients taken back.
use crate::custom::custom;
use crate::error::{Error, check_shape};
use splat::rasterize::{self, Pool, Saved, Upstream};
use splat::{Camera, Colors, GaussianSlices, Gaussians};
use std::sync::LazyLock;
use tch::{Device, Kind, Tensor};

pub use splat::rasterize::Settings;

/// Memory that finished passes leave to the next ones.
static MEMORY: LazyLock<Pool> = LazyLock::new(Pool::default);

/// N Gaussians in tensors; units and parametrisation as in [`splat::Gaussians`].
#[derive(Debug)]
pub struct GaussianTensors {
    /// `[N, 3]` metres, world.
    pub means: Tensor,
    /// `[N, 4]` w x y z, any non-zero length.
    pub quats: Tensor,
    /// `[N, 3]` ln of the standard deviations in metres.
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
    /// `[B, H, W]` accumulated depth `Σ wᵢ zᵢ`, metres; divide by alpha for the expected depth.
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
        let s = Pinned::new(self);
        let g = s.slices(self.kind);
        Ok(Gaussians {
            means: g.means.to_vec(),
            quats: g.quats.to_vec(),
            log_scales: g.log_scales.to_vec(),
            opacity_logits: g.opacity_logits.to_vec(),
            colors: g.colors.to_vec(),
            kind: self.kind,
        })
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
        check_shape("colors", &self.colors, &[n, self.kind.stride() as i64])
    }

    fn tensors(&self) -> [&Tensor; 5] {
        [&self.means, &self.quats, &self.log_scales, &self.opacity_logits, &self.colors]
    }
}

/// Draws the Gaussians as every camera sees them. Differentiable in all five tensors.
///
/// All cameras must have the same image size. The background is in `settings` (C values; empty is black); a random
/// one per step, on both sides of a loss, is how training makes opacity matter.
///
/// # Errors
/// [`Error::Shape`] for tensors or cameras that do not fit together, [`Error::Splat`] from the rasterizer.
pub fn render(g: &GaussianTensors, cameras: &[Camera], settings: &Settings) -> Result<RenderedTensors, Error> {
    g.check()?;
    let (h, w) = one_size(cameras)?;
    let device = g.means.device();
    let pinned = Pinned::new(g);
    let (images, saved) = MEMORY.forward(pinned.slices(g.kind), cameras, settings)?;
    let (b, c) = (cameras.len() as i64, g.kind.channels() as i64);
    let gather = |part: fn(&rasterize::Rendered) -> &[f32], size: &[i64]| {
        let all: Vec<Tensor> = images.iter().map(|i| Tensor::from_slice(part(i))).collect();
        Tensor::stack(&all, 0).view(size).to_device(device)
    };
    let color = gather(|i| &i.color, &[b, h, w, c]);
    let alpha = gather(|i| &i.alpha, &[b, h, w]);
    let depth = gather(|i| &i.depth, &[b, h, w]);
    let back = Back { pinned, kind: g.kind, cameras: cameras.to_vec(), settings: settings.clone(), saved, device };
    let mut outputs = custom(&g.tensors(), || (vec![color, alpha, depth], move |up: &[Option<Tensor>]| back.run(up)));
    let depth = outputs.pop().expect("three outputs");
    let alpha = outputs.pop().expect("three outputs");
    Ok(RenderedTensors { color: outputs.pop().expect("three outputs"), alpha, depth })
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

/// The five tensors as contiguous f32 on the CPU (shared, not copied, if they are so already), kept alive.
struct Pinned([Tensor; 5]);

impl Pinned {
    fn new(g: &GaussianTensors) -> Self {
        Pinned(
            g.tensors().map(|t| tch::no_grad(|| t.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous())),
        )
    }

    fn slices(&self, kind: Colors) -> GaussianSlices<'_> {
        let [means, quats, log_scales, opacity_logits, colors] = &self.0;
        GaussianSlices {
            means: floats(means),
            quats: floats(quats),
            log_scales: floats(log_scales),
            opacity_logits: floats(opacity_logits),
            colors: floats(colors),
            kind,
        }
    }
}

/// The memory of a contiguous f32 tensor on the CPU.
pub(crate) fn floats(t: &Tensor) -> &[f32] {
    assert!(t.device() == Device::Cpu && t.kind() == Kind::Float && t.is_contiguous(), "a contiguous f32 CPU tensor");
    if t.numel() == 0 {
        return &[];
    }
    // SAFETY: device, kind and layout were just checked; the borrow keeps the storage alive. Parameters are changed
    // in place only by the optimizer, between passes, never while a slice is held.
    unsafe { std::slice::from_raw_parts(t.data_ptr().cast::<f32>(), t.numel()) }
}

struct Back {
    pinned: Pinned,
    kind: Colors,
    cameras: Vec<Camera>,
    settings: Settings,
    saved: Saved,
    device: Device,
}

impl Back {
    fn run(&self, up: &[Option<Tensor>]) -> Vec<Option<Tensor>> {
        let per_camera = |t: &Option<Tensor>| -> Option<Vec<Tensor>> {
            let t = t.as_ref()?.to_device(Device::Cpu).to_kind(Kind::Float);
            Some((0..self.cameras.len() as i64).map(|b| t.get(b).contiguous()).collect())
        };
        let (alpha, depth) = (per_camera(&up[1]), per_camera(&up[2]));
        let color = per_camera(&up[0]).unwrap_or_else(|| self.no_color());
        let upstream: Vec<Upstream> = (0..self.cameras.len())
            .map(|b| Upstream {
                color: floats(&color[b]),
                alpha: alpha.as_ref().map(|a| floats(&a[b])),
                depth: depth.as_ref().map(|d| floats(&d[b])),
            })
            .collect();
        let slices = self.pinned.slices(self.kind);
        let g = rasterize::backward(slices, &self.cameras, &self.settings, &self.saved, &upstream)
            .expect("sizes were checked by the forward pass");
        let parts = [g.means, g.quats, g.log_scales, g.opacity_logits, g.colors];
        let like = |(values, t): (Vec<f32>, &Tensor)| {
            Some(Tensor::from_slice(&values).view(t.size().as_slice()).to_device(self.device))
        };
        parts.into_iter().zip(&self.pinned.0).map(like).collect()
    }

    fn no_color(&self) -> Vec<Tensor> {
        let c = self.kind.channels() as i64;
        let size = |v: &Camera| [v.height as i64, v.width as i64, c];
        self.cameras.iter().map(|v| Tensor::zeros(size(v), (Kind::Float, Device::Cpu))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Vec3;
    use splat::rasterize::Cutoff;

    const KIND: Colors = Colors::Features { channels: 3 };

    fn cameras() -> Vec<Camera> {
        let eye = [Vec3::new(0.1, 0.0, 0.8), Vec3::new(-0.2, 0.1, 0.7)];
        eye.iter().map(|&e| Camera::look_at(e, Vec3::ZERO, Vec3::Y, 60.0, 24, 20)).collect()
    }

    /// A small network (latent → all Gaussian parameters), as the prior has it.
    fn scene(latent: &Tensor, weights: &Tensor) -> GaussianTensors {
        let x = latent.matmul(weights).tanh(); // [N, 14]
        let spread = Tensor::from_slice(&[0.15f32, 0.12, 0.1]);
        GaussianTensors {
            means: x.narrow(1, 0, 3) * spread,
            quats: x.narrow(1, 3, 4) + Tensor::from_slice(&[1.5f32, 0.0, 0.0, 0.0]),
            log_scales: x.narrow(1, 7, 3) * 0.3 - 3.0,
            opacity_logits: x.select(1, 10) + 0.5,
            colors: x.narrow(1, 11, 3) * 0.5 + 0.5,
            kind: KIND,
        }
    }

    fn fixed(n: i64, columns: i64, phase: f64) -> Tensor {
        let i = Tensor::arange(n * columns, (Kind::Float, Device::Cpu));
        ((i * 0.7919 + phase) * 5.31).sin().view([n, columns])
    }

    fn loss(latent: &Tensor, weights: &Tensor) -> Tensor {
        let settings =
            Settings { background: vec![0.2, 0.4, 0.1], cutoff: Cutoff::Smooth { width: 4e-3 }, ..Default::default() };
        let out = render(&scene(latent, weights), &cameras(), &settings).unwrap();
        out.color.square().mean(Kind::Double) + out.alpha.mean(Kind::Double) * 0.3 + out.depth.mean(Kind::Double) * 0.2
    }

    #[test]
    fn gradient_through_a_network_is_the_slope() {
        let latent = fixed(12, 5, 0.3);
        let weights = fixed(5, 14, 1.1).set_requires_grad(true);
        loss(&latent, &weights).backward();
        let grad = weights.grad();
        let scale = grad.abs().max().double_value(&[]);
        for i in 0..5 {
            for j in 0..14 {
                let e = 2e-3;
                let moved = |sign: f64| {
                    let w = weights.detach().copy();
                    let _ = w.get(i).get(j).g_add_scalar_(sign * e);
                    loss(&latent, &w).double_value(&[])
                };
                let slope = (moved(1.0) - moved(-1.0)) / (2.0 * e);
                let got = grad.double_value(&[i, j]);
                // f32 images: sums of 2880 rounded pixels over a step of 2e-3.
                assert!((got - slope).abs() < 0.01 * scale, "[{i}, {j}]: {got} against {slope}");
            }
        }
    }

    #[test]
    fn descends_to_a_target() {
        let target = render(&scene(&fixed(12, 5, 0.3), &fixed(5, 14, 1.1)), &cameras(), &Settings::default()).unwrap();
        let weights = (fixed(5, 14, 1.1) + fixed(5, 14, 9.0) * 0.1).set_requires_grad(true);
        let mut adam = crate::optim::Adam::new(Default::default());
        adam.add_group("w", 1.0, vec![("w".into(), weights.shallow_clone())]);
        let mut losses = Vec::new();
        for _ in 0..60 {
            let out = render(&scene(&fixed(12, 5, 0.3), &weights), &cameras(), &Settings::default()).unwrap();
            let loss = (out.color - &target.color).square().mean(Kind::Float);
            losses.push(loss.double_value(&[]));
            adam.zero_grad();
            loss.backward();
            adam.step(5e-3);
        }
        assert!(losses[59] < 0.1 * losses[0], "{} to {}", losses[0], losses[59]);
    }

    #[test]
    fn misfits_are_named() {
        let mut g = scene(&fixed(12, 5, 0.3), &fixed(5, 14, 1.1));
        let mut two = cameras();
        two[1].width = 25;
        let error = render(&g, &two, &Settings::default()).unwrap_err().to_string();
        assert!(error.contains("cameras of one batch"), "{error}");
        g.quats = g.quats.narrow(1, 0, 3);
        assert!(matches!(render(&g, &cameras(), &Settings::default()), Err(Error::Shape { .. })));
    }

    #[test]
    fn arrays_go_there_and_back() {
        let g = scene(&fixed(12, 5, 0.3), &fixed(5, 14, 1.1)).to_gaussians().unwrap();
        assert_eq!(GaussianTensors::from_gaussians(&g).to_gaussians().unwrap(), g);
    }
}
