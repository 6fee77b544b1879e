//! When which clip is made, and from how wide a pose: progressive learning as a function of the iteration alone.
//!
//! Spatial clips come first: one face each, seen from the front and, pose by pose, further from the side. Temporal clips
//! follow: a camera that stands near the front, relaxed synthetic expressions, then exaggerated ones. Letters: `k`
//! iteration, `n_f` frames a clip (Zero-1-to-A; reference values in brackets below).
use serde::{Deserialize, Serialize};

/// What is taken away from the method, to see what it is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// All of it.
    #[default]
    Full,
    /// Clips are regenerated, but all of them, widest poses included, from the first iteration on.
    WithoutProgression,
    /// No spatial clips: temporal ones from the first iteration on.
    WithoutSpatial,
    /// No temporal clips.
    WithoutTemporal,
    /// All clips are made once, before the first iteration.
    OneTime,
    /// No clips: score distillation (Poole et al. 2023, "DreamFusion") through the video model.
    Sds,
}

impl Method {
    /// All, from the weakest to the strongest as the paper has them.
    pub const LADDER: [Method; 6] = [
        Method::Sds,
        Method::OneTime,
        Method::WithoutProgression,
        Method::WithoutSpatial,
        Method::WithoutTemporal,
        Method::Full,
    ];

    /// As it is written in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Method::Full => "full",
            Method::WithoutProgression => "without-progression",
            Method::WithoutSpatial => "without-spatial",
            Method::WithoutTemporal => "without-temporal",
            Method::OneTime => "one-time",
            Method::Sds => "sds",
        }
    }
}

/// Numbers of the progression, at [`Progression::iterations`]; [`Progression::scaled`] fits them to another length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Progression {
    /// Iterations that the numbers below are for [10,000].
    pub iterations: u64,
    /// n_f, frames a clip [16].
    pub frames: usize,
    /// n_s, spatial clips [20].
    pub spatial: usize,
    /// d_s, iterations until the next, wider pose opens [300].
    pub opens_every: u64,
    /// n_syn, temporal clips of relaxed expressions [10].
    pub synthetic: usize,
    /// From when on they are made [5,000].
    pub synthetic_from: u64,
    /// n_real, temporal clips of exaggerated expressions [10].
    pub real: usize,
    /// From when on they are made [8,000].
    pub real_from: u64,
}

impl Default for Progression {
    fn default() -> Self {
        Progression {
            iterations: 10_000,
            frames: 16,
            spatial: 20,
            opens_every: 300,
            synthetic: 10,
            synthetic_from: 5_000,
            real: 10,
            real_from: 8_000,
        }
    }
}

impl Progression {
    /// The same course in `iterations`: moments move, numbers of clips and frames stay.
    pub fn scaled(&self, iterations: u64) -> Self {
        let scale = |k: u64| ((k as f64 * iterations as f64 / self.iterations as f64).round() as u64).max(1);
        Progression {
            iterations,
            opens_every: scale(self.opens_every),
            synthetic_from: scale(self.synthetic_from),
            real_from: scale(self.real_from),
            ..self.clone()
        }
    }
}

/// Which part of the course a clip belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// One face, a camera that goes from the front to a side.
    Spatial,
    /// Relaxed expressions, a camera that stands.
    Synthetic,
    /// Exaggerated expressions, a camera that stands.
    Real,
}

/// Who is made when.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The numbers.
    pub progression: Progression,
    /// What is left out.
    pub method: Method,
    /// Iterations from one refresh to the next [30].
    pub refresh_every: u64,
    /// Clips made anew at each [1].
    pub clips_per_refresh: usize,
}

impl Schedule {
    /// Number of clips; ids are `0..n_clips()`: spatial, synthetic, real.
    pub fn n_clips(&self) -> usize {
        let p = &self.progression;
        p.spatial + p.synthetic + p.real
    }

    /// The group of a clip.
    pub fn group(&self, clip: usize) -> Group {
        let p = &self.progression;
        match clip {
            c if c < p.spatial => Group::Spatial,
            c if c < p.spatial + p.synthetic => Group::Synthetic,
            _ => Group::Real,
        }
    }

    /// From which iteration on a clip is made; none if never.
    pub fn active_from(&self, clip: usize) -> Option<u64> {
        let p = &self.progression;
        match (self.method, self.group(clip)) {
            (Method::Sds, _) | (Method::WithoutSpatial, Group::Spatial) => None,
            (Method::WithoutTemporal, Group::Synthetic | Group::Real) => None,
            (Method::OneTime | Method::WithoutProgression | Method::WithoutSpatial, _) | (_, Group::Spatial) => Some(0),
            (_, Group::Synthetic) => Some(p.synthetic_from),
            (_, Group::Real) => Some(p.real_from),
        }
    }

    /// Poses of a spatial clip that are open at iteration `k`: `j = min(⌊k / d_s⌋ + 1, n_f)`.
    pub fn open_poses(&self, k: u64) -> usize {
        let p = &self.progression;
        match self.method {
            Method::Full | Method::WithoutTemporal => (k / p.opens_every + 1).min(p.frames as u64) as usize,
            _ => p.frames,
        }
    }

