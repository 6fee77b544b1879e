//! From a crop around a head: landmarks, expression, gaze, head pose, identity and coverage, each with its uncertainty.
//!
//! One convolutional trunk. The 68 iBUG landmarks come from heat maps by soft-argmax (Sun et al. 2018, "Integral Human
//! Pose Regression"); the dense ones are regressed, as an offset from a linear function of the 68 (dense landmarks from
//! renders alone: Wood et al. 2022). Expression, gaze and pose are read from pooled features and from [`patches`] of
//! finer features at the eyes, the mouth and the landmarks. Uncertainty is the scale of a Laplace distribution that is
//! learned beside each value (Kendall and Gal 2017).
//! Letters: `B` batch, `L` landmarks, `K` identity coefficients, `S` = [`SIDE`].
pub mod patches;

use crate::layers::{Conv, ConvNorm, Residual, head, normalised};
use serde::{Deserialize, Serialize};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// Side of the crop, pixels.
pub const SIDE: usize = 192;
/// Side of the coverage map.
pub const ALPHA_SIDE: usize = 96;
/// Side of the coarsest features.
const COARSE: i64 = SIDE as i64 / 32;
/// Landmarks with a heat map of their own: the iBUG points, which come first.
pub const IBUG: usize = 68;
/// Crop side over face size when the whole head is wanted (matte), and when the face is read.
pub const MARGINS: [f32; 2] = [1.95, 1.45];

/// What the network answers for; depends on the head model it was trained for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceShape {
    /// `L`: landmarks of the head model, the iBUG points first.
    pub landmarks: usize,
    /// `K`: coefficients of the head model's identity prior.
    pub identity: usize,
    /// `[L]` the landmark on the other side of each.
    pub mirror: Vec<usize>,
}

impl FaceShape {
    /// Of a head model, with at most `identity` coefficients.
    pub fn of(model: &head::HeadModel, identity: usize) -> Self {
        let identity = identity.min(model.identity_prior.components.len());
        FaceShape { landmarks: model.landmarks.len(), identity, mirror: model.landmark_mirror() }
    }

    /// `L - 68`
    pub fn dense(&self) -> usize {
        self.landmarks - IBUG
    }
}

/// The network.
#[derive(Debug)]
pub struct FaceNet {
    /// What it answers for.
    pub shape: FaceShape,
    /// Number format of the convolutions in training. Processors with AMX take a third of the time in `BFloat16`.
    pub train_kind: Kind,
    stem: ConvNorm,
    down4: ConvNorm,
    mix4: Residual,
    down8: ConvNorm,
    mix8: Vec<Residual>,
    down16: ConvNorm,
    mix16: Vec<Residual>,
    down32: ConvNorm,
    mix32: Vec<Residual>,
    up16: ConvNorm,
    up8: ConvNorm,
    fuse8: ConvNorm,
    up4: ConvNorm,
    skip4: ConvNorm,
    fuse4: ConvNorm,
    heat: nn::Conv2D,
    up2: ConvNorm,
    skip2: ConvNorm,
    fuse2: ConvNorm,
    alpha: nn::Conv2D,
    squeeze: ConvNorm,
    global: Features,
    at_landmarks: Features,
    at_eye: Features,
    at_mouth: Features,
    trunk: Features,
    dense_from_ibug: nn::Linear,
    answers: nn::Linear,
}

