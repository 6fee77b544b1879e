//! Training of the VAE on single pictures.
use super::config::SmallConfig;
use super::data::ClipData;
use super::vae::Vae;
use formats::card::WeightsCard;
use nets::blocks::conv::{channels_last, weights_channels_last};
use nets::losses::image::l1;
use nets::losses::metric;
use nets::training::batches::batch_at;
use nets::training::loader::BatchFn;
use nets::training::means::Means;
use nets::training::trainer::{Task, TrainConfig, device_of};
use nets::{Error, Perceptual};
use serde_json::json;
use std::rc::Rc;
use std::sync::Arc;
use tch::{Kind, Tensor, nn};

/// Value of the header's `net` in the file between the two trainings.
pub const NET: &str = "effigy-video-vae-1";
/// Weight of the divergence: latents need to lie close together, not to be normal.
const DIVERGENCE: f64 = 1e-4;
/// Pictures that figures are measured on.
const MEASURED: usize = 64;

/// The VAE, its pictures and its loss: L1, a perceptual distance, the divergence.
pub struct VaeTask {
    vars: nn::VarStore,
    vae: Vae,
    config: SmallConfig,
    train: TrainConfig,
    data: Rc<ClipData>,
    perceptual: Option<Perceptual>,
}

impl VaeTask {
    /// # Errors
    /// [`Error::Config`] or [`Error::Device`].
    pub fn new(
        data: Rc<ClipData>,
        config: &SmallConfig,
        train: &TrainConfig,
        perceptual: Option<Perceptual>,
    ) -> Result<Self, Error> {
        config.check()?;
        train.check()?;
        tch::manual_seed(train.seed as i64);
        let vars = nn::VarStore::new(device_of(train)?);
        let vae = Vae::new(vars.root() / "model" / "vae", config);
        weights_channels_last(&vars);
        Ok(VaeTask { vars, vae, config: config.clone(), train: train.clone(), data, perceptual })
    }
}

impl Task for VaeTask {
    type Batch = Vec<usize>;

    fn net(&self) -> &'static str {
        NET
    }

    fn shipped(&self) -> &'static str {
        "model"
    }

    fn model_config(&self) -> Option<String> {
        Some(toml::to_string(&self.config).expect("a flat table"))
    }

    fn vars(&self) -> &nn::VarStore {
        &self.vars
    }

    fn batches(&self) -> BatchFn<Vec<usize>> {
        let (rows, seed, batch) = (self.data.train_rows(), self.train.seed, self.train.batch);
        Arc::new(move |step| Ok(batch_at(rows.len(), batch, seed, step).iter().map(|&i| rows[i]).collect()))
    }

    fn loss(&self, batch: &Vec<usize>, step: u64, means: &mut Means) -> Result<Tensor, Error> {
        let pictures = channels_last(&self.data.pictures(batch, self.vars.device()));
        let posterior = self.vae.posterior(&pictures);
        let made = self.vae.decode_raw(&posterior.sample());
        let pixels = l1(&made, &pictures);
        let divergence = posterior.divergence();
        means.add("l1", &pixels, step)?;
        means.add("divergence", &divergence, step)?;
        let mut loss = pixels + divergence * DIVERGENCE;
        if let Some(perceptual) = &self.perceptual {
            let distance = perceptual.distance(&made, &pictures);
            means.add("perceptual", &distance, step)?;
            loss += distance * 0.25;
        }
        Ok(loss)
    }

    fn evaluate(&self) -> Result<serde_json::Value, Error> {
        let mut rows = self.data.held_out_rows();
        rows.truncate(MEASURED);
        let pictures = channels_last(&self.data.pictures(&rows, self.vars.device()));
        let _no_grad = tch::no_grad_guard();
        let made = self.vae.decode_raw(&self.vae.posterior(&pictures).mean).clamp(0.0, 1.0);
        let protocol = format!("{} pictures of held-out people, {} px, posterior mean", rows.len(), self.config.size);
        Ok(json!({
            "vae_psnr_db": { "value": metric::psnr(&made, &pictures).mean(Kind::Double).double_value(&[]), "protocol": protocol },
            "vae_ssim": { "value": metric::ssim(&made, &pictures).mean(Kind::Double).double_value(&[]), "protocol": protocol },
        }))
    }

    fn describe(&self, card: &mut WeightsCard) {
        card.what = "pictures of heads ↔ latents, the first stage of the small video model".into();
        card.architecture = json!(self.config);
        card.data = self.data.origin().into();
        card.provenance.tool = "zero1a".into();
    }
}
