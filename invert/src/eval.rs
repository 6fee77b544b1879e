//! An avatar against pictures it was not fitted to.
use crate::avatar::Avatar;
use crate::fit::LossNetworks;
use crate::subject::View;
use anyhow::{Context, Result};
use formats::publish::write_atomically;
use head::HeadModel;
use nets::losses::metric::psnr_masked;
use nets::losses::recognizer::Recognizer;
use nets::view::{composite, draw_one, sheet_png};
use std::path::Path;
use tch::{Kind, Tensor};

const GREY: [[f32; 3]; 1] = [[0.5; 3]];

/// Means over the pictures; a metric whose net was not given is absent.
pub struct Report {
    /// dB, over the valid pixels, before mid grey.
    pub psnr: f64,
    /// 11×11 Gaussian window, centered on valid pixels.
    pub ssim: f64,
    /// Gradient energy of the avatar over that of the picture, see [`sharpness`]; 1 is as sharp.
    pub sharpness: f64,
    /// Our own perceptual distance; not the public LPIPS.
    pub lpips_self: Option<f64>,
    /// Cosine of our own recognizer's embeddings; not the public CSIM.
    pub csim_self: Option<f64>,
    /// Pictures.
    pub n: usize,
    /// Truth, avatar, twice the difference.
    pub sheet: Vec<u8>,
}

/// A picture and the avatar in its place, before mid grey.
pub struct Compared {
    /// `[1, 3, S, S]` display RGB; the picture where it is not valid.
    pub made: Tensor,
    /// `[1, 3, S, S]` display RGB.
    pub truth: Tensor,
    /// `[1, 1, S, S]`
    pub valid: Tensor,
    /// `[1, 1, S, S]` coverage of the head in the picture.
    pub alpha: Tensor,
}

/// Figures of one comparison, see [`Report`].
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Figures {
    /// dB.
    pub psnr_db: f64,
    /// 1 is alike.
    pub ssim: f64,
    /// Within the head; 1 is as sharp.
    pub sharpness: f64,
}

impl Compared {
    /// What can be measured without a network.
    pub fn figures(&self) -> Figures {
        let Compared { made, truth, valid, alpha } = self;
        Figures {
            psnr_db: psnr_masked(made, truth, valid).double_value(&[0]),
            ssim: 1.0 - nets::losses::image::ssim_loss_masked(made, truth, valid).double_value(&[]),
            sharpness: sharpness(made, truth, &(valid * alpha)),
        }
    }

    /// `made` is a drawing `[1, 3, S, S]` before mid grey.
    pub fn new(made: &Tensor, view: &View) -> Self {
        let (valid, alpha) = (view.valid_tensor().to_device(made.device()), view.alpha_tensor());
        let truth = composite(&view.image_tensor(), &alpha, &GREY).to_device(made.device());
        let unknown: Tensor = 1.0 - &valid;
        Compared { made: made * &valid + &truth * unknown, truth, valid, alpha: alpha.to_device(made.device()) }
    }

    /// Writes `{name}-truth.png`, `-avatar.png`, `-valid.png` and `-alpha.png`.
    ///
    /// # Errors
    /// Encoding or writing.
    pub fn write(&self, folder: &Path, name: &str) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {folder:?}"))?;
        let grey = |mask: &Tensor| mask.expand([1, 3, -1, -1], false);
        let pictures = [
            ("truth", self.truth.shallow_clone()),
            ("avatar", self.made.shallow_clone()),
            ("valid", grey(&self.valid)),
            ("alpha", grey(&self.alpha)),
        ];
        for (what, picture) in pictures {
            write_atomically(&folder.join(format!("{name}-{what}.png")), &sheet_png(&[vec![picture.select(0, 0)]])?)?;
        }
        Ok(())
    }
}

/// Drives the avatar with each picture's true expression and camera; writes each comparison into `pictures` if given.
///
/// # Errors
/// A camera no picture can be made with; a folder that cannot be written.
pub fn evaluate(
    avatar: &mut Avatar,
    views: &[View],
    model: &HeadModel,
    loss_networks: &LossNetworks,
    pictures: Option<&Path>,
) -> Result<Report> {
    let (mut psnr, mut ssim, mut sharp, mut lpips, mut csim) = (0.0, 0.0, 0.0, 0.0, 0.0);
    let mut lines: [Vec<Tensor>; 3] = Default::default();
    for view in views {
        let drawn = draw_one(&avatar.posed(model, &view.params), &view.camera, GREY[0])?.color;
        let pair = Compared::new(&drawn, view);
        let (figures, made, truth) = (pair.figures(), &pair.made, &pair.truth);
        psnr += figures.psnr_db;
        ssim += figures.ssim;
        sharp += figures.sharpness;
        if let Some(net) = &loss_networks.perceptual {
            lpips += net.distance(made, truth).double_value(&[]);
        }
        if let Some(net) = &loss_networks.recognizer {
            let crop = |picture: &Tensor| Recognizer::crops(picture, &[view.landmarks_2d.as_slice()]);
            csim += net.similarity(&crop(made), &crop(truth)).mean(Kind::Float).double_value(&[]);
        }
        if let Some(folder) = pictures {
            pair.write(folder, &format!("{:05}", view.frame_id))?;
        }
        if lines[0].len() < 8 {
            lines[2].push(((made - truth).abs() * 2.0).select(0, 0));
            lines[0].push(truth.select(0, 0));
            lines[1].push(made.select(0, 0));
        }
    }
    let mean = |sum: f64| sum / views.len() as f64;
    Ok(Report {
        psnr: mean(psnr),
        ssim: mean(ssim),
        sharpness: mean(sharp),
        lpips_self: loss_networks.perceptual.is_some().then(|| mean(lpips)),
        csim_self: loss_networks.recognizer.is_some().then(|| mean(csim)),
        n: views.len(),
        sheet: sheet_png(&lines)?,
    })
}

/// Gradient energy (sum of squared differences of neighboring pixels' luma) of `made` over that of `truth`, both
/// `[1, 3, S, S]`, within `mask` `[1, 1, S, S]`.
pub fn sharpness(made: &Tensor, truth: &Tensor, mask: &Tensor) -> f64 {
    let energy = |picture: &Tensor| {
        let luma = picture.mean_dim([1i64].as_slice(), true, Kind::Float);
        let along = |dim: i64| {
            let d = luma.diff::<Tensor>(1, dim, None, None);
            let n = d.size()[dim as usize];
            (d.square() * mask.narrow(dim, 0, n) * mask.narrow(dim, 1, n)).sum(Kind::Float).double_value(&[])
        };
        along(2) + along(3)
    };
    energy(made) / energy(truth).max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn half_the_contrast_is_a_quarter_of_the_energy() {
        let truth = Tensor::arange(3 * 16 * 16, (Kind::Float, Device::Cpu)).sin().view([1, 3, 16, 16]);
        let mask = Tensor::ones([1, 1, 16, 16], (Kind::Float, Device::Cpu));
        assert!((sharpness(&(&truth * 0.5), &truth, &mask) - 0.25).abs() < 1e-5);
        assert!((sharpness(&truth, &truth, &mask) - 1.0).abs() < 1e-6);
    }
}
