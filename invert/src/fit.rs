//! Pivotal tuning in three stages: A finds the identity code and what belongs to each picture, B bends the network around
//! it, C moves the Gaussians themselves. Each is anchored to the one before.
mod completion;
mod costs;
mod gaussians;
mod monitor;
mod pivot;
mod seen;
mod tuning;
mod work;

pub use work::Work;

use crate::config::{Appearance, FitConfig, FitLoss, Geometry};
use crate::loss::l1_and_ssim;
use crate::maps_avatar::{MapsAvatar, Motion};
use crate::pictures::Pictures;
use crate::rig::{Posed, Rig};
use crate::rig_motion::RigMotion;
use crate::subject::{Subject, View};
use anyhow::Result;
use costs::peak_mib;
use formats::progress::{Talk, clock};
use head::HeadModel;
use head::model::SurfacePoint;
use monitor::Monitor;
use nets::blocks::vq::Mode;
use nets::losses::perceptual::Perceptual;
use nets::losses::recognizer::Recognizer;
use nets::rng::mix;
use nets::view::{Drawn, composite};
use prior::config::Surface;
use prior::model::HeadGaussians;
use prior::picture::draw;
use prior::regions::{Grids, avatar_points};
use prior::weights::{LoadedPrior, with_points};
use std::cell::RefCell;
use tch::{Kind, Tensor};
use work::Record;

/// The frozen networks of the losses and metrics.
#[derive(Default)]
pub struct LossNetworks {
    /// γ's feature net.
    pub perceptual: Option<Perceptual>,
    /// L_id's and L_arc's recognizer.
    pub recognizer: Option<Recognizer>,
}

/// The person at the two sizes the stages work at.
pub struct Subjects {
    /// Stages A and B.
    pub coarse: Subject,
    /// Stage C.
    pub fine: Subject,
}

/// A fitted person.
pub struct Fitted {
    /// The avatar.
    pub avatar: MapsAvatar,
    /// The avatar in the place of each input picture, `[1, 3, S, S]` before mid grey, as expression, camera and color of the
    /// picture were found.
    pub inputs: Vec<Tensor>,
}

