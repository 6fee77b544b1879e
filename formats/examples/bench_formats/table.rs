//! The figures: a table for people, JSON for scripts.
use serde_json::json;
use std::fmt;
use std::path::Path;

/// What a figure is held to.
#[derive(Clone, Copy)]
pub enum Threshold {
    /// At most this.
    Most(f64),
    /// At least this.
    Least(f64),
}

impl Threshold {
    /// At most this.
    pub fn most(value: f64) -> Option<Threshold> {
        Some(Threshold::Most(value))
    }

    /// At least this.
    pub fn least(value: f64) -> Option<Threshold> {
        Some(Threshold::Least(value))
    }

    fn value(self) -> f64 {
        match self {
            Threshold::Most(value) | Threshold::Least(value) => value,
        }
    }
}

struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    threshold: Option<Threshold>,
}

impl Row {
    fn ok(&self) -> bool {
        match self.threshold {
            Some(Threshold::Most(threshold)) => self.value <= threshold,
            Some(Threshold::Least(threshold)) => self.value >= threshold,
            None => self.value.is_finite(),
        }
    }
}

/// Figures in the order they were taken.
#[derive(Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a figure.
    pub fn push(&mut self, name: impl Into<String>, value: f64, unit: &'static str, threshold: Option<Threshold>) {
        self.0.push(Row { name: name.into(), value, unit, threshold });
    }

    /// Does every figure meet its threshold?
    pub fn ok(&self) -> bool {
        self.0.iter().all(Row::ok)
    }

    /// Writes the JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), formats::Error> {
        let row = |r: &Row| {
            let threshold = r.threshold.map(Threshold::value);
            json!({ "name": r.name, "value": r.value, "unit": r.unit, "bar": threshold, "ok": r.ok() })
        };
        let rows: Vec<_> = self.0.iter().map(row).collect();
        let file =
            json!({ "machine": machine(), "commit": option_env!("EFFIGY_COMMIT").unwrap_or("unknown"), "rows": rows });
        formats::publish::write_atomically(path, format!("{file:#}\n").as_bytes())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for r in &self.0 {
            let word = |threshold| if matches!(threshold, Threshold::Most(_)) { "<=" } else { ">=" };
            let threshold = r.threshold.map_or(String::new(), |b| format!("  threshold {} {}", word(b), b.value()));
            let missed = if r.ok() { "" } else { "  MISSED" };
            writeln!(f, "  {:<52} {:>10.2} {:<5}{threshold}{missed}", r.name, r.value, r.unit)?;
        }
        Ok(())
    }
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
    format!("{cores} threads of {}", model.trim_start_matches([' ', '\t', ':']))
}
