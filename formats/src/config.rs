//! The configuration of a tool: defaults, then a TOML file, then `--set key=value`; unknown keys are errors.
use crate::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Reads `file` (if any), applies `sets` (`"light.count=3"`), fills the rest from `T::default()` where `T` has
/// `#[serde(default, deny_unknown_fields)]`.
///
/// # Errors
/// [`Error::Missing`] for the file, [`Error::Config`] for a key or value that `T` does not take.
pub fn load<T: DeserializeOwned>(file: Option<&Path>, sets: &[String]) -> Result<T, Error> {
    let mut table = match file {
        Some(path) => parse(path)?,
        None => Table::new(),
    };
    // The file is checked alone first, so that a complaint names the one that is at fault.
    if let Some(path) = file.filter(|_| !sets.is_empty()) {
        typed::<T>(table.clone(), path)?;
    }
    for set in sets {
        apply(&mut table, set)?;
    }
    let source = if sets.is_empty() { file.unwrap_or(Path::new("defaults")) } else { Path::new("--set") };
    typed(table, source)
}

/// The resolved configuration as it is saved beside every output.
///
/// # Errors
/// [`Error::Config`] when `T` does not fit into TOML.
pub fn to_toml<T: Serialize>(config: &T) -> Result<String, Error> {
    toml::to_string_pretty(config).map_err(|e| complaint(e.to_string(), Path::new("configuration")))
}

/// The resolved configuration with the origin of each value behind it: `--set`, the file, a flag, or the default. What
/// is neither in `file` nor in `sets` counts as a default.
///
/// # Errors
/// As [`load`] and [`to_toml`].
pub fn with_origins<T: Serialize>(config: &T, file: Option<&Path>, sets: &[String]) -> Result<String, Error> {
    let file_table = file.map(parse).transpose()?.unwrap_or_default();
    let mut set_table = Table::new();
    for set in sets {
        apply(&mut set_table, set)?;
    }
    let resolved = Table::try_from(config).map_err(|e| complaint(e.to_string(), Path::new("configuration")))?;
    let origin = |keys: &[&str]| {
        let now = value_at(&resolved, keys);
        let same = |given: Option<&Value>| given.is_some_and(|given| now.is_some_and(|now| is_same(given, now)));
        match (value_at(&set_table, keys), value_at(&file_table, keys)) {
            (None, None) => "default".to_string(),
            (set @ Some(_), _) if same(set) => "--set".to_string(),
            (None, given) if same(given) => file.map_or(String::new(), |f| f.display().to_string()),
            _ => "a flag".to_string(),
        }
    };
    let (mut text, mut table) = (String::new(), String::new());
    for line in to_toml(config)?.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            table = name.to_string();
        }
        let key = line.split_once(" = ").map(|(key, _)| key).filter(|key| !key.starts_with([' ', '"', '#']));
        text += line;
        if let Some(key) = key {
            let keys: Vec<&str> = table.split('.').chain([key]).filter(|k| !k.is_empty()).collect();
            text += &format!("  # {}", origin(&keys));
        }
        text.push('\n');
    }
    Ok(text)
}

fn value_at<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (last, tables) = keys.split_last()?;
    tables.iter().try_fold(table, |table, key| table.get(*key)?.as_table())?.get(*last)
}

/// As the configuration understands them: 1 is 1.0 where it is read as a float, which may be a rounded one.
fn is_same(given: &Value, now: &Value) -> bool {
    let number = |v: &Value| v.as_float().or_else(|| v.as_integer().map(|i| i as f64));
    match (number(given), number(now)) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * a.abs().max(b.abs()),
        _ => given == now,
    }
}

fn parse(path: &Path) -> Result<Table, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::reading("config file", path, e))?;
    toml::from_str(&text).map_err(|e| complaint(e.to_string(), path))
}

fn typed<T: DeserializeOwned>(table: Table, source: &Path) -> Result<T, Error> {
    Value::Table(table).try_into().map_err(|e| complaint(e.to_string(), source))
}

/// `a.b=value`: the value as TOML, or as text when it is none.
fn apply(table: &mut Table, set: &str) -> Result<(), Error> {
    let bad = |what: &str| complaint(format!("{set:?}: {what}"), Path::new("--set"));
    let (key, text) = set.split_once('=').ok_or_else(|| bad("expected key=value"))?;
    let value = match toml::from_str::<Table>(&format!("value = {text}")) {
        Ok(mut parsed) => parsed.remove("value").ok_or_else(|| bad("expected key=value"))?,
        Err(_) => Value::String(text.into()),
    };
    let mut parts: Vec<&str> = key.trim().split('.').collect();
    let Some(last) = parts.pop().filter(|l| !l.is_empty()) else { return Err(bad("expected key=value")) };
    let mut table = table;
    for part in parts {
        let inner = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
        table = inner.as_table_mut().ok_or_else(|| bad("the key goes through a value that is no table"))?;
    }
    table.insert(last.into(), value);
    Ok(())
}

fn complaint(what: String, path: &Path) -> Error {
    let what = what.trim().lines().filter(|l| !l.trim_start().starts_with('|')).collect::<Vec<_>>().join("; ");
    Error::Config { what, path: PathBuf::from(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        steps: u32,
        name: String,
        light: Light,
    }

    #[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Light {
        count: u32,
        size_m: f32,
    }

    impl Default for Config {
        fn default() -> Self {
            Config { steps: 10, name: "x".into(), light: Light::default() }
        }
    }

    #[test]
    fn sets_win_over_defaults_and_come_back_from_toml() {
        let sets = ["light.count=3".to_string(), "name=head one".into(), "light.size_m=0.5".into()];
        let config: Config = load(None, &sets).unwrap();
        assert_eq!(config, Config { steps: 10, name: "head one".into(), light: Light { count: 3, size_m: 0.5 } });
        assert_eq!(toml::from_str::<Config>(&to_toml(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn each_value_tells_where_it_comes_from() {
        let path = std::env::temp_dir().join(format!("formats-origins-{}.toml", std::process::id()));
        std::fs::write(&path, "name = \"file\"\n[light]\ncount = 2\nsize_m = 0.1\n").unwrap();
        let sets = ["light.count=3".to_string()];
        let mut config: Config = load(Some(&path), &sets).unwrap();
        config.name = "flag".into();
        let text = with_origins(&config, Some(&path), &sets).unwrap();
        for line in ["steps = 10  # default", "name = \"flag\"  # a flag", "count = 3  # --set"] {
            assert!(text.contains(line), "{text}");
        }
        let size = text.lines().find(|l| l.starts_with("size_m")).unwrap();
        assert!(size.ends_with(&format!("# {}", path.display())), "{text}");
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "it can be used as a file");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_named() {
        for (set, word) in
            [("light.cuont=3", "cuont"), ("steps=many", "many"), ("steps", "key=value"), ("name.x=1", "")]
        {
            let err = load::<Config>(None, &[set.to_string()]).unwrap_err();
            assert!(err.to_string().contains(word) && !err.to_string().contains('\n'), "{err}");
            assert_eq!(err.exit_code(), crate::exit::ExitCode::Config);
        }
    }
}