/// Fits `loaded` (a prior, or an untrained network for comparison) to a person. Stages that an earlier fit of the
/// same inputs completed are restored from `work`, with the same result.
///
/// # Errors
/// A loss that is no number; a working folder that cannot be written.
pub fn fit(
    mut loaded: LoadedPrior,
    model: &HeadModel,
    subjects: &Subjects,
    loss_networks: &LossNetworks,
    config: &FitConfig,
    work: &Work,
    talk: Talk,
) -> Result<Fitted> {
    let monitor = RefCell::new(Monitor::new(config, work.preview(), talk));
    let mut say = |line: &str| monitor.borrow().say(line);
    loaded.vars.freeze();
    let (subject, fine) = (&subjects.coarse, &subjects.fine);
    // A photo's texture is lit and partly guessed, which no training texture was: the nearest codes the decoders know
    // are a sounder start than the raw code. Without a trained codebook, start from the unquantized code.
    let first = tch::no_grad(|| {
        let z = loaded.prior.encode_identity(&subject.texture, &subject.position);
        if loaded.steps == 0 { z } else { loaded.prior.quantize_identity(&z, Mode::Fixed).code }
    });
    let (coarse_grids, fine_grids) = config.grids_of_stages();
    let mut avatar = match config.geometry {
        Geometry::Decoded => {
            let motion = Motion::Decoded(subject.units.copy());
            MapsAvatar::new(loaded, first.detach(), motion)
        }
        Geometry::Rig => {
            // Stage B ends on the fine grids.
            let grids = if work.completed() > 1 { &fine_grids } else { &coarse_grids };
            on_rig(&loaded, model, &subject.shape, grids, config.appearance, first.detach())
        }
    };
    // `on_rig` makes a new network, whose variables require gradients. Stage A needs none of them.
    avatar.loaded.vars.freeze();
    let mut pictures = Pictures::new(subject);
    let mut record = work.resume(&mut avatar, &mut pictures)?.unwrap_or_default();
    monitor.borrow_mut().costs.seconds.clone_from(&record.seconds);
    say(&format!("preview every 20 s: {:?}", work.preview()));
    let fit = Fit::new(subject, loss_networks, config, &avatar, &monitor);
    match record.seconds.len() {
        0 => {
            record.psnr_db = vec![fit.measure(&mut avatar, &pictures)?];
            say(&format!("before: PSNR {:.2} dB on {} pictures", record.psnr_db[0], subject.views.len()));
            monitor.borrow_mut().begin();
            fit.find_pivot(&mut avatar, &mut pictures)?;
            // A checkpoint restores contiguous tensors; the memory format must not change the result.
            avatar.pivot = avatar.pivot.contiguous();
            fit.end_stage(&mut avatar, &pictures, &mut record)?;
            work.keep(&record, &avatar, &pictures)?;
        }
        done => say(&format!(
            "resumes after stage {}, {} done before",
            ["A", "B"][done - 1],
            clock(record.seconds.iter().sum())
        )),
    }
    if config.geometry == Geometry::Rig {
        avatar = on_rig(&avatar.loaded, model, &subject.shape, &fine_grids, config.appearance, avatar.pivot);
        avatar.loaded.vars.freeze();
    }
    if record.seconds.len() < 2 {
        let mut fit = Fit::new(subject, loss_networks, config, &avatar, &monitor);
        monitor.borrow_mut().begin();
        record.untuned = fit.untuned(&mut avatar, &pictures)?;
        fit.leave_out_mouths(&mut avatar, &pictures)?;
        fit.tune(&mut avatar, &pictures, record.untuned.as_ref())?;
        avatar.loaded.vars.freeze();
        fit.end_stage(&mut avatar, &pictures, &mut record)?;
        work.keep(&record, &avatar, &pictures)?;
    }
    let fit = Fit::new(fine, loss_networks, config, &avatar, &monitor);
    if config.geometry == Geometry::Rig && config.gaussians.steps > 0 {
        monitor.borrow_mut().begin();
        fit.polish(&mut avatar, &mut pictures, record.untuned.as_ref(), &mut say)?;
        fit.end_stage(&mut avatar, &pictures, &mut record)?;
    } else {
        record.psnr_db.push(fit.measure(&mut avatar, &pictures)?);
    }
    let monitor = monitor.borrow();
    let costs = &monitor.costs;
    costs.lines().iter().for_each(|line| monitor.say(line));
    avatar.card.frame_ids = fine.views.iter().map(|v| v.frame_id).collect();
    avatar.card.expressions = pictures.weights();
    avatar.card.gaussians = avatar.loaded.prior.n_points().iter().sum();
    avatar.card.metrics = serde_json::json!({
        "geometry": config.geometry,
        "input_psnr_db": {
            "first_guess": record.psnr_db[0], "pivot": record.psnr_db[1], "tuned": record.psnr_db[2], "end": record.psnr_db[3],
            "protocol": "valid pixels of the input pictures before mid grey; the end at image_size, before it at coarse_size",
        },
        "seen": avatar.seen.as_ref().map(|seen| seen.mean(Kind::Float).double_value(&[])),
        "seconds": costs.total(),
        "stages": costs.card(),
        "peak_mib": peak_mib(),
    });
    let inputs = (0..fine.views.len()).map(|v| fit.draw(&mut avatar, &pictures, v)).collect::<Result<_>>()?;
    Ok(Fitted { avatar, inputs })
}

