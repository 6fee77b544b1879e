//! The loop with a maker that knows the truth: clips of a head that is painted, each frame tinted by chance, as a video
//! model's frames disagree with one another.
use anyhow::Result;
use formats::Provenance;
use formats::image::Picture;
use glam::Vec3;
use head::HeadModel;
use nets::bridge::rigged::Rigged;
use nets::rng::Rng;
use splat::Camera;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};
use zero1a::clips::{self, Clip, FrameSpec, Rest};
use zero1a::config::{Landmarks, RunConfig};
use zero1a::guide::Guide;
use zero1a::maker::{ClipMaker, ClipRequest};
use zero1a::reference::Reference;
use zero1a::schedule::{Method, Progression};
use zero1a::set::ClipSet;
use zero1a::start::{self, Start};
use zero1a::subject::Subject;
use zero1a::symgen::{self, Event, TrainContext};
use zero1a::trainer::Trainer;

const SIZE: usize = 32;

/// Frames of a known head; what it makes is tinted frame by frame, and most of what it regenerates is what it was given.
struct Painter {
    truth: Trainer,
    /// How far each clip that was made is from the truth, in order.
    errors: RefCell<Vec<f64>>,
}

impl Painter {
    fn tinted(&self, request: &ClipRequest, strength: f64) -> Result<(Tensor, Tensor)> {
        let truth = self.truth.pictures(request.frame_specs, [1.0; 3])?;
        let tints: Vec<f32> = (0..request.frame_specs.len())
            .flat_map(|i| {
                let mut rng = Rng::new(&[request.seed, i as u64]);
                [0; 3].map(|_| rng.normal())
            })
            .collect();
        let tints = Tensor::from_slice(&tints).view([-1, 3, 1, 1]) * strength;
        Ok(((&truth + tints).clamp(0.0, 1.0), truth))
    }

    fn keep(&self, made: Tensor, truth: &Tensor) -> Tensor {
        let error = (&made - truth).abs().mean(Kind::Float).double_value(&[]);
        self.errors.borrow_mut().push(error);
        made
    }
}

impl ClipMaker for Painter {
    fn size(&self) -> usize {
        SIZE
    }
    fn name(&self) -> &str {
        "painter"
    }
    fn generate(&self, request: &ClipRequest) -> Result<Tensor> {
        let (made, truth) = self.tinted(request, 0.2)?;
        Ok(self.keep(made, &truth))
    }
    fn regenerate(&self, request: &ClipRequest, renders: &Tensor) -> Result<Tensor> {
        let (made, truth) = self.tinted(request, 0.1)?;
        Ok(self.keep(made * 0.3 + renders * 0.7, &truth))
    }
    fn denoise(&self, request: &ClipRequest, _renders: &Tensor, share: f64) -> Result<Tensor> {
        Ok(self.tinted(request, 0.3 * share)?.0)
    }
}

/// A head of formulas before a camera; red on one side, green on the other.
fn subject(model: &HeadModel) -> Subject {
    let n = 64;
    let camera = Camera::look_at(Vec3::new(0.0, 0.0, 0.9), Vec3::ZERO, Vec3::Y, 2.4 * n as f32, n, n);
    let image = (0..n * n).flat_map(|i| if i % n < n / 2 { [0.8, 0.3, 0.2] } else { [0.2, 0.6, 0.3] }).collect();
    let landmarks = model.landmarks_at(&model.template);
    Subject {
        frame_id: 4,
        image: Picture { width: n, height: n, channels: 3, data: image },
        alpha: Picture { width: n, height: n, channels: 1, data: vec![1.0; n * n] },
        landmarks_2d: landmarks.iter().map(|p| camera.project(*p).0.to_array()).collect(),
        camera,
        params: model.params(),
    }
}

fn config(method: Method) -> RunConfig {
    let progression = Progression {
        iterations: 48,
        frames: 4,
        spatial: 3,
        opens_every: 8,
        synthetic: 1,
        synthetic_from: 24,
        real: 1,
        real_from: 36,
    };
    let mut config = RunConfig {
        iterations: 48,
        method,
        refresh_every: 4,
        batch: 2,
        reference_size: 32,
        landmarks: Landmarks::Rig,
        progression,
        start: Start { hair_m: vec![0.008], beyond_m: 0.03, ..Default::default() },
        ..Default::default()
    };
    // From grey to a face in 48 steps.
    config.rates.colors = 3e-2;
    (config.density.from, config.density.until, config.density.every) = (10, 40, 10);
    config
}

