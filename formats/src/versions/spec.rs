//! What every version of a set has in common: its columns and how rows are grouped. Written once.
use super::layout::{self, VERSION_COLUMN};
use crate::publish::{self, Existing};
use crate::table::Row;
use crate::{Error, Provenance, config, digest, schema};
use arrow::datatypes::{DataType, Field, Metadata, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::properties::EnabledStatistics;
use std::path::Path;
use std::sync::Arc;

/// Newest layout of a set this build knows.
pub const FORMAT: u32 = 1;

/// Columns and grouping of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Name of the table; `clips` for [`crate::ClipRow`].
    pub table: String,
    /// Version of the table's columns.
    pub schema_version: u32,
    /// The columns of a row. Batches that are committed have exactly these names, types and nullabilities.
    pub schema: SchemaRef,
    /// Column (`u32` or `u64`) whose equal values make a group: what a commit puts or removes as a whole.
    pub group: String,
    /// Column (`u32` or `u64`) that tells the rows of a group apart; they ascend in it.
    pub position: String,
    /// Who makes the set, from which plan.
    pub provenance: Provenance,
}

/// `set.toml`
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFile {
    format: u32,
    table: String,
    schema_version: u32,
    schema_sha256: String,
    group: String,
    position: String,
    provenance: Provenance,
}

impl Spec {
    /// Of a table of ours; `first` decides the optional columns and the lengths of arrays.
    pub fn of<R: Row>(first: &R, group: &str, position: &str, provenance: Provenance) -> Self {
        Spec {
            table: R::TABLE.into(),
            schema_version: R::VERSION,
            schema: Arc::new(Schema::new(first.fields())),
            group: group.into(),
            position: position.into(),
            provenance,
        }
    }

    /// Columns of the parts: those of the rows and `version`, without the descriptions, which `schema.parquet` has.
    pub(crate) fn part_schema(&self) -> SchemaRef {
        let plain = |field: &Arc<Field>| field.as_ref().clone().with_metadata(Metadata::default());
        let mut fields: Vec<Field> = self.schema.fields().iter().map(plain).collect();
        fields.push(Field::new(VERSION_COLUMN, DataType::UInt64, false));
        let mut schema = Schema::new(fields);
        schema.metadata.insert("huggingface".to_string(), schema::huggingface(&schema.fields));
        Arc::new(schema)
    }

    /// Is this a set one can keep?
    fn check(&self, path: &Path) -> Result<(), Error> {
        for name in [&self.group, &self.position] {
            match self.schema.field_with_name(name).map(|f| (f.data_type(), f.is_nullable())) {
                Ok((DataType::UInt32 | DataType::UInt64, false)) => (),
                Ok((other, _)) => {
                    return Err(Error::data(path, format!("key column {name:?} is {other}, expected u32 or u64")));
                }
                Err(_) => return Err(Error::data(path, format!("no key column {name:?}"))),
            }
        }
        for name in layout::RESERVED {
            if self.schema.field_with_name(name).is_ok() {
                return Err(Error::data(path, format!("column {name:?}: the set has one of its own by that name")));
            }
        }
        Ok(())
    }

    /// Writes `schema.parquet` and `set.toml`; gives the digest of the latter. The same files may be there already.
    pub(super) fn write(&self, root: &Path) -> Result<String, Error> {
        self.check(&layout::set_file(root))?;
        let schema_path = layout::schema_file(root);
        let bytes = self.schema_bytes(&schema_path)?;
        publish_same(&schema_path, &bytes)?;
        let file = SetFile {
            format: FORMAT,
            table: self.table.clone(),
            schema_version: self.schema_version,
            schema_sha256: digest::hex(&digest::sha256(&bytes)),
            group: self.group.clone(),
            position: self.position.clone(),
            provenance: self.provenance.clone(),
        };
        let text = config::to_toml(&file)?;
        publish_same(&layout::set_file(root), text.as_bytes())?;
        Ok(digest::hex(&digest::sha256(text.as_bytes())))
    }

    /// Reads and checks both files; gives the digest of `set.toml` too.
    pub(super) fn read(root: &Path) -> Result<(Self, String), Error> {
        let path = layout::set_file(root);
        let text = std::fs::read(&path).map_err(|e| Error::reading("versioned set", &path, e))?;
        let bad = |what: String| Error::data(&path, format!("not a versioned set: {what}"));
        let utf8 = std::str::from_utf8(&text).map_err(|e| bad(e.to_string()))?;
        let got = utf8.parse::<toml::Table>().map_err(|e| bad(e.message().into()))?;
        let format = got.get("format").and_then(toml::Value::as_integer).unwrap_or(0);
        if format != i64::from(FORMAT) {
            let got = u32::try_from(format).unwrap_or(u32::MAX);
            return Err(Error::Version { table: "versioned set".into(), got, newest: FORMAT, path });
        }
        let file: SetFile = toml::from_str(utf8).map_err(|e| bad(e.message().into()))?;
        let schema_path = layout::schema_file(root);
        let bytes = std::fs::read(&schema_path).map_err(|e| Error::reading("schema of the set", &schema_path, e))?;
        if digest::hex(&digest::sha256(&bytes)) != file.schema_sha256 {
            return Err(Error::data(&schema_path, "not the bytes that were written (sha256 differs)"));
        }
        let metadata = crate::reader::guarded(&schema_path, || {
            ArrowReaderMetadata::load(&bytes::Bytes::from(bytes), ArrowReaderOptions::new())
        })?;
        let spec = Spec {
            table: file.table,
            schema_version: file.schema_version,
            schema: metadata.schema().clone(),
            group: file.group,
            position: file.position,
            provenance: file.provenance,
        };
        spec.check(&path)?;
        Ok((spec, digest::hex(&digest::sha256(&text))))
    }

    /// A Parquet file without rows: any reader shows the columns and what they mean.
    fn schema_bytes(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let pairs = vec![
            ("table".to_string(), self.table.clone()),
            ("schema_version".to_string(), self.schema_version.to_string()),
        ];
        let properties = crate::layout::properties(&self.schema, &[], pairs, EnabledStatistics::None)
            .map_err(|what| Error::data(path, what))?;
        let writer = ArrowWriter::try_new(Vec::new(), self.schema.clone(), Some(properties));
        let bytes = writer.and_then(ArrowWriter::into_inner);
        bytes.map_err(|e| Error::parquet("cannot write", path, e))
    }
}

/// First writer wins; another that brings the same bytes is content.
fn publish_same(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    publish::create_folder_of(path)?;
    publish::TempFile::with_bytes(path, bytes)?.publish(path, Existing::Keep).map(|_| ())
}
