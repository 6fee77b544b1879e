//! Named arrays in a safetensors file: weights, avatars, heads.
//!
//! Written here and not by the `safetensors` crate, because the same arrays and metadata must give the same bytes (its
//! metadata is a hash map); read by the crate, which checks the header.
use crate::publish::{Existing, TempFile};
use crate::{Error, publish};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Arrays by name, and text by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    /// The arrays.
    pub arrays: BTreeMap<String, Tensor>,
    /// The `__metadata__` of the file.
    pub metadata: BTreeMap<String, String>,
}

/// An array, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Elements.
    pub values: Values,
}

/// Elements of an array.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Half floats.
    F16(Vec<f16>),
    /// 64-bit integers, as torch indices are.
    I64(Vec<i64>),
    /// Indices.
    U32(Vec<u32>),
    /// Codes and masks.
    U8(Vec<u8>),
}

/// Writes arrays and metadata to `path` in one step, replacing what was there.
///
/// # Errors
/// [`Error::Create`], [`Error::Io`], or [`Error::Data`] when an array has not as many elements as its shape says.
pub fn write_safetensors(path: &Path, tensors: &Tensors) -> Result<(), Error> {
    let (header, order) = header(path, tensors)?;
    publish::create_folder_of(path)?;
    let temp = TempFile::create(path)?;
    let io_error = |source| Error::Io { what: "cannot write", source, path: path.into() };
    let mut file = BufWriter::with_capacity(1 << 20, temp.file().map_err(io_error)?);
    file.write_all(&(header.len() as u64).to_le_bytes()).map_err(io_error)?;
    file.write_all(header.as_bytes()).map_err(io_error)?;
    for name in order {
        file.write_all(&tensors.arrays[name].values.to_le_bytes()).map_err(io_error)?;
    }
    file.into_inner().map_err(|e| io_error(e.into_error()))?;
    temp.publish(path, Existing::Replace).map(|_| ())
}

/// Reads a safetensors file; brain floats and doubles become `f32`, small integers the nearest kind of [`Values`].
///
/// # Errors
/// [`Error::Missing`], [`Error::Io`], or [`Error::Data`] when it is none.
pub fn read_safetensors(path: &Path) -> Result<Tensors, Error> {
    let bytes = std::fs::read(path).map_err(|e| Error::reading("safetensors file", path, e))?;
    let bad = |what: String| Error::data(path, what);
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(format!("no safetensors file: {e}")))?;
    let views = SafeTensors::deserialize(&bytes).map_err(|e| bad(format!("no safetensors file: {e}")))?;
    let mut tensors = Tensors::default();
    for (name, view) in views.iter() {
        let values = Values::from_le_bytes(view.dtype(), view.data());
        let values = values.ok_or_else(|| bad(format!("array {name:?} has elements of type {:?}", view.dtype())))?;
        tensors.arrays.insert(name.into(), Tensor { shape: view.shape().to_vec(), values });
    }
    tensors.metadata = metadata.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok(tensors)
}

impl Tensors {
    /// Adds an array.
    pub fn insert(&mut self, name: &str, tensor: Tensor) {
        self.arrays.insert(name.into(), tensor);
    }

    /// The array `name` as `f32`, with its shape.
    ///
    /// # Errors
    /// [`Error::Data`] when there is none; `path` is for the message.
    pub fn f32(&self, name: &str, path: &Path) -> Result<(&[usize], Vec<f32>), Error> {
        let tensor = self.get(name, path)?;
        Ok((&tensor.shape, tensor.to_f32()))
    }

    /// The array `name`.
    ///
    /// # Errors
    /// As [`Tensors::f32`].
    pub fn get(&self, name: &str, path: &Path) -> Result<&Tensor, Error> {
        self.arrays.get(name).ok_or_else(|| Error::data(path, format!("no array {name:?}")))
    }
}

impl Tensor {
    /// 32-bit floats.
    pub fn f32(shape: &[usize], values: Vec<f32>) -> Self {
        Tensor { shape: shape.into(), values: Values::F32(values) }
    }

    /// Rounded to half floats.
    pub fn f16(shape: &[usize], values: &[f32]) -> Self {
        Tensor { shape: shape.into(), values: Values::F16(values.iter().map(|&v| f16::from_f32(v)).collect()) }
    }

    /// Indices.
    pub fn u32(shape: &[usize], values: Vec<u32>) -> Self {
        Tensor { shape: shape.into(), values: Values::U32(values) }
    }

    /// Codes and masks.
    pub fn u8(shape: &[usize], values: Vec<u8>) -> Self {
        Tensor { shape: shape.into(), values: Values::U8(values) }
    }