struct Stage {
    model: HeadModel,
    config: RunConfig,
    out: PathBuf,
}

/// What is left of a run.
#[derive(Debug, PartialEq)]
struct End {
    version: Option<(u64, String)>,
    state: Vec<u8>,
}

impl Stage {
    fn new(name: &str, config: RunConfig) -> Self {
        let out = std::env::temp_dir().join(format!("zero1a-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&out).ok();
        Stage { model: head::analytic::head(), config, out }
    }

    fn painter(&self) -> Painter {
        let truth = start::rigged(&self.model, &subject(&self.model), &self.config.start, Device::Cpu);
        Painter { truth: Trainer::new(truth, &self.config.rates), errors: RefCell::default() }
    }

    /// Grey all over: it has its colours to learn.
    fn grey(&self) -> Rigged {
        let mut rigged = start::rigged(&self.model, &subject(&self.model), &self.config.start, Device::Cpu);
        let _ = rigged.bound.local.colors.zero_();
        rigged
    }

    fn clips(&self) -> Vec<Clip> {
        let rest = Rest { target: Vec3::ZERO, distance_m: 0.9, focal: 2.4 };
        clips::plan(&self.config.schedule(), &self.config.views, &rest, &Vec::new(), SIZE, self.config.seed)
    }

    /// Runs until the end, or until the watcher says that it is enough: a run that is killed there.
    fn run(&self, painter: &Painter, enough: &dyn Fn(&Event) -> bool) -> Option<End> {
        let clips = self.clips();
        let context = TrainContext {
            config: &self.config,
            maker: painter,
            guide: Guide { source: self.config.landmarks, model: &self.model, tracker: None },
            perceptual: None,
            clips: &clips,
            reference: Reference::new(&subject(&self.model), self.config.reference_size, Device::Cpu),
        };
        let toml = formats::config::to_toml(&self.config).unwrap();
        let mut trainer = Trainer::new(self.grey(), &self.config.rates);
        let mut set = ClipSet::open(&self.out, Provenance::new("test", "0", &toml, 1)).unwrap();
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            symgen::run(&context, &mut trainer, &mut set, &mut |event| {
                if enough(&event) {
                    std::panic::resume_unwind(Box::new("killed"));
                }
            })
            .unwrap();
        }));
        let version = set.version().map(|(n, digest)| (n, digest.to_string()));
        killed.ok().map(|()| End { version, state: trainer.save(48).to_bytes(Path::new("end")).unwrap() })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.out).ok();
    }
}

fn never(_: &Event) -> bool {
    false
}

#[test]
fn a_run_that_is_stopped_anywhere_ends_in_the_same_bytes() {
    let whole = Stage::new("whole", config(Method::Full));
    let end = whole.run(&whole.painter(), &never).unwrap();
    assert_eq!(end.version.as_ref().unwrap().0, 3 + 11, "three clips at first, then one every four iterations");
    let broken = Stage::new("broken", config(Method::Full));
    let painter = broken.painter();
    // After the second of the first clips; right after a version; between versions; near the end.
    let stops: [&dyn Fn(&Event) -> bool; 4] = [
        &|e| matches!(e, Event::Refresh { version: 2, .. }),
        &|e| matches!(e, Event::Refresh { version: 6, .. }),
        &|e| matches!(e, Event::Step { k: 22, .. }),
        &|e| matches!(e, Event::Step { k: 47, .. }),
    ];
    for stop in stops {
        assert!(broken.run(&painter, stop).is_none(), "stopped");
    }
    let resumed = broken.run(&painter, &never).unwrap();
    assert_eq!(resumed.version, end.version);
    assert!(resumed.state == end.state, "avatar and optimizer, to the bit");
    let states = std::fs::read_dir(broken.out.join("state")).unwrap().count();
    assert_eq!(states, 1, "only the last version's state is kept");
}

