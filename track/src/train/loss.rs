//! What the two networks are trained to minimize.
use crate::detect_net::DetectTarget;
use crate::face_net::{ALPHA_SIDE, FaceOutput, FaceShape, IBUG, SIDE};
use crate::picture::Canvas;
use crate::train::compose::{CropExample, PatchExample};
use tch::{Kind, Reduction, Tensor};

/// A loss's name, weight and value (a scalar).
pub type Term = (&'static str, f64, Tensor);

/// A batch for the face network. Labels of examples without a face are 0 and do not count.
pub struct CropBatch {
    /// `[B, 3, S, S]`
    pub rgb: Tensor,
    /// `[B, L, 2]` pixels.
    points: Tensor,
    /// `[B, L]` 1 where the landmark lies inside the crop.
    known: Tensor,
    /// `[B, L]`
    visible: Tensor,
    /// `[B, 52]`
    expression: Tensor,
    /// `[B, 4]` radians.
    gaze: Tensor,
    /// `[B, 6]`
    rotation: Tensor,
    /// `[B]`
    log_distance: Tensor,
    /// `[B, K]`
    identity: Tensor,
    /// `[B, 1, 96, 96]`
    alpha: Tensor,
    /// `[B]`
    is_face: Tensor,
}

impl CropBatch {
    /// Stacks examples.
    pub fn new(examples: &[CropExample], shape: &FaceShape) -> Self {
        let b = examples.len() as i64;
        let canvases: Vec<&Canvas> = examples.iter().map(|e| &e.canvas).collect();
        // Rows of a label, zeros where there is no face.
        let stacked = |n: usize, of: &dyn Fn(&CropExample) -> Option<Vec<f32>>| {
            let rows: Vec<f32> = examples.iter().flat_map(|e| of(e).unwrap_or_else(|| vec![0.0; n])).collect();
            Tensor::from_slice(&rows).view([b, n as i64])
        };
        let l = shape.landmarks;
        let points = stacked(2 * l, &|e| Some(e.labels.as_ref()?.points.as_flattened().to_vec()));
        let inside = |p: &[f32; 2]| p.iter().all(|v| (0.0..SIDE as f32).contains(v)) as u8 as f32;
        let known = stacked(l, &|e| Some(e.labels.as_ref()?.points.iter().map(inside).collect()));
        let visible = stacked(l, &|e| {
            let labels = e.labels.as_ref()?;
            Some(labels.points.iter().zip(&labels.visible).map(|(p, v)| inside(p) * v).collect())
        });
        let six = |m: glam::Mat3| m.x_axis.to_array().into_iter().chain(m.y_axis.to_array()).collect();
        let alpha: Vec<f32> = examples.iter().flat_map(|e| halved(&e.canvas.planes[3], SIDE)).collect();
        let side = ALPHA_SIDE as i64;
        CropBatch {
            rgb: stack(&canvases),
            points: points.view([b, l as i64, 2]).clamp(-(SIDE as f64), 2.0 * SIDE as f64),
            known,
            visible,
            expression: stacked(52, &|e| Some(e.labels.as_ref()?.expression.to_vec())),
            gaze: stacked(4, &|e| Some(e.labels.as_ref()?.gaze.as_flattened().to_vec())),
            rotation: stacked(6, &|e| Some(six(e.labels.as_ref()?.rotation))),
            log_distance: stacked(1, &|e| Some(vec![e.labels.as_ref()?.log_distance])).squeeze_dim(1),
            identity: stacked(shape.identity, &|e| Some(e.labels.as_ref()?.identity[0].clone())),
            alpha: Tensor::from_slice(&alpha).view([b, 1, side, side]),
            is_face: stacked(1, &|e| e.labels.as_ref().map(|_| vec![1.0])).squeeze_dim(1),
        }
    }

    /// To another device.
    pub fn to_device(&self, device: tch::Device) -> Self {
        CropBatch {
            rgb: pixels_to(&self.rgb, device),
            points: self.points.to_device(device),
            known: self.known.to_device(device),
            visible: self.visible.to_device(device),
            expression: self.expression.to_device(device),
            gaze: self.gaze.to_device(device),
            rotation: self.rotation.to_device(device),
            log_distance: self.log_distance.to_device(device),
            identity: self.identity.to_device(device),
            alpha: self.alpha.to_device(device),
            is_face: self.is_face.to_device(device),
        }
    }

    /// The same crops at `side` x `side` pixels, reduced with antialiasing; labels stay as they are.
    pub fn at_side(&self, side: usize) -> Self {
        let (s, a) = (side as i64, (ALPHA_SIDE * side / SIDE) as i64);
        CropBatch {
            rgb: self.rgb.internal_upsample_bilinear2d_aa([s, s], false, None, None),
            alpha: self.alpha.internal_upsample_bilinear2d_aa([a, a], false, None, None),
            ..self.to_device(self.rgb.device())
        }
    }

    /// The terms: heat maps (cross-entropy to a Gaussian), values (smooth L1), spreads (Laplace likelihood of the error,
    /// which does not reach back into the values), units, coverage, visibility and face (binary cross-entropy: the L1 error
    /// of a sigmoid has no gradient left once it rests at 0, where most units are most of the time).
    pub fn loss(&self, out: &FaceOutput) -> Vec<Term> {
        let mean = |t: Tensor, counts: &Tensor| (t * counts).sum(Kind::Float) / counts.sum(Kind::Float).clamp_min(1.0);
        let last = |t: Tensor| t.mean_dim([-1i64].as_slice(), false, Kind::Float);
        let likelihood = |error: &Tensor, log_spread: &Tensor| error.detach() / log_spread.exp() + log_spread;
        let face = &self.is_face;
        let l = |t: &Tensor, from: i64, n: i64| t.narrow(1, from, n);
        let (ibug, dense) = (IBUG as i64, self.known.size()[1] - IBUG as i64);
        let error = out.points.smooth_l1_loss(&self.points, Reduction::None, 1.0);
        let error = error.sum_dim_intlist([2i64].as_slice(), false, Kind::Float);
        let distance = self.distance(out);
        let expression_error = (&out.expression - &self.expression).abs();
        let gaze_error = (&out.gaze - &self.gaze).abs();
        let eye_error = gaze_error.view([-1, 2, 2]).mean_dim([2i64].as_slice(), false, Kind::Float);
        let identity_error = (&out.identity - &self.identity).abs();
        let log_distance_error = (&out.log_distance - &self.log_distance).abs();
        let binary = |logit: &Tensor, target: &Tensor, reduction| {
            logit.binary_cross_entropy_with_logits::<Tensor>(target, None, None, reduction)
        };
        let unit_entropy = binary(&out.expression_logit, &self.expression, Reduction::None);
        // Units at full strength are rare and matter most.
        let emphasis = &self.expression * 2.0 + 1.0;
        let known = &self.known;
        vec![
            ("heat", 0.3, mean(self.heat_cross_entropy(&out.heat), &l(known, 0, ibug))),
            ("points", 0.3, mean(l(&error, 0, ibug), &l(known, 0, ibug))),
            ("dense", 0.15, mean(l(&error, ibug, dense), &l(known, ibug, dense))),
            ("spread", 0.1, mean(likelihood(&distance, &out.log_spread) + &out.log_spread, known)),
            ("visible", 0.3, mean(last(binary(&out.visible, &self.visible, Reduction::None)), face)),
            ("units", 8.0, mean(last(unit_entropy * &emphasis), face)),
            // Towards the median: a unit of which nothing is known rests.
            ("units.rest", 3.0, mean(last(&expression_error * emphasis), face)),
            ("units.spread", 0.05, mean(last(likelihood(&expression_error, &out.log_expression_spread)), face)),
            ("gaze", 6.0, mean(last(gaze_error), face)),
            ("gaze.spread", 0.05, mean(last(likelihood(&eye_error, &out.log_gaze_spread)), face)),
            ("rotation", 3.0, mean(last((&out.rotation - &self.rotation).abs()), face)),
            ("distance", 1.0, mean(log_distance_error.shallow_clone(), face)),
            ("distance.spread", 0.03, mean(likelihood(&log_distance_error, &out.log_distance_spread), face)),
            ("identity", 1.5, mean(last(identity_error.shallow_clone()), face)),
            ("identity.spread", 0.03, mean(last(likelihood(&identity_error, &out.log_identity_spread)), face)),
            ("alpha", 2.0, binary(&out.alpha, &self.alpha, Reduction::Mean)),
            ("face", 0.5, binary(&out.is_face, face, Reduction::Mean)),
        ]
    }

    /// `[B, L]` distance between points and truth, pixels.
    fn distance(&self, out: &FaceOutput) -> Tensor {
        (&out.points - &self.points).square().sum_dim_intlist([2i64].as_slice(), false, Kind::Float).sqrt()
    }

    /// Figures of a validation batch, by name.
    pub fn figures(&self, out: &FaceOutput) -> Vec<(&'static str, f64)> {
        let ibug = IBUG as i64;
        let dense = self.known.size()[1] - ibug;
        let mean = |t: Tensor, counts: Tensor| {
            ((t * &counts).sum(Kind::Float) / counts.sum(Kind::Float).clamp_min(1.0)).double_value(&[])
        };
        let distance = self.distance(out);
        let units = (&out.expression - &self.expression).abs();
        let of_unit = |k: i64| mean(units.select(1, k), self.is_face.shallow_clone());
        let last = |t: Tensor| t.mean_dim([-1i64].as_slice(), false, Kind::Float);
        let face = || self.is_face.shallow_clone();
        let named = |name: &str| head::params::unit(name).expect("an ARKit unit") as i64;
        vec![
            ("px", mean(distance.narrow(1, 0, ibug), self.known.narrow(1, 0, ibug))),
            ("dense_px", mean(distance.narrow(1, ibug, dense), self.known.narrow(1, ibug, dense))),
            ("units", mean(last(units.shallow_clone()), face())),
            ("blink", 0.5 * (of_unit(named("eyeBlinkLeft")) + of_unit(named("eyeBlinkRight")))),
            ("jaw", of_unit(named("jawOpen"))),
            ("gaze_deg", mean(last((&out.gaze - &self.gaze).abs()), face()).to_degrees()),
            ("identity", mean(last((&out.identity - &self.identity).abs()), face())),
            ("log_distance", mean((&out.log_distance - &self.log_distance).abs(), face())),
        ]
    }

    /// `[B, 68]`: cross-entropy of the softmax to a Gaussian of one cell's deviation.
    fn heat_cross_entropy(&self, heat: &Tensor) -> Tensor {
        let (b, l, h) = (heat.size()[0], IBUG as i64, heat.size()[3]);
        let cell = SIDE as f64 / h as f64;
        let grid = (Tensor::arange(h, (Kind::Float, heat.device())) + 0.5) * cell;
        let points = self.points.narrow(1, 0, l);
        let bell = |k: i64| {
            let offset = (grid.view([1, 1, h]) - points.select(2, k).unsqueeze(2)) / cell;
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
            rgb: pixels_to(&self.rgb, device),
            heat: self.heat.to_device(device),
            counts: self.counts.to_device(device),
            near: self.near.to_device(device),
            geometry: self.geometry.to_device(device),
        }
    }

    /// Focal loss reduced near centres (Law and Deng 2018, "CornerNet", eq. 1) and smooth L1 of the geometry.
    pub fn loss(&self, answer: &Tensor) -> Vec<Term> {
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
pub fn total(terms: &[Term]) -> Tensor {
    terms.iter().map(|(_, weight, t)| t * *weight).sum()
}

fn stack(canvases: &[&Canvas]) -> Tensor {
    let (w, h) = (canvases[0].width as i64, canvases[0].height as i64);
    let mut values = Vec::with_capacity(canvases.len() * 3 * canvases[0].planes[0].len());
    canvases.iter().flat_map(|c| &c.planes[..3]).for_each(|plane| values.extend_from_slice(plane));
    Tensor::from_slice(&values).view([canvases.len() as i64, 3, h, w])
}

/// Colors 0..=1 to another device; to a GPU they travel as bytes, which is what photos have, a quarter of the copy.
fn pixels_to(rgb: &Tensor, device: tch::Device) -> Tensor {
    if rgb.device().is_cuda() || !device.is_cuda() {
        return rgb.to_device(device);
    }
    let codes = (rgb * 255.0).round().clamp(0.0, 255.0).to_kind(Kind::Uint8);
    codes.to_device(device).to_kind(Kind::Float) / 255.0
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
