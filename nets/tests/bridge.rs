//! The bridge between splat and torch, on every backend: the CPU's, the GPU's kernels under splat's emulator (on the
//! memory of tensors on the CPU), and a GPU where torch sees one.
#[path = "../../splat/tests/cuda/emulator.rs"]
#[allow(dead_code, reason = "splat's own tests use the rest")]
mod emulator;

use emulator::{Emulator, Order};
use glam::Vec3;
use nets::bridge::render::{EngineRenderer, GaussianTensors, RenderedTensors, Settings, render};
use nets::error::Error;
use splat::rasterize::Cutoff;
use splat::{Camera, Colors};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

const RGB: Colors = Colors::Features { channels: 3 };

struct Backend {
    name: &'static str,
    device: Device,
    /// None: as the device says.
    engine: Option<EngineRenderer>,
}

impl Backend {
    fn all() -> Vec<Backend> {
        // SAFETY: the emulator works on the host's memory, and is done when it returns.
        let emulated = unsafe { EngineRenderer::new(Arc::new(Emulator::new(Order::Ascending))) };
        let mut all = vec![
            Backend { name: "CPU", device: Device::Cpu, engine: None },
            Backend { name: "emulator", device: Device::Cpu, engine: Some(emulated) },
        ];
        if nets::device::init_cuda() {
            all.push(Backend { name: "GPU", device: Device::Cuda(0), engine: None });
        }
        all
    }

    fn render(&self, g: &GaussianTensors, cameras: &[Camera], settings: &Settings) -> Result<RenderedTensors, Error> {
        match &self.engine {
            None => render(g, cameras, settings),
            Some(engine) => engine.render(g, cameras, settings),
        }
    }

    /// Numbers in −1..=1 that a seed gives, `[n, columns]`.
    fn fixed(&self, n: i64, columns: i64, phase: f64) -> Tensor {
        let i = Tensor::arange(n * columns, (Kind::Float, Device::Cpu));
        ((i * 0.7919 + phase) * 5.31).sin().view([n, columns]).to_device(self.device)
    }
}

/// Two, of 24 × 20 pixels: neither a whole number of tiles.
fn cameras() -> Vec<Camera> {
    let eyes = [Vec3::new(0.1, 0.0, 0.8), Vec3::new(-0.2, 0.1, 0.7)];
    eyes.iter().map(|&e| Camera::look_at(e, Vec3::ZERO, Vec3::Y, 60.0, 24, 20)).collect()
}

fn settings() -> Settings {
    // A smooth cutoff, so that rounding at the cut moves no pixel by 1/255.
    Settings { background: vec![0.2, 0.4, 0.1], cutoff: Cutoff::Smooth { width: 4e-3 }, ..Settings::default() }
}

/// A small network (latent → all Gaussian parameters), as the prior has it. Its outputs are views of one tensor: none
/// of them is contiguous.
fn scene(latent: &Tensor, weights: &Tensor, kind: Colors) -> GaussianTensors {
    let device = latent.device();
    let row = |values: &[f32]| Tensor::from_slice(values).to_device(device);
    let x = latent.matmul(weights).tanh(); // [N, 11 + stride]
    GaussianTensors {
        means: x.narrow(1, 0, 3) * row(&[0.15, 0.12, 0.1]),
        quats: x.narrow(1, 3, 4) + row(&[1.5, 0.0, 0.0, 0.0]),
        log_scales: x.narrow(1, 7, 3) * 0.3 - 3.0,
        opacity_logits: x.select(1, 10) + 0.5,
        colors: x.narrow(1, 11, kind.stride() as i64) * 0.5 + 0.5,
        kind,
    }
}

fn loss(images: &RenderedTensors) -> Tensor {
    // Differs from pixel to pixel, so that a picture that is mirrored or of the other camera has another loss.
    let size = images.alpha.size();
    let ramp = Tensor::arange(images.alpha.numel() as i64, (Kind::Float, images.alpha.device())).view(size.as_slice());
    let ramp = (ramp * 0.013).sin();
    (images.color.square() * ramp.unsqueeze(-1)).mean(Kind::Double)
        + (&images.alpha * &ramp).mean(Kind::Double) * 0.3
        + (&images.depth * &ramp).mean(Kind::Double) * 0.2
}

