//! How an avatar is made, as TOML; unknown keys are errors.
use crate::clips::Views;
use crate::schedule::{Method, Progression, Schedule};
use crate::start::Start;
use crate::video::ChainConfig;
use formats::exit::Failure;
use nets::bridge::rigged::Densify;
use serde::{Deserialize, Serialize};

/// Everything about a run but its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// Length; the progression is scaled to it.
    pub iterations: u64,
    /// What is left out.
    pub method: Method,
    /// Iterations from one refresh to the next.
    pub refresh_every: u64,
    /// Clips made anew at each.
    pub clips_per_refresh: usize,
    /// Frames of one clip that a step looks at.
    pub batch: usize,
    /// Share of steps that look at the reference itself; 0 leaves it to the video model.
    pub reference_share: f32,
    /// Most pixels a side at which the reference is looked at.
    pub reference_size: usize,
    /// Behind everything (display RGB), in what is rendered, regenerated and fitted.
    pub background: [f32; 3],
    /// Where the landmarks of regenerated clips come from.
    pub landmarks: Landmarks,
    /// How clips are regenerated from the avatar's renders.
    #[serde(alias = "remade_from")]
    pub regeneration: Regeneration,
    /// Seed of clips, order and noise.
    pub seed: u64,
    /// Numbers of the progression.
    pub progression: Progression,
    /// Where cameras stand.
    pub views: Views,
    /// How the avatar begins.
    pub start: Start,
    /// How clips are noised and denoised.
    pub chain: ChainConfig,
    /// Weights of the losses.
    pub loss: Weights,
    /// Step sizes.
    pub rates: Rates,
    /// When Gaussians are added and taken away.
    pub density: Density,
    /// Score distillation, where the method is that.
    pub sds: Sds,
}

/// Landmarks that the maps of regenerated clips are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Landmarks {
    /// The rig's, exact for what is asked.
    Rig,
    /// The tracker's on frames of the avatar, as the paper has them; the rig's where it finds none. Read off small pictures
    /// they jitter, and rounds hand that on.
    Detected,
}

/// How the avatar's renders come to the noise level that regeneration starts from. Earlier files call these `inverted` and
/// `noised`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regeneration {
    /// By DDIM inversion, as the paper has it, along the whole chain: the same avatar gives the same clip. For a model that
    /// corrects what it is shown; our own passes errors on, and dozens of rounds lose a decibel and more (docs/symgen.md).
    #[serde(alias = "inverted")]
    Inversion,
    /// By added noise (Meng et al. 2022, "SDEdit"): a sample from the model near the avatar, whose errors average out over
    /// the rounds.
    #[serde(alias = "noised")]
    Sdedit,
}

/// Weights of the losses (Zero-1-to-A).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// Mean absolute difference.
    pub l1: f64,
    /// Perceptual distance.
    pub perceptual: f64,
    /// L_pos, see [`crate::loss::position`].
    pub position: f64,
    /// L_s, see [`crate::loss::scale`].
    pub scale: f64,
    /// Of holes in the surface, see [`crate::loss::cover`]; not in the paper.
    pub cover: f64,
}

/// Step sizes of Adam, in the parameters' own units (GaussianAvatars).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Means, first and last, in triangle units; a geometric line between.
    pub means: [f64; 2],
    /// Colours; harmonics above the zeroth learn at a twentieth.
    pub colors: f64,
    /// Logits of the opacities.
    pub opacity_logits: f64,
    /// Logarithms of the scales.
    pub log_scales: f64,
    /// Quaternions.
    pub quats: f64,
    /// Adam's ε. GaussianAvatars has 1e-15, by which what hardly shows takes full steps on hardly any gradient: over a short
    /// run from a near start that is speckle.
    pub eps: f64,
}

/// When Gaussians are added and taken away; iterations are those of the unscaled progression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Density {
    /// From when on.
    pub from: u64,
    /// Until when.
    pub until: u64,
    /// How often.
    pub every: u64,
    /// What is doubled and what goes.
    pub rule: Densify,
}

/// Score distillation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sds {
    /// Frames of a clip that a step distils.
    pub frames: usize,
    /// Least and most noise, as shares of the timesteps.
    pub noise: [f64; 2],
    /// Weight of the squared difference to what the model makes of the noised frames.
    pub weight: f64,
}

