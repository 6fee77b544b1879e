//! The training loop: resumable, bounded by time or steps, validated on identities it never saw.
use crate::Error;
use crate::detect_net::SIZES;
use crate::face_net::{FaceShape, SIDE};
use crate::networks::Networks;
use crate::picture::png;
use crate::train::backdrop::Backdrops;
use crate::train::compose::Material;
use crate::train::loss::{CropBatch, PatchBatch, total};
use crate::train::plan::{CurvePoint, Plan, Summary};
use crate::train::renders::Render;
use crate::train::split::{people, split};
use formats::progress::Progress;
use nets::Checkpoint;
use nets::rng::seed_step;
use nets::training::ema::Ema;
use nets::training::loader::Prefetch;
use nets::training::means::{Means, line};
use nets::training::optim::{Adam, AdamConfig};
use nets::training::schedule::Schedule;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tch::Kind;

/// Side of the detector's training patches, pixels.
const PATCH_SIDE: usize = 96;
/// Faceless pictures in the bank.
const BACKDROPS: usize = 400;
/// Shares of the run up to which crops are smaller than [`SIDE`]: what is large in a face is learned at a quarter of the
/// cost (progressive resizing; Howard et al., DAWNBench 2018).
const CROP_SIDES: [(f64, usize); 2] = [(0.35, 96), (0.55, 128)];
/// Between two checkpoints.
const SAVE_EVERY: Duration = Duration::from_secs(120);

/// Trains, writes weights; a checkpoint `<out>.resume` lets a stopped run go on.
///
/// # Errors
/// Missing or unfit data, a loss that is no number, a disk that does not take the files.
pub fn run(plan: &Plan) -> anyhow::Result<Summary> {
    let (train, val) = split(plan)?;
    plan.talk.say(&format!(
        "{} training frames of {} people, {} validation frames",
        train.len(),
        people(&train),
        val.len()
    ));
    let backdrops = Backdrops::new(BACKDROPS, plan.seed);
    let mut session = Session::new(plan)?;
    let progress = match (plan.steps, plan.minutes) {
        (None, Some(minutes)) => Progress::new("train", (60.0 * minutes) as u64, "s", plan.talk),
        (steps, _) => Progress::new("train", steps.unwrap_or_default(), "steps", plan.talk),
    };
    progress.resume(session.done());
    let shape = session.networks.face.shape.clone();
    let material = Material { renders: &train, backdrops: &backdrops, mirror: &shape.mirror, seed: plan.seed };
    write_examples(&material, &plan.out)?;
    let held_out = Material { renders: &val, seed: plan.seed ^ 0x5EED, ..material };
    let val_batch = batch_of(&held_out, &shape, 0, plan.val_crops, 0).0;
    session.train(&material, &val_batch, &progress)?;
    progress.finish();
    session.finish(&train, &val_batch)
}

/// `<out>.examples.png`: what the networks are shown.
fn write_examples(material: &Material, out: &std::path::Path) -> anyhow::Result<()> {
    let sheet = png(&crate::train::sheet::draw(material))?;
    Ok(formats::publish::write_atomically(&out.with_extension("examples.png"), &sheet)?)
}

/// The state of a run.
struct Session<'a> {
    plan: &'a Plan,
    networks: Networks,
    adam: Adam,
    ema: Ema,
    step: u64,
    spent: Duration,
    started: Instant,
    /// Time that the optimizer of this run waited for batches.
    waited: Duration,
    means: Means,
    curve: Vec<CurvePoint>,
}

