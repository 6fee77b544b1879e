//! Training: geometry and codes first, then pictures too; resumable bit for bit.
use crate::config::{PriorConfig, Surface};
use crate::data::HeadData;
use crate::loss::{Losses, expression_loss, identity_losses, picture_losses};
use crate::model::{IdentityMaps, Prior, Quantized};
use crate::picture::draw;
use crate::regions::region_points;
use crate::sample;
use crate::tone::in_light_of;
use crate::weights::{self, LoadedPrior};
use crate::{eval, regions};
use anyhow::{Context, Result};
use glam::Vec3;
use nets::Checkpoint;
use nets::blocks::conv::weights_channels_last;
use nets::blocks::vq::Mode;
use nets::losses::perceptual::Perceptual;
use nets::rng::{mix, seed_step};
use nets::training::batches::batch_at;
use nets::training::budget::Budget;
use nets::training::means::{Means, line};
use nets::training::optim::{Adam, AdamConfig};
use nets::training::schedule::Schedule;
use nets::view::composite;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// What a run needs, checked and opened.
pub struct Plan {
    /// The resolved configuration.
    pub config: PriorConfig,
    /// Rows to learn from.
    pub data: HeadData,
    /// γ's feature net.
    pub perceptual: Option<Perceptual>,
    /// Where the weights go; checkpoints and sheets lie beside.
    pub out: PathBuf,
}

/// A run in progress.
pub struct Trainer<'a> {
    plan: &'a Plan,
    rows: Vec<usize>,
    people: Vec<u32>,
    loaded: LoadedPrior,
    optimizer: Adam,
    budget: Budget,
    /// Losses since the last report.
    pub means: Means,
}

/// Trains until the budget is spent, then writes the weights.
///
/// # Errors
/// Data that cannot be read, a loss that is no number, files that cannot be written.
pub fn train(plan: &Plan, mut say: impl FnMut(&str)) -> Result<LoadedPrior> {
    let mut trainer = Trainer::start(plan)?;
    say(&format!(
        "{} training rows and the maps of {} people, {} Gaussians, from step {}",
        trainer.rows.len(),
        trainer.people.len(),
        trainer.loaded.prior.n_points().iter().sum::<i64>(),
        trainer.loaded.steps
    ));
    let clock = std::time::Instant::now();
    let (first, mut spoken) = (trainer.loaded.steps, 0.0);
    let mut spent = trainer.budget.is_spent(first);
    while !spent {
        trainer.step()?;
        let seconds = clock.elapsed().as_secs_f64();
        let steps = trainer.loaded.steps;
        if seconds - spoken >= 15.0 {
            spoken = seconds;
            let rate = (steps - first) as f64 / seconds;
            let done = 100.0 * trainer.budget.fraction(steps);
            say(&format!("step {steps} ({done:.0} %, {rate:.2}/s)  {}", line(&trainer.means.take())));
        }
        spent = trainer.budget.is_spent(steps);
        if !spent && steps % plan.config.train.validate_every == 0 {
            say(&trainer.validate()?);
            trainer.checkpoint()?;
        }
    }
    say(&trainer.validate()?);
    trainer.checkpoint()?;
    // Of one head alone there is no variety to sample from.
    let several = plan.data.identities("train").count() > 1;
    weights::save(&trainer.loaded, &plan.out)?;
    if several {
        sample::add_codes(&plan.out, &plan.out, &plan.data)?;
    }
    Ok(trainer.loaded)
}

impl<'a> Trainer<'a> {
    /// From the last checkpoint beside the output, or from scratch.
    ///
    /// # Errors
    /// A dataset without training rows; a checkpoint of another configuration.
    pub fn start(plan: &'a Plan) -> Result<Self> {
        let c = &plan.config.train;
        let rows = plan.data.rows("train", c.light_id);
        anyhow::ensure!(
            !rows.is_empty(),
            formats::exit::Failure::bad_data(format!("no training rows under light {}", c.light_id))
        );
        let file = checkpoint_path(&plan.out);
        let resumed = file.exists().then(|| Checkpoint::load(&file)).transpose()?;
        let mut loaded = match &resumed {
            Some(file) => weights::rebuild(file, "model", plan.data.device()).context("resuming")?,
            None => from_scratch(plan)?,
        };
        anyhow::ensure!(
            loaded.config.model == plan.config.model,
            formats::exit::Failure::config(format!(
                "{file:?} has another model configuration; remove it to start again"
            ))
        );
        // A longer run may be asked for than the checkpoint's was.
        loaded.config = plan.config.clone();
        weights_channels_last(&loaded.vars);
        let mut optimizer = Adam::over(&loaded.vars, AdamConfig::default());
        if let Some(file) = &resumed {
            optimizer.load("adam", file)?;
        }
        let minutes = (c.minutes > 0.0).then_some(c.minutes);
        Ok(Trainer {
            plan,
            rows,
            people: plan.data.identities("train").map(|row| row.identity_id).collect(),
            loaded,
            optimizer,
            budget: Budget::start(Some(c.steps), minutes),
            means: Means::default(),
        })
    }

