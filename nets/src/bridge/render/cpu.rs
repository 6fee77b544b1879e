//! The rasterizer on the CPU, straight on the tensors' memory.
use super::{Backend, BackwardPass, RenderedTensors, Scene, Upstream};
use crate::error::Error;
use splat::GaussianSlices;
use splat::rasterize::{self, Pool, Saved};
use std::sync::LazyLock;
use tch::{Device, Kind, Tensor};

/// Memory that finished passes leave to the next ones.
static MEMORY: LazyLock<Pool> = LazyLock::new(Pool::default);

pub struct Cpu;

impl Backend for Cpu {
    fn forward(&self, scene: &Scene, images: &RenderedTensors) -> Result<Box<dyn BackwardPass>, Error> {
        let (drawn, saved) = MEMORY.forward(slices(scene), &scene.cameras, &scene.settings)?;
        for (b, image) in drawn.iter().enumerate() {
            write(&images.color, b, &image.color);
            write(&images.alpha, b, &image.alpha);
            write(&images.depth, b, &image.depth);
        }
        Ok(Box::new(saved))
    }
}

impl BackwardPass for Saved {
    fn run(&self, scene: &Scene, upstream: &Upstream, gradients: &[Tensor; 5]) -> Result<(), Error> {
        let n_cameras = scene.cameras.len();
        let by_image: Vec<rasterize::Upstream> = (0..n_cameras)
            .map(|b| rasterize::Upstream {
                color: part(&upstream.color, b, n_cameras),
                alpha: upstream.alpha.as_ref().map(|t| part(t, b, n_cameras)),
                depth: upstream.depth.as_ref().map(|t| part(t, b, n_cameras)),
            })
            .collect();
        let g = rasterize::backward(slices(scene), &scene.cameras, &scene.settings, self, &by_image)?;
        for (to, from) in gradients.iter().zip([g.means, g.quats, g.log_scales, g.opacity_logits, g.colors]) {
            write(to, 0, &from);
        }
        Ok(())
    }
}

fn slices(scene: &Scene) -> GaussianSlices<'_> {
    let [means, quats, log_scales, opacity_logits, colors] = scene.inputs.each_ref().map(floats);
    GaussianSlices { means, quats, log_scales, opacity_logits, colors, kind: scene.kind }
}

/// Image `b` of `n`.
fn part(images: &Tensor, b: usize, n: usize) -> &[f32] {
    let length = images.numel() / n;
    &floats(images)[b * length..][..length]
}

/// The memory of a contiguous f32 tensor on the CPU.
pub fn floats(t: &Tensor) -> &[f32] {
    assert!(t.device() == Device::Cpu && t.kind() == Kind::Float && t.is_contiguous(), "a contiguous f32 CPU tensor");
    if t.numel() == 0 {
        return &[];
    }
    // SAFETY: device, kind and layout were just checked; the borrow keeps the storage alive. Parameters are changed
    // in place only by the optimizer, between passes, never while a slice is held.
    unsafe { std::slice::from_raw_parts(t.data_ptr().cast::<f32>(), t.numel()) }
}

/// Copies image `b` into the tensor that holds all of them, all of one length.
fn write(to: &Tensor, b: usize, from: &[f32]) {
    let there = floats(to);
    let range = b * from.len()..(b + 1) * from.len();
    assert!(range.end <= there.len(), "an image beyond the batch");
    if from.is_empty() {
        return;
    }
    // SAFETY: inside the tensor, as just checked; the caller made the tensor and nobody else has it yet.
    unsafe { to.data_ptr().cast::<f32>().add(range.start).copy_from_nonoverlapping(from.as_ptr(), from.len()) };
}
