//! Figures with their bars: a table for people, JSON for scripts.
use serde_json::json;
use std::fmt;
use std::path::Path;

#[derive(Clone, Copy)]
pub enum Bar {
    None,
    AtMost(f64),
    AtLeast(f64),
}

struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    bar: Bar,
}

#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    skipped: Vec<(String, String)>,
}

impl Row {
    fn ok(&self) -> bool {
        match self.bar {
            Bar::None => self.value.is_finite(),
            Bar::AtMost(bar) => self.value <= bar,
            Bar::AtLeast(bar) => self.value >= bar,
        }
    }
}

impl Table {
    pub fn push(&mut self, name: impl Into<String>, value: f64, unit: &'static str, bar: Bar) {
        self.rows.push(Row { name: name.into(), value, unit, bar });
    }

    /// Says what was not measured, and why.
    pub fn skip(&mut self, name: impl Into<String>, why: impl Into<String>) {
        self.skipped.push((name.into(), why.into()));
    }

    /// Does every row keep its bar?
    pub fn ok(&self) -> bool {
        self.rows.iter().all(Row::ok)
    }

    /// Writes the JSON; it appears whole or not at all.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let row = |r: &Row| {
            let bar = match r.bar {
                Bar::None => None,
                Bar::AtMost(bar) | Bar::AtLeast(bar) => Some(bar),
            };
            json!({ "name": r.name, "value": r.value, "unit": r.unit, "bar": bar, "ok": r.ok() })
        };
        let skipped = |(name, why): &(String, String)| json!({ "name": name, "why": why });
        let file = json!({
            "machine": machine(),
            "commit": std::env::var("EFFIGY_COMMIT").unwrap_or_default(),
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

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "splat on {}", machine())?;
        for r in &self.rows {
            let value = if r.value != 0.0 && r.value.abs() < 0.01 {
                format!("{:.1e}", r.value)
            } else {
                format!("{:.2}", r.value)
            };
            let bar = match r.bar {
                Bar::None => String::new(),
                Bar::AtMost(bar) => format!("  bar ≤ {bar}"),
                Bar::AtLeast(bar) => format!("  bar ≥ {bar}"),
            };
            writeln!(f, "  {:<60} {value:>9} {:<3}{bar}{}", r.name, r.unit, if r.ok() { "" } else { "  MISSED" })?;
        }
        self.skipped.iter().try_for_each(|(name, why)| writeln!(f, "  {name:<60}   skipped: {why}"))
    }
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
    format!("{cores} threads of {}", model.trim_start_matches([' ', '\t', ':']))
}
