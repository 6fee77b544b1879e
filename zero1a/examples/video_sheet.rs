//! What a video model makes of people it was not trained on, to look at.
//!
//! `cargo run --release -p zero1a --example video_sheet -- WEIGHTS DATASET SHEET.png [CLIPS]`
//! Rows a clip: reference and landmark maps; the reference moved to them; the renders; the VAE alone; made from noise at guidance 1, 2, 3; inverted and
//! sampled again.
use anyhow::{Context, Result, bail};
use formats::Dataset;
use formats::image::png_from_rgb8;
use nets::pictures::data::rgb8_from_tensor;
use std::path::Path;
use tch::{Device, Tensor};
use zero1a::video::small::SmallVideo;
use zero1a::video::small::data::ClipData;
use zero1a::video::{ChainConfig, VideoModel, invert, noise, sample};

const FRAMES: usize = 8;
const STEPS: usize = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, data, out, ..] = &arguments[..] else { bail!("expected WEIGHTS DATASET SHEET.png [CLIPS]") };
    let clips: usize = arguments.get(3).map_or(Ok(3), |n| n.parse()).context("CLIPS")?;
    let model = SmallVideo::load(Path::new(weights), Device::Cpu)?;
    let data = ClipData::open(&[Dataset::open(Path::new(data))?], model.config(), FRAMES, 1, 1)?;
    let mut rows = Vec::new();
    for (i, clip) in data.held_out_clips(FRAMES).iter().take(clips).enumerate() {
        let condition = data.condition(clip, Device::Cpu);
        let truth = data.pictures(&clip.frames, Device::Cpu);
        let first = condition.reference.unsqueeze(0);
        let mut push = |frames: &Tensor| rows.push(Tensor::cat(&[&first, frames], 0));
        push(&condition.maps);
        push(&condition.moved);
        push(&truth);
        let clean = model.encode(&truth)?;
        push(&model.decode(&clean)?);
        for guidance in [1.0, 2.0, 3.0] {
            let chain = ChainConfig { steps: STEPS, guidance: Some(guidance), ..ChainConfig::WHOLE };
            let start = noise(&model, FRAMES as i64, i as u64, Device::Cpu);
            push(&model.decode(&sample(&model, &start, &condition, &chain)?)?);
        }
        let chain = ChainConfig { steps: STEPS, guidance: Some(1.0), refinements: 3, ..ChainConfig::WHOLE };
        let up = invert(&model, &clean, &condition, &chain)?;
        push(&model.decode(&sample(&model, &up, &condition, &chain)?)?);
    }
    let lines: Vec<Tensor> = rows.iter().map(|row| Tensor::cat(&row.unbind(0), 2)).collect();
    let sheet = rgb8_from_tensor(&Tensor::cat(&lines, 1));
    std::fs::write(out, png_from_rgb8(sheet.width, sheet.height, &sheet.data)?)?;
    Ok(())
}
