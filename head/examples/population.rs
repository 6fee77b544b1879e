//! The proportions of drawn people: `population HEAD [N]` prints each measure's quantiles against its norm, and how
//! many attempts were refused and why.
use head::HeadModel;
use head::plausibility::{MEASURES, NORMS, Plausibility, measure};
use head::sampler::Sampler;
use std::collections::BTreeMap;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let (Some(head), n) = (args.get(1), args.get(2).map_or(Ok(400), |n| n.parse::<u64>())?) else {
        return Err("usage: population HEAD [N]".into());
    };
    let model = HeadModel::load(Path::new(head))?;
    let sampler = Sampler::new(&model);
    let mut why: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut first, mut columns) = (0, vec![Vec::new(); MEASURES]);
    for seed in 0..n {
        let attempt = sampler.attempts(seed).next().ok_or("no attempt")?;
        first += usize::from(attempt.plausibility.is_face());
        if !attempt.plausibility.is_face() {
            *why.entry(attempt.plausibility.worst().0).or_default() += 1;
        }
        let identity = sampler.draw(seed);
        let landmarks = model.landmarks_at(&model.neutral(&identity.shape));
        let z = Plausibility::of(&landmarks, identity.age_years);
        for (i, value) in measure(&landmarks).into_iter().enumerate() {
            columns[i].push((value, z.off[i], attempt.plausibility.off[i]));
        }
    }
    println!(
        "{:<28} {:>7} {:>7} | {:>7} {:>7} {:>7} | {:>6} {:>6} {:>6} {:>6}",
        "measure", "norm", "sd", "q5", "q50", "q95", "z mean", "z sd", "z0mean", "z0 sd"
    );
    for (norm, mut values) in NORMS.iter().zip(columns) {
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let q = |share: f32| values[((values.len() - 1) as f32 * share) as usize].0;
        let stat = |of: &dyn Fn(&(f32, f32, f32)) -> f32| {
            let mean = values.iter().map(of).sum::<f32>() / n as f32;
            (mean, (values.iter().map(|v| (of(v) - mean).powi(2)).sum::<f32>() / n as f32).sqrt())
        };
        let ((m, s), (m0, s0)) = (stat(&|v| v.1), stat(&|v| v.2));
        println!(
            "{:<28} {:>7.3} {:>7.3} | {:>7.3} {:>7.3} {:>7.3} | {m:>6.2} {s:>6.2} {m0:>6.2} {s0:>6.2}",
            norm.name,
            norm.adult,
            norm.deviation,
            q(0.05),
            q(0.5),
            q(0.95)
        );
    }
    println!("{first} of {n} first attempts pass; refused for {why:?}");
    Ok(())
}