/// What it says of a batch. All spreads are logarithms of Laplace scales.
pub struct FaceOutput {
    /// `[B, 68, 48, 48]` logits of the heat maps.
    pub heat: Tensor,
    /// `[B, L, 2]` pixels of the crop.
    pub points: Tensor,
    /// `[B, L]` pixels.
    pub log_spread: Tensor,
    /// `[B, L]` logit of being visible.
    pub visible: Tensor,
    /// `[B, 52]` ARKit units, 0..=1.
    pub expression: Tensor,
    /// `[B, 52]` their logits.
    pub expression_logit: Tensor,
    /// `[B, 52]`
    pub log_expression_spread: Tensor,
    /// `[B, 4]` yaw and pitch of the left, then of the right eye in the head (radians).
    pub gaze: Tensor,
    /// `[B, 2]` of the left and the right eye.
    pub log_gaze_spread: Tensor,
    /// `[B, 6]` first two columns of the rotation camera ← head, the camera looking at the middle of the crop.
    pub rotation: Tensor,
    /// `[B]` logarithm of the distance from camera to head (meters).
    pub log_distance: Tensor,
    /// `[B]`
    pub log_distance_spread: Tensor,
    /// `[B, K]` identity coefficients, prior N(0, 1).
    pub identity: Tensor,
    /// `[B, K]`
    pub log_identity_spread: Tensor,
    /// `[B, 1, 96, 96]` logits of the head's coverage.
    pub alpha: Tensor,
    /// `[B]` logit of being a face.
    pub is_face: Tensor,
}

/// Channels at 1/2, 1/4, 1/8, 1/16, 1/32 of the crop.
const WIDTHS: [i64; 5] = [24, 40, 80, 136, 176];
/// Features that every answer is read from.
const TRUNK: i64 = 288;
/// Channels of the decoder at 1/4 and at 1/2.
const DECODER: [i64; 2] = [48, 24];

impl FaceNet {
    /// Fresh weights under `path`.
    pub fn new(path: nn::Path, shape: FaceShape) -> Self {
        let [c2, c4, c8, c16, c32] = WIDTHS;
        let [d4, d2] = DECODER;
        let residuals = |name: &str, n: i64, c: i64| (0..n).map(|i| Residual::new(&path / name / i, c, 1)).collect();
        let features = |name: &str, from: i64, to: i64| Features::new(&path / name, from, to);
        let (dense, answers) = (shape.dense() as i64, Answers::of(&shape).total());
        let near_zero = nn::LinearConfig { ws_init: nn::Init::Randn { mean: 0.0, stdev: 1e-3 }, ..Default::default() };
        FaceNet {
            stem: ConvNorm::new(&path / "stem", Conv::down(3, c2)),
            down4: ConvNorm::new(&path / "down4", Conv::down(c2, c4)),
            mix4: Residual::new(&path / "mix4", c4, 1),
            down8: ConvNorm::new(&path / "down8", Conv::down(c4, c8)),
            mix8: residuals("mix8", 2, c8),
            down16: ConvNorm::new(&path / "down16", Conv::down(c8, c16)),
            mix16: residuals("mix16", 2, c16),
            down32: ConvNorm::new(&path / "down32", Conv::down(c16, c32)),
            mix32: residuals("mix32", 2, c32),
            up16: ConvNorm::linear(&path / "up16", Conv::one(c32, c16)),
            up8: ConvNorm::linear(&path / "up8", Conv::one(c16, c8)),
            fuse8: ConvNorm::new(&path / "fuse8", Conv::three(c8, c8)),
            up4: ConvNorm::linear(&path / "up4", Conv::one(c8, d4)),
            skip4: ConvNorm::linear(&path / "skip4", Conv::one(c4, d4)),
            fuse4: ConvNorm::new(&path / "fuse4", Conv::three(d4, d4)),
            heat: head(&path / "heat", d4, IBUG as i64, 0.0),
            up2: ConvNorm::linear(&path / "up2", Conv::one(d4, d2)),
            skip2: ConvNorm::linear(&path / "skip2", Conv::one(c2, d2)),
            fuse2: ConvNorm::new(&path / "fuse2", Conv::three(d2, d2)),
            alpha: head(&path / "alpha", d2, 1, 0.0),
            squeeze: ConvNorm::new(&path / "squeeze", Conv::one(c32, 48)),
            global: features("global", 48 * COARSE * COARSE, 256),
            at_landmarks: features("at_landmarks", d4 * IBUG as i64, 96),
            at_eye: features("at_eye", d2 * patches::EYE.cells(), 80),
            at_mouth: features("at_mouth", d2 * patches::MOUTH.cells(), 96),
            trunk: features("trunk", 256 + 96 + 2 * 80 + 96 + 2 * IBUG as i64, TRUNK),
            dense_from_ibug: nn::linear(&path / "dense_from_ibug", 2 * IBUG as i64, 2 * dense, Default::default()),
            answers: nn::linear(&path / "answers", TRUNK, answers, near_zero),
            train_kind: Kind::Float,
            shape,
        }
    }

