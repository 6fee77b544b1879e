//! `shards stat`: counts per split, ranges of columns, bytes.
use super::human;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, UInt32Type, UInt64Type};
use formats::exit::ExitCode;
use formats::progress::{Progress, Talk};
use formats::scan::Selection;
use formats::{Error, Part, Scan};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// More different texts than this are only counted as "many".
const TEXTS: usize = 8;

#[derive(Default)]
struct Totals {
    shards: usize,
    rows: u64,
    splits: BTreeMap<String, Split>,
    columns: Vec<(String, Column)>,
    digests: Vec<u64>,
}

#[derive(Default)]
struct Split {
    rows: u64,
    identities: BTreeSet<u32>,
}

/// What is known of the values of a column.
#[derive(Default)]
struct Column {
    bytes: u64,
    nulls: u64,
    not_finite: u64,
    /// Of floats.
    range: Option<(f64, f64)>,
    /// Of whole numbers, which may be too long for a float.
    whole_range: Option<(u64, u64)>,
    texts: BTreeSet<String>,
}

/// Reads the labels of the rows that are meant, one batch at a time, and prints what is in them.
pub fn run(path: &Path, condition: Option<&str>, talk: Talk) -> anyhow::Result<ExitCode> {
    let scan = Scan::open(path, condition)?;
    let mut totals = Totals::default();
    let progress = Progress::new("stat", scan.files().len() as u64, "shards", talk);
    for selection in scan.selections() {
        totals.add(&selection?)?;
        progress.add(1);
    }
    drop(progress);
    if talk == Talk::Json {
        totals.print_json(talk)
    } else {
        totals.print()
    }
    Ok(ExitCode::Done)
}

impl Totals {
    fn add(&mut self, selection: &Selection) -> Result<(), Error> {
        if selection.rows.is_empty() {
            return Ok(());
        }
        self.shards += 1;
        self.rows += selection.rows.len() as u64;
        for (name, bytes) in selection.shard.column_bytes() {
            self.column(&name).bytes += bytes;
        }
        selection.for_each_batch(Part::Labels, |batch, _| {
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                self.column(field.name()).add(column);
            }
            let (splits, identities) = (batch.column_by_name("split"), batch.column_by_name("identity_id"));
            let splits = splits.and_then(|c| c.as_string_opt::<i32>());
            let identities = identities.and_then(|c| c.as_primitive_opt::<UInt32Type>());
            for (split, identity) in splits.into_iter().flatten().zip(identities.into_iter().flatten()) {
                let split = self.splits.entry(split.unwrap_or_default().to_string()).or_default();
                split.rows += 1;
                split.identities.extend(identity);
            }
            // Eight bytes of a digest tell images apart well enough to count.
            let digests = batch.column_by_name("image_sha256").and_then(|c| c.as_fixed_size_binary_opt());
            let head = |d: &[u8]| d.first_chunk().map(|head| u64::from_le_bytes(*head));
            self.digests.extend(digests.into_iter().flatten().flatten().filter_map(head));
            Ok(())
        })
    }

    fn column(&mut self, name: &str) -> &mut Column {
        let at = self.columns.iter().position(|(n, _)| n == name).unwrap_or_else(|| {
            self.columns.push((name.into(), Column::default()));
            self.columns.len() - 1
        });
        &mut self.columns[at].1
    }

    fn doubled(&mut self) -> usize {
        self.digests.sort_unstable();
        self.digests.windows(2).filter(|pair| pair[0] == pair[1]).count()
    }

    fn print(mut self) {
        let doubled = self.doubled();
        for (name, split) in &self.splits {
            println!("{name:<18} {:>9} rows of {} identities", split.rows, split.identities.len());
        }
        let bytes = human(self.columns.iter().map(|(_, c)| c.bytes).sum());
        println!(
            "{:<18} {:>9} rows, {} shards of {bytes}, {doubled} duplicate images\n",
            "all", self.rows, self.shards
        );
        println!("{:<18} {:>9}  values", "column", "on disk");
        for (name, column) in &self.columns {
            println!("{name:<18} {:>9}  {}", human(column.bytes), column.values());
        }
    }

    fn print_json(mut self, talk: Talk) {
        let doubled = self.doubled();
        for (name, split) in &self.splits {
            talk.event("split", json!({"split": name, "rows": split.rows, "identities": split.identities.len()}));
        }
        for (name, c) in &self.columns {
            let whole = c.whole_range.map(|(low, high)| (json!(low), json!(high)));
            let (low, high) = c.range.map(|(low, high)| (json!(low), json!(high))).or(whole).unzip();
            let fields = json!({"column": name, "bytes": c.bytes, "nulls": c.nulls, "not_finite": c.not_finite, "min": low, "max": high, "texts": c.texts});
            talk.event("column", fields);
        }
        talk.event("all", json!({"rows": self.rows, "shards": self.shards, "doubled_images": doubled}));
    }
}

impl Column {
    fn add(&mut self, array: &ArrayRef) {
        self.nulls += array.null_count() as u64;
        match array.data_type() {
            DataType::UInt64 => self.add_whole(array.as_primitive::<UInt64Type>().values().iter().copied()),
            DataType::UInt32 => self.add_whole(array.as_primitive::<UInt32Type>().values().iter().map(|&v| v.into())),
            DataType::Float32 => {
                self.add_numbers(array.as_primitive::<Float32Type>().values().iter().map(|&v| v as f64))
            }
            DataType::FixedSizeList(..) => self.add(array.as_fixed_size_list().values()),
            DataType::Utf8 => {
                for text in array.as_string::<i32>().iter().flatten() {
                    if self.texts.len() <= TEXTS && !self.texts.contains(text) {
                        self.texts.insert(text.to_string());
                    }
                }
            }
            _ => (),
        }
    }

    fn add_whole(&mut self, values: impl Iterator<Item = u64>) {
        for value in values {
            let (low, high) = self.whole_range.unwrap_or((value, value));
            self.whole_range = Some((low.min(value), high.max(value)));
        }
    }

    fn add_numbers(&mut self, values: impl Iterator<Item = f64>) {
        for value in values {
            if !value.is_finite() {
                self.not_finite += 1;
                continue;
            }
            let (low, high) = self.range.unwrap_or((value, value));
            self.range = Some((low.min(value), high.max(value)));
        }
    }

    fn values(&self) -> String {
        let mut words = Vec::new();
        if let Some((low, high)) = self.whole_range {
            words.push(format!("{low} … {high}"));
        }
        if let Some((low, high)) = self.range {
            words.push(format!("{} … {}", short(low), short(high)));
        }
        match self.texts.len() {
            0 => (),
            n if n > TEXTS => words.push("many different".into()),
            _ => words.push(self.texts.iter().map(|t| format!("{t:.40}")).collect::<Vec<_>>().join(" | ")),
        }
        if self.not_finite > 0 {
            words.push(format!("{} NOT FINITE", self.not_finite));
        }
        if self.nulls > 0 {
            words.push(format!("{} null", self.nulls));
        }
        words.join(", ")
    }
}

/// Whole numbers whole, others with five digits.
fn short(value: f64) -> String {
    if value == value.trunc() {
        format!("{value:.0}")
    } else {
        format!("{:.5}", value).trim_end_matches('0').to_string()
    }
}
