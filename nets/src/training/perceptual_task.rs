//! Training of the feature net behind the perceptual distance: from a degraded picture it must tell what every pixel is
//! (segmentation), how it lies (normals), how far it is (depth) and what it looked like (denoising). Features that carry
//! all four see what people see better than pixel values do.
use crate::Error;
use crate::blocks::conv::{Conv2d, conv1, conv3, double, leaky};
use crate::losses::metric;
use crate::losses::perceptual::{FeatureNet, NET, WIDTHS};
use crate::pictures::align::Affine;
use crate::pictures::augment::{background, color, degrade, over, warp, warp_nearest};
use crate::rng::Rng;
use crate::training::batches::batch_at;
use crate::training::loader::BatchFn;
use crate::training::means::Means;
use crate::training::trainer::{Task, TrainConfig, device_of};
use formats::card::WeightsCard;
use formats::image::{Decoded, Picture, gray8_from_png, gray16_from_png, rgb8_from_encoded};
use formats::segmentation::Class;
use formats::{Dataset, FrameRow};
use rayon::prelude::*;
use std::sync::Arc;
use tch::{Kind, Tensor, nn};

/// Pixels a side of a training crop.
const CROP: usize = 112;
/// Largest side of a cached picture; larger ones are halved until they fit.
const CACHED: usize = 320;
/// Held-out crops for the figures.
const MAX_HELD_OUT: usize = 48;
/// One unit of the depth output in meters.
const DEPTH_UNIT_M: f32 = 0.1;
const CLASSES: i64 = Class::ALL.len() as i64;

/// One picture with its labels, all of one size.
struct Sheet {
    rgb: Decoded<u8>,
    alpha: Decoded<u8>,
    classes: Decoded<u8>,
    depth: Decoded<u16>,
    normal: Decoded<u8>,
    camera_from_world: glam::Mat3,
}

/// One crop: what the net sees and what it must say.
struct Sample {
    seen: Picture,
    clean: Picture,
    classes: Vec<i64>,
    /// `[H, W, 4]`: camera-space normal, depth in units of 10 cm from the median; 0 where nothing is hit.
    shape: Vec<f32>,
}

/// A batch: seen `[B, 3, S, S]`, clean `[B, 3, S, S]`, classes `[B, S, S]`, shape `[B, 4, S, S]`.
pub type SheetBatch = [Tensor; 4];

/// Pictures with labels, and the network with a decoder that is dropped after training.
pub struct PerceptualTask {
    vars: nn::VarStore,
    net: FeatureNet,
    decoder: Decoder,
    sheets: Arc<Vec<Sheet>>,
    held_out: Vec<Sheet>,
    config: TrainConfig,
    data: String,
}

/// From the four stages back to full size; 16 classes, 3 normal, 1 depth, 3 color.
#[derive(Debug)]
struct Decoder {
    up: Vec<Conv2d>,
    last: Conv2d,
}

impl Decoder {
    fn new(p: &nn::Path) -> Self {
        let width = |i: usize| if i == WIDTHS.len() { WIDTHS[i - 1] } else { WIDTHS[i].min(64) };
        let up = (0..WIDTHS.len() - 1)
            .rev()
            .map(|i| {
                let below = if i + 2 == WIDTHS.len() { WIDTHS[i + 1] } else { width(i + 1) };
                conv3(p / format!("up{i}"), below + WIDTHS[i], width(i))
            })
            .collect();
        Decoder { up, last: conv1(p / "last", width(0), CLASSES + 7) }
    }

    fn forward(&self, features: &[Tensor]) -> [Tensor; 3] {
        let (deepest, across) = features.split_last().expect("four stages");
        let mut x = deepest.shallow_clone();
        for (layer, side) in self.up.iter().zip(across.iter().rev()) {
            x = leaky(&Tensor::cat(&[double(&x), side.shallow_clone()], 1).apply(layer));
        }
        let out = x.apply(&self.last);
        [out.narrow(1, 0, CLASSES), out.narrow(1, CLASSES, 4), out.narrow(1, CLASSES + 4, 3)]
    }
}

