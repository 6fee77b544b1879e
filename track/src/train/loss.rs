//! What the two networks are trained to minimise.
use crate::detect_net::DetectTarget;
use crate::landmark_net::{ALPHA_SIDE, HEAT_SIDE, LANDMARKS, LandmarkOutput, SIDE};
use crate::picture::Canvas;
use crate::train::compose::{CropExample, PatchExample};
use tch::{Kind, Reduction, Tensor};

/// A batch for the landmark net.
pub struct CropBatch {
    /// `[B, 3, S, S]`
    pub rgb: Tensor,
    /// `[B, L, 2]` pixels; 0 where there is no face.
    points: Tensor,
    /// `[B, L]` 1 where the landmark is known and inside the crop.
    known: Tensor,
    /// `[B, 1, 64, 64]`
    alpha: Tensor,
    /// `[B]`
    is_face: Tensor,
}

impl CropBatch {
    /// Stacks examples.
    pub fn new(examples: &[CropExample]) -> Self {
        let b = examples.len() as i64;
        let canvases: Vec<&Canvas> = examples.iter().map(|e| &e.canvas).collect();
        let mut points = Vec::new();
        let mut known = Vec::new();
        for example in examples {
            for i in 0..LANDMARKS {
                let p = example.landmarks.get(i).copied();
                let inside = p.is_some_and(|p| p.iter().all(|v| (0.0..SIDE as f32).contains(v)));
                points.extend(p.filter(|_| inside).unwrap_or([0.0; 2]));
                known.push(inside as u8 as f32);
            }
        }
        let is_face: Vec<f32> = examples.iter().map(|e| !e.landmarks.is_empty() as u8 as f32).collect();
        let alpha: Vec<f32> = examples.iter().flat_map(|e| halved(&e.canvas.planes[3], SIDE)).collect();
        let side = ALPHA_SIDE as i64;
        CropBatch {
            rgb: stack(&canvases),
            points: Tensor::from_slice(&points).view([b, LANDMARKS as i64, 2]),
            known: Tensor::from_slice(&known).view([b, LANDMARKS as i64]),
            alpha: Tensor::from_slice(&alpha).view([b, 1, side, side]),
            is_face: Tensor::from_slice(&is_face),
        }
    }

    /// To another device.
    pub fn to_device(&self, device: tch::Device) -> Self {
        CropBatch {
            rgb: self.rgb.to_device(device),
            points: self.points.to_device(device),
            known: self.known.to_device(device),
            alpha: self.alpha.to_device(device),
            is_face: self.is_face.to_device(device),
        }
    }

    /// The terms: heat maps (cross-entropy to a Gaussian), points (smooth L1), spread (Laplace likelihood of the error,
    /// which does not reach back into the points), coverage and face (binary cross-entropy). All scalars.
    pub fn loss(&self, out: &LandmarkOutput) -> Vec<(&'static str, f64, Tensor)> {
        let n = self.known.sum(Kind::Float).clamp_min(1.0);
        let mean = |t: Tensor| (t * &self.known).sum(Kind::Float) / &n;
        let heat = mean(self.heat_cross_entropy(&out.heat));
        let error = out.points.smooth_l1_loss(&self.points, Reduction::None, 1.0);
        let points = mean(error.sum_dim_intlist([2i64].as_slice(), false, Kind::Float));
        let distance =
            (&out.points - &self.points).square().sum_dim_intlist([2i64].as_slice(), false, Kind::Float).sqrt();
        let spread = mean(distance.detach() / out.log_spread.exp() + 2.0 * &out.log_spread);
        let alpha = out.alpha.binary_cross_entropy_with_logits::<Tensor>(&self.alpha, None, None, Reduction::Mean);
        let is_face =
            out.is_face.binary_cross_entropy_with_logits::<Tensor>(&self.is_face, None, None, Reduction::Mean);
        vec![
            ("heat", 0.3, heat),
            ("points", 0.3, points),
            ("spread", 0.1, spread),
            ("alpha", 2.0, alpha),
            ("face", 0.5, is_face),
        ]
    }

    /// Mean distance of known landmarks, pixels of the crop.
    pub fn mean_distance_px(&self, out: &LandmarkOutput) -> Tensor {
        let distance =
            (&out.points - &self.points).square().sum_dim_intlist([2i64].as_slice(), false, Kind::Float).sqrt();
        (distance * &self.known).sum(Kind::Float) / self.known.sum(Kind::Float).clamp_min(1.0)
    }

