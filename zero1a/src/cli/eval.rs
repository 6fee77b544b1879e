//! `zero1a eval`
use super::models::{Models, Opened};
use anyhow::Result;
use formats::card::write_json;
use formats::exit::{ExitCode, Failure};
use formats::flags::CommonFlags;
use formats::publish::write_atomically;
use formats::{AvatarCard, AvatarKind, Dataset};
use nets::{Checkpoint, Rigged};
use std::path::PathBuf;
use zero1a::config::RunConfig;
use zero1a::eval::{self, MetricNetworks};
use zero1a::subject::{self, Subject};

/// How figures are taken, for those who read them.
pub const PROTOCOL: &str = "true camera and expression, whole picture over the run's background; lpips-self, csim-self and the \
    expression's landmarks are this project's own nets";

/// What was typed.
#[derive(clap::Args)]
pub struct Eval {
    /// Avatar folder.
    #[arg(long)]
    avatar: PathBuf,
    /// Dataset with the ground truth; the input images are excluded unless there are no others.
    #[arg(long)]
    data: PathBuf,
    /// Use only rows of this identity.
    #[arg(long)]
    identity: Option<u32>,
    #[command(flatten)]
    models: Models,
    /// Side of each image in pixels.
    #[arg(long, default_value_t = 96)]
    size: usize,
    /// JSON report to write; a contact sheet (PNG) is written next to it.
    #[arg(long)]
    out: PathBuf,
}

impl Eval {
    pub fn run(self, common: &CommonFlags) -> Result<ExitCode> {
        let opened = self.models.open()?;
        let (card, weights) = AvatarCard::read(&self.avatar)?;
        if card.kind != AvatarKind::Rigged {
            let text = format!("an avatar of another kind; `invert eval` measures it: {:?}", self.avatar);
            return Err(Failure::bad_data(text).into());
        }
        let rigged = Rigged::take(&Checkpoint::load(&weights)?, opened.device)?;
        let dataset = Dataset::open(&self.data)?;
        let own = |i: &usize| card.frame_ids.contains(&dataset.labels(*i).frame_id);
        let all = subject::rows_of(&dataset, self.identity)?;
        let others: Vec<usize> = all.iter().copied().filter(|i| !own(i)).collect();
        let (rows, which) = if others.is_empty() { (all, "the reference itself") } else { (others, "not learnt from") };
        let background = background_of(&card)?;
        let (figures, sheet) = measure(&rigged, &dataset, &rows, &opened, background, self.size)?;
        write_atomically(&self.out.with_extension("png"), &sheet)?;
        let mut report = serde_json::to_value(&figures)?;
        report["protocol"] = format!("pictures {which}, {} px, {PROTOCOL}", self.size).into();
        write_json(&self.out, &report)?;
        common.talk().say(&format!("zero1a: {} pictures {which}: PSNR {:.2} dB", figures.pictures, figures.psnr_db));
        common.talk().event("eval", report);
        Ok(ExitCode::Done)
    }
}

/// The background that an avatar learnt before.
fn background_of(card: &AvatarCard) -> Result<[f32; 3]> {
    let config: RunConfig = toml::from_str(&card.provenance.config_toml)
        .map_err(|e| Failure::bad_data(format!("the avatar's plan: {e}")))?;
    Ok(config.background)
}

/// Figures and contact sheet of an avatar on rows of a dataset, `size` pixels a side.
pub fn measure(
    rigged: &Rigged,
    dataset: &Dataset,
    rows: &[usize],
    opened: &Opened,
    background: [f32; 3],
    size: usize,
) -> Result<(eval::Figures, Vec<u8>)> {
    let truth: Vec<Subject> =
        rows.iter().map(|&i| Subject::read(dataset, i, &opened.head, size)).collect::<Result<_>>()?;
    let metric_networks = MetricNetworks {
        perceptual: opened.perceptual.as_ref(),
        recognizer: opened.recognizer.as_ref(),
        tracker: Some(&opened.tracker),
        clip: opened.clip.as_ref(),
    };
    eval::evaluate(rigged, &truth, &opened.head, &metric_networks, background, size)
}
