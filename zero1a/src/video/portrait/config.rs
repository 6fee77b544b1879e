//! `config.json` of the public folders, as far as the networks depend on it. What is read is checked; other keys are not
//! ours to judge.
use nets::Error;
use serde::de::DeserializeOwned;
use std::path::Path;

/// The autoencoder; defaults are `sd-vae-ft-mse`'s.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct VaeConfig {
    /// Widths, largest picture first; each further entry halves.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks a level, on the way down.
    pub layers_per_block: i64,
    /// Channels of a latent.
    pub latent_channels: i64,
    /// Groups of the normalisation.
    pub norm_num_groups: i64,
    /// Brings latents to unit spread.
    pub scaling_factor: f64,
}

impl Default for VaeConfig {
    fn default() -> Self {
        VaeConfig {
            block_out_channels: vec![128, 256, 512, 512],
            layers_per_block: 2,
            latent_channels: 4,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
        }
    }
}

/// A U-Net; defaults are Stable Diffusion 1.5's.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct UnetConfig {
    /// Widths, largest grid first; each further entry halves.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks a level, on the way down.
    pub layers_per_block: i64,
    /// Channels in.
    pub in_channels: i64,
    /// Channels out.
    pub out_channels: i64,
    /// Width of the context's tokens.
    pub cross_attention_dim: i64,
    /// Heads (the public name says otherwise).
    pub attention_head_dim: i64,
    /// Groups of the normalisation.
    pub norm_num_groups: i64,
    /// Summand under the root of the normalisation.
    pub norm_eps: f64,
    /// Kinds of the levels, largest grid first: those named `CrossAttn…` attend.
    pub down_block_types: Vec<String>,
}

impl Default for UnetConfig {
    fn default() -> Self {
        let attends = "CrossAttnDownBlock2D".to_string();
        UnetConfig {
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: 2,
            in_channels: 4,
            out_channels: 4,
            cross_attention_dim: 768,
            attention_head_dim: 8,
            norm_num_groups: 32,
            norm_eps: 1e-5,
            down_block_types: vec![attends.clone(), attends.clone(), attends, "DownBlock2D".into()],
        }
    }
}

impl UnetConfig {
    /// Do the pixels of this level attend?
    pub fn attends_down(&self, level: usize) -> bool {
        self.down_block_types[level].starts_with("CrossAttn")
    }
}

/// The image encoder; defaults are ViT-L/14's.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ClipConfig {
    /// Width of a token.
    pub hidden_size: i64,
    /// Width inside the feed-forward.
    pub intermediate_size: i64,
    /// Layers.
    pub num_hidden_layers: i64,
    /// Heads.
    pub num_attention_heads: i64,
    /// Side of the picture, pixels.
    pub image_size: i64,
    /// Side of a patch, pixels.
    pub patch_size: i64,
    /// Width of the embedding.
    pub projection_dim: i64,
    /// `quick_gelu` or `gelu`.
    pub hidden_act: String,
}

impl Default for ClipConfig {
    fn default() -> Self {
        ClipConfig {
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            image_size: 224,
            patch_size: 14,
            projection_dim: 768,
            hidden_act: "quick_gelu".into(),
        }
    }
}

/// Reads a `config.json`.
///
/// # Errors
/// [`Error::Io`], [`Error::Format`].
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|e| Error::Format { what: format!("configuration: {e}"), path: path.into() })
}

impl UnetConfig {
    /// # Errors
    /// [`Error::Config`] if widths and kinds of levels do not go together.
    pub fn check(&self) -> Result<(), Error> {
        let (w, groups) = (&self.block_out_channels, self.norm_num_groups);
        let fail = |key: &str, why: String| Err(Error::Config { key: key.into(), why });
        if w.is_empty() || w.len() != self.down_block_types.len() {
            return fail("down_block_types", format!("{} kinds for {} widths", self.down_block_types.len(), w.len()));
        }
        match w.iter().find(|w| groups <= 0 || *w % groups != 0 || *w % self.attention_head_dim != 0) {
            Some(w) => fail("block_out_channels", format!("{w} is not divided by groups and heads")),
            None => Ok(()),
        }
    }
}
