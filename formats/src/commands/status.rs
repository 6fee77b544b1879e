//! `shards status`: how far a dataset is.
use super::human;
use formats::exit::ExitCode;
use formats::planned::PlannedShard;
use formats::progress::Talk;
use formats::status::{State, Status};
use serde_json::json;
use std::path::Path;

/// Shards and rows of a split that are done, broken, missing.
#[derive(Default)]
struct Count {
    done: usize,
    broken: usize,
    missing: usize,
    rows_done: u64,
    rows: u64,
}

impl Count {
    fn add(&mut self, (shard, state): &(PlannedShard, State)) {
        let rows = shard.rows.end - shard.rows.start;
        self.rows += rows;
        match state {
            State::Done => (self.done, self.rows_done) = (self.done + 1, self.rows_done + rows),
            State::Broken(_) => self.broken += 1,
            State::Missing => self.missing += 1,
        }
    }

    fn line(&self, name: &str) -> String {
        let (all, share) = (self.done + self.broken + self.missing, 100.0 * self.rows_done as f64 / self.rows as f64);
        let counts = format!("{:>6} of {all} shards done, {} broken, {} missing", self.done, self.broken, self.missing);
        format!("{name:<10} {counts}; {} of {} rows, {share:.1} %", self.rows_done, self.rows)
    }
}

/// One line a split, then broken and foreign files, then what is left to do.
pub fn run(path: &Path, talk: Talk) -> anyhow::Result<ExitCode> {
    let status = Status::of(path)?;
    let mut total = Count::default();
    for split in status.shards.chunk_by(|(a, _), (b, _)| a.name.split == b.name.split) {
        let mut count = Count::default();
        split.iter().for_each(|shard| count.add(shard));
        split.iter().for_each(|shard| total.add(shard));
        let name = match split[0].0.name.split.as_str() {
            "part" => "identities",
            split => split,
        };
        match talk {
            Talk::Json => talk.event(
                "split",
                json!({"split": name, "done": count.done, "broken": count.broken, "missing": count.missing,
                    "rows_done": count.rows_done, "rows": count.rows}),
            ),
            _ => println!("{}", count.line(name)),
        }
    }
    for (shard, state) in &status.shards {
        if let State::Broken(what) = state {
            talk.event("broken", json!({"shard": shard.number, "what": what}));
            talk.say(&format!("broken: {what}"));
        }
    }
    for file in &status.foreign {
        talk.event("foreign", json!({"path": file}));
        talk.say(&format!("not in the plan: {}", file.display()));
    }
    let complete = total.done == status.shards.len() && status.foreign.is_empty();
    talk.event(
        "status",
        json!({"shards": status.shards.len(), "done": total.done, "broken": total.broken, "missing": total.missing,
            "open": status.open, "left": status.left, "bytes": status.bytes, "merged": status.merged}),
    );
    let next = match (complete, status.merged) {
        (true, true) => "complete and merged",
        (true, false) => "complete; `shards merge` writes its manifest and card",
        (false, _) if total.broken > 0 || !status.foreign.is_empty() => {
            "`shards repair` moves damaged and foreign files aside"
        }
        (false, _) => "run the same command again to resume; `shards missing` lists what remains",
    };
    let open = format!("{} open, {} left by killed writers", status.open, status.left);
    talk.say(&format!("{}, {open}: {next}", human(status.bytes)));
    Ok(if complete { ExitCode::Done } else { ExitCode::Findings })
}
