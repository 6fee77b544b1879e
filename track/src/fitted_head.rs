//! The person of a fit as a head: at rest, and with an expression.
use crate::fit::Fit;
use glam::Vec3;
use head::{HeadBox, HeadModel, HeadParams, Posed};

/// The fitted person at rest.
pub struct FittedHead {
    /// `[Ks]` weights of the head model's identity shapes.
    pub shape: Vec<f32>,
    /// `[V]` metres.
    pub neutral: Vec<Vec3>,
    /// Where the head is at rest.
    pub head_box: HeadBox,
}

impl FittedHead {
    /// Of a fit.
    pub fn new(head: &HeadModel, fit: &Fit) -> Self {
        FittedHead::of(head, &fit.coefficients)
    }

    /// From the coefficients of the model's identity prior.
    pub fn of(head: &HeadModel, coefficients: &[f32]) -> Self {
        let shape = head.shape_from_prior(coefficients);
        let neutral = head.neutral(&shape);
        let head_box = HeadBox::of(head, &neutral);
        FittedHead { shape, neutral, head_box }
    }

    /// With an expression, joints at rest: the space of the head is that of the world.
    pub fn params(&self, expression: [f32; 52]) -> HeadParams {
        HeadParams { shape: self.shape.clone(), expression, pose: [Vec3::ZERO; 5] }
    }

    /// The head with these parameters of this person.
    pub fn posed(&self, head: &HeadModel, params: &HeadParams) -> Posed {
        head.pose_neutral(&self.neutral, params)
    }
}