impl<'a> Session<'a> {
    fn new(plan: &'a Plan) -> anyhow::Result<Self> {
        seed_step(plan.seed, u64::MAX);
        if plan.device.is_cuda() {
            // Batches have three sizes in all: it pays to try every convolution algorithm once for each.
            tch::Cuda::cudnn_set_benchmark(true);
        }
        let mut networks = Networks::new(plan.device, FaceShape::of(&plan.head, plan.identity));
        networks.face.train_kind = if plan.bf16 { Kind::BFloat16 } else { Kind::Float };
        if let Some(start) = &plan.start {
            let taken = networks.take_over(start)?;
            plan.talk.say(&format!("{taken} of {} tensors initialized from {start:?}", networks.vars.len()));
        }
        if plan.patches == 0 {
            let detector = networks.vars.variables().into_iter().filter(|(name, _)| name.starts_with("detect."));
            detector.for_each(|(_, tensor)| drop(tensor.set_requires_grad(false)));
        }
        let adam = Adam::over(&networks.vars, AdamConfig { weight_decay: 1e-4, ..Default::default() });
        let ema = Ema::new(&networks.vars, 0.998);
        let (spent, waited) = (Duration::ZERO, Duration::ZERO);
        let (means, started, curve) = (Means::default(), Instant::now(), Vec::new());
        let mut session = Session { plan, networks, adam, ema, step: 0, spent, started, waited, means, curve };
        if session.resume_path().is_file() {
            session.resume()?;
        }
        Ok(session)
    }

    fn resume_path(&self) -> PathBuf {
        self.plan.out.with_extension("resume")
    }

    fn resume(&mut self) -> anyhow::Result<()> {
        let path = self.resume_path();
        let file = Checkpoint::load(&path)?;
        let note = |key: &str| file.notes.get(key).cloned().unwrap_or_default();
        let want = self.identity();
        if note("run") != want {
            let what =
                format!("checkpoint of another run ({}), this one is {want}; remove it to start again", note("run"));
            return Err(Error::Weights { what, path }.into());
        }
        file.restore_vars("model", &self.networks.vars)?;
        self.adam.load("adam", &file)?;
        self.ema.load("ema", &file)?;
        self.step = file.step;
        self.spent = Duration::from_secs_f64(note("seconds").parse().unwrap_or(0.0));
        self.curve = serde_json::from_str(&note("curve")).unwrap_or_default();
        self.plan.talk.say(&format!("resuming from step {} ({path:?})", self.step));
        Ok(())
    }

    /// What must agree between a checkpoint and the run that goes on from it.
    fn identity(&self) -> String {
        let p = self.plan;
        format!("{} seed {} crops {} patches {}", crate::networks::LAYOUT, p.seed, p.crops, p.patches)
    }

    fn save(&self) -> anyhow::Result<()> {
        let mut file = Checkpoint::new(self.step);
        file.note("run", self.identity()).note("seconds", format!("{:.1}", self.elapsed().as_secs_f64()));
        file.note("curve", serde_json::to_string(&self.curve)?);
        file.put_vars("model", &self.networks.vars);
        self.adam.save("adam", &mut file);
        self.ema.save("ema", &mut file);
        file.save(&self.resume_path())?;
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        self.spent + self.started.elapsed()
    }

    /// What the progress counts: steps, or seconds when only time is bounded.
    fn done(&self) -> u64 {
        if self.plan.steps.is_some() { self.step } else { self.elapsed().as_secs() }
    }

    /// Share of the budget that is used.
    fn fraction(&self) -> f64 {
        let by_steps = self.plan.steps.map_or(0.0, |s| self.step as f64 / s.max(1) as f64);
        let by_time = self.plan.minutes.map_or(0.0, |m| self.elapsed().as_secs_f64() / (60.0 * m).max(1e-9));
        by_steps.max(by_time)
    }

    /// Side of the crops that the face network sees now, pixels; a trained one to start from knows what small ones teach.
    fn crop_side(&self) -> usize {
        if self.plan.start.is_some() {
            return SIDE;
        }
        let done = self.fraction();
        CROP_SIDES.iter().find(|(until, _)| done < *until).map_or(SIDE, |(_, side)| *side)
    }

    fn train(&mut self, material: &Material, val: &CropBatch, progress: &Progress) -> anyhow::Result<()> {
        let Plan { crops, patches, workers, device, .. } = *self.plan;
        let shape = self.networks.face.shape.clone();
        let prepare = |step| {
            let (crops, patches) = batch_of(material, &shape, step, crops, patches);
            Ok((crops.to_device(device), patches.to_device(device)))
        };
        let first = self.step;
        std::thread::scope(|scope| {
            let mut batches = Prefetch::start_in(scope, workers, first, &prepare);
            let mut saved = Instant::now();
            let mut next_report = self.fraction();
            while self.fraction() < 1.0 {
                let asked = Instant::now();
                let (crops, patches) = batches.next_batch()?;
                self.waited += asked.elapsed();
                self.update(&crops, &patches)?;
                self.step += 1;
                progress.add(self.done().saturating_sub(progress.done()));
                if self.fraction() >= next_report || self.step == first + 20 {
                    next_report = self.fraction() + 0.03;
                    self.report(val, progress);
                }
                if saved.elapsed() > SAVE_EVERY {
                    self.save()?;
                    saved = Instant::now();
                }
            }
            Ok(())
        })
    }

