//! Columns of one record batch: built from rows, taken apart into rows.
use crate::schema;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Float64Array,
    RecordBatch, StringArray, StructArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, UInt32Type, UInt64Type};
use std::sync::Arc;

/// What is wrong with a column, in words that [`crate::Error`] completes with row and path.
pub(crate) type Complaint = String;

pub(crate) fn of_u64(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

pub(crate) fn of_u32(values: impl Iterator<Item = u32>) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(values))
}

pub(crate) fn of_f32(values: impl Iterator<Item = f32>) -> ArrayRef {
    Arc::new(Float32Array::from_iter_values(values))
}

pub(crate) fn of_f64(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

pub(crate) fn of_text<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// An array column from its flat values; `field` gives the shape.
pub(crate) fn of_array(field: &Field, values: Vec<f32>) -> Result<ArrayRef, Complaint> {
    nested(field.data_type(), Arc::new(Float32Array::from(values)))
}

fn nested(data_type: &DataType, values: ArrayRef) -> Result<ArrayRef, Complaint> {
    let DataType::FixedSizeList(item, n) = data_type else { return Ok(values) };
    let inner = nested(item.data_type(), values)?;
    let list = FixedSizeListArray::try_new(item.clone(), *n, inner, None).map_err(|e| e.to_string())?;
    Ok(Arc::new(list))
}

/// An image column; `None` is a null.
pub(crate) fn of_images<'a>(
    images: impl Iterator<Item = Option<&'a [u8]>> + Clone,
    paths: impl Iterator<Item = String>,
) -> ArrayRef {
    let seen: Vec<bool> = images.clone().map(|i| i.is_some()).collect();
    let paths = paths.zip(&seen).map(|(path, seen)| seen.then_some(path));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(BinaryArray::from_iter(images)), Arc::new(StringArray::from_iter(paths))];
    let nulls = seen.iter().any(|s| !s).then(|| seen.clone().into());
    Arc::new(StructArray::new(schema::image_fields(), columns, nulls))
}

/// A column of bytes of any length.
pub(crate) fn of_bytes<'a>(values: impl Iterator<Item = &'a [u8]>) -> ArrayRef {
    Arc::new(BinaryArray::from_iter_values(values))
}

/// A column of `size` bytes a row; `None` is a null.
pub(crate) fn of_binary<'a>(
    size: usize,
    values: impl Iterator<Item = Option<&'a [u8]>>,
) -> Result<ArrayRef, Complaint> {
    let array = FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, size as i32);
    Ok(Arc::new(array.map_err(|e| e.to_string())?))
}

/// A batch being taken apart.
pub(crate) struct Columns<'a>(pub &'a RecordBatch);