/// The avatar with its Gaussians on the person's rig, sampled by `grids`.
fn on_rig(
    loaded: &LoadedPrior,
    model: &HeadModel,
    shape: &[f32],
    grids: &Grids,
    appearance: Appearance,
    pivot: Tensor,
) -> MapsAvatar {
    let points = avatar_points(model, &model.neutral(shape), grids, &loaded.config.model);
    let anchors: Vec<SurfacePoint> = points.iter().flat_map(|p| p.anchors.iter().copied()).collect();
    let loaded = with_points(loaded, &points);
    let uv_size = loaded.config.model.uv_size as usize;
    let rig = Rig::new(model, shape, anchors, uv_size, loaded.vars.device());
    let motion = RigMotion::new(&loaded, rig, appearance, Surface::Exact);
    MapsAvatar::new(loaded, pivot, Motion::Rig(Box::new(motion)))
}

/// What the pictures show, on the subject's device.
struct Targets {
    images: Vec<Tensor>,
    alphas: Vec<Tensor>,
    /// Where eyes and mouth are.
    focus: Vec<Tensor>,
    /// Where the picture knows what is there.
    valid: Vec<Tensor>,
}

impl Targets {
    fn new(subject: &Subject) -> Self {
        let device = subject.position.device();
        let of_each = |f: fn(&View) -> Tensor| subject.views.iter().map(|v| f(v).to_device(device)).collect();
        Targets {
            images: of_each(View::image_tensor),
            alphas: of_each(View::alpha_tensor),
            focus: of_each(View::focus_tensor),
            valid: of_each(View::valid_tensor),
        }
    }
}

/// Which loss networks a step asks.
#[derive(Clone, Copy, PartialEq)]
enum Ask {
    /// The pixels alone.
    Pixels,
    /// The perceptual net and the recognizer too.
    Networks,
}

struct Fit<'a> {
    subject: &'a Subject,
    loss_networks: &'a LossNetworks,
    config: &'a FitConfig,
    monitor: &'a RefCell<Monitor>,
    targets: Targets,
    /// `[52, N · 3]` of the rig, where there is one.
    units: Option<Tensor>,
}

impl<'a> Fit<'a> {
    fn new(
        subject: &'a Subject,
        loss_networks: &'a LossNetworks,
        config: &'a FitConfig,
        avatar: &MapsAvatar,
        monitor: &'a RefCell<Monitor>,
    ) -> Self {
        let refines = config.pivot.refine_expressions;
        let units = match &avatar.motion {
            Motion::Rig(motion) if refines => Some(motion.rig.units()),
            _ => None,
        };
        Fit { subject, loss_networks, config, monitor, targets: Targets::new(subject), units }
    }

    /// The head of picture `v`, in its place before the camera, differentiable.
    fn head(&self, avatar: &mut MapsAvatar, pictures: &Pictures, v: usize) -> HeadGaussians {
        let offset = self.offset(avatar, pictures, v);
        let maps = avatar.decode_map(&offset);
        let surface = self.surface(avatar, pictures, v);
        pictures.placed(v, &avatar.on_surface(&maps, surface.as_ref()))
    }

    /// x_exp of picture `v`.
    fn offset(&self, avatar: &MapsAvatar, pictures: &Pictures, v: usize) -> Tensor {
        match &avatar.motion {
            Motion::Rig(motion) => motion.expression_map(&pictures.params(v)),
            Motion::Decoded(units) => pictures.map(v, &self.subject.expressions, units),
        }
    }

    /// The rig's surface in picture `v`.
    fn surface(&self, avatar: &MapsAvatar, pictures: &Pictures, v: usize) -> Option<Posed> {
        let Motion::Rig(motion) = &avatar.motion else { return None };
        Some(match &self.units {
            Some(units) => pictures.surface(v, &motion.rig, units),
            None => motion.rig.pose(&pictures.params(v)),
        })
    }

    /// A random background and what picture `v` looks like before it.
    fn background(&self, step: u64) -> [[f32; 3]; 1] {
        let unit = |i: u64| (mix(&[self.config.seed, step, i]) >> 40) as f32 / (1u64 << 24) as f32;
        [[unit(0), unit(1), unit(2)]]
    }

