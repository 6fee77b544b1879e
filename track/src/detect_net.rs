//! Finds faces of about one size in a picture of any size; an image pyramid gives it the other sizes.
//!
//! Fully convolutional: one answer every [`STRIDE`] pixels, as "Objects as Points" (Zhou et al. 2019) has it.
//! Letters: `B` batch, `h`, `w` cells.
use crate::face::Face;
use crate::layers::{Conv, ConvNorm, Residual, head, normalised};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// Pixels from one answer to the next.
pub const STRIDE: usize = 8;
/// Faces it answers for (pixels of its input): a bit more than one step of the pyramid.
pub const SIZES: [f32; 2] = [20.0, 44.0];
/// Factor from one level of the pyramid to the next.
pub const PYRAMID_STEP: f32 = 0.6;
/// Size whose logarithm the network calls 0.
const REFERENCE_SIZE: f32 = 30.0;

/// The network.
#[derive(Debug)]
pub struct DetectNet {
    stem: ConvNorm,
    down4: ConvNorm,
    mix4: Residual,
    down8: ConvNorm,
    mix8: Vec<Residual>,
    answer: nn::Conv2D,
}

impl DetectNet {
    /// Fresh weights under `path`.
    pub fn new(path: nn::Path) -> Self {
        DetectNet {
            stem: ConvNorm::new(&path / "stem", Conv::down(3, 16)),
            down4: ConvNorm::new(&path / "down4", Conv::down(16, 32)),
            mix4: Residual::new(&path / "mix4", 32, 1),
            down8: ConvNorm::new(&path / "down8", Conv::down(32, 64)),
            mix8: [1, 2, 1].iter().enumerate().map(|(i, d)| Residual::new(&path / "mix8" / i, 64, *d)).collect(),
            answer: head(&path / "answer", 64, 6, 0.0),
        }
    }

    /// `rgb` `[B, 3, H, W]` in 0..=1 → `[B, 6, h, w]`: logit, shift x and y (cells), log size, sine and cosine of roll.
    pub fn forward(&self, rgb: &Tensor, train: bool) -> Tensor {
        let x = normalised(rgb).apply_t(&self.stem, train).apply_t(&self.down4, train).apply_t(&self.mix4, train);
        let mut x = x.apply_t(&self.down8, train);
        for block in &self.mix8 {
            x = x.apply_t(block, train);
        }
        self.answer.forward(&x)
    }

    /// Faces above `threshold` in `answer` `[6, h, w]`, in pixels of the input; local maxima only.
    pub fn faces(answer: &Tensor, threshold: f32) -> Vec<Face> {
        let size = answer.size();
        let (h, w) = (size[1] as usize, size[2] as usize);
        let flat = answer.to_device(tch::Device::Cpu).to_kind(Kind::Float).contiguous().flatten(0, -1);
        let v: Vec<f32> = Vec::try_from(flat).expect("a flat float tensor");
        let at = |c: usize, y: usize, x: usize| v[(c * h + y) * w + x];
        let mut found = Vec::new();
        for y in 0..h {
            for x in 0..w {
                let logit = at(0, y, x);
                let score = 1.0 / (1.0 + (-logit).exp());
                let beaten = (y.saturating_sub(1)..(y + 2).min(h))
                    .any(|j| (x.saturating_sub(1)..(x + 2).min(w)).any(|i| at(0, j, i) > logit));
                if score < threshold || beaten {
                    continue;
                }
                let cell = STRIDE as f32;
                found.push(Face {
                    centre: [(x as f32 + 0.5 + at(1, y, x)) * cell, (y as f32 + 0.5 + at(2, y, x)) * cell],
                    size: REFERENCE_SIZE * at(3, y, x).clamp(-2.0, 2.0).exp(),
                    roll_rad: at(4, y, x).atan2(at(5, y, x)),
                    score,
                });
            }
        }
        found
    }
}

/// What the network should say of a patch; planes `[h, w]`.
pub struct DetectTarget {
    /// Heat: 1 at a face's cell, falling off as a Gaussian.
    pub heat: Vec<f32>,
    /// 0 where the answer does not count: around faces outside [`SIZES`].
    pub counts: Vec<f32>,
    /// 1 where the geometry counts.
    pub near: Vec<f32>,
    /// Shift x and y (cells), log size, sine and cosine of roll; five planes.
    pub geometry: Vec<f32>,
}

impl DetectTarget {
    /// For a square patch of `side` pixels.
    pub fn new(faces: &[Face], side: usize) -> Self {
        let n = side / STRIDE;
        let mut target = DetectTarget {
            heat: vec![0.0; n * n],
            counts: vec![1.0; n * n],
            near: vec![0.0; n * n],
            geometry: vec![0.0; 5 * n * n],
        };
        for face in faces {
            target.add(face, n);
        }
        target
    }

    fn add(&mut self, face: &Face, n: usize) {
        let centre = face.centre.map(|c| c / STRIDE as f32);
        let wanted = (SIZES[0] * 0.95..=SIZES[1] * 1.05).contains(&face.size);
        let sigma = 0.13 * face.size / STRIDE as f32;
        for y in 0..n {
            for x in 0..n {
                let (dx, dy) = (centre[0] - x as f32 - 0.5, centre[1] - y as f32 - 0.5);
                let i = y * n + x;
                if !wanted {
                    if dx.hypot(dy) * (STRIDE as f32) < 0.6 * face.size {
                        self.counts[i] = 0.0;
                    }
                    continue;
                }
                let own = dx.abs() <= 0.5 && dy.abs() <= 0.5;
                let heat = if own { 1.0 } else { (-(dx * dx + dy * dy) / (2.0 * sigma * sigma)).exp() };
                self.heat[i] = self.heat[i].max(heat);
                if dx.abs() <= 1.0 && dy.abs() <= 1.0 {
                    self.near[i] = 1.0;
                    let values = [dx, dy, (face.size / REFERENCE_SIZE).ln(), face.roll_rad.sin(), face.roll_rad.cos()];
                    for (k, v) in values.into_iter().enumerate() {
                        self.geometry[k * n * n + i] = v;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn target_and_decoding_agree() {
        let face = Face { centre: [45.3, 60.2], size: 33.0, roll_rad: -0.3, score: 1.0 };
        let target = DetectTarget::new(&[face], 96);
        let heat = Tensor::from_slice(&target.heat).view([1, 12, 12]);
        let logit = (&heat * 0.98 + 0.01).logit(None);
        let answer = Tensor::cat(&[logit, Tensor::from_slice(&target.geometry).view([5, 12, 12])], 0);
        let found = DetectNet::faces(&answer, 0.5);
        assert_eq!(found.len(), 1);
        let f = found[0];
        assert!((f.centre[0] - 45.3).abs() < 0.01 && (f.centre[1] - 60.2).abs() < 0.01);
        assert!((f.size - 33.0).abs() < 0.01 && (f.roll_rad + 0.3).abs() < 1e-4 && f.score > 0.9);
    }

    #[test]
    fn any_multiple_of_the_stride_goes_in() {
        let vars = nn::VarStore::new(Device::Cpu);
        let net = DetectNet::new(vars.root());
        let answer = net.forward(&Tensor::rand([1, 3, 64, 104], (Kind::Float, Device::Cpu)), false);
        assert_eq!(answer.size(), [1, 6, 8, 13]);
    }
}