impl Default for RunConfig {
    fn default() -> Self {
        RunConfig {
            iterations: 10_000,
            method: Method::Full,
            refresh_every: 30,
            clips_per_refresh: 1,
            batch: 4,
            reference_share: 0.08,
            reference_size: 256,
            background: [1.0; 3],
            landmarks: Landmarks::Rig,
            seed: 1,
            progression: Progression::default(),
            views: Views::default(),
            start: Start::default(),
            chain: ChainConfig::default(),
            regeneration: Regeneration::Sdedit,
            loss: Weights::default(),
            rates: Rates::default(),
            density: Density::default(),
            sds: Sds::default(),
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Weights { l1: 10.0, perceptual: 10.0, position: 0.1, scale: 10.0, cover: 0.0 }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Rates { means: [5e-3, 5e-5], colors: 2.5e-3, opacity_logits: 5e-2, log_scales: 1.7e-2, quats: 1e-3, eps: 1e-6 }
    }
}

impl Default for Density {
    fn default() -> Self {
        Density { from: 600, until: 6_000, every: 300, rule: Densify::default() }
    }
}

impl Default for Sds {
    fn default() -> Self {
        Sds { frames: 4, noise: [0.02, 0.98], weight: 10.0 }
    }
}

impl RunConfig {
    /// The schedule of the run.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            progression: self.progression.scaled(self.iterations),
            method: self.method,
            refresh_every: self.refresh_every,
            clips_per_refresh: self.clips_per_refresh,
        }
    }

    /// Do two TOML texts say the same? A plan of an earlier version may have other names for it.
    pub fn same(one: &str, other: &str) -> bool {
        let parse = |text: &str| toml::from_str::<RunConfig>(text).ok();
        one == other || parse(one).zip(parse(other)).is_some_and(|(one, other)| one == other)
    }

    /// Are Gaussians added and taken away after iteration `k`?
    pub fn densifies(&self, k: u64) -> bool {
        let d = &self.density;
        let scaled = |moment: u64| moment as f64 * self.iterations as f64 / self.progression.iterations as f64;
        let every = scaled(d.every).round().max(1.0) as u64;
        let within = (k as f64) >= scaled(d.from) && (k as f64) <= scaled(d.until);
        within && (k + 1).is_multiple_of(every)
    }

    /// # Errors
    /// A number that makes no sense.
    pub fn check(&self) -> anyhow::Result<()> {
        let p = &self.progression;
        let positive = [
            ("iterations", self.iterations),
            ("refresh_every", self.refresh_every),
            ("clips_per_refresh", self.clips_per_refresh as u64),
            ("batch", self.batch as u64),
            ("progression.iterations", p.iterations),
            ("progression.frames", p.frames as u64),
            ("progression.opens_every", p.opens_every),
            ("progression.spatial + synthetic + real", (p.spatial + p.synthetic + p.real) as u64),
            ("density.every", self.density.every),
            ("sds.frames", self.sds.frames as u64),
            ("chain.steps", self.chain.steps as u64),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Failure::config(format!("{key} = 0: expected at least 1")).into());
        }
        if self.reference_size < 16 {
            return Err(
                Failure::config(format!("reference_size = {}: expected at least 16", self.reference_size)).into()
            );
        }
        if self.start.sh_degree > 3 || ![1, 4].contains(&self.start.per_triangle) {
            let text = "start: expected sh_degree of 0 to 3, per_triangle of 1 or 4";
            return Err(Failure::config(text).into());
        }
        let empty = self.schedule().jobs(0).is_empty();
        if empty && self.method != Method::Sds {
            let text =
                format!("method {:?} has no clip to begin with: raise progression.spatial or .synthetic", self.method);
            return Err(Failure::config(text).into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densification_is_scaled_with_the_rest() {
        let full = RunConfig::default();
        assert!(full.densifies(599 + 300) && !full.densifies(600) && !full.densifies(6_299) && full.densifies(5_999));
        let short = RunConfig { iterations: 500, ..Default::default() };
        let rounds: Vec<u64> = (0..500).filter(|&k| short.densifies(k)).collect();
        assert_eq!((rounds.len(), rounds[0], rounds[1]), (18, 44, 59));
    }

    /// Plans in avatar folders of earlier versions.
    #[test]
    fn former_names_are_read() {
        let read = |text: &str| toml::from_str::<RunConfig>(text).unwrap();
        assert_eq!(read("remade_from = \"inverted\"").regeneration, Regeneration::Inversion);
        assert_eq!(read("remade_from = \"noised\""), RunConfig::default());
        let now = formats::config::to_toml(&RunConfig::default()).unwrap();
        assert!(now.contains("regeneration = \"sdedit\"") && read(&now) == RunConfig::default(), "{now}");
        let former = now.replace("regeneration = \"sdedit\"", "remade_from = \"noised\"");
        assert!(RunConfig::same(&former, &now) && !RunConfig::same(&former, &now.replace("seed = 1", "seed = 2")));
    }

    #[test]
    fn senseless_numbers_are_refused() {
        assert!(RunConfig::default().check().is_ok());
        let bad = [
            RunConfig { refresh_every: 0, ..Default::default() },
            RunConfig { reference_size: 8, ..Default::default() },
            RunConfig { start: Start { per_triangle: 3, ..Default::default() }, ..Default::default() },
            RunConfig { progression: Progression { spatial: 0, ..Default::default() }, ..Default::default() },
        ];
        assert!(bad.iter().all(|c| c.check().is_err()));
    }
}
