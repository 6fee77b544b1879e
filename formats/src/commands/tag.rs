//! `shards tag`: names for versions.
use formats::VersionedSet;
use formats::exit::ExitCode;
use formats::progress::Talk;
use serde_json::json;
use std::path::Path;

/// Gives a name, takes it back, or lists the names.
pub fn run(path: &Path, name: Option<&str>, version: &str, delete: bool, talk: Talk) -> anyhow::Result<ExitCode> {
    let set = VersionedSet::open(path)?;
    match name {
        Some(name) if delete => set.untag(name)?,
        Some(name) => set.tag(name, set.resolve(version)?)?,
        None => {
            for (name, version) in set.tags()? {
                match talk {
                    Talk::Json => talk.event("tag", json!({"name": name, "version": version})),
                    _ => println!("{name} v{version:06}"),
                }
            }
        }
    }
    Ok(ExitCode::Done)
}