    /// One optimizer step.
    ///
    /// # Errors
    /// As [`train`].
    pub fn step(&mut self) -> Result<()> {
        let (c, step) = (&self.plan.config, self.loaded.steps);
        seed_step(c.train.seed, step);
        let rows: Vec<usize> =
            batch_at(self.rows.len(), c.train.batch, c.train.seed, step).iter().map(|&i| self.rows[i]).collect();
        let losses = self.losses(&rows, step)?;
        for (name, value) in &losses.terms {
            self.means.add(name, value, step)?;
        }
        self.optimizer.zero_grad();
        losses.total.backward();
        self.optimizer.clip_grad_norm(1.0);
        let warmup = 100;
        let lr = match step {
            s if s < warmup => c.train.lr * (s + 1) as f64 / warmup as f64,
            _ => Schedule { lr: c.train.lr, warmup: 0, total: 0, floor: c.train.lr * 0.05 }
                .at_fraction(self.budget.fraction(step)),
        };
        self.optimizer.step(lr);
        self.loaded.steps += 1;
        Ok(())
    }

    fn losses(&mut self, rows: &[usize], step: u64) -> Result<Losses> {
        let c = &self.plan.config;
        self.loaded.prior.kind = if c.train.bf16 { Kind::BFloat16 } else { Kind::Float };
        self.loaded.prior.quantize_unless(self.budget.fraction(step) < c.train.quantise_from);
        if step < c.train.warmup_steps {
            return self.maps_alone(rows, step);
        }
        let batch = self.plan.data.batch(rows)?;
        let prior = &mut self.loaded.prior;
        let at_rest = batch.maps.at_rest();
        let id = identity_code(prior, &at_rest);
        let expr = expression_code(prior, &batch.maps.expression);
        let decoded = prior.decode(&id.code, &expr.code);
        let mask = prior.means().2;
        let maps = identity_losses(&c.loss, &at_rest, &decoded.identity(), &(&id.loss + &expr.loss), mask);
        let maps = maps.and(expression_loss(&c.loss, &batch.maps.expression, &decoded.expression, mask));
        let backgrounds = backgrounds(c.train.seed, step, rows.len());
        let gaussians = prior.gaussians(&match c.train.surface {
            Surface::Exact => decoded.on(&batch.maps),
            Surface::Decoded => decoded,
        });
        let drawn = draw(&gaussians, &batch.cameras, &backgrounds)?;
        let keep: Vec<bool> = batch.in_studio.iter().map(|studio| *studio || c.train.light_id >= 0).collect();
        let drawn = in_light_of(&drawn, &batch.images, &batch.alphas, &backgrounds, &keep)?;
        let target = composite(&batch.images, &batch.alphas, &backgrounds);
        let net = self.plan.perceptual.as_ref().filter(|_| self.budget.fraction(step) >= c.loss.perceptual_from);
        let mut losses = maps.and(picture_losses(&c.loss, &drawn, &target, &batch, &gaussians, net));
        if c.train.people > 0 {
            let people = self.people_of(c.train.people, step);
            losses.total = &losses.total + self.identities_alone(&people)?.total;
        }
        Ok(losses)
    }

    /// Losses of people's maps, with the expressions of `rows`: images need sane positions first.
    fn maps_alone(&mut self, rows: &[usize], step: u64) -> Result<Losses> {
        let c = &self.plan.config;
        let people = self.people_of(rows.len(), step);
        let expression = self.plan.data.expressions(&people, rows)?;
        let prior = &mut self.loaded.prior;
        let expr = expression_code(prior, &expression);
        let made = prior.decode_expression(&expr.code);
        let mut losses = expression_loss(&c.loss, &expression, &made, prior.means().2);
        losses.total = &losses.total + expr.loss * c.loss.vq;
        Ok(losses.and(self.identities_alone(&people)?))
    }

