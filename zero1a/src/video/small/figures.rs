//! How good a video model's clips are, on people it was not trained on.
use super::data::{Clip, ClipData};
use crate::video::{ChainConfig, Condition, VideoModel, invert, noise, sample};
use nets::Error;
use nets::losses::metric;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

/// Frames of the clips.
const FRAMES: usize = 8;
/// Steps of the chains that figures are measured with.
const STEPS: usize = 20;
/// Guidance scales that clips are made with.
const GUIDANCE: [f64; 3] = [1.0, 2.0, 3.0];
/// Fixed-point passes of the inversion, besides none.
const REFINEMENTS: usize = 3;

/// A clip's condition and truth.
struct Task {
    condition: Condition,
    truth: Tensor,
}

/// PSNR and SSIM of clips made from noise against the truth, and of clips inverted and made again against what the VAE
/// alone returns.
///
/// # Errors
/// [`Error::Data`] with what the model said.
pub fn of_clips(model: &dyn VideoModel, data: &ClipData) -> Result<Value, Error> {
    let tasks: Vec<Task> = data.held_out_clips(FRAMES).iter().map(|clip| task(data, clip)).collect();
    measure(model, &tasks).map_err(|e| Error::Data(format!("figures of clips: {e:#}")))
}

fn task(data: &ClipData, clip: &Clip) -> Task {
    Task { condition: data.condition(clip, Device::Cpu), truth: data.pictures(&clip.frames, Device::Cpu) }
}

fn measure(model: &dyn VideoModel, tasks: &[Task]) -> anyhow::Result<Value> {
    let frames = tasks[0].truth.size()[0];
    let people = format!("{} clips of {frames} frames of held-out people, {STEPS} steps", tasks.len());
    let mut made = serde_json::Map::new();
    for guidance in GUIDANCE {
        let chain = ChainConfig { steps: STEPS, guidance: Some(guidance), ..ChainConfig::WHOLE };
        let (mut psnr, mut ssim) = (Vec::new(), Vec::new());
        for (i, task) in tasks.iter().enumerate() {
            let start = noise(model, frames, i as u64, Device::Cpu);
            let clip = model.decode(&sample(model, &start, &task.condition, &chain)?)?;
            psnr.push(metric::psnr(&clip, &task.truth));
            ssim.push(metric::ssim(&clip, &task.truth));
        }
        made.insert(format!("{guidance}"), json!({ "psnr_db": mean(&psnr), "ssim": mean(&ssim) }));
    }
    let [mut alone, mut plain, mut refined] = [const { Vec::<Tensor>::new() }; 3];
    for task in tasks {
        let clean = model.encode(&task.truth)?;
        alone.push(metric::psnr(&model.decode(&clean)?, &task.truth));
        for (refinements, into) in [(0, &mut plain), (REFINEMENTS, &mut refined)] {
            let chain = ChainConfig { steps: STEPS, guidance: Some(1.0), refinements, ..ChainConfig::WHOLE };
            let back = sample(model, &invert(model, &clean, &task.condition, &chain)?, &task.condition, &chain)?;
            into.push(metric::psnr(&model.decode(&back)?, &task.truth));
        }
    }
    let inverted = json!({
        "vae_alone_psnr_db": mean(&alone), "plain_psnr_db": mean(&plain), "refined_psnr_db": mean(&refined),
    });
    Ok(json!({
        "clips_by_guidance": { "value": made, "protocol": format!("{people}, from noise, against the renders") },
        "inverted_and_sampled": {
            "value": inverted,
            "protocol": format!("{people} up and down at guidance 1, refined: {REFINEMENTS} passes; against the renders"),
        },
    }))
}

fn mean(parts: &[Tensor]) -> f64 {
    Tensor::cat(parts, 0).mean(Kind::Double).double_value(&[])
}