/// A network's weights get the true gradient on every backend: through strided views, two cameras, all images.
#[test]
fn gradient_through_a_network_matches_central_differences() {
    for backend in Backend::all() {
        let latent = backend.fixed(12, 5, 0.3);
        let weights = backend.fixed(5, 14, 1.1).set_requires_grad(true);
        let loss_at = |w: &Tensor| loss(&backend.render(&scene(&latent, w, RGB), &cameras(), &settings()).unwrap());
        loss_at(&weights).backward();
        let grad = weights.grad();
        let scale = grad.abs().max().double_value(&[]);
        assert!(scale > 1e-3, "{}: {scale}", backend.name);
        for i in 0..5 {
            for j in 0..14 {
                let e = 2e-3;
                let moved = |sign: f64| {
                    let w = weights.detach().copy();
                    let _ = w.get(i).get(j).g_add_scalar_(sign * e);
                    loss_at(&w).double_value(&[])
                };
                let numeric = (moved(1.0) - moved(-1.0)) / (2.0 * e);
                let got = grad.double_value(&[i, j]);
                // f32 images: sums of 2880 rounded pixels over a step of 2e-3.
                assert!((got - numeric).abs() < 0.01 * scale, "{} [{i}, {j}]: {got} against {numeric}", backend.name);
            }
        }
    }
}

/// What a backend makes of leaves that are laid out as `lay` says: three images, five gradients.
fn images_and_gradients(
    backend: &Backend,
    kind: Colors,
    loss: fn(&RenderedTensors) -> Tensor,
    lay: fn(&Tensor) -> Tensor,
) -> Vec<(&'static str, Tensor)> {
    let weights = backend.fixed(5, 11 + kind.stride() as i64, 1.1);
    let made = scene(&backend.fixed(40, 5, 0.3), &weights, kind);
    let leaf = |t: &Tensor| lay(t).detach().set_requires_grad(true);
    let leaves = GaussianTensors {
        means: leaf(&made.means),
        quats: leaf(&made.quats),
        log_scales: leaf(&made.log_scales),
        opacity_logits: leaf(&made.opacity_logits),
        colors: leaf(&made.colors),
        kind,
    };
    let background = (0..kind.channels()).map(|c| 0.1 + 0.2 * c as f32).collect();
    let images = backend.render(&leaves, &cameras(), &Settings { background, ..settings() }).unwrap();
    loss(&images).backward();
    let parts = [
        ("color", images.color.detach()),
        ("alpha", images.alpha.detach()),
        ("depth", images.depth.detach()),
        ("by means", leaves.means.grad()),
        ("by quats", leaves.quats.grad()),
        ("by log_scales", leaves.log_scales.grad()),
        ("by opacity_logits", leaves.opacity_logits.grad()),
        ("by colors", leaves.colors.grad()),
    ];
    parts.map(|(what, t)| (what, t.to_device(Device::Cpu).to_kind(Kind::Float))).into()
}

/// The CPU's images and gradients, within what f32 sums in another order differ by (splat's own tests say why so much).
fn agrees(
    backend: &Backend,
    kind: Colors,
    loss: fn(&RenderedTensors) -> Tensor,
    lay: fn(&Tensor) -> Tensor,
) -> Vec<(&'static str, Tensor)> {
    let cpu = Backend { name: "CPU", device: Device::Cpu, engine: None };
    let want = images_and_gradients(&cpu, kind, loss, Tensor::copy);
    let got = images_and_gradients(backend, kind, loss, lay);
    for ((what, want), (_, got)) in want.iter().zip(&got) {
        assert_eq!(want.size(), got.size(), "{} {what}", backend.name);
        let scale = want.abs().max().double_value(&[]).max(1e-6);
        let difference = (want - got).abs().max().double_value(&[]);
        assert!(difference <= 3e-5 * scale, "{} {kind:?} {what}: {difference:e} of {scale:e}", backend.name);
    }
    got
}

#[test]
fn images_and_gradients_are_the_cpus() {
    for backend in Backend::all() {
        for kind in [RGB, Colors::Sh { degree: 2 }, Colors::Features { channels: 5 }] {
            let parts = agrees(&backend, kind, loss, Tensor::copy);
            assert!(parts.iter().all(|(_, t)| t.abs().max().double_value(&[]) > 0.0), "{}", backend.name);
        }
    }
}

/// Transposed, expanded and f64 tensors are other layouts of the same values.
#[test]
fn any_layout_and_kind_is_taken() {
    let transposed = |t: &Tensor| if t.dim() == 2 { t.tr().contiguous().tr() } else { t.copy() };
    // A slice that starts 4 bytes into its storage.
    let shifted = |t: &Tensor| {
        let flat = t.contiguous().flatten(0, -1);
        let longer = Tensor::cat(&[&flat.narrow(0, 0, 1), &flat], 0);
        longer.narrow(0, 1, flat.size()[0]).view_as(t)
    };
    let double = |t: &Tensor| t.to_kind(Kind::Double);
    for backend in Backend::all() {
        for lay in [transposed, shifted, double] {
            agrees(&backend, RGB, loss, lay);
        }
    }
}

