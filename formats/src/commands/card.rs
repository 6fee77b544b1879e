//! `shards card`: the dataset card.
use formats::exit::{ExitCode, Failure};
use formats::progress::Talk;
use formats::{manifest, publish};
use serde_json::json;
use std::path::Path;

/// Prints the card of the dataset as it is now, or writes it.
pub fn run(path: &Path, license: Option<&str>, write: bool, talk: Talk) -> anyhow::Result<ExitCode> {
    if path.is_file() {
        return Err(Failure::usage(format!("a single file, expected a dataset folder: {path:?}")).into());
    }
    let mut card = manifest::card_of(path)?;
    card.license = license.map(str::to_owned);
    let text = card.to_markdown();
    if !write {
        print!("{text}");
        return Ok(ExitCode::Done);
    }
    let target = path.join("README.md");
    publish::write_atomically(&target, text.as_bytes())?;
    talk.say(&format!("wrote {}", target.display()));
    talk.event("card", json!({"path": target, "license": card.license()}));
    Ok(ExitCode::Done)
}
