//! The expression of each picture while a fit goes on: what the tracker said, refined by what the picture shows.
//!
//! Landmarks leave a face some freedom (lips pressed or parted over teeth, gaze, lids); what they get wrong, the identity
//! code would otherwise bake into the face at rest.
use crate::subject::Subject;
use nets::optim::Adam;
use tch::{Kind, Tensor};

/// `V` pictures, `U` texels a side.
pub struct Expressions {
    /// `[V, 3, U, U]` metres, of the first weights.
    maps: Tensor,
    /// `[52, 3 · U · U]` metres: each unit at 1.
    units: Tensor,
    /// `[V, 52]` ARKit weights as they came.
    first: Tensor,
    /// `[V, 52]` as they are now.
    now: Tensor,
}

impl Expressions {
    /// As the rows say.
    pub fn new(subject: &Subject) -> Self {
        let weights: Vec<f32> = subject.views.iter().flat_map(|v| v.params.expression).collect();
        let first =
            Tensor::from_slice(&weights).view([subject.views.len() as i64, 52]).to_device(subject.units.device());
        Expressions {
            maps: subject.expressions.shallow_clone(),
            units: subject.units.flatten(1, -1),
            now: first.copy(),
            first,
        }
    }

    /// Lets the optimiser move them.
    pub fn free(&mut self, optimizer: &mut Adam) {
        self.now = self.now.set_requires_grad(true);
        optimizer.add_group("expressions", 1.0, vec![("expressions".into(), self.now.shallow_clone())]);
    }

    /// Ends what [`Expressions::free`] began.
    pub fn freeze(&mut self) {
        self.now = self.now.detach().copy();
    }

    /// x_exp of picture `v`, `[1, 3, U, U]` metres, differentiable. Units add up; joints keep their first pose.
    pub fn map(&self, v: usize) -> Tensor {
        let row = |t: &Tensor| t.narrow(0, v as i64, 1);
        let moved = (row(&self.now) - row(&self.first)).matmul(&self.units);
        row(&self.maps) + moved.view_as(&row(&self.maps))
    }

    /// Mean squared distance from what the rows said.
    pub fn strayed(&self) -> Tensor {
        (&self.now - &self.first).square().mean(Kind::Float)
    }

    /// Back to 0..=1, after a step.
    pub fn clamp(&mut self) {
        tch::no_grad(|| {
            let _ = self.now.clamp_(0.0, 1.0);
        });
    }

    /// `[V]` rows of 52 weights.
    pub fn weights(&self) -> Vec<Vec<f32>> {
        let flat: Vec<f32> = Vec::try_from(self.now.detach().flatten(0, -1)).expect("weights are floats");
        flat.chunks(52).map(<[f32]>::to_vec).collect()
    }
}
