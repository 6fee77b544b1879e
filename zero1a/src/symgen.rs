//! The loop: the avatar learns from clips, and clips are remade from the avatar, version by version.
//!
//! Everything is a function of the configuration, the seed and the iteration: draws come from counters, what a step
//! starts from is on disk with the version before it. A run that is killed goes on from its last version and ends in the
//! same bytes.
use crate::clips::{Clip, Moment};
use crate::config::RunConfig;
use crate::guide::Guide;
use crate::maker::{Ask, ClipMaker};
use crate::reference::Reference;
use crate::schedule::{Method, Schedule};
use crate::set::{ClipSet, Made, Mark};
use crate::trainer::{Against, Losses, Sample, Trainer};
use anyhow::Result;
use nets::losses::perceptual::Perceptual;
use nets::rng::Rng;
use nets::rng::mix;
use tch::Tensor;

/// What a run learns from besides its clips.
pub struct Lesson<'a> {
    /// The configuration.
    pub config: &'a RunConfig,
    /// Who makes clips.
    pub maker: &'a dyn ClipMaker,
    /// Where faces are.
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
pub fn run(lesson: &Lesson, trainer: &mut Trainer, set: &mut ClipSet, watch: &mut dyn FnMut(Event)) -> Result<()> {
    let config = lesson.config;
    let schedule = config.schedule();
    let (first, mut done) = match set.mark()? {
        Some(mark) => {
            trainer.load(&set.state(&mark)?, &config.rates)?;
            (mark.iteration, mark.jobs_done)
        }
        None => (0, 0),
    };
    for k in first..config.iterations {
        refresh(lesson, &schedule, trainer, set, k, done, watch)?;
        done = 0;
        let losses = match config.method {
            Method::Sds => distil(lesson, &schedule, trainer, k)?,
            _ => learn(lesson, trainer, set, k)?,
        };
        watch(Event::Step { k, losses });
    }
    Ok(())
}

/// Makes the clips that are due before iteration `k`, but for the `done` first.
fn refresh(
    lesson: &Lesson,
    schedule: &Schedule,
    trainer: &Trainer,
    set: &mut ClipSet,
    k: u64,
    done: usize,
    watch: &mut dyn FnMut(Event),
) -> Result<()> {
    let jobs = schedule.jobs(k);
    if jobs.len() <= done {
        return Ok(());
    }
    let state = set.put_state(&trainer.save(k), k)?;
    for (job, &id) in jobs.iter().enumerate().skip(done) {
        let clip = &lesson.clips[id];
        let seed = mix(&[lesson.config.seed, 0xd1ce, k, id as u64]);
        let (made, unread) = make(lesson, schedule, trainer, clip, k, seed)?;
        let mark = Mark { iteration: k, jobs_done: job + 1, state: state.clone() };
        set.put(clip, made, &mark, lesson.maker.name(), seed)?;
        let version = set.version().map_or(0, |(number, _)| number);
        watch(Event::Refresh { k, clip: id, version, unread, trainer });
    }
    set.sweep_states()
}

/// A clip's frames: out of noise before the first iteration, out of what the avatar looks like later.
fn make(
    lesson: &Lesson,
    schedule: &Schedule,
    trainer: &Trainer,
    clip: &Clip,
    k: u64,
    seed: u64,
) -> Result<(Made, usize)> {
    let mut moments = clip.moments(schedule, k);
    // Poses that are not open yet repeat the last that is: one frame of it is enough.
    moments.dedup();
    if k == 0 {
        let landmarks = lesson.guide.exact(&trainer.rigged.mesh, &moments);
        let pictures = lesson.maker.make(&Ask { moments: &moments, landmarks: &landmarks, seed })?;
        return Ok((Made::new(moments, &pictures, landmarks, k), 0));
    }
    let background = lesson.config.background;
    let guided = lesson.guide.of_avatar(trainer, &moments, background)?;
    let renders = trainer.pictures(&moments, background)?;
    let ask = Ask { moments: &moments, landmarks: &guided.landmarks, seed };
    let pictures = lesson.maker.remake(&ask, &renders)?;
    Ok((Made::new(moments, &pictures, guided.landmarks, k), guided.unread))
}

/// A step on the reference or on some frames of a clip.
fn learn(lesson: &Lesson, trainer: &mut Trainer, set: &ClipSet, k: u64) -> Result<Losses> {
    let config = lesson.config;
    let against = Against::Pictures(lesson.perceptual);
    let mut dice = Rng::new(&[config.seed, 0x57e9, k]);
    if dice.chance(config.reference_share) {
        return trainer.step(k, &[lesson.reference.sample(&mut dice)], &against, config);
    }
    let made: Vec<&Made> = set.clips().values().collect();
    let made = made[dice.below(made.len())];
    let mut frames: Vec<usize> = (0..made.moments.len()).collect();
    let n = config.batch.min(frames.len());
    for i in 0..n {
        let other = i + dice.below(frames.len() - i);
        frames.swap(i, other);
    }
    let device = trainer.device();
    let sample = |&i: &usize| Sample::new(made.moments[i].clone(), made.frame(i, device), config.background);
    let samples: Vec<Sample> = frames[..n].iter().map(sample).collect();
    trainer.step(k, &samples, &against, config)
}

/// A step of score distillation: towards what the model takes the noised renders of some frames of a clip for.
///
/// In pictures rather than latents: `w ‖render − decode(x̂₀)‖²` with the target held has the direction of the published
/// slope `w (ε̂ − ε)`, passed through the decoder once instead of through the encoder's derivative.
fn distil(lesson: &Lesson, schedule: &Schedule, trainer: &mut Trainer, k: u64) -> Result<Losses> {
    let config = lesson.config;
    let mut dice = Rng::new(&[config.seed, 0x5d5, k]);
    if dice.chance(config.reference_share) {
        let against = Against::Pictures(lesson.perceptual);
        return trainer.step(k, &[lesson.reference.sample(&mut dice)], &against, config);
    }
    let clip = &lesson.clips[dice.below(lesson.clips.len())];
    let all: Vec<Moment> = clip.moments(schedule, k);
    let n = config.sds.frames.min(all.len());
    let moments: Vec<Moment> = (0..n).map(|i| all[(2 * i + 1) * all.len() / (2 * n)].clone()).collect();
    let [least, most] = config.sds.noise;
    let share = least + (most - least) * f64::from(dice.unit());
    let landmarks = lesson.guide.exact(&trainer.rigged.mesh, &moments);
    let seed = mix(&[config.seed, 0x5d5e, k]);
    let renders = trainer.pictures(&moments, config.background)?;
    let target = lesson.maker.denoised(&Ask { moments: &moments, landmarks: &landmarks, seed }, &renders, share)?;
    let target: Tensor = target.to_device(trainer.device());
    let samples: Vec<Sample> =
        moments.into_iter().enumerate().map(|(i, m)| Sample::new(m, target.get(i as i64), config.background)).collect();
    trainer.step(k, &samples, &Against::Squared(config.sds.weight), config)
}
