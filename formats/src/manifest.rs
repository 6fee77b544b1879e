//! `manifest.parquet`: one row per shard of a finished dataset, and the card made from it.
use crate::columns::{self, Columns, Complaint};
use crate::dataset_card::DatasetCard;
use crate::publish::{Existing, write_atomically};
use crate::reader::{Part, Shard};
use crate::shard::ShardWriter;
use crate::table::Row;
use crate::verify::{self, Depth, Finding};
use crate::{Error, Provenance, ShardName, dataset, digest, schema, side};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};
use std::path::Path;

/// A shard of the dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ManifestRow {
    /// Position in the manifest.
    pub shard: u64,
    /// `frames/train-00017-of-00020.parquet`
    pub file: String,
    /// `train`, `val`, `test`; `part` for identities.
    pub split: String,
    /// Rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Hexadecimal digest of the file.
    pub sha256: String,
}

/// What [`merge`] did.
#[derive(Clone, Debug, PartialEq)]
pub enum Merged {
    /// The manifest of these shards was written.
    New(Vec<ManifestRow>),
    /// It was there already and is right; nothing was touched.
    Same(Vec<ManifestRow>),
    /// The dataset is not in order; nothing was written.
    Refused(Vec<Finding>),
}

/// Writes `manifest.parquet`, `README.md` and, where missing, `plan.toml` of the dataset `folder`, after a check of
/// all shards. Leaves everything alone when the manifest is already right.
///
/// # Errors
/// As [`verify::verify`]; [`Error::Create`], [`Error::Io`].
pub fn merge(folder: &Path) -> Result<Merged, Error> {
    let findings = verify::verify(folder, Depth::Quick, &mut |_| ())?;
    if !findings.is_empty() {
        return Ok(Merged::Refused(findings));
    }
    let (rows, card) = inventory(folder)?;
    let path = folder.join("manifest.parquet");
    let readme = folder.join("README.md");
    let there = path.is_file().then(|| Shard::open(&path)?.read::<ManifestRow>(Part::All));
    if there.is_some_and(|there| there.is_ok_and(|there| there == rows)) && readme.is_file() {
        return Ok(Merged::Same(rows));
    }
    let plan = folder.join("plan.toml");
    if !plan.exists() {
        write_atomically(&plan, card.provenance.config_toml.as_bytes())?;
    }
    write_atomically(&readme, card.to_markdown().as_bytes())?;
    // Written last: it is the mark that the dataset is complete.
    let mut writer = ShardWriter::create(&path, &card.provenance, Existing::Replace)?;
    for row in &rows {
        writer.push(row.clone())?;
    }
    writer.finish()?;
    Ok(Merged::New(rows))
}

fn inventory(folder: &Path) -> Result<(Vec<ManifestRow>, DatasetCard), Error> {
    let mut rows = Vec::new();
    let name = folder.canonicalize().ok().and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()));
    let mut card = DatasetCard { name: name.unwrap_or_else(|| "dataset".into()), ..DatasetCard::default() };
    let mut splits: Vec<(String, u64, u64)> = ["train", "val", "test"].map(|s| (s.to_string(), 0, 0)).to_vec();
    for table in ["identities", "frames"] {
        for path in dataset::parquet_files(&folder.join(table))? {
            let shard = Shard::open(&path)?;
            let row = row_of(rows.len() as u64, table, &shard)?;
            match table {
                "identities" => {
                    card.identities += row.rows;
                    if card.identity_columns.is_empty() {
                        card.identity_columns = describe(&shard);
                    }
                }
                _ => {
                    let known = splits.iter_mut().find(|(split, ..)| *split == row.split);
                    match known {
                        Some((_, frames, bytes)) => (*frames, *bytes) = (*frames + row.rows, *bytes + row.bytes),
                        None => splits.push((row.split.clone(), row.rows, row.bytes)),
                    }
                    if card.columns.is_empty() {
                        card.columns = describe(&shard);
                        card.provenance = shard.provenance();
                    }
                }
            }
            rows.push(row);
        }
    }
    card.splits = splits.into_iter().filter(|(_, frames, _)| *frames > 0).collect();
    Ok((rows, card))
}

