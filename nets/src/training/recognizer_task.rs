//! Training of the face recognizer: which of the training identities is this? With a margin (Wang et al. 2018,
//! "CosFace", eq. 4), on crops that were jittered, relit, covered and degraded.
use crate::Error;
use crate::losses::recognizer::{CROP, DIM, NET, RecognizerNet, unit};
use crate::losses::verification;
use crate::pictures::align::{Affine, TEMPLATE, picture_from_crop};
use crate::pictures::augment::{background, blur, color, degrade, occlude, over, warp};
use crate::rng::Rng;
use crate::training::batches::batch_at;
use crate::training::loader::BatchFn;
use crate::training::means::Means;
use crate::training::trainer::{Task, TrainConfig, device_of};
use formats::Dataset;
use formats::card::WeightsCard;
use formats::image::{Decoded, Picture, gray8_from_png, rgb8_from_encoded};
use head::ibug;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tch::{Device, Kind, Tensor, nn};

/// Pixels a side of a cached face: the aligned crop and a margin for jitter.
const CANVAS: usize = 144;
/// Pixels a side of the aligned crop within the canvas.
const FRAME: usize = 104;
/// Scale of the cosines and margin of the true one, as CosFace has them for small sets.
const SCALE: f64 = 32.0;
const MARGIN: f64 = 0.25;
/// Held-out faces that are compared with each other.
const MAX_HELD_OUT: usize = 500;

/// One aligned face.
struct Face {
    class: i64,
    rgb: Decoded<u8>,
    alpha: Option<Decoded<u8>>,
}

/// Faces of the training identities, faces of others, and the network.
pub struct RecognizerTask {
    vars: nn::VarStore,
    net: RecognizerNet,
    centers: Tensor,
    faces: Arc<Vec<Face>>,
    held_out: Vec<Face>,
    config: TrainConfig,
    data: String,
}

impl RecognizerTask {
    /// Reads and aligns the faces of `train`, and for the figures those of `val` and `test`.
    ///
    /// # Errors
    /// [`Error::Data`] if there are fewer than two training identities, or too few others to measure by; files that
    /// cannot be read.
    pub fn open(data: &Dataset, config: &TrainConfig) -> Result<Self, Error> {
        config.check()?;
        let device = device_of(config)?;
        let train = usable(data, |split| split == "train");
        let classes = classes(data, &train);
        if classes.len() < 2 {
            return Err(Error::Data(format!(
                "{} identities with a face seen from the front in split `train`, at least 2 are needed: {:?}",
                classes.len(),
                data.path()
            )));
        }
        let faces = read_faces(data, &choose(&train, config.cache_images, config.seed), &classes)?;
        let others = usable(data, |split| split != "train");
        let held_out = choose(&others, MAX_HELD_OUT, config.seed);
        let held_out = read_faces(data, &held_out, &self::classes(data, &others))?;
        // Found out now, not after hours of training.
        verification::pairs(&held_out.iter().map(|f| f.class).collect::<Vec<_>>()).map_err(|e| {
            Error::Data(format!("{e} seen from the front in the splits `val` and `test`: {:?}", data.path()))
        })?;
        tch::manual_seed(config.seed as i64);
        let vars = nn::VarStore::new(device);
        let net = RecognizerNet::new(&(vars.root() / "net"));
        let centers = vars.root().randn("centres", &[classes.len() as i64, DIM], 0.0, 0.05);
        let data = format!("{} faces of {} identities ({})", faces.len(), classes.len(), data.origin());
        Ok(RecognizerTask { vars, net, centers, faces: Arc::new(faces), held_out, config: config.clone(), data })
    }

    /// Faces and identities, for people.
    pub fn data(&self) -> &str {
        &self.data
    }
}

/// A batch: `[B, 3, 96, 96]` and `[B]` classes.
pub type FaceBatch = (Tensor, Tensor);

impl Task for RecognizerTask {
    type Batch = FaceBatch;