impl PerceptualTask {
    /// Reads pictures and labels of `train`, and for the figures some of `val` and `test`.
    ///
    /// # Errors
    /// [`Error::Data`] if a row lacks alpha, segmentation, depth or normal, or there is no training row, or none to measure by.
    pub fn open(data: &Dataset, config: &TrainConfig) -> Result<Self, Error> {
        config.check()?;
        let device = device_of(config)?;
        let rows = |wanted: &dyn Fn(&str) -> bool, n: usize| {
            let all: Vec<usize> = (0..data.len()).filter(|&i| wanted(&data.labels(i).split)).collect();
            let mut chosen = formats::order::shuffled(&all, config.seed, 0);
            chosen.truncate(n);
            chosen
        };
        let train = rows(&|s| s == "train", config.cache_images);
        if train.is_empty() {
            return Err(Error::Data(format!("no row of split `train`: {:?}", data.path())));
        }
        let read = |rows: &[usize]| rows.par_iter().map(|&i| Sheet::read(data, i)).collect::<Result<Vec<_>, Error>>();
        let sheets = read(&train)?;
        let held_out = read(&rows(&|s| s != "train", MAX_HELD_OUT))?;
        if held_out.is_empty() {
            return Err(Error::Data(format!("no row of the splits `val` and `test` to measure by: {:?}", data.path())));
        }
        tch::manual_seed(config.seed as i64);
        let vars = nn::VarStore::new(device);
        let net = FeatureNet::new(&(vars.root() / "features"));
        let decoder = Decoder::new(&(vars.root() / "decoder"));
        let data = format!("{} pictures ({})", sheets.len(), data.origin());
        Ok(PerceptualTask { vars, net, decoder, sheets: Arc::new(sheets), held_out, config: config.clone(), data })
    }

    /// Pictures, for people.
    pub fn data(&self) -> &str {
        &self.data
    }
}

impl Task for PerceptualTask {
    type Batch = SheetBatch;

    fn net(&self) -> &'static str {
        NET
    }

    fn shipped(&self) -> &'static str {
        "features"
    }

    fn vars(&self) -> &nn::VarStore {
        &self.vars
    }

    fn batches(&self) -> BatchFn<SheetBatch> {
        let (sheets, batch, seed) = (self.sheets.clone(), self.config.batch, self.config.seed);
        Arc::new(move |step| {
            let samples: Result<Vec<Sample>, Error> = batch_at(sheets.len(), batch, seed, step)
                .into_iter()
                .enumerate()
                .map(|(i, index)| sheets[index].sample(&mut Rng::new(&[seed, 0x9e, step, i as u64])))
                .collect();
            Ok(stack(&samples?))
        })
    }

    fn loss(&self, batch: &SheetBatch, step: u64, means: &mut Means) -> Result<Tensor, Error> {
        let [seen, clean, classes, shape] = batch.each_ref().map(|t| t.to_device(self.vars.device()));
        let [logits, lies, colors] = self.decoder.forward(&self.net.features(&seen));
        let hit = shape.narrow(1, 0, 3).abs().sum_dim_intlist([1i64].as_slice(), true, Kind::Float).gt(0.0);
        let terms = [
            ("classes", logits.cross_entropy_loss::<Tensor>(&classes, None, tch::Reduction::Mean, -100, 0.0)),
            ("shape", crate::losses::image::l1_masked(&lies, &shape, &hit.to_kind(Kind::Float))),
            ("denoise", crate::losses::image::l1(&colors, &clean) * 4.0),
        ];
        for (name, term) in &terms {
            means.add(name, term, step)?;
        }
        let [(_, a), (_, b), (_, c)] = terms;
        Ok(a + b + c)
    }

    fn evaluate(&self) -> Result<serde_json::Value, Error> {
        let mut sums = [0.0; 4];
        for (i, sheet) in self.held_out.iter().enumerate() {
            let sample = sheet.sample(&mut Rng::new(&[0xe7a1, i as u64]))?;
            let found = tch::no_grad(|| self.figures(&stack(&[sample])));
            sums.iter_mut().zip(found).for_each(|(s, f)| *s += f / self.held_out.len() as f64);
        }
        Ok(serde_json::json!({
            "protocol": format!("{} augmented crops of identities that were not trained on", self.held_out.len()),
            "pixels_classified_right": sums[0],
            "normal_error_deg": sums[1],
            "denoised_psnr_db": sums[2],
            "seen_psnr_db": sums[3],
        }))
    }

    fn describe(&self, card: &mut WeightsCard) {
        card.what = "picture [B, 3, H, W] sRGB 0..1 → features of four stages; their distance is lpips-self".into();
        card.architecture = serde_json::json!({ "widths": WIDTHS });
        card.data = self.data.clone();
    }
}

