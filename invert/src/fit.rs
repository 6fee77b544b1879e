//! Pivotal tuning: stage 1 finds the identity code, stage 2 bends the network around it.
use crate::config::{FitConfig, FitLoss, PivotVariable};
use crate::expressions::Expressions;
use crate::maps_avatar::MapsAvatar;
use crate::subject::{Subject, View};
use anyhow::Result;
use nets::identity::Recogniser;
use nets::optim::{Adam, AdamConfig};
use nets::perceptual::Perceptual;
use nets::train::mix;
use nets::vq::Mode;
use prior::loss::focused_l1;
use prior::model::HeadGaussians;
use prior::picture::{composite, draw};
use prior::weights::LoadedPrior;
use std::time::Instant;
use tch::{Kind, Tensor};

/// The frozen nets that judge a picture.
#[derive(Default)]
pub struct Judges {
    /// γ's feature net.
    pub perceptual: Option<Perceptual>,
    /// L_id's and L_arc's recogniser.
    pub recogniser: Option<Recogniser>,
}

/// Fits `loaded` (a prior, or an untrained network for comparison) to a person.
///
/// # Errors
/// A loss that is no number.
pub fn fit(
    mut loaded: LoadedPrior,
    subject: &Subject,
    judges: &Judges,
    config: &FitConfig,
    mut say: impl FnMut(&str),
) -> Result<MapsAvatar> {
    let clock = Instant::now();
    loaded.vars.freeze();
    // A photo's texture is lit and partly guessed, which no training texture was: the nearest codes the decoders know
    // are a sounder start than the raw code. An untrained network knows no codes: it starts from its raw code.
    let first = tch::no_grad(|| {
        let z = loaded.prior.encode_identity(&subject.texture, &subject.position);
        if loaded.steps == 0 { z } else { loaded.prior.quantise_identity(&z, Mode::Fixed).code }
    });
    let mut avatar = MapsAvatar::new(loaded, first.detach(), subject.units.copy());
    let mut expressions = Expressions::new(subject);
    let start = measure(&mut avatar, subject, &expressions)?;
    say(&format!("before: PSNR {start:.2} dB on {} pictures", subject.views.len()));
    let fit = Fit { subject, judges, config, targets: Targets::new(subject) };
    fit.find_pivot(&mut avatar, &mut expressions)?;
    let pivot = measure(&mut avatar, subject, &expressions)?;
    say(&format!(
        "pivot:  PSNR {pivot:.2} dB after {} steps, {:.0} s",
        config.pivot.steps,
        clock.elapsed().as_secs_f64()
    ));
    fit.tune(&mut avatar, &expressions)?;
    let end = measure(&mut avatar, subject, &expressions)?;
    let seconds = clock.elapsed().as_secs_f64();
    say(&format!("tuned:  PSNR {end:.2} dB after {} steps, {seconds:.0} s", config.tuning.steps));
    avatar.loaded.vars.freeze();
    avatar.card.frame_ids = subject.views.iter().map(|v| v.frame_id).collect();
    avatar.card.expressions = expressions.weights();
    avatar.card.gaussians = avatar.loaded.prior.n_points().iter().sum();
    avatar.card.metrics = serde_json::json!({
        "input_psnr_db": { "first_guess": start, "pivot": pivot, "tuned": end, "protocol": "input pictures over mid grey" },
        "seconds": seconds,
    });
    Ok(avatar)
}

struct Targets {
    images: Vec<Tensor>,
    alphas: Vec<Tensor>,
    /// Where eyes and mouth are.
    focus: Vec<Tensor>,
}

impl Targets {
    /// On the subject's device.
    fn new(subject: &Subject) -> Self {
        let device = subject.units.device();
        let of_each = |f: fn(&View) -> Tensor| subject.views.iter().map(|v| f(v).to_device(device)).collect();
        Targets {
            images: of_each(View::image_tensor),
            alphas: of_each(View::alpha_tensor),
            focus: of_each(View::focus_tensor),
        }
    }
}

