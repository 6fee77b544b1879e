//! An avatar against pictures that it did not learn from, and the ladder of what each part of the method is worth.
use crate::clips::{FrameSpec, Rest};
use crate::guide::{mean_distance, read};
use crate::motion;
use crate::subject::Subject;
use crate::trainer;
use crate::video::portrait::clip::ClipVision;
use anyhow::Result;
use head::HeadBox;
use head::HeadModel;
use nets::bridge::render::render;
use nets::bridge::rigged::Rigged;
use nets::losses::perceptual::Perceptual;
use nets::losses::recognizer::Recognizer;
use nets::view::sheet_png;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use track::networks::Networks;

/// The networks of the metrics; a metric whose network is absent is absent.
#[derive(Default)]
pub struct MetricNetworks<'a> {
    /// For `lpips-self`.
    pub perceptual: Option<&'a Perceptual>,
    /// For `csim-self`.
    pub recognizer: Option<&'a Recognizer>,
    /// For the expression.
    pub tracker: Option<&'a Networks>,
    /// For `clip-i`: the user's own weights.
    pub clip: Option<&'a ClipVision>,
}

/// Means over the pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// dB, whole picture over the background.
    pub psnr_db: f64,
    /// 11×11 Gaussian window.
    pub ssim: f64,
    /// Our own perceptual distance; not the public LPIPS.
    #[serde(rename = "lpips-self")]
    pub lpips_self: Option<f64>,
    /// Cosine of our own recognizer's embeddings; not the public CSIM.
    #[serde(rename = "csim-self")]
    pub csim_self: Option<f64>,
    /// Cosine of CLIP's embeddings of picture and truth.
    #[serde(rename = "clip-i", default, skip_serializing_if = "Option::is_none")]
    pub clip_i: Option<f64>,
    /// Mean distance of the tracker's landmarks on the avatar and on the truth, percent of the distance between the outer
    /// eye corners.
    pub expression_percent: Option<f64>,
    /// Pictures on which the tracker read both.
    pub expression_pictures: usize,
    /// Mean second difference in time of a relaxed clip, in 1/255: what jumps rather than moves.
    pub flicker: f64,
    /// Pictures.
    pub pictures: usize,
}

/// Measures an avatar on `truth`, drawn `size` pixels a side. The sheet (PNG) shows truth, avatar, twice the difference.
///
/// # Errors
/// What the rasterizer says.
pub fn evaluate(
    rigged: &Rigged,
    truth: &[Subject],
    model: &HeadModel,
    metric_networks: &MetricNetworks,
    background: [f32; 3],
    size: usize,
) -> Result<(Figures, Vec<u8>)> {
    const SHOWN: usize = 8;
    let mut sums = Figures { pictures: truth.len(), ..Default::default() };
    let (mut lpips, mut csim, mut apart, mut clip) = (0.0, 0.0, 0.0, 0.0);
    let mut lines: [Vec<Tensor>; 3] = Default::default();
    for subject in truth {
        let made = tch::no_grad(|| picture(rigged, subject, background, size))?;
        let true_one = subject.over(background, size).unsqueeze(0);
        sums.psnr_db += nets::losses::metric::psnr(&made, &true_one).double_value(&[0]);
        sums.ssim += nets::losses::metric::ssim(&made, &true_one).double_value(&[0]);
        let landmarks = subject.landmarks_at(size);
        if let Some(net) = metric_networks.perceptual {
            lpips += tch::no_grad(|| net.distance(&made, &true_one)).double_value(&[]);
        }
        if let Some(net) = metric_networks.recognizer {
            let crop = |p: &Tensor| Recognizer::crops(p, &[landmarks.as_slice()]);
            csim += tch::no_grad(|| net.similarity(&crop(&made), &crop(&true_one))).mean(Kind::Float).double_value(&[]);
        }
        if let Some(net) = metric_networks.clip {
            clip += tch::no_grad(|| net.similarity(&made, &true_one)).double_value(&[0]);
        }
        if let Some(tracker) = metric_networks.tracker {
            let both = (read(tracker, &made, &landmarks, size)?, read(tracker, &true_one, &landmarks, size)?);
            if let (Some(a), Some(b)) = both {
                let eyes = (b[36][0] - b[45][0]).hypot(b[36][1] - b[45][1]).max(1.0);
                apart += f64::from(100.0 * mean_distance(&a, &b) / eyes);
                sums.expression_pictures += 1;
            }
        }
        if lines[0].len() < SHOWN {
            lines[2].push(((&made - &true_one).abs() * 2.0).select(0, 0));
            lines[0].push(true_one.select(0, 0));
            lines[1].push(made.select(0, 0));
        }
    }
    let n = truth.len().max(1) as f64;
    (sums.psnr_db, sums.ssim) = (sums.psnr_db / n, sums.ssim / n);
    sums.lpips_self = metric_networks.perceptual.map(|_| lpips / n);
    sums.csim_self = metric_networks.recognizer.map(|_| csim / n);
    sums.clip_i = metric_networks.clip.map(|_| clip / n);
    sums.expression_percent = (sums.expression_pictures > 0).then(|| apart / sums.expression_pictures as f64);
    if let Some(first) = truth.first() {
        sums.flicker = flicker(rigged, first, model, background, size)?;
    }
    Ok((sums, sheet_png(&lines)?))
}