/// A loss of one image alone: the others' gradients are absent, not wrong. A sum's gradient is one number, expanded.
#[test]
fn a_loss_of_one_image_has_its_own_gradient() {
    for backend in Backend::all() {
        let of_alpha = agrees(&backend, RGB, |images| images.alpha.sum(Kind::Float), Tensor::copy);
        assert_eq!(of_alpha[7].1.abs().max().double_value(&[]), 0.0, "{}: alpha has no colour", backend.name);
        agrees(&backend, RGB, |images| images.depth.mean(Kind::Float), Tensor::copy);
        agrees(&backend, RGB, |images| images.color.get(1).square().sum(Kind::Float), Tensor::copy);
    }
}

/// Two frames at once, the later one's way back first, and one frame that never goes back.
#[test]
fn frames_keep_what_they_need_for_themselves() {
    for backend in Backend::all() {
        let gradient = |weights: &Tensor, others: bool| {
            let w = weights.copy().set_requires_grad(true);
            let draw = |phase: f64| {
                backend.render(&scene(&backend.fixed(12, 5, phase), &w, RGB), &cameras(), &settings()).unwrap()
            };
            let first = draw(0.3);
            if others {
                let (second, _forgotten) = (draw(0.7), draw(0.9));
                loss(&second).backward();
                let _ = w.grad().zero_();
            }
            loss(&first).backward();
            w.grad()
        };
        let weights = backend.fixed(5, 14, 1.1);
        assert_eq!(gradient(&weights, false), gradient(&weights, true), "{}", backend.name);
    }
}

#[test]
fn descends_to_a_target() {
    for backend in Backend::all() {
        let latent = backend.fixed(12, 5, 0.3);
        let draw = |w: &Tensor| backend.render(&scene(&latent, w, RGB), &cameras(), &Settings::default()).unwrap();
        let target = draw(&backend.fixed(5, 14, 1.1));
        let weights = (backend.fixed(5, 14, 1.1) + backend.fixed(5, 14, 9.0) * 0.1).set_requires_grad(true);
        let mut adam = nets::training::optim::Adam::new(Default::default());
        adam.add_group("w", 1.0, vec![("w".into(), weights.shallow_clone())]);
        let mut losses = Vec::new();
        for _ in 0..60 {
            let loss = (draw(&weights).color - &target.color).square().mean(Kind::Float);
            losses.push(loss.double_value(&[]));
            adam.zero_grad();
            loss.backward();
            adam.step(5e-3);
        }
        assert!(losses[59] < 0.1 * losses[0], "{}: {} to {}", backend.name, losses[0], losses[59]);
    }
}

#[test]
fn no_gaussians_are_the_background() {
    for backend in Backend::all() {
        let none = scene(&backend.fixed(0, 5, 0.3), &backend.fixed(5, 14, 1.1), RGB);
        let images = backend.render(&none, &cameras(), &settings()).unwrap();
        assert_eq!(images.color.size(), [2, 20, 24, 3]);
        let seen: Vec<f32> = Vec::try_from(images.color.get(1).get(19).get(23)).unwrap();
        assert_eq!((seen, images.alpha.max().double_value(&[])), (vec![0.2, 0.4, 0.1], 0.0), "{}", backend.name);
    }
}

#[test]
fn misfits_are_named() {
    for backend in Backend::all() {
        let mut g = scene(&backend.fixed(12, 5, 0.3), &backend.fixed(5, 14, 1.1), RGB);
        let mut two = cameras();
        two[1].width = 25;
        let error = backend.render(&g, &two, &settings()).unwrap_err().to_string();
        assert!(error.contains("cameras of one batch"), "{error}");
        assert!(backend.render(&g, &[], &settings()).is_err());
        let sky = Settings { background: vec![0.5], ..settings() };
        assert!(matches!(backend.render(&g, &cameras(), &sky), Err(Error::Splat(_))), "{}", backend.name);
        g.quats = g.quats.narrow(1, 0, 3);
        assert!(matches!(backend.render(&g, &cameras(), &settings()), Err(Error::Shape { .. })));
    }
}

#[test]
fn a_gpu_that_is_not_there_is_the_users_to_mend() {
    let error =
        nets::bridge::render::check_device(Device::Cuda(99)).expect_err("no machine of ours has a hundred GPUs");
    assert!(matches!(&error, Error::Device { asked, .. } if asked == "cuda:99"), "{error}");
    assert!(matches!(error.exit_code(), formats::exit::ExitCode::Usage));
}

#[test]
fn arrays_go_there_and_back() {
    for backend in Backend::all() {
        let g = scene(&backend.fixed(12, 5, 0.3), &backend.fixed(5, 14, 1.1), RGB).to_gaussians().unwrap();
        assert_eq!(GaussianTensors::from_gaussians(&g).to_gaussians().unwrap(), g);
    }
}
