//! A training step on the device, stage by stage.
use crate::Result;
use crate::report::{Report, Threshold};
use crate::scenes::{around, shell};
use splat::cuda::{
    AdamArray, AdamStep, Address, DeviceAdam, DeviceGaussians, DeviceGradients, DeviceImages, DeviceLoss,
    DeviceUpstream, Engine, Gpu, LossPass, Overflow, Rasterizer, Rate,
};
use splat::loss::L1Ssim;
use splat::{Camera, Gaussians, Settings};
use std::sync::Arc;
use std::time::Instant;

pub const SIZE_PX: usize = 512;

/// What forward and backward may take, and their scratch memory; of others there is no threshold.
fn thresholds(n: usize, n_views: usize) -> [Threshold; 2] {
    match (n, n_views) {
        (100_000, 1) => [Threshold::AtMost(0.60), Threshold::None],
        (50_000, 8) => [Threshold::AtMost(1.7), Threshold::None],
        (100_000, 8) => [Threshold::AtMost(2.6), Threshold::AtMost(600.0)],
        (200_000, 8) => [Threshold::AtMost(4.6), Threshold::None],
        _ => [Threshold::None; 2],
    }
}

/// One scene on the device, with its images, gradients and Adam's memory.
pub struct Job {
    gpu: Gpu,
    rasterizer: Rasterizer,
    n: usize,
    cameras: Vec<Camera>,
    gaussians: DeviceGaussians,
    images: DeviceImages,
    gradients: DeviceGradients,
    by_color: Address,
    target: Address,
    loss: DeviceLoss,
    adam: DeviceAdam,
    arrays: Vec<AdamArray>,
}

/// Seconds of each stage of one step.
#[derive(Clone, Copy, Default)]
struct Step {
    forward: f64,
    backward: f64,
    both: f64,
    training: f64,
}

impl Job {
    pub fn new(gpu: Gpu, n: usize, n_views: usize) -> Result<Self> {
        let (scene, cameras) = (shell(n), around(n_views, SIZE_PX));
        let floats = n_views * SIZE_PX * SIZE_PX;
        let zeros = |length: usize| upload(&gpu, &vec![0.0; length]);
        let Gaussians { means, quats, log_scales, opacity_logits, colors, kind } = &scene;
        let gaussians = DeviceGaussians {
            means: upload(&gpu, means)?,
            quats: upload(&gpu, quats)?,
            log_scales: upload(&gpu, log_scales)?,
            opacity_logits: upload(&gpu, opacity_logits)?,
            colors: upload(&gpu, colors)?,
            kind: *kind,
            n_scenes: 1,
            n_gaussians: n,
        };
        let gradients = DeviceGradients {
            means: zeros(3 * n)?,
            quats: zeros(4 * n)?,
            log_scales: zeros(3 * n)?,
            opacity_logits: zeros(n)?,
            colors: zeros(48 * n)?,
            mean_2d: zeros(n)?,
            mean_2d_abs: zeros(n)?,
            background: zeros(3)?,
            cameras: zeros(10 * n_views)?,
        };
        let arrays = [
            (gaussians.means, gradients.means, 3 * n),
            (gaussians.quats, gradients.quats, 4 * n),
            (gaussians.log_scales, gradients.log_scales, 3 * n),
            (gaussians.opacity_logits, gradients.opacity_logits, n),
            (gaussians.colors, gradients.colors, 48 * n),
        ];
        let arrays = arrays.map(|(values, gradient, n)| -> Result<AdamArray> {
            // A rate of zero: the scene stays what it is from step to step.
            Ok(AdamArray { values, gradient, mean: zeros(n)?, square: zeros(n)?, n, rate: Rate::Same(0.0) })
        });
        let engine: Arc<dyn Engine> = Arc::new(gpu.clone());
        let loss = L1Ssim { width: SIZE_PX, height: SIZE_PX, channels: 3, ssim_weight: 0.2 };
        Ok(Job {
            rasterizer: Rasterizer::shared(engine.clone()),
            n,
            images: DeviceImages { color: zeros(3 * floats)?, alpha: zeros(floats)?, ..DeviceImages::default() },
            by_color: zeros(3 * floats)?,
            target: upload(&gpu, &(0..3 * floats).map(|i| (i * 7919 % 1000) as f32 / 1000.0).collect::<Vec<_>>())?,
            loss: DeviceLoss::new(engine.clone(), loss, n_views),
            adam: DeviceAdam::new(engine),
            arrays: arrays.into_iter().collect::<Result<_>>()?,
            gpu,
            cameras,
            gaussians,
            gradients,
        })
    }