    /// `[B, L]`: cross-entropy of the softmax to a Gaussian of one cell's deviation.
    fn heat_cross_entropy(&self, heat: &Tensor) -> Tensor {
        let (b, l, h) = (heat.size()[0], LANDMARKS as i64, HEAT_SIDE as i64);
        let grid = (Tensor::arange(h, (Kind::Float, heat.device())) + 0.5) * (SIDE as f64 / h as f64);
        let bell = |k: i64| {
            let offset = (grid.view([1, 1, h]) - self.points.select(2, k).unsqueeze(2)) / (SIDE as f64 / h as f64);
            (offset.square() * -0.5).softmax(2, Kind::Float)
        };
        let target = bell(1).unsqueeze(3) * bell(0).unsqueeze(2);
        let log_p = heat.contiguous().view([b, l, h * h]).log_softmax(2, Kind::Float);
        -(log_p * target.view([b, l, h * h])).sum_dim_intlist([2i64].as_slice(), false, Kind::Float)
    }
}

/// A batch for the detector.
pub struct PatchBatch {
    /// `[B, 3, H, W]`
    pub rgb: Tensor,
    /// `[B, 1, h, w]` each; geometry `[B, 5, h, w]`.
    heat: Tensor,
    counts: Tensor,
    near: Tensor,
    geometry: Tensor,
}

impl PatchBatch {
    /// Stacks examples of one size.
    pub fn new(examples: &[PatchExample]) -> Self {
        let canvases: Vec<&Canvas> = examples.iter().map(|e| &e.canvas).collect();
        let side = canvases[0].width;
        let n = (side / crate::detect_net::STRIDE) as i64;
        let targets: Vec<DetectTarget> = examples.iter().map(|e| DetectTarget::new(&e.faces, side)).collect();
        let planes = |of: fn(&DetectTarget) -> &Vec<f32>, channels: i64| {
            let all: Vec<f32> = targets.iter().flat_map(|t| of(t).iter().copied()).collect();
            Tensor::from_slice(&all).view([examples.len() as i64, channels, n, n])
        };
        PatchBatch {
            rgb: stack(&canvases),
            heat: planes(|t| &t.heat, 1),
            counts: planes(|t| &t.counts, 1),
            near: planes(|t| &t.near, 1),
            geometry: planes(|t| &t.geometry, 5),
        }
    }

    /// To another device.
    pub fn to_device(&self, device: tch::Device) -> Self {
        PatchBatch {
            rgb: self.rgb.to_device(device),
            heat: self.heat.to_device(device),
            counts: self.counts.to_device(device),
            near: self.near.to_device(device),
            geometry: self.geometry.to_device(device),
        }
    }

    /// Focal loss reduced near centres (Law and Deng 2018, "CornerNet", eq. 1) and smooth L1 of the geometry.
    pub fn loss(&self, answer: &Tensor) -> Vec<(&'static str, f64, Tensor)> {
        let logit = answer.narrow(1, 0, 1);
        let p = logit.sigmoid();
        let is_centre = self.heat.ge(0.999).to_kind(Kind::Float);
        let hit = (&p - 1.0).square() * logit.log_sigmoid() * &is_centre;
        let far = (&self.heat - 1.0).square().square();
        let miss = far * p.square() * logit.neg().log_sigmoid() * (&is_centre - 1.0).neg();
        let n = (&is_centre * &self.counts).sum(Kind::Float).clamp_min(1.0);
        let heat = -((hit + miss) * &self.counts).sum(Kind::Float) / n;
        let error = answer.narrow(1, 1, 5).smooth_l1_loss(&self.geometry, Reduction::None, 0.1);
        let near = &self.near * &self.counts;
        let geometry = (error * &near).sum(Kind::Float) / near.sum(Kind::Float).clamp_min(1.0);
        vec![("detect", 1.0, heat), ("place", 1.0, geometry)]
    }
}

/// Weighted sum.
pub fn total(terms: &[(&'static str, f64, Tensor)]) -> Tensor {
    terms.iter().map(|(_, weight, t)| t * *weight).sum()
}

fn stack(canvases: &[&Canvas]) -> Tensor {
    let (w, h) = (canvases[0].width as i64, canvases[0].height as i64);
    let values: Vec<f32> = canvases.iter().flat_map(|c| c.planes[..3].iter().flatten().copied()).collect();
    Tensor::from_slice(&values).view([canvases.len() as i64, 3, h, w])
}

/// Box-halved plane of `side` × `side`.
fn halved(plane: &[f32], side: usize) -> Vec<f32> {
    let half = side / 2;
    (0..half * half)
        .map(|i| {
            let j = 2 * (i / half) * side + 2 * (i % half);
            (plane[j] + plane[j + 1] + plane[j + side] + plane[j + side + 1]) / 4.0
        })
        .collect()
}
