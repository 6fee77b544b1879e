//! What belongs to each picture while a fit runs: expression, camera, color. What the tracker said, refined by what the
//! picture shows.
//!
//! Landmarks leave a face some freedom (lips pressed or parted over teeth, gaze, lids), and photos differ in light and
//! white balance; what they get wrong, the identity would otherwise take into the face at rest.
//! Letters: `V` pictures, `N` Gaussians, `U` texels a side.
use crate::rig::{Posed, Rig, quat_mul, quat_turn, quat_unit};
use crate::subject::Subject;
use head::HeadParams;
use nets::Checkpoint;
use nets::training::optim::Adam;
use prior::model::HeadGaussians;
use splat::gaussians::SH_C0;
use tch::{Kind, Tensor};

/// What a camera's moves turn about (head space, metres): the middle of the head.
pub(crate) const CENTER: [f32; 3] = [0.0, 0.02, -0.06];

/// Learning rates of one stage.
pub struct Rates {
    /// ARKit weights.
    pub expressions: f64,
    /// Radians and metres.
    pub cameras: f64,
    /// Gains and offsets of display RGB.
    pub colors: f64,
}

/// The pictures' own variables.
pub struct Pictures {
    /// `[V]` as the rows say.
    rows: Vec<HeadParams>,
    /// `[V, 52]` ARKit weights as they came.
    first: Tensor,
    /// `[V, 52]` as they are now.
    now: Tensor,
    /// `[V, 6]` turn (radians) and shift (metres) of the head against the camera.
    moves: Tensor,
    /// `[V, 6]` ln of the gain and offset of display RGB; the first picture's stay zero.
    tones: Tensor,
    /// `[V, 1]` zero for the first picture, else one.
    toned: Tensor,
}

impl Pictures {
    /// As the rows say.
    pub fn new(subject: &Subject) -> Self {
        let device = subject.position.device();
        let v = subject.views.len() as i64;
        let weights: Vec<f32> = subject.views.iter().flat_map(|v| v.params.expression).collect();
        let first = Tensor::from_slice(&weights).view([v, 52]).to_device(device);
        let toned: Vec<f32> = (0..v).map(|k| if k == 0 { 0.0 } else { 1.0 }).collect();
        Pictures {
            rows: subject.views.iter().map(|v| v.params.clone()).collect(),
            now: first.copy(),
            moves: Tensor::zeros([v, 6], (Kind::Float, device)),
            tones: Tensor::zeros([v, 6], (Kind::Float, device)),
            toned: Tensor::from_slice(&toned).view([v, 1]).to_device(device),
            first,
        }
    }

    /// Lets the optimizer move them.
    pub fn free(&mut self, optimizer: &mut Adam, rates: &Rates) {
        let groups = [
            ("expressions", &mut self.now, rates.expressions),
            ("cameras", &mut self.moves, rates.cameras),
            ("tones", &mut self.tones, rates.colors),
        ];
        for (name, tensor, rate) in groups {
            *tensor = tensor.set_requires_grad(true);
            optimizer.add_group(name, rate, vec![(name.into(), tensor.shallow_clone())]);
        }
    }

    /// Ends what [`Pictures::free`] began.
    pub fn freeze(&mut self) {
        for tensor in [&mut self.now, &mut self.moves, &mut self.tones] {
            *tensor = tensor.detach().copy();
        }
    }

    /// Adds them to a file, as they are now.
    pub fn put(&self, file: &mut Checkpoint) {
        for (name, tensor) in [("expressions", &self.now), ("cameras", &self.moves), ("tones", &self.tones)] {
            file.put(&format!("pictures.{name}"), tensor);
        }
    }

    /// Takes them back from a file that [`Pictures::put`] filled.
    ///
    /// # Errors
    /// One is missing.
    pub fn restore(&mut self, file: &Checkpoint) -> Result<(), nets::Error> {
        for (name, tensor) in [("expressions", &mut self.now), ("cameras", &mut self.moves), ("tones", &mut self.tones)]
        {
            *tensor = file.get(&format!("pictures.{name}"))?.to_device(tensor.device());
        }
        Ok(())
    }

