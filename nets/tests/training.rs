//! Both networks train on a small drawn data set, resume, and load again. Alone in its process: torch's generator is
//! global.
use formats::frame::FrameRow;
use formats::image::{png_from_gray8, png_from_gray16, png_from_rgb8};
use formats::progress::Talk;
use formats::{Dataset, Existing, Provenance, write_frames};
use glam::Vec3;
use head::ibug;
use nets::losses::perceptual::Perceptual;
use nets::losses::recognizer::Recognizer;
use nets::training::means::Means;
use nets::training::perceptual_task::PerceptualTask;
use nets::training::recognizer_task::RecognizerTask;
use nets::training::trainer::{Task, TrainConfig, checkpoint_path, run};
use splat::Camera;
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

const SIDE: usize = 128;

/// A disc with eyes and a mouth; skin color and proportions belong to the identity, place and size to the frame.
fn drawn(identity: u32, expression: u32) -> FrameRow {
    let id = identity as f32;
    let radius = 40.0 + (expression % 3) as f32 * 3.0;
    let center = [62.0 + (expression % 4) as f32, 64.0];
    let eye = [radius * (0.3 + 0.04 * (id * 2.1).sin()), -0.2 * radius];
    let mouth = [0.3 * radius, radius * (0.4 + 0.06 * (id * 1.3).cos())];
    let skin = [0.5 + 0.4 * (id * 1.7).sin(), 0.5 + 0.4 * (id * 2.9).cos(), 0.5 + 0.4 * (id * 0.7).sin()];
    let (mut rgb, mut alpha, mut class, mut depth, mut normal) = (vec![], vec![], vec![], vec![], vec![]);
    for i in 0..SIDE * SIDE {
        let p = [(i % SIDE) as f32 + 0.5 - center[0], (i / SIDE) as f32 + 0.5 - center[1]];
        let r2 = (p[0] * p[0] + p[1] * p[1]) / (radius * radius);
        let hit = r2 < 1.0;
        let near = |q: [f32; 2], size: f32| (p[0].abs() - q[0]).hypot(p[1] - q[1]) < size;
        let part = if near(eye, 5.0) {
            3
        } else if p[0].abs() < mouth[0] && (p[1] - mouth[1]).abs() < 3.0 {
            5
        } else {
            1
        };
        let shade = if part == 1 { 1.0 } else { 0.2 };
        let z = (1.0 - r2).max(0.0).sqrt();
        rgb.extend(skin.map(|c| if hit { (c * shade * 255.0 * (0.5 + 0.5 * z)) as u8 } else { 0 }));
        alpha.push(if hit { 255 } else { 0 });
        class.push(if hit { part } else { 0 });
        depth.push(if hit { (8000.0 - 900.0 * z) as u16 } else { 0u16 });
        // The camera looks along −z in the world, so a normal towards it is +z.
        let n = [p[0] / radius, -p[1] / radius, z];
        normal.extend(n.map(|v| if hit { ((v * 0.5 + 0.5) * 255.0) as u8 } else { 0 }));
    }
    let mut landmarks = vec![[center[0], center[1]]; ibug::COUNT];
    ibug::RIGHT_EYE.for_each(|k| landmarks[k] = [center[0] - eye[0], center[1] + eye[1]]);
    ibug::LEFT_EYE.for_each(|k| landmarks[k] = [center[0] + eye[0], center[1] + eye[1]]);
    landmarks[ibug::NASION] = [center[0], center[1] - 0.2 * radius];
    landmarks[ibug::LOWER_LIP_OUTER] = [center[0], center[1] + mouth[1]];
    landmarks[ibug::MOUTH_RIGHT] = [center[0] - mouth[0], center[1] + mouth[1]];
    landmarks[ibug::MOUTH_LEFT] = [center[0] + mouth[0], center[1] + mouth[1]];
    let mut row = FrameRow {
        frame_id: u64::from(identity) * 100 + u64::from(expression),
        identity_id: identity,
        expression_id: expression,
        split: if identity < 6 { "train" } else { "val" }.into(),
        image: png_from_rgb8(SIDE, SIDE, &rgb).unwrap(),
        alpha: Some(png_from_gray8(SIDE, SIDE, &alpha).unwrap()),
        segmentation: Some(png_from_gray8(SIDE, SIDE, &class).unwrap()),
        depth: Some(png_from_gray16(SIDE, SIDE, &depth).unwrap()),
        normal: Some(png_from_rgb8(SIDE, SIDE, &normal).unwrap()),
        landmark_visible: vec![1.0; 68],
        landmarks_3d: vec![[0.0; 3]; 68],
        landmarks_2d: landmarks,
        ..Default::default()
    };
    row.set_camera(&Camera::look_at(Vec3::new(0.0, 0.0, 0.8), Vec3::ZERO, Vec3::Y, 200.0, SIDE, SIDE));
    row
}

