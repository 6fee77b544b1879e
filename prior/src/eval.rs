//! Reconstructions of held-out identities against the truth.
use crate::config::{Surface, TrainConfig};
use crate::data::{Batch, HeadData};
use crate::model::Prior;
use crate::picture::draw;
use anyhow::Result;
use nets::blocks::vq::Mode;
use nets::view::{Drawn, composite, sheet_png};
use tch::{Kind, Tensor};

/// Means over the rows, and a sheet: truth, reconstruction, absolute error.
pub struct Report {
    /// dB over the whole picture, gray background.
    pub psnr: f64,
    /// 11×11 Gaussian window.
    pub ssim: f64,
    /// Mean absolute error of the position map on the surface (millimeters).
    pub position_mm: f64,
    /// The same of the expression map.
    pub expression_mm: f64,
    /// Rows it was measured on.
    pub rows: usize,
    /// PNG.
    pub sheet: Vec<u8>,
}

const GRAY: [f32; 3] = [0.5; 3];

/// Encodes, quantizes, decodes and draws up to `most` rows of a split, evenly spread over it, under the light and on the
/// surface that `config` says.
///
/// # Errors
/// Rows that cannot be read; an empty split.
pub fn evaluate(prior: &mut Prior, data: &HeadData, split: &str, config: &TrainConfig, most: usize) -> Result<Report> {
    let light_id = config.val_light_id;
    let all = data.rows(split, light_id);
    anyhow::ensure!(
        !all.is_empty(),
        formats::exit::Failure::bad_data(format!("the dataset has no {split} rows under light {light_id}"))
    );
    let n = most.min(all.len());
    let rows: Vec<usize> = (0..n).map(|k| all[k * all.len() / n]).collect();
    let (mut psnr, mut ssim, mut position, mut expression, mut lines) = (0.0, 0.0, 0.0, 0.0, Vec::new());
    for chunk in rows.chunks(8) {
        let batch = data.batch(chunk)?;
        let (drawn, errors) = tch::no_grad(|| reconstruct(prior, &batch, config.surface))?;
        let target = composite(&batch.images, &batch.alphas, &vec![GRAY; chunk.len()]);
        position += errors.0 * chunk.len() as f64;
        expression += errors.1 * chunk.len() as f64;
        psnr += nets::losses::metric::psnr(&drawn.color, &target).sum(Kind::Float).double_value(&[]);
        ssim += nets::losses::ssim::ssim(&drawn.color, &target).sum(Kind::Float).double_value(&[]);
        let (mut truth, mut made, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for b in 0..chunk.len() as i64 {
            let (t, m) = (target.select(0, b), drawn.color.select(0, b));
            wrong.push((&m - &t).abs() * 2.0);
            truth.push(t);
            made.push(m);
        }
        if chunk.len() == rows.len().min(8) {
            lines.extend([truth, made, wrong]);
        }
    }
    let mean = |sum: f64| sum / n as f64;
    Ok(Report {
        psnr: mean(psnr),
        ssim: mean(ssim),
        position_mm: mean(position),
        expression_mm: mean(expression),
        rows: n,
        sheet: sheet_png(&lines)?,
    })
}

/// Pictures over gray, and mean absolute map errors (millimeters).
fn reconstruct(prior: &mut Prior, batch: &Batch, surface: Surface) -> Result<(Drawn, (f64, f64))> {
    let z_id = prior.encode_identity(&batch.maps.texture, &batch.maps.position);
    let z_expr = prior.encode_expression(&batch.maps.expression);
    let id = prior.quantize_identity(&z_id, Mode::Fixed).code;
    let expr = prior.quantize_expression(&z_expr, Mode::Fixed).code;
    let decoded = prior.decode(&id, &expr);
    let mask = prior.means().2;
    let error = |a: &Tensor, b: &Tensor| {
        let texels = mask.sum(Kind::Float).double_value(&[]) * 3.0 * a.size()[0] as f64;
        ((a - b).abs() * mask).sum(Kind::Float).double_value(&[]) / texels * 1000.0
    };
    let errors = (error(&decoded.position, &batch.maps.position), error(&decoded.expression, &batch.maps.expression));
    let decoded = match surface {
        Surface::Exact => decoded.on(&batch.maps),
        Surface::Decoded => decoded,
    };
    let drawn = draw(&prior.gaussians(&decoded), &batch.cameras, &vec![GRAY; batch.cameras.len()])?;
    Ok((drawn, errors))
}