    /// Elements as `f32`, whatever they are stored as.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.values {
            Values::F32(v) => v.clone(),
            Values::F16(v) => v.iter().map(|v| v.to_f32()).collect(),
            Values::I64(v) => v.iter().map(|&v| v as f32).collect(),
            Values::U32(v) => v.iter().map(|&v| v as f32).collect(),
            Values::U8(v) => v.iter().map(|&v| v as f32).collect(),
        }
    }
}

impl Values {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Values::F32(v) => v.len(),
            Values::F16(v) => v.len(),
            Values::I64(v) => v.len(),
            Values::U32(v) => v.len(),
            Values::U8(v) => v.len(),
        }
    }

    /// No element?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name and size in bytes of an element.
    fn dtype(&self) -> (&'static str, usize) {
        match self {
            Values::F32(_) => ("F32", 4),
            Values::F16(_) => ("F16", 2),
            Values::I64(_) => ("I64", 8),
            Values::U32(_) => ("U32", 4),
            Values::U8(_) => ("U8", 1),
        }
    }

    fn to_le_bytes(&self) -> Vec<u8> {
        match self {
            Values::F32(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::F16(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::I64(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::U32(v) => v.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Values::U8(v) => v.clone(),
        }
    }

    fn from_le_bytes(dtype: Dtype, bytes: &[u8]) -> Option<Self> {
        fn each<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.chunks_exact(N).map(|c| value(std::array::from_fn(|i| c[i]))).collect()
        }
        Some(match dtype {
            Dtype::F32 => Values::F32(each(bytes, f32::from_le_bytes)),
            Dtype::F64 => Values::F32(each(bytes, |b| f64::from_le_bytes(b) as f32)),
            Dtype::F16 => Values::F16(each(bytes, f16::from_le_bytes)),
            Dtype::BF16 => Values::F32(each(bytes, |b| bf16::from_le_bytes(b).to_f32())),
            Dtype::I64 => Values::I64(each(bytes, i64::from_le_bytes)),
            Dtype::I32 => Values::I64(each(bytes, |b| i32::from_le_bytes(b).into())),
            Dtype::U32 => Values::U32(each(bytes, u32::from_le_bytes)),
            Dtype::U8 | Dtype::BOOL => Values::U8(bytes.to_vec()),
            _ => return None,
        })
    }
}

/// The JSON header, and the arrays in file order: wide elements first, so that all are aligned.
fn header<'a>(path: &Path, tensors: &'a Tensors) -> Result<(String, Vec<&'a str>), Error> {
    let mut order: Vec<&str> = tensors.arrays.keys().map(String::as_str).collect();
    order.sort_by_key(|name| std::cmp::Reverse(tensors.arrays[*name].values.dtype().1));
    let mut entries = serde_json::Map::new();
    if !tensors.metadata.is_empty() {
        entries.insert("__metadata__".into(), serde_json::json!(tensors.metadata));
    }
    let mut offset = 0;
    for name in &order {
        let Tensor { shape, values } = &tensors.arrays[*name];
        let (dtype, bytes) = values.dtype();
        if shape.iter().product::<usize>() != values.len() {
            return Err(Error::data(path, format!("array {name:?} has shape {shape:?} but {} elements", values.len())));
        }
        let end = offset + values.len() * bytes;
        entries.insert(
            name.to_string(),
            serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}),
        );
        offset = end;
    }
    let mut header = serde_json::Value::Object(entries).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    Ok((header, order))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_and_bytes_are_fixed() {
        let folder = std::env::temp_dir().join(format!("formats-safe-{}", std::process::id()));
        let (path, again) = (folder.join("a.safetensors"), folder.join("b.safetensors"));
        let mut tensors = Tensors::default();
        tensors.insert("mask", Tensor::u8(&[3], vec![1, 0, 255]));
        tensors.insert("means", Tensor::f32(&[2, 3], vec![0.5, -1.0, f32::MIN_POSITIVE, 3.0, 4.0, 5.0]));
        tensors.insert("half", Tensor::f16(&[2], &[0.25, -7.0]));
        tensors.insert("faces", Tensor::u32(&[1, 2], vec![u32::MAX, 7]));
        tensors.insert("none", Tensor::f32(&[0, 3], vec![]));
        tensors.metadata = (0..20).map(|k| (format!("key {k}"), format!("ä \"{k}\""))).collect();
        write_safetensors(&path, &tensors).unwrap();
        write_safetensors(&again, &tensors.clone()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap());
        assert_eq!(read_safetensors(&path).unwrap(), tensors);
        assert_eq!(tensors.f32("half", &path).unwrap().1, [0.25, -7.0]);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&again, &whole[..length]).unwrap();
            assert!(matches!(read_safetensors(&again), Err(Error::Data { .. })), "cut at {length}");
        }
        tensors.insert("wrong", Tensor::f32(&[5], vec![0.0]));
        assert!(write_safetensors(&path, &tensors).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), whole, "a failed write changes nothing");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
