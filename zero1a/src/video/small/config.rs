//! Sizes of the small video model.
use nets::Error;
use nets::blocks::diffusion::{Betas, NoiseSchedule};

/// Timesteps that it is trained on.
pub const TIMESTEPS: usize = 1000;

/// Sizes of the networks; kept in the weight file.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmallConfig {
    /// Side of the pictures, pixels.
    pub size: i64,
    /// Most frames denoised at once.
    pub window: i64,
    /// Channels of a latent.
    pub latent: i64,
    /// Widths of the VAE; the first at half the pictures' size, each further entry halves again.
    pub vae_widths: Vec<i64>,
    /// Widths of the U-Net; the first at the latents' size, each further entry halves.
    pub widths: Vec<i64>,
    /// Channels of an attention head.
    pub head_width: i64,
    /// Largest side of a grid whose pixels attend to one another; on larger ones only frames do.
    pub attention_side: i64,
}

impl Default for SmallConfig {
    fn default() -> Self {
        SmallConfig {
            size: 64,
            window: 16,
            latent: 4,
            vae_widths: vec![48, 96],
            widths: vec![48, 96],
            head_width: 24,
            attention_side: 16,
        }
    }
}

impl SmallConfig {
    /// Side of a latent.
    pub fn latent_side(&self) -> i64 {
        self.size >> self.vae_widths.len()
    }

    /// What the VAE depends on: size, latent channels, widths.
    pub fn vae(&self) -> (i64, i64, &[i64]) {
        (self.size, self.latent, &self.vae_widths)
    }

    /// β as in the portrait models of the Stable Diffusion family, zero terminal SNR.
    pub fn schedule(&self) -> NoiseSchedule {
        NoiseSchedule::new(Betas::Linear, 8.5e-4, 0.012, TIMESTEPS).with_zero_terminal_snr()
    }

    /// # Errors
    /// [`Error::Config`] for sizes that no model can have.
    pub fn check(&self) -> Result<(), Error> {
        let fail = |key: &str, why: String| Err(Error::Config { key: key.into(), why });
        let halvings = self.vae_widths.len() + self.widths.len().saturating_sub(1);
        if self.vae_widths.is_empty() || self.widths.is_empty() {
            return fail("widths", "at least one entry each in vae_widths and widths".into());
        }
        if self.size <= 0 || self.size % (1 << halvings) != 0 {
            return fail("size", format!("{} is not divisible by 2^{halvings}", self.size));
        }
        if let Some(w) = self.widths.iter().find(|w| self.head_width <= 0 || **w % self.head_width != 0) {
            return fail("head_width", format!("{} does not divide the width {w}", self.head_width));
        }
        if self.latent <= 0 || self.window <= 0 {
            return fail("latent", "latent and window must be positive".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_do_not_divide_are_refused() {
        let ok = SmallConfig::default();
        assert!(ok.check().is_ok() && ok.latent_side() == 16);
        for bad in [
            SmallConfig { size: 60, ..ok.clone() },
            SmallConfig { head_width: 36, ..ok.clone() },
            SmallConfig { widths: vec![], ..ok.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