    /// `rgb` `[B, 3, s, s]` in 0..=1, the crop at `S` or at a smaller multiple of 32 pixels (training begins with small
    /// ones). Maps have the fraction of `s` that they have of `S`; all points are pixels of the whole crop, 0..=`S`.
    pub fn forward(&self, rgb: &Tensor, train: bool) -> FaceOutput {
        let mixed = |mut x: Tensor, blocks: &[Residual]| {
            for block in blocks {
                x = x.apply_t(block, train);
            }
            x
        };
        let kind = if train { self.train_kind } else { Kind::Float };
        let x2 = normalised(rgb).to_kind(kind).apply_t(&self.stem, train);
        let x4 = x2.apply_t(&self.down4, train).apply_t(&self.mix4, train);
        let x8 = mixed(x4.apply_t(&self.down8, train), &self.mix8);
        let x16 = mixed(x8.apply_t(&self.down16, train), &self.mix16);
        let x32 = mixed(x16.apply_t(&self.down32, train), &self.mix32);
        let y16 = (doubled(&x32.apply_t(&self.up16, train)) + x16).relu();
        let y8 = (doubled(&y16.apply_t(&self.up8, train)) + x8).relu().apply_t(&self.fuse8, train);
        let y4 = (doubled(&y8.apply_t(&self.up4, train)) + x4.apply_t(&self.skip4, train)).relu();
        let y4 = y4.apply_t(&self.fuse4, train);
        let y2 = (doubled(&y4.apply_t(&self.up2, train)) + x2.apply_t(&self.skip2, train)).relu();
        let y2 = y2.apply_t(&self.fuse2, train);
        let [y2, y4, squeezed] = [y2, y4, x32.apply_t(&self.squeeze, train)].map(|t| t.to_kind(Kind::Float));
        let (heat, alpha) = (self.heat.forward(&y4), self.alpha.forward(&y2));
        let ibug = soft_argmax(&heat);
        let squeezed = match squeezed.size()[3] {
            COARSE => squeezed,
            _ => squeezed.upsample_bilinear2d([COARSE, COARSE], false, None, None),
        };
        let features = self.features(&squeezed, &y4, &y2, &ibug.detach());
        self.answer(heat, ibug, alpha, &features)
    }

    /// `[B, TRUNK]`: pooled features, finer ones where the landmarks `[B, 68, 2]` (pixels of the crop) say, and where they
    /// lie about their middle.
    fn features(&self, squeezed: &Tensor, y4: &Tensor, y2: &Tensor, ibug: &Tensor) -> Tensor {
        let b = ibug.size()[0];
        let flat = |t: &Tensor| t.contiguous().view([b, -1]);
        let global = self.global.forward(&flat(squeezed));
        let at_landmarks = self.at_landmarks.forward(&flat(&patches::at(y4, ibug)));
        let eyes = [patches::Side::Left, patches::Side::Right]
            .map(|side| self.at_eye.forward(&flat(&patches::EYE.cut(y2, ibug, side))));
        let mouth = self.at_mouth.forward(&flat(&patches::MOUTH.cut(y2, ibug, patches::Side::Left)));
        let places = (ibug - ibug.mean_dim([1i64].as_slice(), true, Kind::Float)) * (4.0 / SIDE as f64);
        let all = Tensor::cat(&[&global, &at_landmarks, &eyes[0], &eyes[1], &mouth, &flat(&places)], 1);
        self.trunk.forward(&all)
    }

