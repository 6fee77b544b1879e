//! Cost of the stages of a fit: measured while they run, estimated for later stages.
use crate::config::{FitConfig, Geometry};
use formats::progress::clock;
use serde_json::{Value, json};

/// Seconds of one step of stages A, B and C on one core, independent of the image size. Only ratios matter.
const NETWORKS_SECS: [f64; 3] = [0.2, 0.3, 0.03];
/// The same for the part that grows with the number of pixels, at 512 px.
const PIXELS_SECS: [f64; 3] = [0.8, 0.96, 0.17];

/// A stage as it is planned.
struct Planned {
    name: &'static str,
    steps: u64,
    /// Cost of a step, in units that all stages share.
    weight: f64,
}

/// The stages of one fit.
pub(super) struct Costs {
    planned: Vec<Planned>,
    /// Of the completed stages, in order.
    pub(super) seconds: Vec<f64>,
}

impl Costs {
    /// No stage is completed.
    pub(super) fn new(config: &FitConfig) -> Self {
        let [coarse, fine] = [config.coarse(), config.image_size].map(|size| (size as f64 / 512.0).powi(2));
        let stages = [
            ("A code", config.pivot.steps, coarse),
            ("B network", config.tuning.steps, coarse),
            ("C Gaussians", config.gaussians.steps, fine),
        ];
        let n = if config.geometry == Geometry::Rig && config.gaussians.steps > 0 { 3 } else { 2 };
        let planned = stages.into_iter().enumerate().take(n).map(|(i, (name, steps, pixels))| Planned {
            name,
            steps,
            weight: NETWORKS_SECS[i] + PIXELS_SECS[i] * pixels,
        });
        Costs { planned: planned.collect(), seconds: Vec::new() }
    }

    /// Name and steps of the current stage, the first that is not completed.
    pub(super) fn stage(&self) -> (&'static str, u64) {
        self.planned.get(self.seconds.len()).map_or(("done", 0), |p| (p.name, p.steps))
    }

    /// Remaining seconds over all stages after `steps` steps of the current stage took `seconds`; none before the first step.
    pub(super) fn left(&self, steps: u64, seconds: f64) -> Option<f64> {
        let at = self.seconds.len();
        let now = self.planned.get(at)?;
        let weight_of = |p: &Planned| p.steps as f64 * p.weight;
        let (spent, weight) = match steps {
            0 => (self.seconds.last().copied()?, weight_of(&self.planned[at - 1])),
            _ => (seconds, steps as f64 * now.weight),
        };
        let to_come: f64 = self.planned[at + 1..].iter().map(weight_of).sum();
        let left = now.steps.saturating_sub(steps) as f64 * now.weight + to_come;
        (weight > 0.0).then(|| spent / weight * left)
    }

    /// Seconds of all completed stages.
    pub(super) fn total(&self) -> f64 {
        self.seconds.iter().sum()
    }

    /// One line per completed stage, and one for the whole fit.
    pub(super) fn lines(&self) -> Vec<String> {
        let total = self.total();
        let line = |(p, secs): (&Planned, &f64)| {
            let percent = 100.0 * secs / total.max(1e-9);
            format!("{:<12} {:>5} steps  {:>8}  {percent:>3.0} %", p.name, p.steps, clock(*secs))
        };
        let mut lines: Vec<String> = self.planned.iter().zip(&self.seconds).map(line).collect();
        let memory = peak_mib().map_or(String::new(), |mib| format!(", peak memory {mib:.0} MiB"));
        lines.push(format!("{:<12} {:>11}  {:>8}{memory}", "all", "", clock(total)));
        lines
    }

    /// The completed stages for the avatar's card.
    pub(super) fn card(&self) -> Value {
        let stage = |(p, secs): (&Planned, &f64)| json!({ "stage": p.name, "steps": p.steps, "seconds": secs });
        self.planned.iter().zip(&self.seconds).map(stage).collect()
    }
}

/// Peak resident memory of this process (MiB); none where `/proc` does not have it.
pub(super) fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(weights: [f64; 3]) -> Costs {
        let planned = weights.into_iter().zip(["a", "b", "c"]);
        Costs {
            planned: planned.map(|(weight, name)| Planned { name, steps: 10, weight }).collect(),
            seconds: Vec::new(),
        }
    }

    #[test]
    fn what_is_left_counts_all_stages() {
        let mut costs = costs([1.0, 2.0, 0.5]);
        assert_eq!(costs.left(0, 0.0), None, "nothing is measured");
        // 5 steps took 10 s, so a unit takes 2 s; 5 + 20 + 5 units are left.
        assert_eq!(costs.left(5, 10.0), Some(60.0));
        costs.seconds.push(20.0);
        assert_eq!(costs.left(0, 0.1), Some(50.0), "before the first step, by the stage before");
        assert_eq!(costs.left(1, 8.0), Some(92.0), "its own steps cost twice as much");
        costs.seconds.extend([40.0, 10.0]);
        assert_eq!(costs.left(0, 0.0), None);
        assert_eq!(costs.total(), 70.0);
        assert_eq!(costs.lines().len(), 4);
        assert!(costs.lines()[1].contains("57 %"), "{:?}", costs.lines());
    }

    #[test]
    fn stage_c_belongs_to_the_rig() {
        let config = FitConfig::default();
        assert_eq!(Costs::new(&config).planned.len(), 3);
        let decoded = FitConfig { geometry: Geometry::Decoded, ..config };
        assert_eq!(Costs::new(&decoded).planned.len(), 2);
    }
}