    /// One step of both networks.
    fn update(&mut self, crops: &CropBatch, patches: &PatchBatch) -> anyhow::Result<()> {
        let schedule = Schedule { lr: self.plan.lr, warmup: 50, total: 0, floor: 0.01 * self.plan.lr };
        let lr = schedule.at_fraction(self.fraction()).min(schedule.at(self.step));
        let crops = crops.at_side(self.crop_side());
        let mut terms = crops.loss(&self.networks.face.forward(&crops.rgb, true));
        if self.plan.patches > 0 {
            terms.extend(patches.loss(&self.networks.detect.forward(&patches.rgb, true)));
        }
        let sum = total(&terms);
        for (name, _, term) in &terms {
            self.means.add(name, term, self.step)?;
        }
        self.means.add("loss", &sum, self.step)?;
        self.adam.zero_grad();
        sum.backward();
        self.adam.clip_grad_norm(5.0);
        self.adam.step(lr);
        self.ema.update();
        Ok(())
    }

    fn report(&mut self, val: &CropBatch, progress: &Progress) {
        let figures = self.validate(val);
        let means = self.means.take();
        let seconds = self.elapsed().as_secs();
        let side = self.crop_side();
        let text = format!("step {} ({seconds} s, {side} px): {}  val {}", self.step, line(&means), line(&figures));
        progress.note(&format!("val {:.2} px", figures["px"]));
        self.plan.talk.say(&text);
        // Seconds of this run, and those of them that the optimizer waited for batches: which of CPU and GPU is the slower.
        let (secs, waited_secs) = (self.started.elapsed().as_secs_f64(), self.waited.as_secs_f64());
        let fields = serde_json::json!({ "step": self.step, "secs": secs, "waited_secs": waited_secs, "crop_px": side,
            "losses": means, "val": figures });
        self.plan.talk.event("train", fields);
        let loss = means.get("loss").copied().unwrap_or(f64::NAN);
        self.curve.push(CurvePoint { step: self.step, loss, val: figures });
    }

    /// Figures on the validation crops with averaged weights.
    fn validate(&mut self, val: &CropBatch) -> BTreeMap<String, f64> {
        self.ema.swap();
        let figures = tch::no_grad(|| {
            let val = val.to_device(self.plan.device).at_side(self.crop_side());
            val.figures(&self.networks.face.forward(&val.rgb, false))
        });
        self.ema.swap();
        figures.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
    }

    fn finish(mut self, train: &[Render], val: &CropBatch) -> anyhow::Result<Summary> {
        let val = self.validate(val);
        self.save()?;
        self.ema.swap();
        let bytes = self.networks.save(&self.plan.out, self.step)?;
        Ok(Summary {
            steps: self.step,
            hours: self.elapsed().as_secs_f64() / 3600.0,
            frames: train.len(),
            identities: people(train),
            bytes,
            val,
            curve: self.curve,
        })
    }
}