impl PerceptualTask {
    /// Fraction of pixels classified right, mean angle of the normals in degrees, PSNR after and before.
    fn figures(&self, batch: &SheetBatch) -> [f64; 4] {
        let [seen, clean, classes, shape] = batch.each_ref().map(|t| t.to_device(self.vars.device()));
        let [logits, lies, colors] = self.decoder.forward(&self.net.features(&seen));
        let right = logits.argmax(1, false).eq_tensor(&classes).to_kind(Kind::Float).mean(Kind::Float);
        let (n, m) = (lies.narrow(1, 0, 3), shape.narrow(1, 0, 3));
        let sum = |t: Tensor| t.sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let length = |t: &Tensor| sum(t.square()).sqrt();
        let hit = length(&m).gt(0.5).to_kind(Kind::Float);
        let cosine = sum(&n * &m) / (length(&n) * length(&m)).clamp_min(1e-6);
        let degrees = (cosine.clamp(-1.0, 1.0).acos() * &hit).sum(Kind::Float) / hit.sum(Kind::Float).clamp_min(1.0);
        let psnr = |t: &Tensor| metric::psnr(t, &clean).double_value(&[0]);
        [right.double_value(&[]), degrees.double_value(&[]).to_degrees(), psnr(&colors.clamp(0.0, 1.0)), psnr(&seen)]
    }
}

impl Sheet {
    fn read(data: &Dataset, i: usize) -> Result<Sheet, Error> {
        let row: FrameRow = data.frame_with(i, &["image", "alpha", "segmentation", "depth", "normal"])?;
        let lacking = |what: &str| {
            Error::Data(format!("frame {} has no {what}; render the data with that map switched on", row.frame_id))
        };
        let mut sheet = Sheet {
            rgb: rgb8_from_encoded(&row.image)?,
            alpha: gray8_from_png(row.alpha.as_deref().ok_or_else(|| lacking("alpha"))?)?,
            classes: gray8_from_png(row.segmentation.as_deref().ok_or_else(|| lacking("segmentation"))?)?,
            depth: gray16_from_png(row.depth.as_deref().ok_or_else(|| lacking("depth"))?)?,
            normal: rgb8_from_encoded(row.normal.as_deref().ok_or_else(|| lacking("normal"))?)?,
            camera_from_world: glam::Mat3::from_mat4(row.camera().camera_from_world),
        };
        while sheet.rgb.width.max(sheet.rgb.height) > CACHED {
            sheet.halve();
        }
        Ok(sheet)
    }

