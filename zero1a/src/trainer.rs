//! The avatar while it learns: a step on some pictures, and all that the next step depends on, on disk.
use crate::clips::FrameSpec;
use crate::config::{Rates, RunConfig};
use crate::loss;
use anyhow::Result;
use glam::Vec3;
use nets::bridge::render::{GaussianTensors, Settings, render};
use nets::bridge::rigged::{Bound, Frames, GradientSums, Rigged};
use nets::losses::perceptual::Perceptual;
use nets::rng::mix;
use nets::training::optim::{Adam, AdamConfig};
use nets::{Checkpoint, Error};
use splat::Colors;
use tch::{Device, Kind, Tensor};

/// Jaw and eyeballs as the expression alone moves them.
const REST: [Vec3; 5] = [Vec3::ZERO; 5];

/// A picture to learn from.
pub struct Sample {
    /// What it shows.
    pub frame_spec: FrameSpec,
    /// Jaw and eyeballs besides.
    pub pose: [Vec3; 5],
    /// `[3, S, S]` display RGB over `background`.
    pub target: Tensor,
    /// Behind everything, display RGB.
    pub background: [f32; 3],
}

impl Sample {
    /// A frame of a clip.
    pub fn new(frame_spec: FrameSpec, target: Tensor, background: [f32; 3]) -> Self {
        Sample { frame_spec, pose: REST, target, background }
    }
}

/// The losses of a step, weighted as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Losses {
    /// Of pictures: L1 and perceptual, or distilled.
    pub picture: f64,
    /// L_pos and L_s.
    pub binding: f64,
}

/// How pictures are compared.
pub enum Against<'a> {
    /// L1 and the perceptual net, if there is one.
    Pictures(Option<&'a Perceptual>),
    /// Squared difference, weighted: score distillation.
    Squared(f64),
}

/// The mesh as last posed.
struct Posed {
    /// The expression of all pictures that these frames serve; none with a pose of its own, which no other picture shares.
    expression: Option<[f32; 52]>,
    frames: Frames,
}

/// The avatar and its optimizer.
pub struct Trainer {
    /// What learns.
    pub rigged: Rigged,
    adam: Adam,
    /// `[N, 3]` where each Gaussian began, triangle units.
    began: Tensor,
    gradient_sums: GradientSums,
    posed: Option<Posed>,
}

impl Trainer {
    /// Before the first step.
    pub fn new(mut rigged: Rigged, rates: &Rates) -> Self {
        let began = rigged.bound.local.means.detach().copy();
        rigged.bound.require_gradients();
        let gradient_sums = GradientSums::new(rigged.bound.len(), rigged.bound.triangle.device());
        let adam = optimizer(&rigged.bound, rates);
        Trainer { rigged, adam, began, gradient_sums, posed: None }
    }

    /// One step, number `k` of the run. All targets are of one size.
    ///
    /// # Errors
    /// A loss that is no number; what the rasterizer says.
    pub fn step(&mut self, k: u64, samples: &[Sample], against: &Against, config: &RunConfig) -> Result<Losses> {
        let (mut drawn, mut visible) = (Vec::new(), None::<Tensor>);
        for sample in samples {
            let head = self.posed(&sample.frame_spec.expression, &sample.pose);
            drawn.push(picture(&head, &sample.frame_spec, sample.background)?);
            let seen = loss::visible(&head.means, &sample.frame_spec.camera);
            visible = Some(visible.map_or(seen.shallow_clone(), |v| v.logical_or(&seen)));
        }
        let visible = visible.expect("a step looks at a picture");
        let (drawn, target) =
            (Tensor::cat(&drawn, 0), Tensor::stack(&samples.iter().map(|s| &s.target).collect::<Vec<_>>(), 0));
        let weights = &config.loss;
        let pictures = match against {
            Against::Pictures(net) => {
                let plain = nets::losses::image::l1(&drawn, &target) * weights.l1;
                match net {
                    Some(net) => plain + net.distance(&drawn, &target) * weights.perceptual,
                    None => plain,
                }
            }
            Against::Squared(weight) => (drawn - target).square().mean(Kind::Float) * *weight,
        };
        let local = &self.rigged.bound.local;
        let binding = loss::position(&local.means, &self.began, &visible) * weights.position
            + loss::scale(&local.log_scales, &visible) * weights.scale
            + loss::cover(&local.opacity_logits, &self.began, &visible) * weights.cover;
        let losses = Losses { picture: pictures.double_value(&[]), binding: binding.double_value(&[]) };
        if !(losses.picture + losses.binding).is_finite() {
            return Err(Error::NotFinite { what: "loss".into(), step: k }.into());
        }
        self.adam.zero_grad();
        (pictures + binding).backward();
        let sizes = self.triangle_sizes();
        self.gradient_sums.add(&self.rigged.bound, &sizes);
        self.set_rates(k, config);
        self.optimizer_step();
        if config.densifies(k) {
            self.densify(k, config);
        }
        Ok(losses)
    }

    /// What an expression and a pose show, differentiable.
    fn posed(&mut self, expression: &[f32; 52], pose: &[Vec3; 5]) -> GaussianTensors {
        let expression_alone = (*pose == REST).then_some(*expression);
        let known = |posed: &Posed| expression_alone.is_some() && posed.expression == expression_alone;
        if !self.posed.as_ref().is_some_and(known) {
            let frames = self.rigged.frames(expression, pose);
            self.posed = Some(Posed { expression: expression_alone, frames });
        }
        self.rigged.bound.in_head(&self.posed.as_ref().expect("just posed").frames)
    }

