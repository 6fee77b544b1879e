//! A version as one plain file, for whoever wants no set.
use super::Version;
use super::layout::VERSION_COLUMN;
use crate::digest::DigestWriter;
use crate::publish::{self, Existing, TempFile};
use crate::reader::Part;
use crate::shard::Written;
use crate::{Error, schema};
use arrow::datatypes::{DataType, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::EnabledStatistics;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

/// Rows read at once.
const ROWS: usize = 64;

impl Version {
    /// Writes all rows, in order, to the Parquet file `path`, which is replaced; the column `version` tells which commit
    /// put each, the metadata which version of which set it is. The same version gives the same bytes.
    ///
    /// # Errors
    /// As [`Version::batches`]; [`Error::Create`], [`Error::Io`].
    pub fn checkout(&self, path: &Path) -> Result<Written, Error> {
        let spec = self.spec();
        let mut fields: Vec<_> = spec.schema.fields().iter().map(|f| f.as_ref().clone()).collect();
        fields.push(schema::scalar(VERSION_COLUMN, DataType::UInt64, "version of the set that put the row", ""));
        let mut columns = Schema::new(fields);
        let huggingface = schema::huggingface(&columns.fields);
        columns.metadata.insert("huggingface".to_string(), huggingface.clone());
        let columns = Arc::new(columns);
        let mut pairs = vec![
            ("table".to_string(), spec.table.clone()),
            ("schema_version".to_string(), spec.schema_version.to_string()),
        ];
        pairs.extend(spec.provenance.pairs());
        pairs.push(("set_version".to_string(), self.number().to_string()));
        pairs.push(("set_digest".to_string(), self.digest().to_string()));
        pairs.push(("huggingface".to_string(), huggingface));
        let keys = [spec.group.as_str(), spec.position.as_str()];
        let properties = crate::layout::properties(&columns, &keys, pairs, EnabledStatistics::Page);
        let properties = properties.map_err(|what| Error::data(path, what))?;

        publish::create_folder_of(path)?;
        let temp = TempFile::create(path)?;
        let write = |e| Error::parquet("cannot write", path, e);
        let write_io = |source| Error::Io { what: "cannot write", source, path: path.into() };
        let sink = DigestWriter::new(BufWriter::with_capacity(1 << 20, temp.file().map_err(write_io)?));
        let mut writer = ArrowWriter::try_new(sink, columns.clone(), Some(properties)).map_err(write)?;
        for first in (0..self.len()).step_by(ROWS) {
            for batch in self.batches(first..(first + ROWS).min(self.len()), Part::All)? {
                let batch = batch.with_schema(columns.clone()).map_err(|e| Error::data(path, e.to_string()))?;
                writer.write(&batch).map_err(write)?;
                if writer.in_progress_size() >= crate::layout::GROUP_BYTES {
                    writer.flush().map_err(write)?;
                }
            }
        }
        let (buffer, bytes, sha256) = writer.into_inner().map_err(write)?.finish();
        buffer.into_inner().map_err(|e| write_io(e.into_error()))?;
        let published = temp.publish(path, Existing::Replace)?;
        Ok(Written { path: path.into(), rows: self.len() as u64, bytes, sha256, published })
    }
}
