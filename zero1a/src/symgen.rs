//! The loop: the avatar is fitted to clips, and clips are regenerated from the avatar, version by version.
//!
//! Everything is a function of the configuration, the seed and the iteration: random numbers come from counters, what a step
//! starts from is on disk with the version before it. A run that is killed resumes from its last version and ends in the
//! same bytes.
use crate::clips::{Clip, FrameSpec};
use crate::config::RunConfig;
use crate::guide::Guide;
use crate::maker::{ClipMaker, ClipRequest};
use crate::reference::Reference;
use crate::schedule::{Method, Schedule};
use crate::set::{ClipFrames, ClipSet, Mark};
use crate::trainer::{Against, Losses, Sample, Trainer};
use anyhow::Result;
use nets::losses::perceptual::Perceptual;
use nets::rng::Rng;
use nets::rng::mix;
use tch::Tensor;

/// What an avatar is fitted with, besides the frames of its clips.
pub struct TrainContext<'a> {
    /// The configuration.
    pub config: &'a RunConfig,
    /// Generates clips.
    pub maker: &'a dyn ClipMaker,
    /// Landmarks of the frames.
    pub guide: Guide<'a>,
    /// Compares pictures.
    pub perceptual: Option<&'a Perceptual>,
    /// What the clips are to show, by id.
    pub clips: &'a [Clip],
    /// The reference as a picture to learn from.
    pub reference: Reference,
}

/// What happens, for whoever watches.
pub enum Event<'a> {
    /// An iteration is done.
    Step {
        /// Which.
        k: u64,
        /// Its losses.
        losses: Losses,
    },
    /// A clip was made, and committed.
    Refresh {
        /// Before which iteration.
        k: u64,
        /// Its number.
        clip: usize,
        /// Its version.
        version: u64,
        /// Frames on which the tracker found no face.
        unread: usize,
        /// The avatar now.
        trainer: &'a Trainer,
    },
}

/// Runs from where the set stopped to the end.
///
/// # Errors
/// What the model, the rasterizer or the disk say.
pub fn run(
    context: &TrainContext,
    trainer: &mut Trainer,
    set: &mut ClipSet,
    watch: &mut dyn FnMut(Event),
) -> Result<()> {
    let config = context.config;
    let schedule = config.schedule();
    let (first, mut done) = match set.mark()? {
        Some(mark) => {
            trainer.load(&set.state(&mark)?, &config.rates)?;
            (mark.iteration, mark.jobs_done)
        }
        None => (0, 0),
    };
    for k in first..config.iterations {
        let round = Round { context, schedule: &schedule, k };
        round.refresh(trainer, set, done, watch)?;
        done = 0;
        let losses = match config.method {
            Method::Sds => round.distill(trainer)?,
            _ => round.fit(trainer, set)?,
        };
        watch(Event::Step { k, losses });
    }
    Ok(())
}

/// One iteration: the clips that are due before it, then an optimizer step.
struct Round<'a> {
    context: &'a TrainContext<'a>,
    schedule: &'a Schedule,
    /// Number of the iteration, from 0.
    k: u64,
}