impl Columns<'_> {
    fn get(&self, name: &str) -> Result<&ArrayRef, Complaint> {
        self.0.column_by_name(name).ok_or_else(|| format!("no column {name:?}"))
    }

    pub(crate) fn u64(&self, name: &str) -> Result<Vec<u64>, Complaint> {
        let column = self.get(name)?.as_primitive_opt::<UInt64Type>().ok_or_else(|| wrong(name, "u64"))?;
        Ok(column.values().to_vec())
    }

    pub(crate) fn u32(&self, name: &str) -> Result<Vec<u32>, Complaint> {
        let column = self.get(name)?.as_primitive_opt::<UInt32Type>().ok_or_else(|| wrong(name, "u32"))?;
        Ok(column.values().to_vec())
    }

    pub(crate) fn f32(&self, name: &str) -> Result<Vec<f32>, Complaint> {
        let column = self.get(name)?.as_primitive_opt::<Float32Type>().ok_or_else(|| wrong(name, "f32"))?;
        Ok(column.values().to_vec())
    }

    /// `None` when the column is absent.
    pub(crate) fn f64_or_none(&self, name: &str) -> Result<Vec<Option<f64>>, Complaint> {
        let Some(column) = self.0.column_by_name(name) else { return Ok(vec![None; self.0.num_rows()]) };
        // A program that wrote the table again may have chosen the narrower type.
        if let Some(narrow) = column.as_primitive_opt::<Float32Type>() {
            return Ok(narrow.iter().map(|value| value.map(f64::from)).collect());
        }
        let column = column.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong(name, "f64"))?;
        Ok(column.iter().collect())
    }

    pub(crate) fn text(&self, name: &str) -> Result<Vec<String>, Complaint> {
        let column = self.get(name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name, "text"))?;
        Ok((0..column.len())
            .map(|i| if column.is_null(i) { String::new() } else { column.value(i).to_string() })
            .collect())
    }

    /// As [`Columns::text`]; empty when the column is absent: a shard older than the column.
    pub(crate) fn text_or_empty(&self, name: &str) -> Result<Vec<String>, Complaint> {
        if self.0.column_by_name(name).is_none() {
            return Ok(vec![String::new(); self.0.num_rows()]);
        }
        self.text(name)
    }

    /// One `[D, N]` array a row (`[N]` when `D` is 1), as rows of `N` values; empty rows when the column is absent.
    pub(crate) fn array_or_empty<const N: usize>(&self, name: &str) -> Result<Vec<Vec<[f32; N]>>, Complaint> {
        let Some(column) = self.0.column_by_name(name) else { return Ok(vec![Vec::new(); self.0.num_rows()]) };
        let shape = schema::shape_of(column.data_type());
        let row = shape.iter().product::<usize>();
        if shape.is_empty() || row % N != 0 || (N > 1 && shape.last() != Some(&N)) {
            return Err(format!("column {name:?} has shape {shape:?}, expected [.., {N}]"));
        }
        let mut flat = column.clone();
        while let Some(list) = flat.clone().as_fixed_size_list_opt() {
            // Slicing by the offset is done by `values` of a list read from a file: it starts at 0.
            flat = list.values().clone();
        }
        let values = flat.as_primitive_opt::<Float32Type>().ok_or_else(|| wrong(name, "f32 array"))?.values();
        if values.len() != row * self.0.num_rows() {
            return Err(format!("column {name:?} has {} values, expected {}", values.len(), row * self.0.num_rows()));
        }
        let rows = values.chunks_exact(row.max(1));
        Ok(rows.map(|r| r.chunks_exact(N).map(|c| std::array::from_fn(|i| c[i])).collect()).collect())
    }

    /// One `[D, N]` array a row.
    pub(crate) fn array<const N: usize, const D: usize>(&self, name: &str) -> Result<Vec<[[f32; N]; D]>, Complaint> {
        self.get(name)?;
        let rows = self.array_or_empty::<N>(name)?;
        let fixed = rows.into_iter().map(|row| {
            let found = row.len();
            <[[f32; N]; D]>::try_from(row).map_err(|_| format!("column {name:?} has {found} rows, expected {D}"))
        });
        fixed.collect()
    }

    /// Encoded images; `None` for nulls and when the column is absent (or was left out of the reading).
    pub(crate) fn images(&self, name: &str) -> Result<Vec<Option<Vec<u8>>>, Complaint> {
        let Some(column) = self.0.column_by_name(name) else { return Ok(vec![None; self.0.num_rows()]) };
        let parts = column.as_struct_opt().ok_or_else(|| wrong(name, "struct<bytes, path>"))?;
        let bytes = parts.column_by_name("bytes").and_then(|b| b.as_binary_opt::<i32>());
        let bytes = bytes.ok_or_else(|| wrong(name, "struct<bytes, path>"))?;
        let there = |i: usize| !parts.is_null(i) && !bytes.is_null(i);
        Ok((0..bytes.len()).map(|i| there(i).then(|| bytes.value(i).to_vec())).collect())
    }

    /// Bytes of any length; empty when the column is absent.
    pub(crate) fn bytes_or_empty(&self, name: &str) -> Result<Vec<Vec<u8>>, Complaint> {
        let Some(column) = self.0.column_by_name(name) else { return Ok(vec![Vec::new(); self.0.num_rows()]) };
        let column = column.as_binary_opt::<i32>().ok_or_else(|| wrong(name, "binary"))?;
        Ok((0..column.len()).map(|i| column.value(i).to_vec()).collect())
    }

    /// Fixed-size binaries; `None` for nulls and when the column is absent.
    pub(crate) fn binary(&self, name: &str) -> Result<Vec<Option<Vec<u8>>>, Complaint> {
        let Some(column) = self.0.column_by_name(name) else { return Ok(vec![None; self.0.num_rows()]) };
        let column = column.as_fixed_size_binary_opt().ok_or_else(|| wrong(name, "fixed-size binary"))?;
        Ok((0..column.len()).map(|i| (!column.is_null(i)).then(|| column.value(i).to_vec())).collect())
    }
}

fn wrong(name: &str, expected: &str) -> Complaint {
    format!("column {name:?} is not of type {expected}")
}
