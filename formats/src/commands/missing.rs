//! `shards missing`: what an array job has still to make.
use formats::exit::ExitCode;
use formats::progress::Talk;
use formats::ranges;
use formats::status::{State, Status};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;

/// How to print the missing ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Task numbers, for example `0,3-5`
    Indices,
    /// Argument for sbatch, for example `--array=0,3-5`
    Slurm,
    /// One file per line
    Files,
}

/// Prints the tasks (of `tasks`, by default one a shard) that have a shard to make; nothing when there is none.
pub fn run(path: &Path, tasks: Option<u64>, format: Format, talk: Talk) -> anyhow::Result<ExitCode> {
    let status = Status::of(path)?;
    let all = status.shards.len() as u64;
    let (shards, n) = (status.missing(), tasks.unwrap_or(all));
    // As `datagen render --shard i/n` shares them.
    let these: BTreeSet<u64> = shards.iter().map(|number| number % n).collect();
    for (shard, state) in &status.shards {
        if let State::Broken(what) = state {
            let text = format!("{}: broken: {what}; `shards repair` puts it aside", shard.name.file_name());
            talk.event("broken", json!({"shard": shard.number, "what": what}));
            talk.say(&text);
        }
    }
    match (talk, format) {
        (Talk::Json, _) => talk.event("missing", json!({"shards": shards, "of": all, "tasks": these, "of_tasks": n})),
        _ if shards.is_empty() => (),
        (_, Format::Indices) => println!("{}", ranges::text(&these)),
        (_, Format::Slurm) => println!("--array={}", ranges::text(&these)),
        (_, Format::Files) => {
            let to_make = status.shards.iter().filter(|(shard, _)| shards.contains(&shard.number));
            to_make.for_each(|(shard, _)| println!("{}", shard.files[0].display()));
        }
    }
    talk.say(&format!("{} of {all} shards remain, in {} of {n} tasks", shards.len(), these.len()));
    Ok(if shards.is_empty() { ExitCode::Done } else { ExitCode::Findings })
}
