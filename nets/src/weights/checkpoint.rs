//! Named tensors and strings in one safetensors file: checkpoints of training runs, and shipped weights.
//!
//! A file exists whole or not at all (temporary file, fsync, rename, fsync of the folder), and the same content gives
//! the same bytes. Strings live in the header under one key, as JSON with sorted keys.
use crate::Error;
use crate::weights::stand_in;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor, nn};

const HEADER_KEY: &str = "effigy";

/// What a file holds. Tensors are on the CPU.
#[derive(Debug, Default)]
pub struct Checkpoint {
    /// Steps done (the next step is this one); also in the file's header.
    pub step: u64,
    /// Strings: the resolved config, seeds, counters.
    pub notes: BTreeMap<String, String>,
    tensors: BTreeMap<String, Tensor>,
    path: PathBuf,
}

impl Checkpoint {
    /// An empty one.
    pub fn new(step: u64) -> Self {
        Checkpoint { step, ..Default::default() }
    }

    /// An empty one that names `path` in its errors.
    pub(crate) fn named(path: &Path) -> Self {
        Checkpoint { path: path.to_path_buf(), ..Default::default() }
    }

    /// Adds a contiguous tensor on the CPU that nobody else holds.
    pub(crate) fn insert(&mut self, name: &str, t: Tensor) {
        self.tensors.insert(name.into(), t);
    }

    /// Adds a string to the header.
    pub fn note(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.notes.insert(key.into(), value.into());
        self
    }

    /// Adds a copy of a tensor (a later change of the original does not show).
    pub fn put(&mut self, name: &str, t: &Tensor) -> &mut Self {
        let copy = tch::no_grad(|| t.detach().to_device(Device::Cpu).contiguous().copy());
        self.tensors.insert(name.into(), copy);
        self
    }

    /// Adds every variable of a store, buffers included, as `<prefix>.<name>` (no prefix: the bare name).
    pub fn put_vars(&mut self, prefix: &str, vars: &nn::VarStore) -> &mut Self {
        for (name, t) in vars.variables() {
            self.put(&join(prefix, &name), &t);
        }
        self
    }

    /// A tensor by name.
    ///
    /// # Errors
    /// [`Error::Missing`]
    pub fn get(&self, name: &str) -> Result<&Tensor, Error> {
        self.tensors.get(name).ok_or_else(|| Error::Missing { name: name.into(), path: self.path.clone() })
    }

    /// Names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Checks that the header's note `net` is `name`, so that weights of another network are refused by name.
    ///
    /// # Errors
    /// [`Error::Format`]
    pub fn expect_net(&self, name: &str) -> Result<(), Error> {
        match self.notes.get("net") {
            Some(found) if found == name => Ok(()),
            found => Err(Error::Format {
                what: format!("weights of {:?}, expected {name:?}", found.map_or("an unnamed net", String::as_str)),
                path: self.path.clone(),
            }),
        }
    }

    /// Copies `<prefix>.<name>` into every variable of the store, converted to its kind and device. Tensors of the file
    /// that the store does not know are left alone.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Shape`] if the file is of another model; nothing is changed then.
    pub fn restore_vars(&self, prefix: &str, vars: &nn::VarStore) -> Result<(), Error> {
        let mut pairs = Vec::new();
        for (name, variable) in vars.variables() {
            let name = join(prefix, &name);
            let t = self.get(&name)?;
            crate::error::check_shape(&name, t, &variable.size())?;
            pairs.push((variable, t));
        }
        tch::no_grad(|| pairs.iter().for_each(|(variable, t)| variable.detach().copy_(t)));
        Ok(())
    }

    /// Floats become half floats (values beyond ±65504 are refused): the form weights are shipped in.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a value does not fit or is not finite.
    pub fn halve(&mut self) -> Result<&mut Self, Error> {
        for (name, t) in &mut self.tensors {
            if t.kind() == Kind::Float {
                let half = t.to_kind(Kind::Half);
                if half.isfinite().all().int64_value(&[]) == 0 {
                    return Err(Error::NotFinite { what: format!("{name} as half float"), step: self.step });
                }
                *t = half;
            }
        }
        Ok(self)
    }

    /// Writes the file atomically and durably. Returns its size in bytes.
    ///
    /// # Errors
    /// [`Error::Formats`]; the previous file, if any, is untouched then.
    pub fn save(&self, path: &Path) -> Result<u64, Error> {
        let bytes = self.to_bytes(path)?;
        formats::publish::write_atomically(path, &bytes)?;
        Ok(bytes.len() as u64)
    }