    pub fn measure(mut self, repeats: usize, report: &mut Report) -> Result<()> {
        let (loss, settings) = (upload(&self.gpu, &[0.0; 3])?, Settings::default());
        let pass = LossPass { image: self.images.color, target: self.target, loss, gradient: self.by_color };
        for _ in 0..5 {
            self.step(&settings, &pass)?;
        }
        let mut best = Step { forward: f64::MAX, backward: f64::MAX, both: f64::MAX, training: f64::MAX };
        for _ in 0..repeats {
            let step = self.step(&settings, &pass)?;
            best.forward = best.forward.min(step.forward);
            best.backward = best.backward.min(step.backward);
            best.both = best.both.min(step.both);
            best.training = best.training.min(step.training);
        }
        // As a training run has it: nothing waits but the end.
        self.rasterizer =
            std::mem::replace(&mut self.rasterizer, Rasterizer::new(self.gpu.clone())).on_overflow(Overflow::Defer);
        let start = Instant::now();
        for _ in 0..repeats {
            self.enqueue(&settings, &pass)?;
        }
        self.gpu.synchronize()?;
        let streamed = start.elapsed().as_secs_f64() / repeats as f64;
        let name = format!("{}k × {}", self.n / 1000, self.cameras.len());
        let [time, memory] = thresholds(self.n, self.cameras.len());
        for (what, seconds, threshold) in [
            ("forward", best.forward, Threshold::None),
            ("backward", best.backward, Threshold::None),
            ("forward + backward", best.both, time),
            ("with loss and Adam", best.training, Threshold::None),
            ("with loss and Adam, never waiting", streamed, Threshold::None),
        ] {
            report.check(format!("{name} {what}"), 1e3 * seconds, "ms", threshold);
        }
        report.check(format!("{name} scratch"), self.rasterizer.device_bytes() as f64 / 1e6, "MB", memory);
        Ok(())
    }

    /// One step, waiting after each stage; then passes alone, waiting at the end.
    fn step(&mut self, settings: &Settings, pass: &LossPass) -> Result<Step> {
        let upstream = DeviceUpstream { color: self.by_color, ..DeviceUpstream::default() };
        let mut step = Step::default();
        self.gpu.synchronize()?;
        // SAFETY: all addresses are allocations of this job, of the sizes that the documentation names.
        unsafe {
            let start = Instant::now();
            let frame = self.rasterizer.forward(&self.gaussians, &self.cameras, settings, &self.images)?;
            self.gpu.synchronize()?;
            step.forward = start.elapsed().as_secs_f64();
            self.loss.run(pass)?;
            self.gpu.synchronize()?;
            let start = Instant::now();
            self.rasterizer.backward(&frame, &upstream, &self.gradients)?;
            self.gpu.synchronize()?;
            step.backward = start.elapsed().as_secs_f64();
            drop(frame);
            let start = Instant::now();
            let frame = self.rasterizer.forward(&self.gaussians, &self.cameras, settings, &self.images)?;
            self.rasterizer.backward(&frame, &upstream, &self.gradients)?;
            self.gpu.synchronize()?;
            step.both = start.elapsed().as_secs_f64();
        }
        let start = Instant::now();
        self.enqueue(settings, pass)?;
        self.gpu.synchronize()?;
        step.training = start.elapsed().as_secs_f64();
        Ok(step)
    }

    /// A training step, launched.
    fn enqueue(&mut self, settings: &Settings, pass: &LossPass) -> Result<()> {
        let upstream = DeviceUpstream { color: self.by_color, ..DeviceUpstream::default() };
        // SAFETY: as in `step`.
        unsafe {
            let frame = self.rasterizer.forward(&self.gaussians, &self.cameras, settings, &self.images)?;
            self.loss.run(pass)?;
            self.rasterizer.backward(&frame, &upstream, &self.gradients)?;
            self.adam.step(&AdamStep { arrays: &self.arrays, step: 1 })?;
        }
        Ok(())
    }
}

/// Memory that stays until the process ends.
fn upload(gpu: &Gpu, values: &[f32]) -> Result<Address> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let at = gpu.allocate(bytes.len().max(4))?;
    // SAFETY: just allocated with that length.
    unsafe { gpu.write(at, &bytes)? };
    Ok(at)
}