    /// Which of the clip's `n_f` poses, from 0, frame `i` (from 0) takes at iteration `k`: `p_i = p̂_min(i, j)`.
    pub fn pose(&self, clip: usize, i: usize, k: u64) -> usize {
        match self.group(clip) {
            Group::Spatial => i.min(self.open_poses(k) - 1),
            Group::Synthetic | Group::Real => i,
        }
    }

    /// Is something made before iteration `k`?
    pub fn refreshes(&self, k: u64) -> bool {
        match self.method {
            Method::Sds => false,
            Method::OneTime => k == 0,
            _ => k.is_multiple_of(self.refresh_every) && k < self.progression.iterations,
        }
    }

    /// The clips made before iteration `k`, in order.
    ///
    /// At the start all that are active; later [`Schedule::clips_per_refresh`]: those never made, the newest group
    /// first, then the one made longest ago.
    pub fn jobs(&self, k: u64) -> Vec<usize> {
        if !self.refreshes(k) {
            return Vec::new();
        }
        let mut made: Vec<Option<u64>> = vec![None; self.n_clips()];
        let mut jobs = Vec::new();
        for round in (0..=k).step_by(self.refresh_every.max(1) as usize) {
            let mut waiting: Vec<usize> =
                (0..self.n_clips()).filter(|&c| self.active_from(c).is_some_and(|from| from <= round)).collect();
            let newest_first = |c: usize| std::cmp::Reverse(self.active_from(c));
            waiting.sort_by_key(|&c| (made[c], if made[c].is_none() { newest_first(c) } else { newest_first(0) }, c));
            waiting.truncate(if round == 0 { self.n_clips() } else { self.clips_per_refresh });
            waiting.iter().for_each(|&c| made[c] = Some(round));
            jobs = waiting;
        }
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 iterations, a pose every 10, a refresh every 5.
    fn schedule(method: Method) -> Schedule {
        let progression = Progression {
            iterations: 100,
            frames: 4,
            spatial: 3,
            opens_every: 10,
            synthetic: 2,
            synthetic_from: 50,
            real: 1,
            real_from: 80,
        };
        Schedule { progression, method, refresh_every: 5, clips_per_refresh: 1 }
    }

    #[test]
    fn poses_open_one_by_one() {
        let s = schedule(Method::Full);
        let poses = |k: u64| (0..4).map(|i| s.pose(0, i, k)).collect::<Vec<_>>();
        assert_eq!([poses(0), poses(9)], [[0; 4], [0; 4]]);
        assert_eq!([poses(10), poses(19)], [[0, 1, 1, 1]; 2]);
        assert_eq!([poses(20), poses(30), poses(99)], [[0, 1, 2, 2], [0, 1, 2, 3], [0, 1, 2, 3]]);
        assert_eq!(
            (0..4).map(|i| s.pose(3, i, 0)).collect::<Vec<_>>(),
            [0, 1, 2, 3],
            "temporal clips are never held back"
        );
        let all_at_once = schedule(Method::WithoutProgression);
        assert_eq!((0..4).map(|i| all_at_once.pose(0, i, 0)).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn published_numbers_open_all_poses_as_temporal_clips_start() {
        let progression = Progression::default();
        let s = Schedule { progression, method: Method::Full, refresh_every: 30, clips_per_refresh: 1 };
        assert_eq!((s.open_poses(4499), s.open_poses(4500), s.open_poses(9999)), (15, 16, 16));
        assert_eq!(s.n_clips(), 40);
        assert_eq!((s.active_from(19), s.active_from(20), s.active_from(30)), (Some(0), Some(5000), Some(8000)));
        let short = s.progression.scaled(500);
        assert_eq!((short.opens_every, short.synthetic_from, short.real_from, short.spatial), (15, 250, 400, 20));
    }

    #[test]
    fn clips_are_made_in_turn_and_new_ones_first() {
        let s = schedule(Method::Full);
        assert_eq!(s.jobs(0), [0, 1, 2]);
        assert_eq!([5, 10, 15, 20].map(|k| s.jobs(k)), [[0], [1], [2], [0]]);
        assert!(s.jobs(7).is_empty() && s.jobs(100).is_empty());
        // 0..45: nine rounds over three clips; then the two synthetic ones, then in turn.
        assert_eq!([45, 50, 55, 60, 65, 70, 75].map(|k| s.jobs(k)), [[2], [3], [4], [0], [1], [2], [3]]);
        assert_eq!([80, 85].map(|k| s.jobs(k)), [[5], [4]]);
    }

    #[test]
    fn baselines_leave_out_what_they_say() {
        let jobs = |method: Method, k: u64| schedule(method).jobs(k);
        assert_eq!(jobs(Method::OneTime, 0), [0, 1, 2, 3, 4, 5]);
        assert!((1..100).all(|k| jobs(Method::OneTime, k).is_empty()));
        assert!((0..100).all(|k| jobs(Method::Sds, k).is_empty()));
        assert_eq!(jobs(Method::WithoutProgression, 0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(jobs(Method::WithoutProgression, 5), [0]);
        assert_eq!(jobs(Method::WithoutSpatial, 0), [3, 4, 5]);
        assert!((0..100).flat_map(|k| jobs(Method::WithoutTemporal, k)).all(|c| c < 3));
    }
}