fn dataset(folder: &Path) -> Dataset {
    let rows = (0..10).flat_map(|id| (0..4).map(move |e| Ok::<_, formats::Error>(drawn(id, e))));
    let path = folder.join("frames/train-00000-of-00001.parquet");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_frames(&path, rows, &Provenance::new("drawn", "0", "", 1), Existing::Replace).unwrap();
    Dataset::open(folder).unwrap()
}

fn folder() -> PathBuf {
    let dir = std::env::temp_dir().join(format!("nets-training-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn config(steps: u64, batch: usize) -> TrainConfig {
    TrainConfig { steps, batch, warmup: 5, device: "cpu".into(), ema: 0.9, lr: 2e-3, ..Default::default() }
}

#[test]
fn networks_train_resume_and_load() {
    tch::set_num_threads(1); // as fast, and indifferent to what else the machine does
    let dir = folder();
    let data = dataset(&dir);
    recognizer(&data, &dir.join("identity.safetensors"));
    feature_net(&data, &dir.join("perceptual.safetensors"));
    std::fs::remove_dir_all(dir).unwrap();
}

fn recognizer(data: &Dataset, out: &Path) {
    let config = config(30, 8);
    let task = RecognizerTask::open(data, &config).unwrap();
    let outcome = run(&task, &config, out, Talk::Quiet).unwrap();
    assert!(outcome.finished && outcome.steps == 30 && outcome.bytes < 10 << 20, "{outcome:?}");
    let auc = outcome.metrics["auc"].as_f64().unwrap();
    assert!(auc > 0.9, "unseen identities differ in colour and shape, area under the curve {auc}");
    // The same command again: nothing is left to do, and the file is the same.
    let before = std::fs::read(out).unwrap();
    let again = RecognizerTask::open(data, &config).unwrap();
    assert_eq!(run(&again, &config, out, Talk::Quiet).unwrap().steps, 30);
    assert!(before == std::fs::read(out).unwrap(), "a finished run writes the same weights");
    let other = TrainConfig { lr: 1e-2, ..config.clone() };
    let refused = run(&again, &other, out, Talk::Quiet).unwrap_err().to_string();
    assert!(refused.contains("another configuration"), "{refused}");
    check_recognizer(data, &Recognizer::load(out, Device::Cpu).unwrap());
}

/// Through the public door: pictures and landmarks in, likeness out.
fn check_recognizer(data: &Dataset, recognizer: &Recognizer) {
    let crop = |i: usize| {
        let row = data.frame(i).unwrap();
        let picture = nets::pictures::data::rgb_from_encoded(&row.image).unwrap().unsqueeze(0);
        Recognizer::crops(&picture, &[&row.landmarks_2d])
    };
    let (a, a2, b) = (crop(28), crop(29), crop(33)); // identities 7, 7 and 8
    let alike = recognizer.similarity(&a, &a2).double_value(&[0]);
    let apart = recognizer.similarity(&a, &b).double_value(&[0]);
    assert!(alike > apart, "{alike} against {apart}");
    let moved = b.set_requires_grad(true);
    let losses = recognizer.losses(&moved, &a);
    (losses.cosine + losses.features).backward();
    assert!(moved.grad().abs().max().double_value(&[]) > 0.0, "the losses pull on the picture");
}

fn feature_net(data: &Dataset, out: &Path) {
    let config = config(40, 3);
    let task = PerceptualTask::open(data, &config).unwrap();
    let unseen = (task.batches())(1000).unwrap();
    let loss = || task.loss(&unseen, 0, &mut Means::default()).unwrap().double_value(&[]);
    let before = loss();
    let normal_error_deg = |figures: &serde_json::Value| figures["normal_error_deg"].as_f64().unwrap();
    let untrained = normal_error_deg(&task.evaluate().unwrap());
    let outcome = run(&task, &config, out, Talk::Quiet).unwrap();
    assert!(loss() < 0.7 * before, "{before} to {}", loss());
    // Untrained, normals point anywhere (92.7°); forty steps bring them to 68.7°. Half of that must come.
    let trained = normal_error_deg(&outcome.metrics);
    assert!(trained < untrained - 12.0, "normals are off by {untrained}° before and {trained}° after");
    let net = Perceptual::open(out.to_str().unwrap(), Device::Cpu).unwrap().unwrap();
    let picture = |i: usize| -> Tensor {
        nets::pictures::data::rgb_from_encoded(&data.frame(i).unwrap().image).unwrap().unsqueeze(0)
    };
    let same = net.distance(&picture(0), &picture(0)).double_value(&[]);
    assert!(same == 0.0 && net.distance(&picture(0), &picture(5)).double_value(&[]) > 1e-3);
    assert!(std::fs::metadata(formats::card::WeightsCard::path_of(out)).is_ok() && checkpoint_path(out).exists());
}
