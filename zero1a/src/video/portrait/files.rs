//! Which files a public portrait model consists of, and how they become variables.
//!
//! ```text
//! pretrained_model/
//!   sd-vae-ft-mse/config.json, diffusion_pytorch_model.{safetensors, bin}
//!   image_encoder/config.json, pytorch_model.bin or model.safetensors
//!   stable-diffusion-v1-5/unet/config.json
//!   denoising_unet.pth   motion_module.pth   reference_unet.pth   pose_guider.pth   (or .safetensors)
//! ```
use anyhow::{Context, Result};
use nets::weights::pth;
use nets::{Checkpoint, Error};
use std::path::{Path, PathBuf};
use tch::nn;

/// What the autoencoder's attention was called in older files.
const OLD_NAMES: [(&str, &str); 4] = [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")];

/// The first of `names` that is in `folder`, with any of the endings that weights have.
///
/// # Errors
/// [`Error::Config`] with what was looked for.
pub fn find(folder: &Path, names: &[&str]) -> Result<PathBuf, Error> {
    for name in names {
        for ending in ["safetensors", "pth", "bin", "pt", "ckpt"] {
            let path = folder.join(format!("{name}.{ending}"));
            if path.is_file() {
                return Ok(path);
            }
        }
    }
    let why = format!("no {} (.safetensors, .pth, .bin, .pt or .ckpt) in {folder:?}", names.join(" or "));
    Err(Error::Config { key: "video-model".into(), why })
}

/// Reads weights of either format, recognized by the ending.
///
/// # Errors
/// [`Error::Io`] or [`Error::Format`].
pub fn read(path: &Path) -> Result<Checkpoint, Error> {
    if path.extension().is_some_and(|e| e == "safetensors") { Checkpoint::load(path) } else { pth::load(path) }
}

/// Fills a store from the first file that has each name, under that name or its older one.
///
/// # Errors
/// [`Error::Missing`] or [`Error::Shape`] with the tensor's name; nothing is changed then.
pub fn fill(vars: &nn::VarStore, files: &[Checkpoint]) -> Result<()> {
    let mut pairs = Vec::new();
    for (name, variable) in vars.variables() {
        let found = files.iter().find_map(|file| file.get(&name).or_else(|_| file.get(&old(&name))).ok());
        let found = match found {
            Some(t) => t,
            None => files[0].get(&name)?,
        };
        nets::error::check_shape(&name, found, &variable.size()).context("weights of another architecture")?;
        pairs.push((variable, found));
    }
    tch::no_grad(|| pairs.iter().for_each(|(variable, t)| variable.detach().copy_(t)));
    Ok(())
}

fn old(name: &str) -> String {
    let renamed = OLD_NAMES.iter().find(|(new, _)| name.contains(&format!(".{new}.")));
    renamed.map_or_else(|| name.to_string(), |(new, old)| name.replace(&format!(".{new}."), &format!(".{old}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn files_are_asked_in_turn_and_older_names_are_known() {
        let vars = nn::VarStore::new(Device::Cpu);
        let root = vars.root();
        let attention = &root / "mid_block" / "attentions" / 0;
        let (a, b) = (root.zeros("a", &[1]), (&attention / "to_out" / 0).zeros("weight", &[2]));
        let ones = |n: i64| Tensor::ones([n], (Kind::Float, Device::Cpu));
        let (mut one, mut two) = (Checkpoint::new(0), Checkpoint::new(0));
        one.put("a", &ones(1));
        two.put("a", &(ones(1) * 5.0)).put("mid_block.attentions.0.proj_attn.weight", &ones(2));
        fill(&vars, &[one, two]).unwrap();
        assert_eq!((a.double_value(&[0]), b.double_value(&[1])), (1.0, 1.0));

        let mut short = Checkpoint::new(0);
        short.put("a", &ones(1));
        let error = format!("{:#}", fill(&vars, &[short]).unwrap_err());
        assert!(error.contains("mid_block.attentions.0.to_out.0.weight"), "{error}");
        let mut wrong = Checkpoint::new(0);
        wrong.put("a", &ones(3)).put("mid_block.attentions.0.to_out.0.weight", &ones(2));
        let error = format!("{:#}", fill(&vars, &[wrong]).unwrap_err());
        assert!(error.contains("a: expected shape [1], got [3]"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = find(Path::new("/nowhere"), &["denoising_unet"]).unwrap_err().to_string();
        assert!(error.contains("denoising_unet (.safetensors, .pth"), "{error}");
    }
}
