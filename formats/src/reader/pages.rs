//! The pages of a shard on their way to the decoder, looked through before it believes them.
//!
//! `parquet`'s decoder of plain byte arrays (60.1) skips values without asking whether they end within their page, and then
//! reserves memory for what it thinks is left: one damaged length asks for 4 EiB, and that ends the process where an error
//! would do. So the lengths are followed here first. That costs a jump a value; a picture is one value of one page.
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups, RowSelection};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use std::fs::File;
use std::sync::Arc;

/// Some row groups of a file.
pub(super) struct Pages {
    pub file: Arc<File>,
    pub metadata: Arc<ParquetMetaData>,
    pub groups: Vec<usize>,
}

impl Pages {
    /// Reads columns of the rows selected (all without a selection), `batch` rows at a time.
    pub fn read(
        &self,
        columns: ProjectionMask,
        schema: &arrow::datatypes::Schema,
        rows: Option<RowSelection>,
        batch: usize,
    ) -> Result<ParquetRecordBatchReader> {
        let described = self.metadata.file_metadata().schema_descr();
        let levels = parquet_to_arrow_field_levels(described, columns, Some(schema.fields()))?;
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, self, batch, rows)
    }
}

impl RowGroups for Pages {
    fn num_rows(&self) -> usize {
        self.row_groups().map(|group| group.num_rows() as usize).sum()
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let (file, metadata) = (self.file.clone(), self.metadata.clone());
        Ok(Box::new(Chunks { file, metadata, column, groups: self.groups.clone().into_iter() }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.groups.iter().map(|&group| self.metadata.row_group(group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// The chunks of a column, a row group after the other.
struct Chunks {
    file: Arc<File>,
    metadata: Arc<ParquetMetaData>,
    column: usize,
    groups: std::vec::IntoIter<usize>,
}

impl Chunks {
    fn chunk(&self, group: usize) -> Result<Chunk> {
        let row_group = self.metadata.row_group(group);
        let column = row_group.column(self.column);
        let index = self.metadata.page_index_for_row_group(group);
        let pages = index.page_locations(self.column).cloned();
        let inner = SerializedPageReader::new(self.file.clone(), column, row_group.num_rows() as usize, pages)?;
        let described = column.column_descr();
        Ok(Chunk {
            inner,
            variable: described.physical_type() == Type::BYTE_ARRAY,
            levels: usize::from(described.max_rep_level() > 0) + usize::from(described.max_def_level() > 0),
        })
    }
}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.groups.next()?;
        Some(self.chunk(group).map(|chunk| Box::new(chunk) as _))
    }
}

impl PageIterator for Chunks {}

/// The pages of a chunk.
struct Chunk {
    inner: SerializedPageReader<File>,
    /// Whether its values have lengths of their own.
    variable: bool,
    /// Kinds of levels that its values have.
    levels: usize,
}

impl Chunk {
    fn checked(&self, page: &Page) -> Result<()> {
        if !self.variable || page.encoding() != Encoding::PLAIN {
            return Ok(());
        }
        let values = match page {
            Page::DataPage { buf, .. } => behind_levels(buf, self.levels),
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
                buf.get(*def_levels_byte_len as usize + *rep_levels_byte_len as usize..)
            }
            Page::DictionaryPage { buf, .. } => Some(&buf[..]),
        };
        let fits = values.is_some_and(lengths_fit);
        fits.then_some(()).ok_or_else(|| ParquetError::General("a value reaches beyond its page".into()))
    }
}

impl Iterator for Chunk {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Chunk {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.inner.get_next_page()?;
        page.iter().try_for_each(|page| self.checked(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.inner.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.inner.at_record_boundary()
    }
}

/// What follows the levels of a page of the first format, each of which begins with its length.
fn behind_levels(page: &[u8], levels: usize) -> Option<&[u8]> {
    (0..levels).try_fold(page, |rest, _| {
        let (length, rest) = rest.split_first_chunk::<4>()?;
        rest.get(u32::from_le_bytes(*length) as usize..)
    })
}

/// Whether each value, a length and as many bytes, ends within `values`.
fn lengths_fit(mut values: &[u8]) -> bool {
    while let Some((length, rest)) = values.split_first_chunk::<4>() {
        match rest.get(u32::from_le_bytes(*length) as usize..) {
            Some(rest) => values = rest,
            None => return false,
        }
    }
    values.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_followed_to_the_end() {
        let mut page = Vec::new();
        for value in [&b"a"[..], b"", b"picture"] {
            page.extend((value.len() as u32).to_le_bytes());
            page.extend(value);
        }
        assert!(lengths_fit(&page) && lengths_fit(&[]));
        assert!(!lengths_fit(&page[..page.len() - 1]) && !lengths_fit(&[1, 0, 0]));
        page[0] = 200;
        assert!(!lengths_fit(&page));
        let levels = [&3u32.to_le_bytes()[..], &[7, 7, 7], &0u32.to_le_bytes(), b"rest"].concat();
        assert_eq!(behind_levels(&levels, 2), Some(&b"rest"[..]));
        assert_eq!(behind_levels(&levels[..5], 1), None);
    }
}