    fn net(&self) -> &'static str {
        NET
    }

    fn shipped(&self) -> &'static str {
        "net"
    }

    fn vars(&self) -> &nn::VarStore {
        &self.vars
    }

    fn batches(&self) -> BatchFn<FaceBatch> {
        let (faces, batch, seed) = (self.faces.clone(), self.config.batch, self.config.seed);
        Arc::new(move |step| {
            let mut pixels = Vec::with_capacity(batch);
            let mut labels = Vec::with_capacity(batch);
            for (i, index) in batch_at(faces.len(), batch, seed, step).into_iter().enumerate() {
                let mut rng = Rng::new(&[seed, 0x1d, step, i as u64]);
                pixels.push(tensor(&sample(&faces[index], &mut rng)?));
                labels.push(faces[index].class);
            }
            Ok((Tensor::stack(&pixels, 0), Tensor::from_slice(&labels)))
        })
    }

    fn loss(&self, (crops, labels): &FaceBatch, step: u64, means: &mut Means) -> Result<Tensor, Error> {
        let device = self.vars.device();
        let (crops, labels) = (crops.to_device(device), labels.to_device(device));
        let cosine = unit(&self.net.forward(&crops).1).matmul(&unit(&self.centers).tr());
        let right = cosine.argmax(1, false).eq_tensor(&labels).to_kind(Kind::Float).mean(Kind::Float);
        means.add("right", &right, step)?;
        // The margin grows over the first steps: with it from the start, a fresh network finds no way in.
        let margin = MARGIN * (step as f64 / (4 * self.config.warmup).max(1) as f64).min(1.0);
        let true_class = labels.one_hot(self.centers.size()[0]).to_kind(Kind::Float);
        let logits = (cosine - true_class * margin) * SCALE;
        Ok(logits.cross_entropy_loss::<Tensor>(&labels, None, tch::Reduction::Mean, -100, 0.0))
    }

    fn evaluate(&self) -> Result<serde_json::Value, Error> {
        verification::of_embeddings(
            &self.embed(&self.held_out),
            &self.held_out.iter().map(|f| f.class).collect::<Vec<_>>(),
        )
    }

    fn describe(&self, card: &mut WeightsCard) {
        card.what =
            format!("aligned face crop [B, 3, {CROP}, {CROP}] sRGB 0..1 → [B, {DIM}] embedding; cosine = likeness");
        card.architecture = serde_json::json!({ "crop_px": CROP, "dim": DIM, "template": TEMPLATE });
        card.data = self.data.clone();
    }
}

impl RecognizerTask {
    fn embed(&self, faces: &[Face]) -> Tensor {
        let device = self.vars.device();
        let straight = frame_from(|p| p);
        let parts: Vec<Tensor> = faces
            .chunks(32)
            .map(|chunk| {
                let crops: Vec<Tensor> = chunk.iter().map(|f| tensor(&plain(f, &straight))).collect();
                tch::no_grad(|| {
                    unit(&self.net.forward(&Tensor::stack(&crops, 0).to_device(device)).1).to_device(Device::Cpu)
                })
            })
            .collect();
        if parts.is_empty() { Tensor::zeros([0, DIM], (Kind::Float, Device::Cpu)) } else { Tensor::cat(&parts, 0) }
    }
}

/// Rows with a face to align: 68 landmarks, eyes, nose and mouth mostly seen, the eyes not on one line of sight.
fn usable(data: &Dataset, split: impl Fn(&str) -> bool) -> Vec<usize> {
    let fits = |&i: &usize| {
        let row = data.labels(i);
        if !split(&row.split) || row.landmarks_2d.len() < ibug::COUNT {
            return false;
        }
        let needed = ibug::EYES.chain([ibug::NOSE_TIP, ibug::MOUTH_RIGHT, ibug::MOUTH_LEFT]);
        let seen: f32 = needed.map(|k| row.landmark_visible.get(k).copied().unwrap_or(1.0)).sum();
        let across = |a: usize, b: usize| {
            let (p, q) = (row.landmarks_2d[a], row.landmarks_2d[b]);
            (p[0] - q[0]).hypot(p[1] - q[1])
        };
        let between_eyes = across(ibug::RIGHT_EYE_OUTER, ibug::LEFT_EYE_OUTER);
        seen >= 10.0 && between_eyes > 0.5 * across(ibug::NASION, ibug::LOWER_LIP_OUTER) && between_eyes > 12.0
    };
    (0..data.len()).filter(fits).collect()
}

