//! Lines for people and for log collectors, on stderr: plain text, or one JSON object a line.
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::SystemTime;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Plain text
    #[default]
    Text,
    /// One JSON object per line: time, level, tool, event, message and its numbers
    Json,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// What goes on.
    Info,
    /// What was left out or taken otherwise than asked for; shown under `--quiet` too.
    Warning,
    /// Why the tool ends.
    Error,
}

struct Log {
    tool: String,
    format: LogFormat,
    file: Option<Mutex<File>>,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// From now on lines are of this format, and go into `file` too, at its end. The first call decides; without one they
/// are text.
///
/// # Errors
/// The file cannot be opened.
pub fn start(tool: &str, format: LogFormat, file: Option<&Path>) -> Result<(), crate::Error> {
    let open = |path: &Path| {
        let file = File::options().append(true).create(true).open(path);
        file.map(Mutex::new).map_err(|source| crate::Error::Create { source, path: path.into() })
    };
    let log = Log { tool: tool.into(), format, file: file.map(open).transpose()? };
    LOG.set(log).ok();
    Ok(())
}

/// Are lines JSON?
pub fn is_json() -> bool {
    LOG.get().is_some_and(|log| log.format == LogFormat::Json)
}

/// Writes a line that `--quiet` does not silence, beginning with the tool's name and a colon.
pub fn warn(event: &str, text: &str) {
    line(Level::Warning, event, text, &serde_json::Value::Null);
}

/// Writes a line: as text `text` alone; as JSON `event` and `fields` beside it. A closed stderr is no reason to stop.
pub fn line(level: Level, event: &str, text: &str, fields: &serde_json::Value) {
    let log = LOG.get();
    let line = match log {
        Some(log) if log.format == LogFormat::Json => json(&log.tool, level, event, text, fields),
        _ => text.to_string(),
    };
    // One write a line, so that lines of parallel tasks do not mix.
    let line = format!("{line}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(file) = log.and_then(|log| log.file.as_ref()) {
        let _ = file.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).write_all(line.as_bytes());
    }
}

fn json(tool: &str, level: Level, event: &str, text: &str, fields: &serde_json::Value) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let level = match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let mut line = serde_json::json!({"time": rfc3339(now.as_millis() as u64), "level": level, "tool": tool,
        "event": event, "message": text});
    if let (Some(line), Some(fields)) = (line.as_object_mut(), fields.as_object()) {
        line.extend(fields.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    line.to_string()
}

/// `2026-11-21T14:56:49.123Z` from milliseconds since 1970, by the proleptic Gregorian calendar (days are counted from
/// 1 March of the year 0, so that leap days end a year).
fn rfc3339(unix_millis: u64) -> String {
    let (secs, millis) = (unix_millis / 1000, unix_millis % 1000);
    let days = secs / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (h, m, s) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_273_009_123, "2026-11-21T14:56:49.123Z"),
        ] {
            assert_eq!(rfc3339(millis), text);
        }
    }

    #[test]
    fn a_line_is_one_object() {
        let line = json("datagen", Level::Error, "error", "two\nlines \"q\"", &serde_json::json!({"code": 65}));
        let back: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(
            !line.contains('\n')
                && back["message"] == "two\nlines \"q\""
                && back["code"] == 65
                && back["level"] == "error"
        );
    }
}
