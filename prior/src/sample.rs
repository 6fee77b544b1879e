//! New identities: a normal distribution over the identity codes of the training heads, sampled and quantized. Its mean and
//! principal directions lie in the weights ([`CodeSpace::put`]), so that sampling needs no dataset.
use crate::data::HeadData;
use crate::model::Prior;
use crate::picture::draw;
use crate::weights;
use anyhow::Result;
use formats::exit::Failure;
use nets::Checkpoint;
use nets::blocks::vq::Mode;
use nets::view::sheet_png;
use splat::Camera;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const MEAN: &str = "codes.mean";
const DIRECTIONS: &str = "codes.directions";

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
        anyhow::ensure!(rows.len() > 1, Failure::bad_data(format!("fewer than two {split} identities")));
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

    /// Adds the distribution to weights.
    pub fn put(&self, file: &mut Checkpoint) {
        file.put(MEAN, &self.mean.view(&self.shape[1..]));
        file.put(DIRECTIONS, &self.directions);
    }

    /// The distribution that lies in weights; `None` in weights of builds before it.
    ///
    /// # Errors
    /// Exit code 65 for tensors of other shapes.
    pub fn get(file: &Checkpoint, device: Device) -> Result<Option<Self>> {
        let (Ok(mean), Ok(directions)) = (file.get(MEAN), file.get(DIRECTIONS)) else { return Ok(None) };
        let (shape, rank) = (mean.size(), directions.size());
        anyhow::ensure!(
            shape.len() == 3 && rank.len() == 2 && rank[1] == shape.iter().product::<i64>(),
            Failure::bad_data(format!(
                "code statistics of shapes {shape:?} and {rank:?}, expected [D, g, g] and [R, D g g]"
            ))
        );
        let float = |t: &Tensor| t.to_kind(Kind::Float).to_device(device);
        Ok(Some(CodeSpace {
            mean: float(mean).view([1, rank[1]]),
            directions: float(directions),
            shape: vec![1, shape[0], shape[1], shape[2]],
        }))
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

/// Writes the weights `from` once more as `to`, with the distribution of the training heads' codes by this very network (its
/// weights being half floats).
///
/// # Errors
/// As [`CodeSpace::of`]; weights that cannot be read or written.
pub fn add_codes(from: &Path, to: &Path, data: &HeadData) -> Result<()> {
    let (mut file, loaded) = weights::open(from, data.device())?;
    let mut codes = Checkpoint::new(0);
    CodeSpace::of(&loaded.prior, data, "train")?.put(&mut codes);
    codes.halve()?;
    for name in [MEAN, DIRECTIONS] {
        file.put(name, codes.get(name)?);
    }
    file.save(to)?;
    Ok(())
}

/// Which new people a sheet shows.
#[derive(Clone, Copy, Debug)]
pub struct SheetSpec {
    /// How many.
    pub n: usize,
    /// Seed of their codes.
    pub seed: u64,
    /// Scale of the code distribution; 1 is the training heads' own variety.
    pub spread: f64,
    /// Side of each image, pixels.
    pub size: usize,
}

/// A sheet of new people, each from three sides, as PNG.
///
/// # Errors
/// What the rasterizer says.
pub fn sheet(prior: &mut Prior, space: &CodeSpace, spec: &SheetSpec) -> Result<Vec<u8>> {
    let rest = Tensor::zeros_like(prior.means().0);
    let mut rows: [Vec<Tensor>; 3] = Default::default();
    for k in 0..spec.n {
        let z = space.draw(nets::rng::mix(&[spec.seed, k as u64]) >> 1, spec.spread);
        let gaussians = tch::no_grad(|| {
            let id = prior.quantize_identity(&z, Mode::Fixed).code;
            let z_expr = prior.encode_expression(&rest);
            let expr = prior.quantize_expression(&z_expr, Mode::Fixed).code;
            prior.gaussians(&prior.decode(&id, &expr))
        });
        for (row, yaw) in rows.iter_mut().zip([-0.7f32, 0.0, 0.7]) {
            let picture = draw(&gaussians, &[portrait(yaw, spec.size)], &[[0.16, 0.15, 0.14]])?;
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
