//! Pictures ↔ latents: a variational autoencoder (Kingma and Welling 2014) of convolutions alone.
use super::block::fold;
use super::config::SmallConfig;
use nets::blocks::conv::{ResBlock, conv3, conv3_zero, double, halve, norm};
use tch::nn::{self, ModuleT};
use tch::{Kind, Tensor};

/// Encoder and decoder, and the mean and spread of the latents they were found to give.
#[derive(Debug)]
pub struct Vae {
    encode: nn::Sequential,
    decode: nn::Sequential,
    /// Per channel, `[C, 1, 1]`; measured once it is trained.
    mean: Tensor,
    spread: Tensor,
}

/// What the encoder says of a picture, before it is brought to unit spread.
#[derive(Debug)]
pub struct Posterior {
    /// `[B, C, s, s]`
    pub mean: Tensor,
    /// Logarithm of the variance, `[B, C, s, s]`.
    pub log_variance: Tensor,
}

impl Posterior {
    /// One draw.
    pub fn sample(&self) -> Tensor {
        &self.mean + self.mean.randn_like() * (&self.log_variance * 0.5).exp()
    }

    /// Divergence from the unit normal distribution, mean per latent number.
    pub fn divergence(&self) -> Tensor {
        (self.mean.square() + self.log_variance.exp() - 1.0 - &self.log_variance).mean(Kind::Float) * 0.5
    }
}

impl Vae {
    /// Under `p`.
    pub fn new(p: nn::Path, c: &SmallConfig) -> Self {
        let w = &c.vae_widths;
        let deepest = w[w.len() - 1];
        let (e, d) = (&p / "encode", &p / "decode");
        let mut encode = nn::seq().add_fn(|x| fold(&(x * 2.0 - 1.0))).add(conv3(&e / "stem", 12, w[0]));
        encode = encode.add(ResBlock::new(&e / "block0", w[0], w[0]));
        for i in 1..w.len() {
            encode = encode.add(halve(&e / format!("halve{i}"), w[i - 1], w[i]));
            encode = encode.add(ResBlock::new(&e / format!("block{i}"), w[i], w[i]));
        }
        encode = encode.add(norm(&e / "norm", deepest)).add_fn(Tensor::silu);
        encode = encode.add(conv3(&e / "last", deepest, 2 * c.latent));

        let mut decode = nn::seq().add(conv3(&d / "stem", c.latent, deepest));
        for i in (1..w.len()).rev() {
            decode = decode.add(ResBlock::new(&d / format!("block{i}"), w[i], w[i])).add_fn(double);
            decode = decode.add(conv3(&d / format!("shrink{i}"), w[i], w[i - 1]));
        }
        decode = decode.add(ResBlock::new(&d / "block0", w[0], w[0]));
        decode = decode.add(norm(&d / "norm", w[0])).add_fn(Tensor::silu);
        decode = decode.add(conv3_zero(&d / "last", w[0], 12)).add_fn(|x| x.pixel_shuffle(2) + 0.5);
        let shape = [c.latent, 1, 1];
        Vae { encode, decode, mean: p.zeros_no_train("mean", &shape), spread: p.ones_no_train("spread", &shape) }
    }

    /// `[B, 3, S, S]` sRGB in 0..=1.
    pub fn posterior(&self, pictures: &Tensor) -> Posterior {
        let both = pictures.apply_t(&self.encode, false).chunk(2, 1);
        Posterior { mean: both[0].shallow_clone(), log_variance: both[1].clamp(-20.0, 4.0) }
    }

    /// From latents as [`Posterior`] has them; values may leave 0..=1 a little.
    pub fn decode_raw(&self, latents: &Tensor) -> Tensor {
        self.decode.forward_t(latents, false)
    }

    /// The posterior's mean at unit spread.
    pub fn encode(&self, pictures: &Tensor) -> Tensor {
        self.normalised(&self.posterior(pictures).mean)
    }

    /// Latents as [`Posterior`] has them, brought to unit spread.
    pub fn normalised(&self, latents: &Tensor) -> Tensor {
        (latents - &self.mean) / &self.spread
    }

    /// Back from unit spread, in 0..=1.
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        self.decode_raw(&(latents * &self.spread + &self.mean)).clamp(0.0, 1.0)
    }

    /// Takes mean and spread per channel from latents `[N, C, s, s]` as [`Posterior`] has them.
    pub fn measure(&mut self, latents: &Tensor) {
        tch::no_grad(|| {
            let (spread, mean) = latents.std_mean_dim([0i64, 2, 3].as_slice(), true, true);
            self.mean.copy_(&mean.squeeze_dim(0));
            self.spread.copy_(&spread.squeeze_dim(0).clamp_min(1e-4));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn latents_come_at_unit_spread_and_pictures_in_range() {
        tch::manual_seed(3);
        let vars = nn::VarStore::new(Device::Cpu);
        let config = SmallConfig { size: 32, vae_widths: vec![8, 16], ..Default::default() };
        let mut vae = Vae::new(vars.root(), &config);
        let pictures = Tensor::rand([5, 3, 32, 32], (Kind::Float, Device::Cpu));
        let posterior = vae.posterior(&pictures);
        assert_eq!(posterior.sample().size(), [5, 4, 8, 8]);
        vae.measure(&posterior.mean);
        let latents = vae.encode(&pictures);
        let (spread, mean) = latents.std_mean_dim([0i64, 2, 3].as_slice(), true, false);
        assert!(mean.abs().max().double_value(&[]) < 1e-3 && (spread - 1.0).abs().max().double_value(&[]) < 1e-3);
        let back = vae.decode(&latents);
        assert_eq!(back.size(), pictures.size());
        assert!(back.allclose(&vae.decode_raw(&posterior.mean).clamp(0.0, 1.0), 1e-4, 1e-4, false));
    }

    #[test]
    fn a_unit_normal_posterior_does_not_diverge() {
        let zeros = Tensor::zeros([2, 4, 3, 3], (Kind::Float, Device::Cpu));
        let at = |mean: f64| Posterior { mean: &zeros + mean, log_variance: zeros.shallow_clone() }.divergence();
        assert_eq!(at(0.0).double_value(&[]), 0.0);
        assert!((at(2.0).double_value(&[]) - 2.0).abs() < 1e-6);
    }
}