    /// The file as bytes; `path` only names it in errors.
    ///
    /// # Errors
    /// [`Error::Format`] for a kind of tensor that safetensors has no word for.
    pub fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let fail = |what: String| Error::Format { what, path: path.to_path_buf() };
        let mut views = Vec::new();
        for (name, t) in &self.tensors {
            let dtype = dtype(t.kind()).ok_or_else(|| fail(format!("tensor {name} of kind {:?}", t.kind())))?;
            let shape: Vec<usize> = t.size().iter().map(|&n| n as usize).collect();
            let view = TensorView::new(dtype, shape, bytes_of(t)).map_err(|e| fail(format!("tensor {name}: {e}")))?;
            views.push((name.as_str(), view));
        }
        let mut notes = self.notes.clone();
        notes.insert("step".into(), self.step.to_string());
        let header = serde_json::to_string(&notes).expect("a map of strings");
        let header = HashMap::from([(HEADER_KEY.to_string(), header)]);
        safetensors::serialize(views, Some(header)).map_err(|e| fail(format!("safetensors: {e}")))
    }

    /// Reads a file. Files of other makers (no header of ours) give step 0 and no notes.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Format`].
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads a file's content; `path` only names it in errors.
    ///
    /// # Errors
    /// [`Error::Format`]
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let fail = |what: String| Error::Format { what, path: path.to_path_buf() };
        if let Some(what) = stand_in::named(bytes) {
            return Err(fail(what.into()));
        }
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|e| fail(format!("not a safetensors file: {e}")))?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| fail(format!("damaged safetensors file: {e}")))?;
        let text = header.metadata().as_ref().and_then(|m| m.get(HEADER_KEY));
        let mut notes: BTreeMap<String, String> = match text {
            Some(text) => serde_json::from_str(text).map_err(|e| fail(format!("header: {e}")))?,
            None => BTreeMap::new(),
        };
        let step = match notes.remove("step") {
            Some(s) => s.parse().map_err(|_| fail(format!("header: step {s:?} is not a number")))?,
            None => 0,
        };
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let kind = kind(view.dtype()).ok_or_else(|| fail(format!("tensor {name} of type {:?}", view.dtype())))?;
            let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
            tensors.insert(name, Tensor::f_from_data_size(view.data(), &shape, kind)?);
        }
        Ok(Checkpoint { step, notes, tensors, path: path.to_path_buf() })
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.into() } else { format!("{prefix}.{name}") }
}

fn bytes_of(t: &Tensor) -> &[u8] {
    assert!(t.device() == Device::Cpu && t.is_contiguous(), "put() keeps contiguous CPU tensors");
    let size = t.numel() * t.kind().elt_size_in_bytes();
    if size == 0 {
        return &[];
    }
    // SAFETY: a contiguous CPU tensor owns `size` bytes from `data_ptr` on, alive as long as the borrow of `t`; nobody
    // writes to it, since `put` stored a copy that is shared with no one.
    unsafe { std::slice::from_raw_parts(t.data_ptr().cast::<u8>(), size) }
}

fn dtype(kind: Kind) -> Option<Dtype> {
    Some(match kind {
        Kind::Float => Dtype::F32,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Double => Dtype::F64,
        Kind::Int64 => Dtype::I64,
        Kind::Int => Dtype::I32,
        Kind::Int16 => Dtype::I16,
        Kind::Int8 => Dtype::I8,
        Kind::Uint8 => Dtype::U8,
        Kind::Bool => Dtype::BOOL,
        _ => return None,
    })
}

fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F64 => Kind::Double,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::I16 => Kind::Int16,
        Dtype::I8 => Kind::Int8,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("nets-checkpoint-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn comes_back_whole_and_writes_the_same_bytes() {
        let dir = folder("round");
        let mut c = Checkpoint::new(42);
        c.note("config", "[a]\nb = 1").note("seed", "7");
        c.put("x", &Tensor::from_slice(&[1.5f32, f32::MIN_POSITIVE, -0.0]).view([3, 1]));
        c.put("n", &Tensor::from(i64::MAX));
        c.put("empty", &Tensor::zeros([0, 4], (Kind::Half, Device::Cpu)));
        let (a, b) = (dir.join("a.safetensors"), dir.join("b.safetensors"));
        c.save(&a).unwrap();
        let back = Checkpoint::load(&a).unwrap();
        assert_eq!((back.step, back.notes["config"].as_str()), (42, "[a]\nb = 1"));
        assert_eq!(back.get("n").unwrap().int64_value(&[]), i64::MAX);
        assert_eq!(back.get("empty").unwrap().size(), [0, 4]);
        back.save(&b).unwrap();
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2, "no temporary file remains");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn damage_is_named() {
        let dir = folder("damage");
        let path = dir.join("x.safetensors");
        Checkpoint::new(1).put("x", &Tensor::from(1f32)).save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for cut in [0, 4, bytes.len() / 2, bytes.len() - 1] {
            let error = Checkpoint::from_bytes(&bytes[..cut], &path).unwrap_err();
            assert!(matches!(error, Error::Format { .. }), "{cut}: {error}");
        }
        assert!(matches!(Checkpoint::load(&dir.join("no")), Err(Error::Io { .. })));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn another_model_is_refused_and_nothing_changes() {
        let vars = nn::VarStore::new(Device::Cpu);
        let w = vars.root().ones("w", &[2]);
        let mut c = Checkpoint::new(0);
        c.put("m.w", &Tensor::zeros([3], (Kind::Float, Device::Cpu)));
        assert!(matches!(c.restore_vars("m", &vars), Err(Error::Shape { .. })));
        assert!(matches!(c.restore_vars("q", &vars), Err(Error::Missing { .. })));
        assert_eq!(w.sum(Kind::Float).double_value(&[]), 2.0);
    }

    #[test]
    fn half_floats_refuse_what_does_not_fit() {
        let mut c = Checkpoint::new(0);
        c.put("x", &Tensor::from(1e6f32));
        assert!(c.halve().is_err());
    }
}
