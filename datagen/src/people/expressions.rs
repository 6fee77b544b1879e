//! Faces people make, with turns of head and neck: [`still`] ones, drawn one by one, or frame after frame as a [`sequence`].
mod gaze;
mod recipes;
pub mod sequence;
mod still;

use crate::config::{Config, SequenceKind};
use glam::Vec3;
use head::model::ARKIT;
use recipes::Face;
use sequence::Clip;
use serde::Serialize;

/// What poses a head besides its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Performance {
    /// What it was drawn as.
    pub action: Action,
    /// ARKit units, 0..=1, order of [`ARKIT`].
    pub expression: Face,
    /// Axis-angle (radians): neck, head, jaw, left eye, right eye.
    pub pose: [Vec3; 5],
}

/// What somebody does. Its JSON is the `action` column of `frames`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Action {
    /// `neutral`, `rest`, `units`, `emotion`, `viseme`; in a sequence its kind.
    pub kind: &'static str,
    /// Units, recipes, lids and gaze drawn; in a sequence those of the whole clip, in order.
    pub names: Vec<&'static str>,
    /// Where in a sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moment: Option<ClipFrame>,
}

/// A frame of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClipFrame {
    /// Number of the clip within the identity.
    pub clip: u32,
    /// Number of the frame within the clip.
    pub frame: u32,
    /// Frames a second.
    pub fps: f32,
}

impl Performance {
    /// At rest.
    pub fn neutral() -> Self {
        let action = Action { kind: "neutral", names: Vec::new(), moment: None };
        Performance { action, expression: [0.0; 52], pose: [Vec3::ZERO; 5] }
    }

    /// One unit, fully on.
    pub fn unit(index: usize) -> Self {
        let mut performance = Self::neutral();
        performance.action = Action { kind: "unit", names: vec![ARKIT[index]], moment: None };
        performance.expression[index] = 1.0;
        performance
    }

    /// Expression `expression_id` of an identity: a frame of a clip where the config asks for sequences, else number 0
    /// is neutral and the others are drawn.
    pub fn sample(config: &Config, identity_id: u32, expression_id: u32) -> Self {
        if config.sequence.kind != SequenceKind::Single {
            let frames = config.sequence.frames;
            return Clip::sample(config, identity_id, expression_id / frames).frame(expression_id % frames);
        }
        if expression_id == 0 {
            return Self::neutral();
        }
        still::draw(config, identity_id, expression_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_range_and_only_the_first_is_neutral() {
        let config = Config::default();
        for id in 0..40 {
            for e in 0..10 {
                let p = Performance::sample(&config, id, e);
                assert!(p.expression.iter().all(|v| (0.0..=1.0).contains(v)));
                assert_eq!(p == Performance::neutral(), e == 0, "{id} {e}: {p:?}");
            }
        }
    }
}
