//! What regeneration does to pictures of an avatar: is a clip nearer the truth than what it is made from? Chains are chosen
//! by it.
//!
//! `cargo run --release -p zero1a --example regenerate -- WEIGHTS DATASET HEAD [SHEET.png] [RUNS METHOD-SEED]`
//! Without RUNS the avatars have learnt nothing yet; else they are those of a ladder: `RUNS/PERSON-METHOD-SEED/avatar`.
//! PSNR and our own LPIPS over the views of each person of a rendered dataset; on the sheet a row each of truth, render
//! and every chain.
use anyhow::{Result, bail};
use formats::image::png_from_rgb8;
use formats::{Dataset, avatar};
use head::HeadModel;
use nets::blocks::diffusion::add_noise;
use nets::bridge::render::render;
use nets::losses::perceptual::Perceptual;
use nets::pictures::data::rgb8_from_tensor;
use nets::{Checkpoint, Rigged};
use std::path::Path;
use tch::{Device, Kind, Tensor};
use zero1a::start::{self, Start};
use zero1a::subject::{Subject, most_frontal, rows_of};
use zero1a::trainer;
use zero1a::video::{ChainConfig, Condition, VideoModel, invert, noise, open, sample};

const WHITE: [f32; 3] = [1.0; 3];
const FRAMES: usize = 8;

/// From what a chain starts.
#[derive(Clone, Copy, Debug)]
enum From {
    Noise,
    Noised,
    Inverted,
}

const CHAINS: [(From, f64, f64); 14] = [
    (From::Noise, 1.0, 1.0),
    (From::Noise, 1.0, 1.5),
    (From::Noise, 1.0, 2.0),
    (From::Noised, 0.9, 1.0),
    (From::Noised, 0.75, 1.0),
    (From::Noised, 0.75, 1.5),
    (From::Noised, 0.5, 1.0),
    (From::Noised, 0.5, 1.5),
    (From::Inverted, 0.5, 1.0),
    (From::Inverted, 0.5, 1.5),
    (From::Inverted, 0.5, 2.0),
    (From::Inverted, 0.75, 1.5),
    (From::Inverted, 1.0, 1.5),
    (From::Inverted, 1.0, 2.0),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, data, head, ..] = &arguments[..] else {
        bail!("expected WEIGHTS DATASET HEAD [SHEET.png] [RUNS METHOD-SEED]")
    };
    let model = open(Path::new(weights), Device::Cpu)?;
    let head = HeadModel::load(Path::new(head))?;
    let data = Dataset::open(Path::new(data))?;
    let net = Perceptual::open("weights/perceptual.safetensors", Device::Cpu)?;
    let mut people: Vec<u32> = data.all_labels().iter().map(|r| r.identity_id).collect();
    people.dedup();
    people.sort_unstable();
    people.dedup();
    let mut sums = vec![(0.0, 0.0); CHAINS.len() + 1];
    let (mut clips, mut sheet) = (0.0, Vec::new());
    for person in people {
        let rows = rows_of(&data, Some(person))?;
        let reference = most_frontal(&data, &rows);
        let subject = Subject::read(&data, reference, &head, 256)?;
        let rigged = match arguments.get(3..).unwrap_or_default() {
            [_, runs, run] => {
                let file = Path::new(runs).join(format!("{person}-{run}")).join("avatar").join(avatar::WEIGHTS);
                Rigged::take(&Checkpoint::load(&file)?, Device::Cpu)?
            }
            _ => start::rigged(&head, &subject, &Start::default(), Device::Cpu),
        };
        let others: Vec<usize> = rows.into_iter().filter(|i| *i != reference).collect();
        for part in others.chunks(FRAMES) {
            let task = Task::new(model.as_ref(), &data, &head, &subject, &rigged, part)?;
            let made = std::iter::once(Ok(task.renders.shallow_clone()))
                .chain(CHAINS.iter().map(|chain| task.regenerated(model.as_ref(), *chain)))
                .collect::<Result<Vec<_>>>()?;
            for (sum, made) in sums.iter_mut().zip(&made) {
                sum.0 += nets::losses::metric::psnr(made, &task.truth).mean(Kind::Double).double_value(&[]);
                sum.1 += net.as_ref().map_or(0.0, |net| net.distance(made, &task.truth).double_value(&[]));
            }
            clips += 1.0;
            if sheet.is_empty() {
                sheet = std::iter::once(&task.truth)
                    .chain([&task.condition.moved])
                    .chain(&made)
                    .map(|clip| Tensor::cat(&clip.unbind(0), 2))
                    .collect();
            }
        }
    }
    println!("{:<24} {:>8} {:>8}", "", "PSNR dB", "lpips-self");
    let names = std::iter::once("the render itself".to_string())
        .chain(CHAINS.iter().map(|(from, strength, guidance)| format!("{from:?} {strength} guided {guidance}")));
    for (name, (psnr, lpips)) in names.zip(&sums) {
        println!("{name:<24} {:>8.2} {:>8.4}", psnr / clips, lpips / clips);
    }
    if let Some(path) = arguments.get(3) {
        let sheet = rgb8_from_tensor(&Tensor::cat(&sheet, 1));
        std::fs::write(path, png_from_rgb8(sheet.width, sheet.height, &sheet.data)?)?;
    }
    Ok(())
}

struct Task {
    condition: Condition,
    truth: Tensor,
    renders: Tensor,
    clean: Tensor,
}

impl Task {
    fn new(
        model: &dyn VideoModel,
        data: &Dataset,
        head: &HeadModel,
        subject: &Subject,
        rigged: &Rigged,
        rows: &[usize],
    ) -> Result<Self> {
        let size = model.size() as usize;
        let views = rows.iter().map(|&i| Subject::read(data, i, head, size)).collect::<Result<Vec<_>>>()?;
        let settings = trainer::settings(WHITE);
        let drawn = views.iter().map(|v| {
            let posed = rigged.posed(&v.params.expression, &v.params.pose);
            Ok(render(&posed, &[v.camera.resized(size, size)], &settings)?.color_chw())
        });
        let renders = Tensor::cat(&drawn.collect::<Result<Vec<_>>>()?, 0);
        let landmarks: Vec<Vec<[f32; 2]>> = views.iter().map(|v| v.landmarks_at(size)[..68].to_vec()).collect();
        Ok(Task {
            condition: Condition::new(subject.over(WHITE, size), &subject.landmarks_at(size), &landmarks),
            truth: Tensor::stack(&views.iter().map(|v| v.over(WHITE, size)).collect::<Vec<_>>(), 0),
            clean: model.encode(&renders)?,
            renders,
        })
    }

    fn regenerated(&self, model: &dyn VideoModel, (from, strength, guidance): (From, f64, f64)) -> Result<Tensor> {
        let chain = ChainConfig { steps: 12, strength, guidance: Some(guidance), ..ChainConfig::WHOLE };
        let random = noise(model, self.clean.size()[0], 7, Device::Cpu);
        let start = match from {
            From::Noise => random,
            From::Noised => add_noise(&self.clean, &random, chain.levels(model)[0].angle),
            From::Inverted => invert(model, &self.clean, &self.condition, &chain)?,
        };
        model.decode(&sample(model, &start, &self.condition, &chain)?)
    }
}
