//! Who is in the dataset: ages, sexes, ancestries, tones, hair, eyes.
use super::chart::Histogram;
use formats::{Error, IdentityRow, Part, Shard, dataset};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Counts of people, each once.
pub struct People {
    /// People.
    pub n: u64,
    /// Years, sex below a half.
    pub age_female: Histogram,
    /// Years, the others.
    pub age_male: Histogram,
    /// 0 female … 1 male.
    pub sex: Histogram,
    /// By the largest of the three weights.
    pub ancestry: BTreeMap<String, u64>,
    /// Fitzpatrick's classes.
    pub tones: BTreeMap<String, u64>,
    /// Hair styles.
    pub hair: BTreeMap<String, u64>,
    /// Colors of the iris.
    pub eyes: BTreeMap<String, u64>,
    /// Beards.
    pub beards: BTreeMap<String, u64>,
}

/// The names of [`IdentityRow::ancestry`]'s axes.
const ANCESTRIES: [&str; 3] = ["African", "Asian", "Caucasian"];

impl People {
    /// Those of the table `identities` who are in `shown`; none without such a table.
    ///
    /// # Errors
    /// As [`Shard::read`].
    pub fn read(path: &Path, shown: &HashMap<u32, u64>) -> Result<Option<Self>, Error> {
        if !path.is_dir() {
            return Ok(None);
        }
        let mut people = People {
            n: 0,
            age_female: Histogram::new(0.0, 120.0, 1.0),
            age_male: Histogram::new(0.0, 120.0, 1.0),
            sex: Histogram::new(0.0, 1.01, 0.01),
            ancestry: BTreeMap::new(),
            tones: BTreeMap::new(),
            hair: BTreeMap::new(),
            eyes: BTreeMap::new(),
            beards: BTreeMap::new(),
        };
        for file in dataset::parquet_files(&path.join("identities"))? {
            let rows = Shard::open(&file)?.read::<IdentityRow>(Part::Labels)?;
            rows.iter().filter(|row| shown.contains_key(&row.identity_id)).for_each(|row| people.add(row));
        }
        Ok((people.n > 0).then_some(people))
    }

    fn add(&mut self, row: &IdentityRow) {
        self.n += 1;
        let ages = if row.sex < 0.5 { &mut self.age_female } else { &mut self.age_male };
        ages.add(row.age.into());
        self.sex.add(row.sex.into());
        let (mut most, mut weight) = ("unknown", 0.0);
        for (name, w) in ANCESTRIES.iter().zip(row.ancestry) {
            if w > weight {
                (most, weight) = (name, w);
            }
        }
        *self.ancestry.entry(most.into()).or_default() += 1;
        let parameters: Value = serde_json::from_str(&row.parameters).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        for (counts, name) in [
            (&mut self.tones, row.skin_tone.clone()),
            (&mut self.hair, row.hair_style.clone()),
            (&mut self.eyes, text(&parameters["eyes"]["color"])),
            (&mut self.beards, text(&parameters["beard"]["style"])),
        ] {
            if !name.is_empty() {
                *counts.entry(name).or_default() += 1;
            }
        }
    }
}

/// The largest first.
pub fn by_count(counts: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut items: Vec<(String, u64)> = counts.iter().map(|(k, v)| (k.clone(), *v)).collect();
    items.sort_by_key(|item| std::cmp::Reverse(item.1));
    items
}
