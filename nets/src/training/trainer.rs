//! The loop that trains the networks of this crate: batches ahead of time, Adam, averaged weights, checkpoints.
use crate::rng::seed_step;
use crate::training::budget::Budget;
use crate::training::ema::Ema;
use crate::training::loader::{BatchFn, Prefetch};
use crate::training::means::{Means, line};
use crate::training::optim::{Adam, AdamConfig};
use crate::training::schedule::Schedule;
use crate::weights::checkpoint::Checkpoint;
use crate::{Error, device};
use formats::card::WeightsCard;
use formats::progress::{Progress, Talk};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tch::{Tensor, nn};

const SAVE_EVERY: Duration = Duration::from_secs(120);

/// Numbers of a run; the resolved ones are kept in the checkpoint and the card.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of everything drawn.
    pub seed: u64,
    /// Steps to do; 0: until the time is up.
    pub steps: u64,
    /// Minutes this call may take; 0: until the steps are done.
    pub minutes: f64,
    /// Samples a step.
    pub batch: usize,
    /// Peak learning rate; falls along a cosine to a hundredth.
    pub lr: f64,
    /// Steps of warm-up.
    pub warmup: u64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Gradient norm above which gradients are scaled down.
    pub clip: f64,
    /// Decay of the averaged weights, which are the ones that ship.
    pub ema: f64,
    /// Pictures kept decoded in memory (a random choice if the data set has more).
    pub cache_images: usize,
    /// Threads that make batches.
    pub workers: usize,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            seed: 1,
            steps: 0,
            minutes: 0.0,
            batch: 8,
            lr: 1e-3,
            warmup: 100,
            weight_decay: 0.0,
            clip: 1.0,
            ema: 0.999,
            cache_images: 1500,
            workers: 1,
            device: "auto".into(),
        }
    }
}

impl TrainConfig {
    /// # Errors
    /// [`Error::Config`] for values no run can have.
    pub fn check(&self) -> Result<(), Error> {
        let fail = |key: &str, why: &str| Err(Error::Config { key: key.into(), why: why.into() });
        match self {
            c if c.steps == 0 && c.minutes <= 0.0 => fail("steps", "give steps or minutes"),
            c if c.batch == 0 => fail("batch", "at least 1"),
            c if c.lr <= 0.0 || !c.lr.is_finite() => fail("lr", "a positive number"),
            c if c.cache_images == 0 => fail("cache_images", "at least 1"),
            c if !(0.0..1.0).contains(&c.ema) => fail("ema", "0 up to but not including 1"),
            _ => Ok(()),
        }
    }
}

/// A network, its data and its loss.
pub trait Task {
    /// What a worker makes.
    type Batch: Send + 'static;
    /// `effigy-…`: the `net` note of the weight file.
    fn net(&self) -> &'static str;
    /// Prefix of the variables that ship.
    fn shipped(&self) -> &'static str;
    /// What the network is built from, as TOML; kept in the weight file, and a run resumes only with the same.
    fn model_config(&self) -> Option<String> {
        None
    }
    /// All variables.
    fn vars(&self) -> &nn::VarStore;
    /// Makes batch `step`, purely.
    fn batches(&self) -> BatchFn<Self::Batch>;
    /// The loss; its parts go to `means`.
    ///
    /// # Errors
    /// [`Error::NotFinite`]
    fn loss(&self, batch: &Self::Batch, step: u64, means: &mut Means) -> Result<Tensor, Error>;
    /// Figures on held-out data with the present weights, each with its protocol.
    ///
    /// # Errors
    /// Data that cannot be read.
    fn evaluate(&self) -> Result<serde_json::Value, Error>;
    /// Fills what a card tells about the network and the data.
    fn describe(&self, card: &mut WeightsCard);
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// Steps behind the weights, earlier calls included.
    pub steps: u64,
    /// False if the time was up before the steps were done: the same command resumes.
    pub finished: bool,
    /// What [`Task::evaluate`] found.
    pub metrics: serde_json::Value,
    /// Size of the weight file in bytes.
    pub bytes: u64,
}

/// Where the checkpoint of a run lies: beside its output.
pub fn checkpoint_path(out: &Path) -> PathBuf {
    out.with_extension("checkpoint.safetensors")
}

/// Trains, or resumes from the checkpoint beside `out`; writes `out` (half floats) and its card.
///
/// # Errors
/// [`Error::Config`] if the checkpoint beside `out` is of another configuration; files, data, or a loss that is no number.
pub fn run<T: Task>(task: &T, config: &TrainConfig, out: &Path, talk: Talk) -> Result<Outcome, Error> {
    config.check()?;
    let mut run = Run::start(task, config, out)?;
    let steps = (config.steps > 0).then_some(config.steps);
    let budget = Budget::start(steps, (config.minutes > 0.0).then_some(config.minutes));
    let progress = bar(config, task.net(), run.step, talk);
    let mut batches = Prefetch::start(config.workers, run.step, task.batches());
    let mut saved = Instant::now();
    while !budget.is_spent(run.step) {
        let batch = batches.next_batch()?;
        run.one_step(&batch, &budget)?;
        advance(&progress, config, &budget);
        if run.step % 20 == 0 {
            let means = run.means.take();
            progress.note(&line(&means));
            talk.event("step", serde_json::json!({ "step": run.step, "losses": means }));
        }
        if saved.elapsed() > SAVE_EVERY {
            run.save_checkpoint()?;
            saved = Instant::now();
        }
    }
    run.save_checkpoint()?;
    progress.finish();
    run.ship()
}

/// Counts steps where their number is given, else seconds.
fn bar(config: &TrainConfig, net: &str, done: u64, talk: Talk) -> Progress {
    if config.steps == 0 {
        return Progress::new(net, (config.minutes * 60.0) as u64, "seconds", talk);
    }
    let progress = Progress::new(net, config.steps, "steps", talk);
    progress.resume(done);
    progress
}