    /// Whether they are being optimized.
    pub fn are_free(&self) -> bool {
        self.now.requires_grad()
    }

    /// What poses the head in picture `v`, as it is now.
    pub fn params(&self, v: usize) -> HeadParams {
        let weights: Vec<f32> = Vec::try_from(self.now.get(v as i64).detach()).expect("weights are floats");
        let mut params = self.rows[v].clone();
        params.expression.copy_from_slice(&weights);
        params
    }

    /// The rig's surface in picture `v`; a gradient flows to the expression through `units` (of [`Rig::units`]).
    pub fn surface(&self, v: usize, rig: &Rig, units: &Tensor) -> Posed {
        let mut surface = rig.pose(&self.params(v));
        if self.are_free() {
            let row = self.now.narrow(0, v as i64, 1);
            surface.means = surface.means.shallow_clone() + (&row - row.detach()).matmul(units).view_as(&surface.means);
        }
        surface
    }

    /// x_exp of picture `v`, `[1, 3, U, U]` metres, differentiable, of what the rows said (`maps` `[V, 3, U, U]`) and what
    /// each unit does (`units` `[52, 3, U, U]`). Units add up; joints keep their first pose.
    pub fn map(&self, v: usize, maps: &Tensor, units: &Tensor) -> Tensor {
        let row = |t: &Tensor| t.narrow(0, v as i64, 1);
        let moved = (row(&self.now) - row(&self.first)).matmul(&units.flatten(1, -1));
        row(maps) + moved.view_as(&row(maps))
    }

    /// The head as the camera of picture `v` sees it: moved, and in the picture's own tone.
    pub fn placed(&self, v: usize, g: &HeadGaussians) -> HeadGaussians {
        let row = |t: &Tensor| t.get(v as i64);
        // Moves are centered over the pictures: what all share belongs to the head.
        let centered = &self.moves - self.moves.mean_dim([0i64].as_slice(), true, Kind::Float);
        let moved = row(&centered);
        let half = moved.narrow(0, 0, 3) * 0.5;
        let center = Tensor::from_slice(&CENTER).view([1, 1, 3]).to_device(half.device());
        let turn = quat_unit(&Tensor::cat(&[half.ones_like().narrow(0, 0, 1), half], 0)).view([1, 1, 4]);
        let shift = moved.narrow(0, 3, 3).view([1, 1, 3]);
        let tone = row(&(&self.tones * &self.toned));
        let (gain, offset) = (tone.narrow(0, 0, 3).exp().view([1, 1, 3]), tone.narrow(0, 3, 3).view([1, 1, 3]));
        let dc = g.colors.narrow(-1, 0, 3) * &gain + ((&gain - 1.0) * 0.5 + offset) / SH_C0;
        let rest = g.colors.size()[2] - 3;
        HeadGaussians {
            means: quat_turn(&turn, &(&g.means - &center)) + &center + shift,
            quats: quat_mul(&turn, &g.quats),
            log_scales: g.log_scales.shallow_clone(),
            opacity_logits: g.opacity_logits.shallow_clone(),
            colors: if rest == 0 { dc } else { Tensor::cat(&[dc, g.colors.narrow(-1, 3, rest)], -1) },
            kind: g.kind,
            penalty: g.penalty.shallow_clone(),
        }
    }

    /// Mean squared distance of the weights from what the rows said.
    pub fn strayed(&self) -> Tensor {
        (&self.now - &self.first).square().mean(Kind::Float)
    }

    /// Mean squared move, in centimeters and 10 mrad, and tone, in tenths.
    pub fn wandered(&self) -> Tensor {
        (&self.moves / 0.01).square().mean(Kind::Float) + (&self.tones / 0.1).square().mean(Kind::Float)
    }

    /// Weights back to 0..=1, after a step.
    pub fn clamp(&mut self) {
        tch::no_grad(|| {
            let _ = self.now.clamp_(0.0, 1.0);
        });
    }

    /// `[V]` rows of 52 weights.
    pub fn weights(&self) -> Vec<Vec<f32>> {
        (0..self.rows.len()).map(|v| self.params(v).expression.to_vec()).collect()
    }
}