fn classes(data: &Dataset, rows: &[usize]) -> BTreeMap<u32, i64> {
    let ids: std::collections::BTreeSet<u32> = rows.iter().map(|&i| data.labels(i).identity_id).collect();
    ids.into_iter().zip(0..).collect()
}

/// At most `n` of the rows, spread over all of them by the seed.
fn choose(rows: &[usize], n: usize, seed: u64) -> Vec<usize> {
    let mut chosen = formats::order::shuffled(rows, seed, 0);
    chosen.truncate(n);
    chosen.sort_unstable();
    chosen
}

fn read_faces(data: &Dataset, rows: &[usize], classes: &BTreeMap<u32, i64>) -> Result<Vec<Face>, Error> {
    let read = |&i: &usize| {
        let row = data.frame_with(i, &["image", "alpha"])?;
        let rgb = rgb8_from_encoded(&row.image)?;
        let alpha = row.alpha.as_deref().map(gray8_from_png).transpose()?;
        let frame = picture_from_crop(&row.landmarks_2d, FRAME);
        let margin = (CANVAS - FRAME) as f32 / 2.0;
        let canvas = Affine([[1.0, 0.0, -margin], [0.0, 1.0, -margin]]).then(&frame);
        let cut = |source: &Decoded<u8>| {
            let data = warp(source, &canvas, CANVAS, CANVAS).raw8();
            Decoded { width: CANVAS, height: CANVAS, channels: source.channels, data }
        };
        Ok(Face { class: classes[&row.identity_id], rgb: cut(&rgb), alpha: alpha.as_ref().map(cut) })
    };
    rows.par_iter().map(read).collect()
}

/// Canvas pixels from crop pixels, through a change of the unit square around the frame's middle.
fn frame_from(change: impl Fn([f32; 2]) -> [f32; 2]) -> Affine {
    let to_canvas = |p: [f32; 2]| {
        let q = change([p[0] - 0.5, p[1] - 0.5]);
        q.map(|v| v * FRAME as f32 + CANVAS as f32 / 2.0)
    };
    let (o, x, y) = (to_canvas([0.0, 0.0]), to_canvas([1.0, 0.0]), to_canvas([0.0, 1.0]));
    let side = CROP as f32;
    Affine(std::array::from_fn(|i| [(x[i] - o[i]) / side, (y[i] - o[i]) / side, o[i]]))
}

/// The crop as it is used, over gray.
fn plain(face: &Face, canvas_from_crop: &Affine) -> Picture {
    let mut picture = warp(&face.rgb, canvas_from_crop, CROP, CROP);
    if let Some(alpha) = &face.alpha {
        let mut gray = Picture::new(CROP, CROP, 3);
        gray.data.fill(0.5);
        over(&mut picture, &warp(alpha, canvas_from_crop, CROP, CROP), &gray);
    }
    picture
}

/// The crop as it is trained on.
fn sample(face: &Face, rng: &mut Rng) -> Result<Picture, Error> {
    let (sin, cos) = (0.12 * rng.normal()).clamp(-0.35, 0.35).sin_cos();
    let (scale, mirror) = (rng.log_range(0.88, 1.14), if rng.chance(0.5) { -1.0 } else { 1.0 });
    let shift = [0.03 * rng.normal(), 0.03 * rng.normal()].map(|v: f32| v.clamp(-0.08, 0.08));
    let jitter = frame_from(|[x, y]| {
        let (x, y) = (mirror * scale * x, scale * y);
        [cos * x - sin * y + shift[0], sin * x + cos * y + shift[1]]
    });
    let mut picture = warp(&face.rgb, &jitter, CROP, CROP);
    if let Some(alpha) = &face.alpha {
        let behind = background(CROP, CROP, rng);
        over(&mut picture, &warp(alpha, &jitter, CROP, CROP), &behind);
    }
    if rng.chance(0.9) {
        color(&mut picture, rng);
    }
    if rng.chance(0.2) {
        occlude(&mut picture, 0.45, rng);
    }
    if rng.chance(0.1) {
        picture = blur(&picture, rng.log_range(0.8, 2.5));
    }
    degrade(&mut picture, 0.8, rng)?;
    Ok(picture)
}

/// `[3, H, W]`.
fn tensor(p: &Picture) -> Tensor {
    Tensor::from_slice(&p.data).view([p.height as i64, p.width as i64, 3]).permute([2, 0, 1])
}
