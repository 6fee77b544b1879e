//! CLIP's image encoder (Radford et al. 2021; `transformers`' `CLIPVisionModelWithProjection`).
use super::config::{self, ClipConfig};
use super::files::{fill, find, read};
use super::layers::{layer_norm, linear};
use anyhow::{Context, Result};
use std::path::Path;
use tch::nn;
use tch::{Device, Kind, Tensor};

/// Mean of the pictures it was trained on, sRGB in 0..=1.
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Their spread.
const SPREAD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// A vision transformer and the projection of its first token.
#[derive(Debug)]
pub struct ClipVision {
    class: Tensor,
    patch: nn::Conv2D,
    places: Tensor,
    pre: nn::LayerNorm,
    layers: Vec<Layer>,
    post: nn::LayerNorm,
    projection: nn::Linear,
    size: i64,
}

#[derive(Debug)]
struct Layer {
    norm1: nn::LayerNorm,
    qkv: [nn::Linear; 3],
    out: nn::Linear,
    norm2: nn::LayerNorm,
    fc1: nn::Linear,
    fc2: nn::Linear,
    heads: i64,
    quick: bool,
}

impl ClipVision {
    /// From a folder with `config.json` and `model` or `pytorch_model` of any ending, frozen.
    ///
    /// # Errors
    /// A file or tensor that is missing or misshaped, by its name.
    pub fn load(folder: &Path, device: Device) -> Result<Self> {
        let config = config::read(&folder.join("config.json"))?;
        let mut vars = nn::VarStore::new(device);
        let net = ClipVision::new(vars.root(), &config);
        fill(&vars, &[read(&find(folder, &["model", "pytorch_model"])?)?]).context("image encoder")?;
        vars.freeze();
        Ok(net)
    }

    /// Under `p`.
    pub fn new(p: nn::Path, c: &ClipConfig) -> Self {
        let v = &p / "vision_model";
        let e = &v / "embeddings";
        let w = c.hidden_size;
        let tokens = (c.image_size / c.patch_size).pow(2) + 1;
        let zero = nn::Init::Const(0.0);
        let patch = nn::ConvConfig { stride: c.patch_size, bias: false, ws_init: zero, ..Default::default() };
        let plain = nn::LinearConfig { bias: false, ws_init: zero, ..Default::default() };
        ClipVision {
            class: e.zeros("class_embedding", &[w]),
            patch: nn::conv2d(&e / "patch_embedding", 3, w, c.patch_size, patch),
            places: (&e / "position_embedding").zeros("weight", &[tokens, w]),
            pre: layer_norm(&v / "pre_layrnorm", w),
            layers: (0..c.num_hidden_layers).map(|i| Layer::new(&v / "encoder" / "layers" / i, c)).collect(),
            post: layer_norm(&v / "post_layernorm", w),
            projection: nn::linear(&p / "visual_projection", w, c.projection_dim, plain),
            size: c.image_size,
        }
    }

    /// Pictures `[B, 3, S, S]`, sRGB in 0..=1, of any size → embedding `[B, P]`, not normalised.
    pub fn embed(&self, pictures: &Tensor) -> Tensor {
        let small = pictures.internal_upsample_bicubic2d_aa([self.size, self.size], false, None, None);
        let like = |v: &[f32; 3]| Tensor::from_slice(v).view([3, 1, 1]).to_device(pictures.device());
        self.forward(&((small - like(&MEAN)) / like(&SPREAD)))
    }

    /// Cosine of the embeddings of pictures `[B, 3, S, S]`, sRGB in 0..=1: `[B]`. With public weights this is CLIP-I.
    pub fn similarity(&self, a: &Tensor, b: &Tensor) -> Tensor {
        Tensor::cosine_similarity(&self.embed(a), &self.embed(b), 1, 1e-8)
    }

    /// Pictures `[B, 3, size, size]` of mean 0 and spread 1 → embedding `[B, P]`.
    pub fn forward(&self, pictures: &Tensor) -> Tensor {
        let b = pictures.size()[0];
        let patches = pictures.apply(&self.patch).flatten(2, 3).transpose(1, 2);
        let class = self.class.view([1, 1, -1]).expand([b, 1, -1], false);
        let mut x = (Tensor::cat(&[class, patches], 1) + &self.places).apply(&self.pre);
        for layer in &self.layers {
            x = layer.forward(&x);
        }
        x.select(1, 0).apply(&self.post).apply(&self.projection)
    }
}

impl Layer {
    fn new(p: nn::Path, c: &ClipConfig) -> Self {
        let w = c.hidden_size;
        let a = &p / "self_attn";
        Layer {
            norm1: layer_norm(&p / "layer_norm1", w),
            qkv: ["q_proj", "k_proj", "v_proj"].map(|name| linear(&a / name, w, w)),
            out: linear(&a / "out_proj", w, w),
            norm2: layer_norm(&p / "layer_norm2", w),
            fc1: linear(&p / "mlp" / "fc1", w, c.intermediate_size),
            fc2: linear(&p / "mlp" / "fc2", c.intermediate_size, w),
            heads: c.num_attention_heads,
            quick: c.hidden_act == "quick_gelu",
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let (b, n, w) = x.size3().expect("[B, N, W]");
        let asked = x.apply(&self.norm1);
        let [q, k, v] =
            [0, 1, 2].map(|i| asked.apply(&self.qkv[i]).view([b, n, self.heads, w / self.heads]).transpose(1, 2));
        let mixed = Tensor::scaled_dot_product_attention::<Tensor>(&q, &k, &v, None, 0.0, false, None, false);
        let x = x + mixed.transpose(1, 2).reshape([b, n, w]).apply(&self.out);
        let inner = x.apply(&self.norm2).apply(&self.fc1);
        let inner = if self.quick { &inner * (&inner * 1.702).sigmoid() } else { inner.gelu("none") };
        (&x + inner.apply(&self.fc2)).to_kind(Kind::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nets::Checkpoint;

    #[test]
    fn an_encoder_is_read_from_its_folder_and_likes_what_is_alike() {
        tch::manual_seed(3);
        let text = r#"{ "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
            "image_size": 32, "patch_size": 8, "projection_dim": 12, "hidden_act": "quick_gelu" }"#;
        let folder = std::env::temp_dir().join(format!("effigy-clip-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.json"), text).unwrap();
        let vars = nn::VarStore::new(Device::Cpu);
        ClipVision::new(vars.root(), &config::read(&folder.join("config.json")).unwrap());
        let mut file = Checkpoint::new(0);
        for (name, t) in vars.variables() {
            file.put(&name, &(Tensor::randn_like(&t) * 0.5));
        }
        file.save(&folder.join("model.safetensors")).unwrap();
        let net = ClipVision::load(&folder, Device::Cpu).unwrap();
        let a = Tensor::rand([2, 3, 48, 48], (Kind::Float, Device::Cpu));
        let b = &a * 0.2;
        let (same, other) = (net.similarity(&a, &a), net.similarity(&a, &b));
        assert!((same - 1.0).abs().max().double_value(&[]) < 1e-4);
        assert!(other.max().double_value(&[]) < 1.0 - 1e-5, "{other:?}");
        std::fs::remove_file(folder.join("model.safetensors")).unwrap();
        assert!(ClipVision::load(&folder, Device::Cpu).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
