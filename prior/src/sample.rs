//! New identities: a Gaussian in the space of identity codes of the training heads, drawn and quantised.
use crate::data::HeadData;
use crate::model::Prior;
use crate::picture::{draw, sheet_png};
use anyhow::Result;
use nets::vq::Mode;
use splat::Camera;
use tch::{Kind, Tensor};

/// Identity codes of a split, their mean, and a basis of what varies.
pub struct CodeSpace {
    /// `[1, D·g·g]`
    mean: Tensor,
    /// `[R, D·g·g]` principal directions times their standard deviations.
    directions: Tensor,
    shape: Vec<i64>,
}

impl CodeSpace {
    /// Encodes every identity of a split (one row each).
    ///
    /// # Errors
    /// Rows that cannot be read.
    pub fn of(prior: &Prior, data: &HeadData, split: &str) -> Result<Self> {
        let mut seen = std::collections::BTreeMap::new();
        for i in data.rows(split, -1) {
            seen.entry(data.dataset().labels(i).identity_id).or_insert(i);
        }
        let rows: Vec<usize> = seen.into_values().collect();
        anyhow::ensure!(rows.len() > 1, formats::exit::Failure::bad_data(format!("fewer than two {split} identities")));
        let mut codes = Vec::new();
        for chunk in rows.chunks(16) {
            let maps = data.batch(chunk)?.maps;
            codes.push(tch::no_grad(|| prior.encode_identity(&maps.texture, &maps.position)));
        }
        let codes = Tensor::cat(&codes, 0);
        let shape = codes.size();
        let flat = codes.flatten(1, -1);
        let mean = flat.mean_dim([0i64].as_slice(), true, Kind::Float);
        // Not `linalg_svd`: its binding always names a driver, which only CUDA takes.
        let (_, s, v) = (&flat - &mean).svd(true, true);
        let rank = (rows.len() as i64 - 1).min(64);
        let deviation = s.narrow(0, 0, rank) / ((rows.len() - 1) as f64).sqrt();
        Ok(CodeSpace {
            mean,
            directions: v.tr().narrow(0, 0, rank) * deviation.unsqueeze(1),
            shape: vec![1, shape[1], shape[2], shape[3]],
        })
    }

    /// One code; `spread` 1 is the training heads' own variety.
    pub fn draw(&self, seed: u64, spread: f64) -> Tensor {
        tch::manual_seed(seed as i64);
        // Drawn on the CPU: the same people on every device.
        let c = Tensor::randn([1, self.directions.size()[0]], (Kind::Float, tch::Device::Cpu)) * spread;
        let c = c.to_device(self.mean.device());
        (&self.mean + c.matmul(&self.directions)).view(self.shape.as_slice())
    }
}

/// A sheet of `n` new people, each from three sides, as PNG.
///
/// # Errors
/// As [`CodeSpace::of`].
pub fn sheet(prior: &mut Prior, data: &HeadData, n: usize, seed: u64, spread: f64, size: usize) -> Result<Vec<u8>> {
    let space = CodeSpace::of(prior, data, "train")?;
    let rest = Tensor::zeros_like(prior.means().0);
    let mut rows: [Vec<Tensor>; 3] = Default::default();
    for k in 0..n {
        let z = space.draw(nets::train::mix(&[seed, k as u64]) >> 1, spread);
        let gaussians = tch::no_grad(|| {
            let id = prior.quantise_identity(&z, Mode::Fixed).code;
            let z_expr = prior.encode_expression(&rest);
            let expr = prior.quantise_expression(&z_expr, Mode::Fixed).code;
            prior.gaussians(&prior.decode(&id, &expr))
        });
        for (row, yaw) in rows.iter_mut().zip([-0.7f32, 0.0, 0.7]) {
            let picture = draw(&gaussians, &[portrait(yaw, size)], &[[0.16, 0.15, 0.14]])?;
            row.push(picture.color.select(0, 0));
        }
    }
    sheet_png(&rows)
}

/// A portrait camera 0.9 m from the head, `yaw` radians to its left, in head space.
pub fn portrait(yaw: f32, size: usize) -> Camera {
    let target = glam::Vec3::new(0.0, -0.01, -0.04);
    let eye = target + glam::Vec3::new(yaw.sin(), 0.05, yaw.cos()) * 0.9;
    Camera::look_at(eye, target, glam::Vec3::Y, 2.6 * size as f32, size, size)
}