    fn answer(&self, heat: Tensor, ibug: Tensor, alpha: Tensor, features: &Tensor) -> FaceOutput {
        let a = Answers::of(&self.shape);
        let flat = self.answers.forward(features);
        let mut at = 0;
        let mut next = |n: usize| {
            let part = flat.narrow(1, at, n as i64);
            at += n as i64;
            part
        };
        let (b, dense) = (heat.size()[0], self.shape.dense() as i64);
        // In half crops from the middle; an answer of 1 is a tenth of that.
        let half = SIDE as f64 / 2.0;
        let centered = (ibug.detach() / half - 1.0).view([b, -1]);
        let offsets = next(a.dense) * 0.1 + self.dense_from_ibug.forward(&centered);
        let dense_points = (offsets.view([b, dense, 2]) + 1.0) * half;
        let (log_spread, visible) = (next(a.landmarks).clamp(-3.0, 4.0), next(a.landmarks));
        // Most units are at rest.
        let expression_logit = next(52) - 2.0;
        FaceOutput {
            points: Tensor::cat(&[ibug, dense_points], 1),
            heat,
            alpha,
            log_spread,
            visible,
            expression: expression_logit.sigmoid(),
            expression_logit,
            log_expression_spread: (next(52) - 2.5).clamp(-5.0, 0.0),
            gaze: next(4) * 0.5,
            log_gaze_spread: (next(2) - 2.0).clamp(-5.0, 1.0),
            rotation: next(6),
            log_distance: next(1).squeeze_dim(1),
            log_distance_spread: (next(1).squeeze_dim(1) - 1.0).clamp(-4.0, 1.0),
            identity: next(a.identity),
            log_identity_spread: (next(a.identity) - 0.3).clamp(-3.0, 0.5),
            is_face: next(1).squeeze_dim(1),
        }
    }
}

/// Linear layer, layer norm, ReLU. Its inputs are many and positive, so that one step of Adam shifts all its outputs
/// together; without the norm nearly every unit ends below zero for good.
#[derive(Debug)]
struct Features {
    linear: nn::Linear,
    norm: nn::LayerNorm,
}

impl Features {
    fn new(path: nn::Path, from: i64, to: i64) -> Self {
        Features {
            linear: nn::linear(&path, from, to, Default::default()),
            norm: nn::layer_norm(&path / "norm", vec![to], Default::default()),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        self.norm.forward(&self.linear.forward(x)).relu()
    }
}

/// How many numbers of the last layer each answer takes.
struct Answers {
    dense: usize,
    landmarks: usize,
    identity: usize,
}

impl Answers {
    fn of(shape: &FaceShape) -> Self {
        Answers { dense: 2 * shape.dense(), landmarks: shape.landmarks, identity: shape.identity }
    }