struct Fit<'a> {
    subject: &'a Subject,
    judges: &'a Judges,
    config: &'a FitConfig,
    targets: Targets,
}

impl Fit<'_> {
    /// Stage 1. The network is frozen; the code, or the encoder that makes it, moves.
    fn find_pivot(&self, avatar: &mut MapsAvatar, expressions: &mut Expressions) -> Result<()> {
        let first = avatar.pivot.copy();
        let spread = first.std(true).double_value(&[]).max(1e-6);
        let mut optimizer = Adam::new(AdamConfig::default());
        match self.config.pivot.variable {
            PivotVariable::Code => {
                avatar.pivot = first.copy().set_requires_grad(true);
                optimizer.add_group("pivot", spread, vec![("pivot".into(), avatar.pivot.shallow_clone())]);
            }
            PivotVariable::Encoder => {
                optimizer.add_group("encoder", 0.01, self.free(avatar, "encoders.identity"));
            }
        }
        if self.config.pivot.refine_expressions {
            expressions.free(&mut optimizer);
        }
        for step in 0..self.config.pivot.steps {
            if self.config.pivot.variable == PivotVariable::Encoder {
                avatar.pivot = avatar.loaded.prior.encode_identity(&self.subject.texture, &self.subject.position);
            }
            let stay = ((&avatar.pivot - &first) / spread).square().mean(Kind::Float) * self.config.pivot.stay;
            let trust = expressions.strayed() * self.config.pivot.trust_expressions;
            let picture = self.picture_loss(avatar, expressions, step)?;
            optimizer.zero_grad();
            (picture + stay + trust).backward();
            optimizer.step(self.config.pivot_lr(step));
            expressions.clamp();
        }
        expressions.freeze();
        avatar.pivot = avatar.pivot.detach().copy();
        avatar.loaded.vars.freeze();
        Ok(())
    }

    /// Stage 2. The code is frozen; decoders and regressors move, both encoders and the codebooks stay.
    fn tune(&self, avatar: &mut MapsAvatar, expressions: &Expressions) -> Result<()> {
        let c = &self.config.tuning;
        let anchors: Vec<(Tensor, HeadGaussians)> = (0..4).map(|k| self.anchor(avatar, k)).collect();
        let mut optimizer = Adam::new(AdamConfig::default());
        let mut free = self.free(avatar, "decoders");
        free.extend(self.free(avatar, "regressors"));
        optimizer.add_group("around the pivot", 1.0, free);
        for step in 0..c.steps {
            let mut loss = self.picture_loss(avatar, expressions, self.config.pivot.steps + step)?;
            if c.drift > 0.0 {
                let (expression, before) = &anchors[step as usize % anchors.len()];
                let maps = avatar.decode_map(expression);
                loss += drift(&avatar.loaded.prior.gaussians(&maps), before) * c.drift;
            }
            optimizer.zero_grad();
            loss.backward();
            optimizer.clip_grad_norm(1.0);
            let done = step as f64 / c.steps.max(1) as f64;
            optimizer.step(c.lr * (1.0 - 0.9 * done));
        }
        Ok(())
    }

    /// A random mild expression and what stage 1 makes of it.
    fn anchor(&self, avatar: &mut MapsAvatar, k: u64) -> (Tensor, HeadGaussians) {
        let unit = |i: u64| (mix(&[self.config.seed, 0xa2c4, k, i]) >> 40) as f32 / (1u64 << 24) as f32;
        let weights: Vec<f32> = (0..52).map(|i| if unit(i) < 0.12 { unit(i + 52) } else { 0.0 }).collect();
        let size = self.subject.units.size();
        let weights_there = Tensor::from_slice(&weights).view([1, 52]).to_device(self.subject.units.device());
        let offset = weights_there.matmul(&self.subject.units.view([52, -1]));
        let offset = offset.view([1, size[1], size[2], size[3]]);
        (offset, avatar.gaussians(&weights))
    }

    /// The losses of one picture, taken in turn, over a random background.
    fn picture_loss(&self, avatar: &mut MapsAvatar, expressions: &Expressions, step: u64) -> Result<Tensor> {
        let c: &FitLoss = &self.config.loss;
        let v = step as usize % self.subject.views.len();
        let unit = |i: u64| (mix(&[self.config.seed, step, i]) >> 40) as f32 / (1u64 << 24) as f32;
        let background = [[unit(0), unit(1), unit(2)]];
        let maps = avatar.decode_map(&expressions.map(v));
        let gaussians = avatar.loaded.prior.gaussians(&maps);
        let drawn = draw(&gaussians, &[self.subject.views[v].camera], &background)?;
        let target = composite(&self.targets.images[v], &self.targets.alphas[v], &background);
        let mut loss = focused_l1(&drawn.color, &target, &self.targets.focus[v], c.focus) * c.l1
            + nets::loss::ssim_loss(&drawn.color, &target) * c.ssim
            + (&drawn.alpha - &self.targets.alphas[v]).abs().mean(Kind::Float) * c.alpha
            + &gaussians.penalty * c.corrections;
        if let Some(net) = &self.judges.perceptual {
            loss += net.distance(&drawn.color, &target) * c.perceptual;
        }
        if let Some(net) = &self.judges.recogniser {
            let landmarks = self.subject.views[v].landmarks_2d.as_slice();
            let crop = |picture: &Tensor| Recogniser::crops(picture, &[landmarks]);
            let losses = net.losses(&crop(&drawn.color), &crop(&target));
            loss += losses.cosine * c.identity + losses.features * c.identity_features;
        }
        Ok(loss)
    }

    /// Lets the variables under a prefix learn, and names them.
    fn free(&self, avatar: &MapsAvatar, prefix: &str) -> Vec<(String, Tensor)> {
        let mut found: Vec<(String, Tensor)> =
            avatar.loaded.vars.variables().into_iter().filter(|(name, _)| name.starts_with(prefix)).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        for (_, t) in &mut found {
            *t = t.set_requires_grad(true);
        }
        found
    }
}