    fn halve(&mut self) {
        let (w, h) = (self.rgb.width / 2, self.rgb.height / 2);
        let twice = Affine([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]);
        let mean = |s: &Decoded<u8>| {
            let data = warp(s, &twice, w, h).raw8();
            Decoded { width: w, height: h, channels: s.channels, data }
        };
        let nearest = |s: &Decoded<u8>| Decoded {
            width: w,
            height: h,
            channels: s.channels,
            data: warp_nearest(s, &twice, w, h, 0),
        };
        (self.rgb, self.alpha) = (mean(&self.rgb), mean(&self.alpha));
        (self.classes, self.normal) = (nearest(&self.classes), nearest(&self.normal));
        self.depth = Decoded { width: w, height: h, channels: 1, data: warp_nearest(&self.depth, &twice, w, h, 0) };
    }

    fn sample(&self, rng: &mut Rng) -> Result<Sample, Error> {
        let side = self.rgb.width.min(self.rgb.height) as f32;
        let zoom = rng.log_range(0.6, 1.4).min(side / CROP as f32).max(0.2);
        let mirror = rng.chance(0.5);
        let room = |n: usize| (n as f32 - zoom * CROP as f32).max(0.0);
        let (x, y) = (rng.unit() * room(self.rgb.width), rng.unit() * room(self.rgb.height));
        let place = match mirror {
            true => Affine([[-zoom, 0.0, x + zoom * CROP as f32], [0.0, zoom, y]]),
            false => Affine([[zoom, 0.0, x], [0.0, zoom, y]]),
        };
        let mut clean = warp(&self.rgb, &place, CROP, CROP);
        let behind = background(CROP, CROP, rng);
        over(&mut clean, &warp(&self.alpha, &place, CROP, CROP), &behind);
        if rng.chance(0.6) {
            color(&mut clean, rng);
        }
        let mut seen = clean.clone();
        degrade(&mut seen, 0.8, rng)?;
        let classes = warp_nearest(&self.classes, &place, CROP, CROP, 0);
        let classes = classes.into_iter().map(|c| i64::from(c).min(CLASSES - 1)).collect();
        Ok(Sample { seen, clean, classes, shape: self.shape(&place) })
    }

    /// Normal in camera space and relative depth of each pixel, 0 beside the head.
    fn shape(&self, place: &Affine) -> Vec<f32> {
        let mirrored = place.0[0][0] < 0.0;
        let depth = warp_nearest(&self.depth, place, CROP, CROP, 0);
        let normal = warp_nearest(&self.normal, place, CROP, CROP, 0);
        let mut hits: Vec<u16> = depth.iter().copied().filter(|&d| d > 0).collect();
        let middle = hits.len() / 2;
        let median = if hits.is_empty() { 0.0 } else { f32::from(*hits.select_nth_unstable(middle).1) * 1e-4 };
        let mut out = Vec::with_capacity(depth.len() * 4);
        for (d, n) in depth.iter().zip(normal.chunks_exact(3)) {
            if *d == 0 || n == [0, 0, 0] {
                out.extend([0.0; 4]);
                continue;
            }
            let world = glam::Vec3::from_array(std::array::from_fn(|c| f32::from(n[c]) / 127.5 - 1.0));
            let mut v = self.camera_from_world * world;
            v.x *= if mirrored { -1.0 } else { 1.0 };
            out.extend([v.x, v.y, v.z, ((f32::from(*d) * 1e-4 - median) / DEPTH_UNIT_M).clamp(-3.0, 3.0)]);
        }
        out
    }
}

fn stack(samples: &[Sample]) -> SheetBatch {
    let side = CROP as i64;
    let hwc =
        |values: &[f32], channels: i64| Tensor::from_slice(values).view([side, side, channels]).permute([2, 0, 1]);
    let all = |f: &dyn Fn(&Sample) -> Tensor| Tensor::stack(&samples.iter().map(f).collect::<Vec<_>>(), 0).contiguous();
    [
        all(&|s| hwc(&s.seen.data, 3)),
        all(&|s| hwc(&s.clean.data, 3)),
        all(&|s| Tensor::from_slice(&s.classes).view([side, side])),
        all(&|s| hwc(&s.shape, 4)),
    ]
}