#[test]
fn clips_agree_better_with_every_round() {
    let stage = Stage::new("better", RunConfig { reference_share: 0.0, ..config(Method::WithoutTemporal) });
    let painter = stage.painter();
    let mut losses = RefCell::new(Vec::new());
    let watch = |event: &Event| {
        if let Event::Step { losses: l, .. } = event {
            losses.borrow_mut().push(l.picture);
        }
        false
    };
    stage.run(&painter, &watch).unwrap();
    let errors = painter.errors.borrow();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    // The first three are generated from noise; the rounds of three that follow regenerate each clip once.
    let rounds: Vec<f64> = [0..3, 3..6, 6..9, 9..12].map(|r| mean(&errors[r])).to_vec();
    assert!(rounds[1..].windows(2).all(|w| w[1] < w[0]), "{rounds:?}");
    let l = losses.get_mut();
    assert!(mean(&l[40..]) < 0.5 * mean(&l[..8]), "{:?} {:?}", &l[..8], &l[40..]);
}

#[test]
fn every_baseline_runs_and_learns() {
    for method in Method::LADDER {
        let stage = Stage::new(method.name(), config(method));
        let painter = stage.painter();
        let end = stage.run(&painter, &never).unwrap();
        let versions = end.version.map_or(0, |(n, _)| n);
        let expected = match method {
            Method::Sds => 0,
            Method::OneTime => 5,
            Method::Full | Method::WithoutTemporal => 3 + 11,
            Method::WithoutProgression => 5 + 11,
            Method::WithoutSpatial => 2 + 11,
        };
        assert_eq!(versions, expected, "{method:?}");
        let state = nets::Checkpoint::from_bytes(&end.state, Path::new("end")).unwrap();
        let mut trained = Trainer::new(stage.grey(), &stage.config.rates);
        let frame_spec = FrameSpec { camera: stage.clips()[0].cameras[0], expression: [0.0; 52] };
        let truth = painter.truth.pictures(std::slice::from_ref(&frame_spec), [1.0; 3]).unwrap();
        let error = |t: &Trainer| {
            let made = t.pictures(std::slice::from_ref(&frame_spec), [1.0; 3]).unwrap();
            (made - &truth).abs().mean(Kind::Float).double_value(&[])
        };
        let before = error(&trained);
        trained.load(&state, &stage.config.rates).unwrap();
        assert!(error(&trained) < 0.8 * before, "{method:?}: {} of {before}", error(&trained));
    }
}

#[test]
fn another_plan_is_refused() {
    let stage = Stage::new("plan", config(Method::OneTime));
    stage.run(&stage.painter(), &|e| matches!(e, Event::Refresh { version: 1, .. }));
    let other = formats::config::to_toml(&RunConfig { seed: 2, ..config(Method::OneTime) }).unwrap();
    let error = ClipSet::open(&stage.out, Provenance::new("test", "0", &other, 2)).err().unwrap().to_string();
    assert!(error.contains("another configuration"), "{error}");
}

#[test]
fn a_rigged_avatar_at_rest_is_its_rest() {
    let model = head::analytic::head();
    let rigged = start::rigged(&model, &subject(&model), &Start::default(), Device::Cpu);
    let means = |expression: &[f32; 52]| rigged.posed(expression, &Default::default()).means;
    let rest = means(&[0.0; 52]);
    let frames = rigged.mesh.frames(&rigged.mesh.neutral);
    let triangle: Vec<i64> = Vec::try_from(&rigged.bound.triangle).unwrap();
    for i in (0..triangle.len()).step_by(50) {
        let local = rigged.bound.local.means.get(i as i64);
        let local = Vec3::from([0, 1, 2].map(|c| local.double_value(&[c]) as f32));
        let want = frames[triangle[i] as usize].point(local);
        let got = Vec3::from([0, 1, 2].map(|c| rest.double_value(&[i as i64, c]) as f32));
        assert!(got.distance(want) < 1e-6);
    }
    let mut open = [0.0; 52];
    open[head::params::unit("jawOpen").unwrap()] = 1.0;
    assert!((means(&open) - rest).abs().max().double_value(&[]) > 0.01, "the chin goes down by more than a centimetre");
}