/// The card of a dataset as it is, finished or not.
///
/// # Errors
/// [`Error::Missing`] when there is nothing to read, else as [`Shard::open`].
pub fn card_of(folder: &Path) -> Result<DatasetCard, Error> {
    dataset::frame_files(folder)?;
    inventory(folder).map(|(_, card)| card)
}

fn row_of(index: u64, table: &str, shard: &Shard) -> Result<ManifestRow, Error> {
    let path = shard.path();
    let sha256 = match side::read(path)? {
        Some(side) => side.sha256,
        None => digest::sha256_of_file(path)?,
    };
    Ok(ManifestRow {
        shard: index,
        file: format!("{table}/{}", path.file_name().unwrap_or_default().to_string_lossy()),
        split: ShardName::parse(path).map(|n| n.split).unwrap_or_default(),
        rows: shard.rows() as u64,
        bytes: shard.bytes(),
        sha256,
    })
}

/// Name, type, unit and meaning of each column of a shard.
pub fn describe(shard: &Shard) -> Vec<[String; 4]> {
    let column = |field: &std::sync::Arc<Field>| {
        let text = |key: &str| field.metadata().get(key).map(|v| v.to_string()).unwrap_or_default();
        [field.name().clone(), schema::type_name(field.data_type()), text("unit"), text("description")]
    };
    shard.schema().fields().iter().map(column).collect()
}

impl Row for ManifestRow {
    const TABLE: &'static str = "manifest";
    const VERSION: u32 = 1;
    const SORTED_BY: &'static [&'static str] = &["shard"];

    fn fields(&self) -> Vec<Field> {
        use DataType::{UInt64, Utf8};
        vec![
            schema::scalar("shard", UInt64, "position in the manifest", ""),
            schema::scalar("file", Utf8, "path within the dataset", ""),
            schema::scalar("split", Utf8, "train, val or test; part for identities", ""),
            schema::scalar("rows", UInt64, "rows of the shard", ""),
            schema::scalar("bytes", UInt64, "size of the file", "bytes"),
            schema::scalar("sha256", Utf8, "digest of the file", ""),
        ]
    }

    fn key(&self) -> [u64; 4] {
        [self.shard, 0, 0, 0]
    }

    fn wide_bytes(&self) -> usize {
        0
    }

    fn check(&self, _: &SchemaRef) -> Result<(), Complaint> {
        Ok(())
    }

    fn batch(rows: &[Self], schema: &SchemaRef) -> Result<RecordBatch, Complaint> {
        let columns: Vec<ArrayRef> = vec![
            columns::of_u64(rows.iter().map(|r| r.shard)),
            columns::of_text(rows.iter().map(|r| r.file.as_str())),
            columns::of_text(rows.iter().map(|r| r.split.as_str())),
            columns::of_u64(rows.iter().map(|r| r.rows)),
            columns::of_u64(rows.iter().map(|r| r.bytes)),
            columns::of_text(rows.iter().map(|r| r.sha256.as_str())),
        ];
        RecordBatch::try_new(schema.clone(), columns).map_err(|e| e.to_string())
    }

    fn rows(batch: &RecordBatch) -> Result<Vec<Self>, Complaint> {
        let batch = Columns(batch);
        let (shard, file, split) = (batch.u64("shard")?, batch.text("file")?, batch.text("split")?);
        let (rows, bytes, sha256) = (batch.u64("rows")?, batch.u64("bytes")?, batch.text("sha256")?);
        let row = |i: usize| ManifestRow {
            shard: shard[i],
            file: file[i].clone(),
            split: split[i].clone(),
            rows: rows[i],
            bytes: bytes[i],
            sha256: sha256[i].clone(),
        };
        Ok((0..shard.len()).map(row).collect())
    }
}

/// The provenance of a dataset: that of its first `frames` shard.
///
/// # Errors
/// As [`Shard::open`].
pub fn provenance_of(path: &Path) -> Result<Provenance, Error> {
    let files = dataset::frame_files(path)?;
    Shard::open(&files[0]).map(|shard| shard.provenance())
}
