//! A video model whose v is known exactly: latents are normal about a mean that the condition gives.
use super::chain::ChainConfig;
use super::{Condition, VideoModel, invert, noise, sample};
use anyhow::Result;
use nets::blocks::diffusion::{Betas, NoiseSchedule};
use tch::{Device, Kind, Tensor};

/// `x0 ~ N(mean of each map, sd²)`, frames independent, a picture is its latent.
struct Gaussian {
    schedule: NoiseSchedule,
    sd: f64,
    window: i64,
}

impl Gaussian {
    fn new(sd: f64, window: i64) -> Self {
        Gaussian {
            schedule: NoiseSchedule::new(Betas::Linear, 8.5e-4, 0.012, 1000).with_zero_terminal_snr(),
            sd,
            window,
        }
    }
}

impl VideoModel for Gaussian {
    fn size(&self) -> i64 {
        16
    }
    fn latent_shape(&self) -> [i64; 3] {
        [3, 16, 16]
    }
    fn window(&self) -> i64 {
        self.window
    }
    fn encode(&self, pictures: &Tensor) -> Result<Tensor> {
        Ok(pictures.shallow_clone())
    }
    fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        Ok(latents.shallow_clone())
    }
    fn velocity(&self, x: &Tensor, timestep: i64, condition: &Condition, guidance: f64) -> Result<Tensor> {
        anyhow::ensure!(x.size()[0] <= self.window, "{} frames in a window of {}", x.size()[0], self.window);
        let angle = self.schedule.angle(timestep);
        let (cos, sin) = (angle.cos(), angle.sin());
        // E[x0 | x] and E[ε | x] of a normal variable under normal noise; the unconditional mean is 0.
        let v = |mean: &Tensor| {
            let spread = cos * cos * self.sd * self.sd + sin * sin;
            let off = (x - mean * cos) / spread;
            let (x0, eps) = (mean + &off * (cos * self.sd * self.sd), off * sin);
            eps * cos - x0 * sin
        };
        let mean = condition.maps.mean_dim([1i64, 2, 3].as_slice(), true, Kind::Float);
        let (with, without) = (v(&mean), v(&mean.zeros_like()));
        Ok(&without + (with - &without) * guidance)
    }
    fn guidance(&self) -> f64 {
        1.0
    }
    fn alphas_cumprod(&self) -> &[f64] {
        self.schedule.alphas_cumprod()
    }
}

fn condition(means: &[f32]) -> Condition {
    let empty = Tensor::zeros([3, 16, 16], (Kind::Float, Device::Cpu));
    let maps = Tensor::from_slice(means).view([-1, 1, 1, 1]).expand([means.len() as i64, 3, 16, 16], true);
    let maps = maps.contiguous();
    Condition { reference: empty.shallow_clone(), reference_map: empty, moved: maps.shallow_clone(), maps }
}

fn moments(frame: &Tensor) -> (f64, f64) {
    (frame.mean(Kind::Float).double_value(&[]), frame.std(true).double_value(&[]))
}

#[test]
fn sampling_draws_from_the_model() {
    let model = Gaussian::new(0.4, 4);
    let means = [0.5, -0.2, 0.9, 0.1, 0.3, -0.7, 0.0];
    let chain = ChainConfig { steps: 100, guidance: Some(1.0), overlap: 2, ..ChainConfig::WHOLE };
    let made = sample(&model, &noise(&model, 7, 5, Device::Cpu), &condition(&means), &chain).unwrap();
    for (i, want) in means.iter().enumerate() {
        let (mean, sd) = moments(&made.get(i as i64));
        // 768 draws a frame: the mean is known to 0.4/√768 = 0.014; 100 steps widen the spread by a hundredth.
        assert!((mean - f64::from(*want)).abs() < 0.06 && (sd - 0.4).abs() < 0.05, "frame {i}: {mean} ± {sd}");
    }
}

#[test]
fn guidance_pushes_away_from_the_unconditional_mean() {
    let model = Gaussian::new(0.3, 8);
    let at = |guidance: f64| {
        let chain = ChainConfig { steps: 20, guidance: Some(guidance), ..ChainConfig::WHOLE };
        let made = sample(&model, &noise(&model, 2, 1, Device::Cpu), &condition(&[0.5, 0.5]), &chain).unwrap();
        moments(&made).0
    };
    let (plain, guided) = (at(1.0), at(2.0));
    assert!((plain - 0.5).abs() < 0.05 && guided > plain + 0.2, "{plain} {guided}");
}

#[test]
fn inversion_then_sampling_returns_the_input() {
    tch::manual_seed(4);
    let model = Gaussian::new(0.5, 6);
    let condition = condition(&[0.4, 0.1, -0.3]);
    let input = Tensor::randn([3, 3, 16, 16], (Kind::Float, Device::Cpu)) * 0.5;
    let error = |refinements: usize, strength: f64| {
        let chain = ChainConfig { steps: 25, guidance: Some(1.0), strength, refinements, ..ChainConfig::WHOLE };
        let up = invert(&model, &input, &condition, &chain).unwrap();
        let back = sample(&model, &up, &condition, &chain).unwrap();
        (back - &input).square().mean(Kind::Float).sqrt().double_value(&[])
    };
    let (plain, refined) = (error(0, 1.0), error(4, 1.0));
    assert!(plain < 0.15, "plain DDIM inversion: {plain}");
    assert!(refined < 0.1 * plain, "refined {refined}, plain {plain}");
    assert!(error(4, 0.4) < 0.01);
    assert_eq!(error(0, 0.0), 0.0, "no strength changes nothing");
}

#[test]
fn inverted_latents_are_the_noise_of_the_model() {
    let model = Gaussian::new(0.5, 4);
    let condition = condition(&[0.6, -0.2]);
    let chain = ChainConfig { steps: 50, guidance: Some(1.0), refinements: 2, ..ChainConfig::WHOLE };
    let input = Tensor::randn([2, 3, 16, 16], (Kind::Float, Device::Cpu)) * 0.5
        + condition.maps.mean_dim([1i64, 2, 3].as_slice(), true, Kind::Float);
    let (mean, sd) = moments(&invert(&model, &input, &condition, &chain).unwrap());
    assert!(mean.abs() < 0.1 && (sd - 1.0).abs() < 0.1, "{mean} ± {sd}");
}
