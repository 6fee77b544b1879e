//! Rows of one part: a table for people, JSON for scripts. Shared by every bench.
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;

/// What a figure has to be.
#[derive(Clone, Copy)]
pub enum Threshold {
    None,
    AtMost(f64),
    AtLeast(f64),
}

/// What a part found.
pub struct Report {
    name: String,
    machine: String,
    rows: Vec<Row>,
    skipped: Vec<(String, String)>,
}

struct Row {
    name: String,
    value: f64,
    unit: String,
    threshold: Option<f64>,
    ok: bool,
}

impl Report {
    /// An empty one, of this machine.
    pub fn new(name: &str) -> Self {
        Self::on(name, machine())
    }

    /// An empty one, of what `machine` says.
    pub fn on(name: &str, machine: String) -> Self {
        Report { name: name.into(), machine, rows: Vec::new(), skipped: Vec::new() }
    }

    /// Adds a figure.
    pub fn push(&mut self, name: impl Into<String>, value: f64, unit: &str) {
        self.check(name, value, unit, Threshold::None);
    }

    /// Adds a figure with its threshold.
    pub fn check(&mut self, name: impl Into<String>, value: f64, unit: &str, threshold: Threshold) {
        let (threshold, ok) = match threshold {
            Threshold::None => (None, value.is_finite()),
            Threshold::AtMost(threshold) => (Some(threshold), value <= threshold),
            Threshold::AtLeast(threshold) => (Some(threshold), value >= threshold),
        };
        self.rows.push(Row { name: name.into(), value, unit: unit.into(), threshold, ok });
    }

    /// Says what was not measured, and why.
    pub fn skip(&mut self, name: impl Into<String>, why: impl Into<String>) {
        self.skipped.push((name.into(), why.into()));
    }

    /// Says what went wrong; the part is not ok.
    pub fn fail(&mut self, name: &str, why: impl std::fmt::Display) {
        self.push(format!("{name}: FAILED: {why}"), f64::NAN, "");
    }

    /// Takes over the rows of a file in the same format; absent thresholds are none.
    pub fn adopt(&mut self, file: &Value) {
        for row in file["rows"].as_array().into_iter().flatten() {
            self.rows.push(Row {
                name: row["name"].as_str().unwrap_or_default().into(),
                value: row["value"].as_f64().unwrap_or(f64::NAN),
                unit: row["unit"].as_str().unwrap_or_default().into(),
                threshold: row["bar"].as_f64(),
                ok: row["ok"].as_bool().unwrap_or(true),
            });
        }
    }

    /// Does every row meet its threshold?
    pub fn ok(&self) -> bool {
        self.rows.iter().all(|r| r.ok)
    }

    /// Writes the JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let row = |r: &Row| json!({ "name": r.name, "value": r.value, "unit": r.unit, "bar": r.threshold, "ok": r.ok });
        let skipped = |(name, why): &(String, String)| json!({ "name": name, "why": why });
        let file = json!({
            "machine": self.machine,
            "commit": commit(),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "skipped": self.skipped.iter().map(skipped).collect::<Vec<_>>(),
        });
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let temp = path.with_extension("json.tmp");
        std::fs::write(&temp, format!("{file:#}\n"))?;
        std::fs::rename(temp, path)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", self.name, self.machine)?;
        for r in &self.rows {
            let threshold =
                r.threshold.map_or(String::new(), |b| format!("  threshold {b}{}", if r.ok { "" } else { "  MISSED" }));
            let tiny = r.value != 0.0 && r.value.abs() < 0.01;
            let value = if tiny { format!("{:.1e}", r.value) } else { format!("{:.2}", r.value) };
            writeln!(f, "  {:<64} {value:>10} {}{threshold}", r.name, r.unit)?;
        }
        self.skipped.iter().try_for_each(|(name, why)| writeln!(f, "  {name:<64} {:>10} {why}", "skipped:"))
    }
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
    format!("{} threads of {}", cores, model.trim_start_matches([' ', '\t', ':']))
}

/// As the front door says, else as the checkout does.
fn commit() -> String {
    if let Ok(said) = std::env::var("EFFIGY_COMMIT") {
        return said;
    }
    let output = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    output.ok().and_then(|o| String::from_utf8(o.stdout).ok()).unwrap_or_default().trim().into()
}
