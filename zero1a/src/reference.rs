//! The reference as a picture to learn from.
use crate::clips::FrameSpec;
use crate::subject::Subject;
use crate::trainer::Sample;
use glam::Vec3;
use nets::rng::Rng;
use nets::view::composite;
use tch::{Device, Tensor};

/// Its picture, matte and view.
pub struct Reference {
    frame_spec: FrameSpec,
    pose: [Vec3; 5],
    /// `[1, 3, S, S]` display RGB.
    image: Tensor,
    /// `[1, 1, S, S]` coverage.
    alpha: Tensor,
}

impl Reference {
    /// At most `size` pixels a side.
    pub fn new(subject: &Subject, size: usize, device: Device) -> Self {
        // A multiple of eight: the perceptual net halves three times.
        let size = subject.image.width.min(size) / 8 * 8;
        let frame_spec =
            FrameSpec { camera: subject.camera.resized(size, size), expression: subject.params.expression };
        let [image, alpha] = subject.layers(size).map(|t| t.to_device(device));
        Reference { frame_spec, pose: subject.params.pose, image, alpha }
    }

    /// Over a colour of chance: what is not there must become clear; over one colour it might as well take that.
    pub fn sample(&self, rng: &mut Rng) -> Sample {
        let background = [rng.unit(), rng.unit(), rng.unit()];
        let target = composite(&self.image, &self.alpha, &[background]).squeeze_dim(0);
        Sample { frame_spec: self.frame_spec.clone(), pose: self.pose, target, background }
    }
}
