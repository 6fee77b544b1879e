//! An avatar against pictures it was not fitted to.
use crate::avatar::Avatar;
use crate::fit::Judges;
use crate::subject::View;
use anyhow::Result;
use head::HeadModel;
use nets::identity::Recogniser;
use prior::picture::{composite, draw_one, sheet_png};
use tch::{Kind, Tensor};

const GREY: [[f32; 3]; 1] = [[0.5; 3]];

/// Means over the pictures; a metric whose net was not given is absent.
pub struct Report {
    /// dB, whole picture over mid grey.
    pub psnr: f64,
    /// 11×11 Gaussian window.
    pub ssim: f64,
    /// Our own perceptual distance; not the public LPIPS.
    pub lpips_self: Option<f64>,
    /// Cosine of our own recogniser's embeddings; not the public CSIM.
    pub csim_self: Option<f64>,
    /// Pictures.
    pub n: usize,
    /// Truth, avatar, twice the difference.
    pub sheet: Vec<u8>,
}

/// Drives the avatar with each picture's true expression and camera.
///
/// # Errors
/// A camera no picture can be made with.
pub fn evaluate(avatar: &mut Avatar, views: &[View], model: &HeadModel, judges: &Judges) -> Result<Report> {
    let (mut psnr, mut ssim, mut lpips, mut csim) = (0.0, 0.0, 0.0, 0.0);
    let mut lines: [Vec<Tensor>; 3] = Default::default();
    for view in views {
        let made = draw_one(&avatar.posed(model, &view.params), &view.camera, GREY[0])?.color;
        let truth = composite(&view.image_tensor(), &view.alpha_tensor(), &GREY).to_device(made.device());
        psnr += nets::metric::psnr(&made, &truth).double_value(&[0]);
        ssim += nets::ssim::ssim(&made, &truth).double_value(&[0]);
        if let Some(net) = &judges.perceptual {
            lpips += net.distance(&made, &truth).double_value(&[]);
        }
        if let Some(net) = &judges.recogniser {
            let crop = |picture: &Tensor| Recogniser::crops(picture, &[view.landmarks_2d.as_slice()]);
            csim += net.similarity(&crop(&made), &crop(&truth)).mean(Kind::Float).double_value(&[]);
        }
        if lines[0].len() < 8 {
            lines[2].push(((&made - &truth).abs() * 2.0).select(0, 0));
            lines[0].push(truth.select(0, 0));
            lines[1].push(made.select(0, 0));
        }
    }
    let mean = |sum: f64| sum / views.len() as f64;
    Ok(Report {
        psnr: mean(psnr),
        ssim: mean(ssim),
        lpips_self: judges.perceptual.is_some().then(|| mean(lpips)),
        csim_self: judges.recogniser.is_some().then(|| mean(csim)),
        n: views.len(),
        sheet: sheet_png(&lines)?,
    })
}