fn advance(progress: &Progress, config: &TrainConfig, budget: &Budget) {
    let seconds = (budget.elapsed().as_secs()).min((config.minutes * 60.0) as u64);
    progress.add(if config.steps > 0 { 1 } else { seconds.saturating_sub(progress.done()) });
}

struct Run<'a, T: Task> {
    task: &'a T,
    config: &'a TrainConfig,
    out: &'a Path,
    adam: Adam,
    ema: Ema,
    schedule: Schedule,
    step: u64,
    means: Means,
}

impl<'a, T: Task> Run<'a, T> {
    fn start(task: &'a T, config: &'a TrainConfig, out: &'a Path) -> Result<Self, Error> {
        let adam = Adam::over(task.vars(), AdamConfig { weight_decay: config.weight_decay, ..Default::default() });
        let ema = Ema::new(task.vars(), config.ema);
        let schedule = Schedule::cosine(config.lr, config.warmup, config.steps, config.lr * 0.01);
        let mut run = Run { task, config, out, adam, ema, schedule, step: 0, means: Means::default() };
        let path = checkpoint_path(out);
        if path.exists() {
            run.load(&Checkpoint::load(&path)?, &path)?;
        }
        Ok(run)
    }

    fn load(&mut self, file: &Checkpoint, path: &Path) -> Result<(), Error> {
        file.expect_net(self.task.net())?;
        if file.notes.get("config") != Some(&self.config_note()) {
            let why = format!("the checkpoint {path:?} has another configuration; remove it or choose another --out");
            return Err(Error::Config { key: "out".into(), why });
        }
        file.restore_vars("vars", self.task.vars())?;
        self.adam.load("adam", file)?;
        self.ema.load("ema", file)?;
        self.step = file.step;
        Ok(())
    }

    /// The configuration as far as a resumed run must share it: not how long this call may take, nor where it runs.
    fn config_note(&self) -> String {
        let fixed = TrainConfig { minutes: 0.0, workers: 0, device: String::new(), ..self.config.clone() };
        toml::to_string(&fixed).expect("a flat table") + &self.task.model_config().unwrap_or_default()
    }

    fn one_step(&mut self, batch: &T::Batch, budget: &Budget) -> Result<(), Error> {
        seed_step(self.config.seed, self.step);
        self.adam.zero_grad();
        let loss = self.task.loss(batch, self.step, &mut self.means)?;
        self.means.add("loss", &loss, self.step)?;
        loss.backward();
        let norm = self.adam.clip_grad_norm(self.config.clip);
        self.means.add_value("grad", norm, self.step)?;
        self.adam.step(self.rate(budget));
        self.ema.update();
        self.step += 1;
        Ok(())
    }

    /// By steps where they are given (then a run is a function of its configuration), else by the clock.
    fn rate(&self, budget: &Budget) -> f64 {
        match self.config.steps {
            0 => self.schedule.at(self.step).min(self.schedule.at_fraction(budget.fraction(self.step))),
            _ => self.schedule.at(self.step),
        }
    }

    fn save_checkpoint(&self) -> Result<(), Error> {
        let mut file = Checkpoint::new(self.step);
        file.note("net", self.task.net()).note("config", self.config_note());
        file.put_vars("vars", self.task.vars());
        self.adam.save("adam", &mut file);
        self.ema.save("ema", &mut file);
        file.save(&checkpoint_path(self.out)).map(drop)
    }

    /// Evaluates and writes the averaged weights.
    fn ship(mut self) -> Result<Outcome, Error> {
        self.ema.swap();
        let metrics = self.task.evaluate()?;
        let mut file = Checkpoint::new(self.step);
        file.note("net", self.task.net());
        if let Some(config) = self.task.model_config() {
            file.note("config", config);
        }
        let prefix = format!("{}.", self.task.shipped());
        for (name, t) in self.task.vars().variables() {
            if name.starts_with(&prefix) {
                file.put(&name, &t);
            }
        }
        let bytes = file.halve()?.save(self.out)?;
        self.ema.swap();
        let config = toml::to_string(self.config).expect("a flat table");
        let mut card = WeightsCard {
            name: self.task.net().into(),
            schema_version: 1,
            steps: self.step,
            metrics: metrics.clone(),
            license: "MIT OR Apache-2.0".into(),
            provenance: formats::Provenance::new("nets", env!("CARGO_PKG_VERSION"), &config, self.config.seed),
            ..Default::default()
        };
        self.task.describe(&mut card);
        card.write(self.out)?;
        let finished = self.config.steps == 0 || self.step >= self.config.steps;
        Ok(Outcome { steps: self.step, finished, metrics, bytes })
    }
}

/// Puts the weights of a file that [`run`] wrote into a task's network.
///
/// # Errors
/// [`Error::Io`], [`Error::Format`], [`Error::Missing`] or [`Error::Shape`].
pub fn load_weights<T: Task>(task: &T, path: &Path) -> Result<(), Error> {
    let file = Checkpoint::load(path)?;
    file.expect_net(task.net())?;
    let prefix = format!("{}.", task.shipped());
    for (name, variable) in task.vars().variables().into_iter().filter(|(name, _)| name.starts_with(&prefix)) {
        let t = file.get(&name)?;
        crate::error::check_shape(&name, t, &variable.size())?;
        tch::no_grad(|| variable.detach().copy_(t));
    }
    Ok(())
}

/// The device of a configuration.
///
/// # Errors
/// [`Error::Device`]
pub fn device_of(config: &TrainConfig) -> Result<tch::Device, Error> {
    device::parse(&config.device)
}