/// Both batches of a step.
fn batch_of(
    material: &Material,
    shape: &FaceShape,
    step: u64,
    crops: usize,
    patches: usize,
) -> (CropBatch, PatchBatch) {
    let first = |n: usize| step * n as u64;
    let crop_examples: Vec<_> = (0..crops as u64).into_par_iter().map(|i| material.crop(first(crops) + i)).collect();
    let patch_examples: Vec<_> = (0..patches.max(1) as u64)
        .into_par_iter()
        .map(|i| material.patch(first(patches) + i, PATCH_SIDE, SIZES))
        .collect();
    (CropBatch::new(&crop_examples, shape), PatchBatch::new(&patch_examples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face_net::tests::shape;
    use crate::train::labels::FaceLabels;
    use head::ibug;
    use tch::Device;

    /// A disc with two dark spots and a bar: enough to learn where its "landmarks" are.
    fn toy_render(seed: u8) -> Render {
        let side = 96usize;
        let (mut rgb, mut alpha) = (Vec::new(), Vec::new());
        for y in 0..side {
            for x in 0..side {
                let (u, v) = ((x as f32 - 48.0) / 36.0, (y as f32 - 48.0) / 44.0);
                let dark = (u.abs() - 0.4).hypot(v + 0.2) < 0.13 || (u.abs() < 0.3 && (v - 0.5).abs() < 0.06);
                let tone = if dark { 30 } else { 170 + seed };
                rgb.extend([tone, tone - 20, tone / 2]);
                alpha.push(255 * (u.hypot(v) < 1.0) as u8);
            }
        }
        let spot = |x: f32, y: f32| [48.0 + 36.0 * x, 48.0 + 44.0 * y];
        let points: Vec<[f32; 2]> = (0..ibug::COUNT + 6)
            .map(|i| match i {
                _ if ibug::JAW.contains(&i) => {
                    spot((i as f32 - 8.0) / 8.0, 0.9 - ((i as f32 - 8.0) / 8.0).powi(2) * 0.8)
                }
                _ if i < ibug::EYES.start => spot((i as f32 - 26.0) / 15.0, -0.4),
                _ if ibug::RIGHT_EYE.contains(&i) => spot(-0.4, -0.2),
                _ if ibug::LEFT_EYE.contains(&i) => spot(0.4, -0.2),
                _ => spot((i as f32 - 57.5) / 30.0, 0.5),
            })
            .collect();
        let labels = FaceLabels {
            visible: vec![1.0; points.len()],
            points,
            expression: std::array::from_fn(|k| if k == 24 { seed as f32 / 80.0 } else { 0.0 }),
            gaze: [[0.1, -0.1]; 2],
            rotation: glam::Mat3::IDENTITY,
            log_distance: 0.0,
            identity: [vec![0.5, -0.5, 0.0], vec![0.5, 0.5, 0.0]],
        };
        let image = formats::image::png_from_rgb8(side, side, &rgb).unwrap();
        Render::new(image, formats::image::png_from_gray8(side, side, &alpha).unwrap(), labels).unwrap()
    }

    fn loss_of(networks: &Networks, crops: &CropBatch, patches: &PatchBatch) -> tch::Tensor {
        let mut terms = crops.loss(&networks.face.forward(&crops.rgb, true));
        terms.extend(patches.loss(&networks.detect.forward(&patches.rgb, true)));
        total(&terms)
    }

    #[test]
    fn ten_steps_lower_the_loss_on_a_toy() {
        tch::manual_seed(2);
        let renders: Vec<Render> = (0..4).map(|i| toy_render(i * 20)).collect();
        let backdrops = Backdrops::new(4, 1);
        let shape = shape();
        let material = Material { renders: &renders, backdrops: &backdrops, mirror: &shape.mirror, seed: 1 };
        let (crops, patches) = batch_of(&material, &shape, 0, 8, 6);
        let networks = Networks::new(Device::Cpu, shape);
        let mut adam = Adam::over(&networks.vars, AdamConfig::default());
        let before = loss_of(&networks, &crops, &patches).double_value(&[]);
        for _ in 0..10 {
            adam.zero_grad();
            loss_of(&networks, &crops, &patches).backward();
            adam.step(2e-3);
        }
        let after = loss_of(&networks, &crops, &patches).double_value(&[]);
        assert!(after < 0.7 * before, "loss {before} -> {after}");
    }

    #[test]
    fn a_batch_is_a_function_of_its_step() {
        let renders = vec![toy_render(10)];
        let backdrops = Backdrops::new(2, 1);
        let shape = shape();
        let material = Material { renders: &renders, backdrops: &backdrops, mirror: &shape.mirror, seed: 9 };
        let batch = |step| batch_of(&material, &shape, step, 2, 2);
        let (a, b, c) = (batch(3), batch(3), batch(4));
        assert_eq!(a.0.rgb, b.0.rgb);
        assert_eq!(a.1.rgb, b.1.rgb);
        assert_ne!(a.0.rgb, c.0.rgb);
    }
}