/// Mean squared difference of two heads, positions in centimetres.
fn drift(now: &HeadGaussians, before: &HeadGaussians) -> Tensor {
    let term = |a: &Tensor, b: &Tensor, unit: f64| ((a - b) / unit).square().mean(Kind::Float);
    term(&now.means, &before.means, 0.01)
        + term(&now.log_scales, &before.log_scales, 1.0)
        + term(&now.opacity_logits, &before.opacity_logits, 2.0)
}

/// Mean PSNR (dB) over the input pictures, over mid grey.
fn measure(avatar: &mut MapsAvatar, subject: &Subject, expressions: &Expressions) -> Result<f64> {
    const GREY: [[f32; 3]; 1] = [[0.5; 3]];
    let mut sum = 0.0;
    for (v, view) in subject.views.iter().enumerate() {
        let heads = tch::no_grad(|| {
            let maps = avatar.decode_map(&expressions.map(v));
            avatar.loaded.prior.gaussians(&maps)
        });
        let drawn = draw(&heads, &[view.camera], &GREY)?;
        let target = composite(&view.image_tensor(), &view.alpha_tensor(), &GREY).to_device(drawn.color.device());
        sum += nets::metric::psnr(&drawn.color, &target).double_value(&[0]);
    }
    Ok(sum / subject.views.len() as f64)
}

/// An untrained network of the prior's shape that knows only the mean head: what a fit without a prior starts from.
///
/// # Errors
/// None today; reading buffers may fail on other devices.
pub fn without_prior(prior: &LoadedPrior) -> Result<LoadedPrior> {
    let bare = prior::weights::fresh(&prior.config, &prior.prior.n_points(), prior.vars.device());
    let trained = prior.vars.variables();
    tch::no_grad(|| {
        for (name, mut t) in bare.vars.variables() {
            if name.starts_with("buffers") {
                t.copy_(&trained[&name]);
            }
        }
    });
    Ok(bare)
}