    /// Losses of people's maps at rest.
    fn identities_alone(&mut self, people: &[u32]) -> Result<Losses> {
        let c = &self.plan.config;
        let maps = self.plan.data.at_rest(people)?;
        let prior = &mut self.loaded.prior;
        let id = identity_code(prior, &maps);
        let made = prior.decode_identity(&id.code);
        Ok(identity_losses(&c.loss, &maps, &made, &id.loss, prior.means().2))
    }

    /// `n` people of whom only the maps are learned in a step.
    fn people_of(&self, n: usize, step: u64) -> Vec<u32> {
        let chosen = batch_at(self.people.len(), n, self.plan.config.train.seed ^ PEOPLE, step);
        chosen.into_iter().map(|i| self.people[i]).collect()
    }

    /// Metrics on held-out identities and a contact sheet beside the output.
    fn validate(&mut self) -> Result<String> {
        self.loaded.prior.kind = Kind::Float;
        let report = eval::evaluate(&mut self.loaded.prior, &self.plan.data, "val", &self.plan.config.train, 16)?;
        let sheet = self.plan.out.with_extension(format!("{:06}.png", self.loaded.steps));
        formats::publish::write_atomically(&sheet, &report.sheet)?;
        Ok(format!("step {} val: PSNR {:.2} dB  SSIM {:.4}", self.loaded.steps, report.psnr, report.ssim))
    }

    fn checkpoint(&self) -> Result<()> {
        let mut file = Checkpoint::new(self.loaded.steps);
        file.put_vars("model", &self.loaded.vars);
        self.optimizer.save("adam", &mut file);
        weights::describe(&mut file, &self.loaded)?;
        file.save(&checkpoint_path(&self.plan.out))?;
        Ok(())
    }

    /// Ends the run early, keeping what was learned.
    pub fn into_prior(self) -> LoadedPrior {
        self.loaded
    }
}

/// Of the order in which people come, beside that of the rows.
const PEOPLE: u64 = 0x70e0;

/// zq_id of maps, as training has it.
fn identity_code(prior: &mut Prior, maps: &IdentityMaps) -> Quantized {
    let z = prior.encode_identity(&maps.texture, &maps.position);
    prior.quantize_identity(&z, Mode::Train)
}

/// zq_expr of an expression map, as training has it.
fn expression_code(prior: &mut Prior, expression: &Tensor) -> Quantized {
    let z = prior.encode_expression(expression);
    prior.quantize_expression(&z, Mode::Train)
}

/// A new network whose buffers describe the training heads.
fn from_scratch(plan: &Plan) -> Result<LoadedPrior> {
    let (position, texture, mask) = plan.data.mean_maps("train")?;
    let model = plan.data.model();
    let mean_head: Vec<Vec3> = model.neutral(&mean_shape(&plan.data));
    let points = region_points(model, &mean_head, &plan.config.model);
    let counts: Vec<i64> = points.iter().map(|p: &regions::RegionPoints| p.uvs.len() as i64).collect();
    let mut loaded = weights::fresh(&plan.config, &counts, plan.data.device());
    loaded.prior.set_mean(&position, &texture, &mask);
    loaded.prior.set_regions(&points);
    Ok(loaded)
}

/// Mean shape vector of the training identities.
fn mean_shape(data: &HeadData) -> Vec<f32> {
    let people: Vec<_> = data.identities("train").collect();
    let mut mean = vec![0.0; data.model().identity.names.len()];
    for row in &people {
        mean.iter_mut().zip(&row.shape).for_each(|(m, s)| *m += s / people.len() as f32);
    }
    mean
}

/// Random constant colors, a function of (seed, step, place in the batch).
fn backgrounds(seed: u64, step: u64, n: usize) -> Vec<[f32; 3]> {
    let unit = |parts: &[u64]| (mix(parts) >> 40) as f32 / (1u64 << 24) as f32;
    (0..n as u64).map(|b| [0, 1, 2].map(|c| unit(&[seed, 0xbac6, step, b, c]))).collect()
}

/// Where a run's checkpoint lies.
pub fn checkpoint_path(out: &Path) -> PathBuf {
    out.with_extension("checkpoint")
}
