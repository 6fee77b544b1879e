//! How much of the identity is kept: `csim-self` between each driven frame and the avatar at rest from the same camera.
use super::draw;
use super::expected::ExpectedLandmarks;
use crate::avatar::Avatar;
use anyhow::Result;
use head::HeadParams;
use nets::GaussianTensors;
use nets::losses::recognizer::Recognizer;
use splat::Camera;
use std::fmt;
use tch::{Kind, Tensor};

/// Cosines over the measured frames; 1 is the avatar at rest.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Identity {
    /// Mean.
    pub mean: f64,
    /// Least.
    pub minimum: f64,
    /// Place in the clip of the frame with the least.
    pub minimum_frame: usize,
}

/// Compares frames with the avatar at rest. Both images are cropped by the landmarks at rest, which are the same in both, so
/// that the crop does not depend on a face detector.
pub struct Comparison<'a> {
    recognizer: &'a Recognizer,
    expected: &'a ExpectedLandmarks,
    at_rest: GaussianTensors,
    /// A camera and the embedding of the avatar at rest as it sees it.
    last: Option<(Camera, Tensor)>,
    cosines: Vec<(usize, f64)>,
}

impl<'a> Comparison<'a> {
    /// With this avatar at rest.
    pub fn new(recognizer: &'a Recognizer, avatar: &mut Avatar, expected: &'a ExpectedLandmarks) -> Self {
        let at_rest = avatar.moved(&HeadParams::neutral(1));
        Comparison { recognizer, expected, at_rest, last: None, cosines: Vec::new() }
    }

    /// Frame number `frame` of the clip, `[1, 3, H, W]`.
    ///
    /// # Errors
    /// A camera no picture can be made with.
    pub fn add(&mut self, frame: usize, image: &Tensor, camera: &Camera) -> Result<()> {
        let points = self.expected.project(&HeadParams::neutral(1), camera);
        let recognizer = self.recognizer;
        let embed = |image: &Tensor| tch::no_grad(|| recognizer.embed(&Recognizer::crops(image, &[points.as_slice()])));
        let at_rest = match &self.last {
            Some((of, embedding)) if of == camera => embedding.shallow_clone(),
            _ => embed(&draw(&self.at_rest, camera)?.color),
        };
        self.cosines.push((frame, (embed(image) * &at_rest).sum(Kind::Float).double_value(&[])));
        self.last = Some((*camera, at_rest));
        Ok(())
    }

    /// None without a frame.
    pub fn finish(self) -> Option<Identity> {
        summary(&self.cosines)
    }
}

/// Of frames and their cosines.
fn summary(cosines: &[(usize, f64)]) -> Option<Identity> {
    let (minimum_frame, minimum) = cosines.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let mean = cosines.iter().map(|(_, cosine)| cosine).sum::<f64>() / cosines.len() as f64;
    Some(Identity { mean, minimum, minimum_frame })
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Identity { mean, minimum, minimum_frame } = self;
        write!(f, "mean {mean:.3}, least {minimum:.3} (frame {minimum_frame})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_cosine_names_its_frame() {
        let identity = summary(&[(4, 0.9), (9, 0.6), (14, 0.9)]).unwrap();
        assert!((identity.mean - 0.8).abs() < 1e-9);
        assert_eq!((identity.minimum, identity.minimum_frame), (0.6, 9));
        assert_eq!(summary(&[]), None);
    }
}
