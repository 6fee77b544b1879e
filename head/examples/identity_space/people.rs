//! How people vary: simple distances on registered people beside our own.
use glam::Vec3;
use head::HeadModel;
use head::ibug;
use head::plausibility::{MEASURES, NORMS, Plausibility, measure};
use head::register::Registered;
use head::sampler::Sampler;

/// Our own people that are compared: adults up to this age, as among the scanned ones.
const ADULTS: std::ops::Range<f32> = 18.0..65.0;
const DRAWN: u64 = 600;

/// Distances on a neutral head (mm), named.
fn distances(model: &HeadModel, neutral: &[Vec3]) -> Vec<(&'static str, f32)> {
    let p = model.landmarks_at(neutral);
    let extent = |axis: usize, keep: &dyn Fn(usize) -> bool| {
        let of = |v: usize| neutral[v][axis];
        let (low, high) = (0..neutral.len())
            .filter(|&v| keep(v))
            .fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(of(v)), high.max(of(v))));
        high - low
    };
    let mask = |name: &str| &model.regions[name];
    let (scalp, ears) = (mask("scalp"), mask("ears"));
    let crown = neutral.iter().map(|q| q.y).fold(f32::MIN, f32::max);
    let left_ear = |v: usize| ears[v] > 0.6 && model.template[v].x > 0.0;
    let forehead_z = (0..neutral.len())
        .filter(|&v| {
            model.template[v].x.abs() < 0.004
                && (0.04..0.06).contains(&model.template[v].y)
                && model.template[v].z > 0.0
        })
        .map(|v| neutral[v].z)
        .fold(f32::MIN, f32::max);
    let meters = vec![
        ("nasion to crown", crown - p[ibug::NASION].y),
        ("skull width", extent(0, &|v| scalp[v] > 0.6)),
        ("skull length", extent(2, &|v| scalp[v] > 0.6 || (model.template[v].y > 0.02 && mask("face")[v] > 0.6))),
        ("forehead before nasion", forehead_z - p[ibug::NASION].z),
        ("face width (1-15)", p[15].x - p[1].x),
        ("jaw width (4-12)", p[12].x - p[4].x),
        ("chin width (6-10)", p[10].x - p[6].x),
        ("face height (27-8)", p[ibug::NASION].y - p[ibug::CHIN].y),
        ("nose length (27-33)", p[ibug::NASION].y - p[ibug::NOSE_BASE].y),
        ("nose width (31-35)", p[ibug::NOSE_LEFT].x - p[ibug::NOSE_RIGHT].x),
        ("nose depth (30-33)", p[ibug::NOSE_TIP].z - p[ibug::NOSE_BASE].z),
        ("philtrum (33-51)", p[ibug::NOSE_BASE].y - p[ibug::UPPER_LIP_OUTER].y),
        ("mouth width (48-54)", p[ibug::MOUTH_LEFT].x - p[ibug::MOUTH_RIGHT].x),
        ("lips height (51-57)", p[ibug::UPPER_LIP_OUTER].y - p[ibug::LOWER_LIP_OUTER].y),
        ("chin height (57-8)", p[ibug::LOWER_LIP_OUTER].y - p[ibug::CHIN].y),
        ("outer eyes (36-45)", p[ibug::LEFT_EYE_OUTER].x - p[ibug::RIGHT_EYE_OUTER].x),
        ("inner eyes (39-42)", p[ibug::LEFT_EYE_INNER].x - p[ibug::RIGHT_EYE_INNER].x),
        ("eye openings (37-41)", p[37].y - p[41].y),
        ("brow over eye (19-37)", p[ibug::RIGHT_BROW_MIDDLE].y - p[37].y),
        ("ear height", extent(1, &left_ear)),
        ("ear depth", extent(2, &left_ear)),
    ];
    meters.into_iter().map(|(name, m)| (name, 1e3 * m)).collect()
}

/// Prints mean and deviation of distances and of the plausibility measures: registered people, our own adults.
pub fn compare(model: &HeadModel, registered: &[Registered]) {
    let sampler = Sampler::new(model);
    let drawn = (0..DRAWN).map(|seed| sampler.draw(seed)).filter(|p| ADULTS.contains(&p.age_years));
    let ours: Vec<Vec<Vec3>> = drawn.map(|person| model.neutral(&person.shape)).collect();
    let theirs: Vec<&Vec<Vec3>> = registered.iter().map(|fit| &fit.neutral).collect();
    println!("\n{:<30} {:>16} {:>16}", "mm, mean ± deviation", "ICT people", "our adults");
    let table =
        |heads: &[&Vec<Vec3>]| -> Vec<Vec<(&'static str, f32)>> { heads.iter().map(|n| distances(model, n)).collect() };
    let (a, b) = (table(&theirs), table(&ours.iter().collect::<Vec<_>>()));
    for i in 0..a[0].len() {
        let column = |rows: &[Vec<(&'static str, f32)>]| moments(&rows.iter().map(|row| row[i].1).collect::<Vec<_>>());
        let ((m, s), (m2, s2)) = (column(&a), column(&b));
        println!("{:<30} {m:>8.1} ± {s:>5.2} {m2:>8.1} ± {s2:>5.2}", a[0][i].0);
    }
    println!("\n{:<30} {:>16} {:>16} {:>16}", "ratio, mean ± deviation", "ICT people", "our adults", "norm");
    let measured = |heads: &[&Vec<Vec3>]| -> Vec<[f32; MEASURES]> {
        heads.iter().map(|n| measure(&model.landmarks_at(n))).collect()
    };
    let (a, b) = (measured(&theirs), measured(&ours.iter().collect::<Vec<_>>()));
    for (i, norm) in NORMS.iter().enumerate() {
        let column = |rows: &[[f32; MEASURES]]| moments(&rows.iter().map(|row| row[i]).collect::<Vec<_>>());
        let ((m, s), (m2, s2)) = (column(&a), column(&b));
        println!(
            "{:<30} {m:>8.3} ± {s:>5.3} {m2:>8.3} ± {s2:>5.3} {:>8.3} ± {:>5.3}",
            norm.name, norm.adult, norm.deviation
        );
    }
    let passed = theirs.iter().filter(|n| Plausibility::of(&model.landmarks_at(n), 30.0).is_face()).count();
    println!("{passed} of {} ICT people pass for faces", theirs.len());
}

fn moments(values: &[f32]) -> (f32, f32) {
    let n = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt())
}

/// `[Ks]` deviation of every column over our own people.
pub fn column_deviations(model: &HeadModel, sampler: &Sampler) -> Vec<f32> {
    let shapes: Vec<Vec<f32>> = (0..300).map(|seed| sampler.draw(seed).shape).collect();
    (0..model.identity.len()).map(|k| moments(&shapes.iter().map(|s| s[k]).collect::<Vec<_>>()).1).collect()
}