    fn total(&self) -> i64 {
        (self.dense + 2 * self.landmarks + 2 * 52 + 4 + 2 + 6 + 2 + 2 * self.identity + 1) as i64
    }
}

/// `[B, C, H, W]` → `[B, C, 2H, 2W]`, bilinear.
fn doubled(x: &Tensor) -> Tensor {
    let size = x.size();
    x.upsample_bilinear2d([2 * size[2], 2 * size[3]], false, None, None)
}

/// Expected position under the softmax of each map: `[B, 68, h, h]` → `[B, 68, 2]` in pixels of the crop.
fn soft_argmax(heat: &Tensor) -> Tensor {
    let (b, l, h, w) = heat.size4().expect("heat maps have four dimensions");
    let p = heat.contiguous().view([b, l, h * w]).softmax(-1, Kind::Float).view([b, l, h, w]);
    let step = SIDE as f64 / h as f64;
    let grid = (Tensor::arange(h, (Kind::Float, heat.device())) + 0.5) * step;
    let along = |axis: i64| {
        let marginal = p.sum_dim_intlist([5 - axis].as_slice(), false, Kind::Float);
        (marginal * &grid).sum_dim_intlist([2i64].as_slice(), false, Kind::Float)
    };
    Tensor::stack(&[along(3), along(2)], -1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tch::Device;

    /// 68 landmarks and 6 dense ones, three coefficients.
    pub(crate) fn shape() -> FaceShape {
        shape_of(74, 3)
    }

    /// Dense landmarks mirror each other from the first to the last.
    pub(crate) fn shape_of(landmarks: usize, identity: usize) -> FaceShape {
        let other = |l: usize| if l < IBUG { crate::face::mirror_of(l) } else { landmarks + IBUG - 1 - l };
        FaceShape { landmarks, identity, mirror: (0..landmarks).map(other).collect() }
    }

    #[test]
    fn shapes_are_as_documented() {
        let vars = nn::VarStore::new(Device::Cpu);
        let net = FaceNet::new(vars.root(), shape());
        let side = SIDE as i64;
        let out = net.forward(&Tensor::rand([2, 3, side, side], (Kind::Float, Device::Cpu)), true);
        assert_eq!(out.points.size(), [2, 74, 2]);
        assert_eq!(out.heat.size(), [2, 68, 48, 48]);
        assert_eq!([out.log_spread.size(), out.visible.size()], [[2, 74], [2, 74]]);
        assert_eq!([out.expression.size(), out.log_expression_spread.size()], [[2, 52], [2, 52]]);
        assert_eq!([out.gaze.size(), out.log_gaze_spread.size(), out.rotation.size()], [[2, 4], [2, 2], [2, 6]]);
        assert_eq!([out.identity.size(), out.log_identity_spread.size()], [[2, 3], [2, 3]]);
        assert_eq!([out.log_distance.size(), out.log_distance_spread.size(), out.is_face.size()], [[2], [2], [2]]);
        assert_eq!(out.alpha.size(), [2, 1, 96, 96]);
    }

    #[test]
    fn a_smaller_crop_is_answered_in_the_same_pixels() {
        let vars = nn::VarStore::new(Device::Cpu);
        let net = FaceNet::new(vars.root(), shape());
        let out = net.forward(&Tensor::full([1, 3, 96, 96], 0.5, (Kind::Float, Device::Cpu)), true);
        assert_eq!([out.heat.size()[3], out.alpha.size()[3]], [24, 48]);
        // Flat heat maps: the middle of the crop.
        let middle = (out.points.narrow(1, 0, 68) - 96.0).abs().max().double_value(&[]);
        assert!(middle < 12.0, "{middle}");
    }

    #[test]
    fn training_in_bf16_sees_the_same_and_teaches_f32_weights() {
        let vars = nn::VarStore::new(Device::Cpu);
        let mut net = FaceNet::new(vars.root(), shape());
        let rgb = Tensor::rand([2, 3, 96, 96], (Kind::Float, Device::Cpu));
        let exact = net.forward(&rgb, true);
        net.train_kind = Kind::BFloat16;
        let out = net.forward(&rgb, true);
        assert_eq!([out.points.kind(), out.alpha.kind()], [Kind::Float; 2]);
        let off = (&out.points - &exact.points).abs().max().double_value(&[]);
        assert!(off > 0.0 && off < 2.0, "{off} px");
        out.points.mean(Kind::Float).backward();
        let gradient = vars.variables()["stem.conv.weight"].grad();
        assert_eq!(gradient.kind(), Kind::Float);
        assert!(gradient.abs().max().double_value(&[]) > 0.0);
    }

    #[test]
    fn features_stay_alive_when_their_inputs_are_large_and_positive() {
        let vars = nn::VarStore::new(Device::Cpu);
        let features = Features::new(vars.root(), 3000, 64);
        tch::no_grad(|| features.linear.bs.as_ref().map(|bias| bias.shallow_clone().fill_(-50.0)));
        let x = Tensor::rand([16, 3000], (Kind::Float, Device::Cpu)) * 4.0;
        let alive = features.forward(&x).max_dim(0, false).0.gt(0.0).to_kind(Kind::Float).mean(Kind::Float);
        assert!(alive.double_value(&[]) > 0.7, "{alive:?}");
    }

    #[test]
    fn soft_argmax_finds_a_peak() {
        let heat = Tensor::full([1, 1, 48, 48], -20.0, (Kind::Float, Device::Cpu));
        let _ = heat.get(0).get(0).get(5).get(20).fill_(20.0);
        let p = soft_argmax(&heat);
        assert!((p.double_value(&[0, 0, 0]) - 82.0).abs() < 1e-2, "column 20 of 4 px, at its center");
        assert!((p.double_value(&[0, 0, 1]) - 22.0).abs() < 1e-2);
    }
}