    /// The losses of one picture, over a random background; what the picture does not know counts as right.
    fn loss(&self, head: &HeadGaussians, v: usize, step: u64, ask: Ask) -> Result<Tensor> {
        let c: &FitLoss = &self.config.loss;
        let background = self.background(step);
        let Drawn { color, alpha } = draw(head, &[self.subject.views[v].camera], &background)?;
        let valid = &self.targets.valid[v];
        let unknown: Tensor = 1.0 - valid;
        let target = composite(&self.targets.images[v], &self.targets.alphas[v], &background);
        let color = color * valid + &target * &unknown;
        let mut loss = l1_and_ssim(&color, &target, c.l1, c.ssim)
            + ((&color - &target).abs() * &self.targets.focus[v]).mean(Kind::Float) * (c.focus * c.l1)
            + ((&alpha - &self.targets.alphas[v]).abs() * valid).mean(Kind::Float) * c.alpha
            + &head.penalty * c.corrections;
        if let Some(net) = self.loss_networks.perceptual.as_ref().filter(|_| ask == Ask::Networks) {
            loss += net.distance(&color, &target) * c.perceptual;
        }
        if let Some(net) = self.loss_networks.recognizer.as_ref().filter(|_| ask == Ask::Networks) {
            let landmarks = self.subject.views[v].landmarks_2d.as_slice();
            let crop = |picture: &Tensor| Recognizer::crops(picture, &[landmarks]);
            let losses = net.losses(&crop(&color), &crop(&target));
            loss += losses.cosine * c.identity + losses.features * c.identity_features;
        }
        Ok(loss)
    }

    /// The avatar in the place of picture `v`, before mid grey.
    fn draw(&self, avatar: &mut MapsAvatar, pictures: &Pictures, v: usize) -> Result<Tensor> {
        tch::no_grad(|| {
            let head = self.head(avatar, pictures, v);
            Ok(draw(&head, &[self.subject.views[v].camera], &GREY)?.color)
        })
    }

    /// Mean PSNR (dB) over the valid pixels of the input pictures, before mid grey.
    fn measure(&self, avatar: &mut MapsAvatar, pictures: &Pictures) -> Result<f64> {
        let mut sum = 0.0;
        for v in 0..self.subject.views.len() {
            let made = self.draw(avatar, pictures, v)?;
            let target = composite(&self.targets.images[v], &self.targets.alphas[v], &GREY);
            sum += nets::losses::metric::psnr_masked(&made, &target, &self.targets.valid[v]).double_value(&[0]);
        }
        Ok(sum / self.subject.views.len() as f64)
    }

    /// Measures and reports the result of a stage, and draws the preview.
    fn end_stage(&self, avatar: &mut MapsAvatar, pictures: &Pictures, record: &mut Record) -> Result<()> {
        let psnr = self.measure(avatar, pictures)?;
        self.show(avatar, pictures)?;
        let mut monitor = self.monitor.borrow_mut();
        let (stage, steps) = monitor.costs.stage();
        let seconds = monitor.end();
        monitor.say(&format!("{stage}: PSNR {psnr:.2} dB after {steps} steps, {}", clock(seconds)));
        record.psnr_db.push(psnr);
        record.seconds.push(seconds);
        Ok(())
    }

    /// Sets requires_grad on the variables under a prefix, and names them.
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

const GREY: [[f32; 3]; 1] = [[0.5; 3]];

/// The same network before it learnt anything, with the same means: what a fit without prior starts from.
///
/// # Errors
/// None.
pub fn without_prior(prior: &LoadedPrior) -> Result<LoadedPrior> {
    let mut bare = prior::weights::fresh(&prior.config, &prior.prior.n_points(), prior.vars.device());
    bare.prior.quantize_unless(true);
    let buffers = prior.vars.variables();
    tch::no_grad(|| {
        for (name, mut t) in bare.vars.variables() {
            if name.starts_with("buffers") {
                t.copy_(&buffers[&name]);
            }
        }
    });
    Ok(bare)
}