    /// `[N]` meters: the size of each Gaussian's triangle, as last posed.
    fn triangle_sizes(&self) -> Tensor {
        self.posed.as_ref().expect("a step poses").frames.sizes(&self.rigged.bound.triangle)
    }

    fn set_rates(&mut self, k: u64, config: &RunConfig) {
        let [first, last] = config.rates.means;
        let done = k as f64 / config.iterations.max(1) as f64;
        if let Some(group) = self.adam.group_mut("means") {
            group.lr_scale = first * (last / first).powf(done);
        }
    }

    /// Adam's step; harmonics above the zeroth, which share its tensor, go a twentieth of their way.
    fn optimizer_step(&mut self) {
        let colors = self.rigged.bound.local.colors.shallow_clone();
        let higher = colors.size()[1] - 3;
        let before = tch::no_grad(|| colors.detach().narrow(1, 3, higher).copy());
        self.adam.step(1.0);
        if higher > 0 && matches!(self.rigged.bound.local.kind, Colors::Sh { .. }) {
            tch::no_grad(|| {
                let mut now = colors.detach().narrow(1, 3, higher);
                now.copy_(&(&before + (&now - &before) / 20.0));
            });
        }
    }

    fn densify(&mut self, k: u64, config: &RunConfig) {
        let gradients = self.gradient_sums.means();
        let change = config.density.rule.run(&mut self.rigged.bound, &gradients, mix(&[config.seed, 0xde5e, k]));
        self.rigged.bound.require_gradients();
        change.follow(&mut self.adam, &self.rigged.bound);
        let source = Tensor::from_slice(&change.source).to_device(self.began.device());
        self.began = self.began.index_select(0, &source);
        self.gradient_sums = GradientSums::new(self.rigged.bound.len(), self.began.device());
    }

    /// Everything that the next step depends on, but for the mesh, which the run's inputs give. The names in the file are those of
    /// the first version.
    pub fn save(&self, step: u64) -> Checkpoint {
        let mut file = Checkpoint::new(step);
        for (name, t) in self.rigged.bound.parameters() {
            file.put(&format!("bound.{name}"), t);
        }
        file.put("bound.triangle", &self.rigged.bound.triangle);
        file.put("began", &self.began).put("slopes", &self.gradient_sums.sums);
        file.note("slope_steps", self.gradient_sums.steps.to_string());
        self.adam.save("adam", &mut file);
        file
    }

    /// Back to where [`Trainer::save`] was called; the number of Gaussians may be another.
    ///
    /// # Errors
    /// A checkpoint of something else.
    pub fn load(&mut self, file: &Checkpoint, rates: &Rates) -> Result<()> {
        let device = self.began.device();
        let get = |name: &str| Ok::<Tensor, Error>(file.get(name)?.to_device(device));
        let bound = |name: &str| get(&format!("bound.{name}"));
        let local = GaussianTensors {
            means: bound("means")?,
            quats: bound("quats")?,
            log_scales: bound("log_scales")?,
            opacity_logits: bound("opacity_logits")?,
            colors: bound("colors")?,
            kind: self.rigged.bound.local.kind,
        };
        let mut restored = Bound { local, triangle: bound("triangle")? };
        restored.check(self.rigged.mesh.triangles.len())?;
        restored.require_gradients();
        self.adam = optimizer(&restored, rates);
        self.adam.load("adam", file)?;
        self.rigged.bound = restored;
        self.began = get("began")?;
        let steps = file.notes.get("slope_steps").and_then(|s| s.parse().ok());
        self.gradient_sums = GradientSums {
            sums: get("slopes")?,
            steps: steps.ok_or_else(|| Error::Data("a checkpoint without slope_steps".into()))?,
        };
        Ok(())
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.began.device()
    }

    /// `[F, 3, S, S]` the avatar as it is now, one picture per frame; no gradient.
    ///
    /// # Errors
    /// What the rasterizer says.
    pub fn pictures(&self, frame_specs: &[FrameSpec], background: [f32; 3]) -> Result<Tensor> {
        let drawn = frame_specs
            .iter()
            .map(|m| tch::no_grad(|| picture(&self.rigged.posed(&m.expression, &REST), m, background)));
        Ok(Tensor::cat(&drawn.collect::<Result<Vec<_>>>()?, 0))
    }
}

fn optimizer(bound: &Bound, rates: &Rates) -> Adam {
    let mut adam = Adam::new(AdamConfig { beta2: 0.999, eps: rates.eps, ..Default::default() });
    for (name, t) in bound.parameters() {
        let rate = match name {
            "means" => rates.means[0],
            "quats" => rates.quats,
            "log_scales" => rates.log_scales,
            "opacity_logits" => rates.opacity_logits,
            _ => rates.colors,
        };
        adam.add_group(name, rate, vec![(name.into(), t.shallow_clone())]);
    }
    adam
}

/// How avatars are drawn while they learn and are measured. A clip's pixel is wider than a triangle: without the filter
/// Gaussians would shrink to specks that only larger pictures show.
pub fn settings(background: [f32; 3]) -> Settings {
    Settings { background: background.to_vec(), antialiased: true, ..Default::default() }
}

/// `[1, 3, S, S]`
fn picture(head: &GaussianTensors, frame_spec: &FrameSpec, background: [f32; 3]) -> Result<Tensor> {
    Ok(render(head, std::slice::from_ref(&frame_spec.camera), &settings(background))?.color_chw())
}
