//! What a row type must tell the shard writer and reader.
use crate::columns::Complaint;
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, SchemaRef};

/// A row of one of our tables.
pub trait Row: Sized + Default {
    /// `frames` or `identities`.
    const TABLE: &'static str;
    /// Newest layout this build knows.
    const VERSION: u32;
    /// Columns the rows are sorted by.
    const SORTED_BY: &'static [&'static str];

    /// Columns of a file whose first row is `self`: optional ones as far as this row has them.
    fn fields(&self) -> Vec<Field>;
    /// Rows of a file must ascend strictly in this.
    fn key(&self) -> [u64; 4];
    /// Bytes of the big parts, which bound the row groups.
    fn wide_bytes(&self) -> usize;
    /// Is something in this row that the columns have no place for?
    ///
    /// # Errors
    /// In words: what was found and what was expected.
    fn check(&self, schema: &SchemaRef) -> Result<(), Complaint>;
    /// Columns from rows that passed [`Row::check`].
    ///
    /// # Errors
    /// In words.
    fn batch(rows: &[Self], schema: &SchemaRef) -> Result<RecordBatch, Complaint>;
    /// Rows from columns; wide columns that were not read stay empty.
    ///
    /// # Errors
    /// In words: a column that is missing or has another type.
    fn rows(batch: &RecordBatch) -> Result<Vec<Self>, Complaint>;
}

/// `field` has `expected` values a row; complains when a row has another number.
pub(crate) fn check_array(schema: &SchemaRef, name: &str, got: usize) -> Result<(), Complaint> {
    let expected = match schema.field_with_name(name) {
        Ok(field) => crate::schema::shape_of(field.data_type()).first().copied().unwrap_or(0),
        Err(_) => 0,
    };
    match got == expected {
        true => Ok(()),
        false => Err(format!("{name}: {got} entries, but the first row of the file has {expected}")),
    }
}

/// Complains when a row has an optional part that the file has no column for.
pub(crate) fn check_optional(schema: &SchemaRef, name: &str, there: bool) -> Result<(), Complaint> {
    match there && schema.field_with_name(name).is_err() {
        true => Err(format!("{name}: present, but the first row of the file has none")),
        false => Ok(()),
    }
}
