//! The plan of a pack: its settings, and the plan of what it was chosen from.
use super::Request;
use formats::{Error, Provenance, Shard, digest, side};

/// Of `rows` rows chosen from `shards` by `request`.
///
/// # Errors
/// A shard that cannot be read.
pub fn of(request: &Request, condition: Option<&str>, shards: &[Shard], rows: usize) -> anyhow::Result<Provenance> {
    let mut plan = toml::Table::from_iter([
        ("rows".to_string(), toml::Value::from(rows as i64)),
        ("max_mb".to_string(), toml::Value::from(request.max_mb as i64)),
        ("size".to_string(), toml::Value::from(request.size)),
        ("quality".to_string(), toml::Value::from(request.quality)),
        ("columns".to_string(), toml::Value::from(request.columns.clone())),
        ("people_columns".to_string(), toml::Value::from(request.people_columns.clone())),
        ("map_size".to_string(), toml::Value::from(request.map_size)),
        ("where".to_string(), toml::Value::from(condition.unwrap_or_default())),
        // Text, because TOML's numbers end at 63 bits.
        ("seed".to_string(), toml::Value::from(request.seed.to_string())),
    ]);
    plan.extend(request.crop.map(|crop| ("crop".to_string(), toml::Value::from(crop))));
    let first = shards.first().map(Shard::provenance).unwrap_or_default();
    plan.insert("source".into(), toml::Value::Table(first.as_source()));
    let mut provenance =
        Provenance::new("shards", env!("CARGO_PKG_VERSION"), &toml::to_string_pretty(&plan)?, request.seed);
    provenance.inputs = first.inputs;
    provenance.inputs.push(("digests of the shards".into(), digest_of(shards)?));
    Ok(provenance)
}

/// One digest of the digests of all shards; those in side files are believed.
fn digest_of(shards: &[Shard]) -> Result<String, Error> {
    let mut list = String::new();
    for shard in shards {
        let sha256 = match side::read(shard.path())? {
            Some(side) => side.sha256,
            None => digest::sha256_of_file(shard.path())?,
        };
        list += &format!("{sha256}\n");
    }
    Ok(digest::hex(&digest::sha256(list.as_bytes())))
}