impl Round<'_> {
    /// Generates the clips that are due, but for the `done` first, and commits each.
    fn refresh(&self, trainer: &Trainer, set: &mut ClipSet, done: usize, watch: &mut dyn FnMut(Event)) -> Result<()> {
        let (context, k) = (self.context, self.k);
        let jobs = self.schedule.jobs(k);
        if jobs.len() <= done {
            return Ok(());
        }
        let state = set.put_state(&trainer.save(k), k)?;
        for (job, &id) in jobs.iter().enumerate().skip(done) {
            let clip = &context.clips[id];
            let seed = mix(&[context.config.seed, 0xd1ce, k, id as u64]);
            let (frames, unread) = self.frames_of(clip, trainer, seed)?;
            let mark = Mark { iteration: k, jobs_done: job + 1, state: state.clone() };
            set.put(clip, frames, &mark, context.maker.name(), seed)?;
            let version = set.version().map_or(0, |(number, _)| number);
            watch(Event::Refresh { k, clip: id, version, unread, trainer });
        }
        set.sweep_states()
    }

    /// A clip's frames, from noise before the first iteration, from the avatar's renders later; and on how many of them the
    /// tracker found no face.
    fn frames_of(&self, clip: &Clip, trainer: &Trainer, seed: u64) -> Result<(ClipFrames, usize)> {
        let (context, k) = (self.context, self.k);
        let mut frame_specs = clip.frame_specs(self.schedule, k);
        // Poses that are not open yet repeat the last that is: one frame of it is enough.
        frame_specs.dedup();
        if k == 0 {
            let landmarks = context.guide.exact(&trainer.rigged.mesh, &frame_specs);
            let request = ClipRequest { frame_specs: &frame_specs, landmarks: &landmarks, seed };
            let pictures = context.maker.generate(&request)?;
            return Ok((ClipFrames::new(frame_specs, &pictures, landmarks, k), 0));
        }
        let background = context.config.background;
        let guided = context.guide.of_avatar(trainer, &frame_specs, background)?;
        let renders = trainer.pictures(&frame_specs, background)?;
        let request = ClipRequest { frame_specs: &frame_specs, landmarks: &guided.landmarks, seed };
        let pictures = context.maker.regenerate(&request, &renders)?;
        Ok((ClipFrames::new(frame_specs, &pictures, guided.landmarks, k), guided.unread))
    }

    /// A step on the reference or on some frames of a clip.
    fn fit(&self, trainer: &mut Trainer, set: &ClipSet) -> Result<Losses> {
        let (context, config, k) = (self.context, self.context.config, self.k);
        let against = Against::Pictures(context.perceptual);
        let mut rng = Rng::new(&[config.seed, 0x57e9, k]);
        if rng.chance(config.reference_share) {
            return trainer.step(k, &[context.reference.sample(&mut rng)], &against, config);
        }
        let clips: Vec<&ClipFrames> = set.clips().values().collect();
        let clip = clips[rng.below(clips.len())];
        let mut frames: Vec<usize> = (0..clip.frame_specs.len()).collect();
        let n = config.batch.min(frames.len());
        for i in 0..n {
            let other = i + rng.below(frames.len() - i);
            frames.swap(i, other);
        }
        let device = trainer.device();
        let sample = |&i: &usize| Sample::new(clip.frame_specs[i].clone(), clip.frame(i, device), config.background);
        let samples: Vec<Sample> = frames[..n].iter().map(sample).collect();
        trainer.step(k, &samples, &against, config)
    }

    /// A step of score distillation towards the model's one-step denoised estimate x̂₀ of some frames of a clip.
    ///
    /// In pictures rather than latents: `w ‖render − decode(x̂₀)‖²` with the target held has the direction of the published
    /// gradient `w (ε̂ − ε)`, passed through the decoder once instead of through the encoder's derivative.
    fn distill(&self, trainer: &mut Trainer) -> Result<Losses> {
        let (context, config, k) = (self.context, self.context.config, self.k);
        let mut rng = Rng::new(&[config.seed, 0x5d5, k]);
        if rng.chance(config.reference_share) {
            let against = Against::Pictures(context.perceptual);
            return trainer.step(k, &[context.reference.sample(&mut rng)], &against, config);
        }
        let clip = &context.clips[rng.below(context.clips.len())];
        let all: Vec<FrameSpec> = clip.frame_specs(self.schedule, k);
        let n = config.sds.frames.min(all.len());
        let frame_specs: Vec<FrameSpec> = (0..n).map(|i| all[(2 * i + 1) * all.len() / (2 * n)].clone()).collect();
        let [least, most] = config.sds.noise;
        let level = least + (most - least) * f64::from(rng.unit());
        let landmarks = context.guide.exact(&trainer.rigged.mesh, &frame_specs);
        let seed = mix(&[config.seed, 0x5d5e, k]);
        let renders = trainer.pictures(&frame_specs, config.background)?;
        let request = ClipRequest { frame_specs: &frame_specs, landmarks: &landmarks, seed };
        let target: Tensor = context.maker.denoise(&request, &renders, level)?.to_device(trainer.device());
        let sample = |(i, spec): (usize, FrameSpec)| Sample::new(spec, target.get(i as i64), config.background);
        let samples: Vec<Sample> = frame_specs.into_iter().enumerate().map(sample).collect();
        trainer.step(k, &samples, &Against::Squared(config.sds.weight), config)
    }
}