/// `[1, 3, S, S]` the avatar as the subject is posed and seen.
fn picture(rigged: &Rigged, subject: &Subject, background: [f32; 3], size: usize) -> Result<Tensor> {
    let head = rigged.posed(&subject.params.expression, &subject.params.pose);
    let settings = trainer::settings(background);
    Ok(render(&head, &[subject.camera.resized(size, size)], &settings)?.color_chw())
}

/// Mean |I(t − 1) − 2 I(t) + I(t + 1)| over a relaxed clip seen from the front, in 1/255.
fn flicker(rigged: &Rigged, subject: &Subject, model: &HeadModel, background: [f32; 3], size: usize) -> Result<f64> {
    let neutral = model.neutral(&subject.params.shape);
    let rest = Rest::of(&subject.camera, HeadBox::of(model, &neutral).center);
    let settings = trainer::settings(background);
    let frame = |expression: [f32; 52]| {
        let frame_spec = FrameSpec { camera: rest.camera(0.0, 0.0, size), expression };
        let head = rigged.posed(&frame_spec.expression, &Default::default());
        Ok(render(&head, &[frame_spec.camera], &settings)?.color_chw())
    };
    let frames: Vec<Tensor> = tch::no_grad(|| motion::relaxed(11, 16).into_iter().map(frame).collect::<Result<_>>())?;
    let clip = Tensor::cat(&frames, 0);
    let at = |from: i64| clip.narrow(0, from, 14);
    Ok(255.0 * (at(0) - at(1) * 2.0 + at(2)).abs().mean(Kind::Float).double_value(&[]))
}

/// What a method reached with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Its name.
    pub method: String,
    /// The person's number in the dataset.
    pub identity: u32,
    /// Of the run.
    pub seed: u64,
    /// On held-out views and expressions.
    pub figures: Figures,
}

/// Mean and spread over runs of the figures of one method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its name.
    pub method: String,
    /// Runs.
    pub runs: usize,
    /// Mean and standard deviation of each figure by its name in the JSON.
    pub figures: std::collections::BTreeMap<String, [f64; 2]>,
}

/// Gathers runs by method, in the order in which methods first appear.
pub fn steps(rungs: &[Rung]) -> Vec<Step> {
    let mut methods: Vec<&str> = Vec::new();
    for rung in rungs {
        if !methods.contains(&rung.method.as_str()) {
            methods.push(&rung.method);
        }
    }
    let step = |method: &str| {
        let own: Vec<&Rung> = rungs.iter().filter(|r| r.method == method).collect();
        let figure = |of: fn(&Figures) -> Option<f64>| {
            let values: Option<Vec<f64>> = own.iter().map(|r| of(&r.figures)).collect();
            values.map(|v| mean_and_spread(&v))
        };
        let all = [
            ("psnr_db", figure(|f| Some(f.psnr_db))),
            ("ssim", figure(|f| Some(f.ssim))),
            ("lpips-self", figure(|f| f.lpips_self)),
            ("csim-self", figure(|f| f.csim_self)),
            ("clip-i", figure(|f| f.clip_i)),
            ("expression_percent", figure(|f| f.expression_percent)),
            ("flicker", figure(|f| Some(f.flicker))),
        ];
        let figures = all.into_iter().filter_map(|(name, v)| Some((name.to_string(), v?))).collect();
        Step { method: method.into(), runs: own.len(), figures }
    };
    methods.into_iter().map(step).collect()
}

/// The ladder for people.
pub fn table(steps: &[Step]) -> String {
    let columns = [
        ("psnr_db", "PSNR dB", 2),
        ("ssim", "SSIM", 4),
        ("lpips-self", "lpips-self", 4),
        ("csim-self", "csim-self", 4),
        ("expression_percent", "expr. %", 2),
        ("flicker", "flicker", 3),
    ];
    let mut text = format!("{:<22}{:>5}", "method", "runs");
    columns.iter().for_each(|(_, title, _)| text += &format!("{title:>18}"));
    for step in steps {
        text += &format!("\n{:<22}{:>5}", step.method, step.runs);
        for (name, _, digits) in columns {
            let cell = step.figures.get(name).map_or("–".into(), |[m, s]| format!("{m:.digits$} ± {s:.digits$}"));
            text += &format!("{cell:>18}");
        }
    }
    text
}

fn mean_and_spread(values: &[f64]) -> [f64; 2] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    [mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_gathered_by_method() {
        let rung = |method: &str, seed: u64, psnr_db: f64, lpips_self: Option<f64>| Rung {
            method: method.into(),
            identity: 2,
            seed,
            figures: Figures { psnr_db, lpips_self, ..Default::default() },
        };
        let steps =
            steps(&[rung("sds", 1, 10.0, None), rung("full", 1, 20.0, Some(0.1)), rung("sds", 2, 14.0, Some(0.3))]);
        assert_eq!(steps.iter().map(|s| (s.method.as_str(), s.runs)).collect::<Vec<_>>(), [("sds", 2), ("full", 1)]);
        assert_eq!(steps[0].figures["psnr_db"], [12.0, 2.0]);
        assert!(!steps[0].figures.contains_key("lpips-self"), "a figure that one run lacks has no mean");
        assert!(table(&steps).contains("12.00 ± 2.00"));
    }
}
