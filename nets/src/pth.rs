//! Weights that PyTorch saved (`.pth`, `.pt`, `.ckpt`, `.bin`), read without running anything.
//!
//! Such a file is a zip of a pickle (a small program that builds objects) and of raw storages. Here that program may
//! build dictionaries, lists, numbers, strings and tensors, and nothing else: an opcode or a global beyond those that
//! `torch.save` of a state dict writes is an error with its name, never a call. Pickle protocol 2 as of PyTorch ≥ 1.6.
use crate::{Checkpoint, Error};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// Reads every tensor of a state dict; one level of nesting (`{"state_dict": {…}}`) and a `module.` prefix are undone.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] if it is no such file, is damaged, or asks for anything but tensors.
pub fn load(path: &Path) -> Result<Checkpoint, Error> {
    let fail = |what: String| Error::Format { what, path: path.to_path_buf() };
    let file = File::open(path).map_err(Error::io(path))?;
    let zip = zip::ZipArchive::new(file)
        .map_err(|e| fail(format!("no zip of PyTorch ({e}); files from before PyTorch 1.6 must be saved anew")))?;
    let mut archive = Archive { zip, folder: String::new() };
    let program = archive.pickle().map_err(&fail)?;
    let mut machine = Machine { stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), archive };
    let object = machine.run(&program).map_err(&fail)?;
    let tensors = state_dict(&object).ok_or_else(|| fail("no dictionary of tensors".into()))?;
    let mut weights = Checkpoint::named(path);
    for (name, t) in tensors {
        weights.insert(name.strip_prefix("module.").unwrap_or(&name), t);
    }
    Ok(weights)
}

/// What the program may build.
#[derive(Clone, Debug)]
enum Value {
    /// Nothing, a truth value, a fraction: never part of a tensor.
    Plain,
    Int(i64),
    Text(Rc<str>),
    Tuple(Rc<[Value]>),
    List(Rc<RefCell<Vec<Value>>>),
    Dict(Rc<RefCell<Vec<(Value, Value)>>>),
    Global(Global),
    Storage(Rc<Storage>),
    Tensor(Rc<Tensor>),
}

/// The names that may be called, and what calling them gives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageOf(Kind),
}

#[derive(Debug)]
struct Storage {
    kind: Kind,
    bytes: Vec<u8>,
}

struct Archive {
    zip: zip::ZipArchive<File>,
    folder: String,
}

impl Archive {
    fn pickle(&mut self) -> Result<Vec<u8>, String> {
        let name = self.zip.file_names().find(|n| n.ends_with("/data.pkl")).map(str::to_owned);
        let name = name.ok_or("a zip without data.pkl")?;
        self.folder = name.trim_end_matches("data.pkl").into();
        if let Ok(order) = self.read("byteorder")
            && order != b"little"
        {
            return Err("saved on a big-endian machine".into());
        }
        self.read("data.pkl")
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let full = format!("{}{name}", self.folder);
        let mut entry = self.zip.by_name(&full).map_err(|e| format!("{full}: {e}"))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| format!("{full}: {e}"))?;
        Ok(bytes)
    }
}

/// The pickle machine: a stack, marks on it, a memo.
struct Machine {
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    archive: Archive,
}

/// Bytes of the program, read front to back.
struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (head, tail) = self.bytes.split_at_checked(n).ok_or("the pickle ends early")?;
        self.bytes = tail;
        Ok(head)
    }

    fn number(&mut self, n: usize) -> Result<u64, String> {
        Ok(self.take(n)?.iter().rev().fold(0, |v, b| v << 8 | u64::from(*b)))
    }

    fn text(&mut self, n: usize) -> Result<Rc<str>, String> {
        Ok(std::str::from_utf8(self.take(n)?).map_err(|_| "a string that is no UTF-8")?.into())
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.bytes.iter().position(|b| *b == b'\n').ok_or("the pickle ends early")?;
        let line = self.take(end + 1)?;
        std::str::from_utf8(&line[..end]).map_err(|_| "a name that is no UTF-8".into())
    }
}

impl Machine {
    fn run(&mut self, program: &[u8]) -> Result<Value, String> {
        let mut at = Cursor { bytes: program };
        loop {
            let code = at.take(1)?[0];
            if code == b'.' {
                return self.pop();
            }
            self.step(code, &mut at)?;
        }
    }

    fn step(&mut self, code: u8, at: &mut Cursor) -> Result<(), String> {
        let value = match code {
            0x80 => return at.take(1).map(drop), // PROTO
            b'(' => {
                self.marks.push(self.stack.len()); // MARK
                return Ok(());
            }
            b'q' => return self.remember(at.number(1)?),        // BINPUT
            b'r' => return self.remember(at.number(4)?),        // LONG_BINPUT
            b's' | b'u' => return self.set_items(code == b'u'), // SETITEM, SETITEMS
            b'a' | b'e' => return self.append(code == b'e'),    // APPEND, APPENDS
            b'b' => return self.pop().map(drop),                // BUILD: attributes, of no use here
            b'0' => return self.pop().map(drop),                // POP
            b'h' => self.recall(at.number(1)?)?,                // BINGET
            b'j' => self.recall(at.number(4)?)?,                // LONG_BINGET
            b'N' | 0x88 | 0x89 => Value::Plain,                 // NONE, NEWTRUE, NEWFALSE
            b'K' => Value::Int(at.number(1)? as i64),
            b'M' => Value::Int(at.number(2)? as i64),
            b'J' => Value::Int(i64::from(at.number(4)? as u32 as i32)),
            0x8a => long(at)?,
            b'G' => at.take(8).map(|_| Value::Plain)?,
            b'X' => {
                let length = at.number(4)? as usize;
                Value::Text(at.text(length)?)
            }
            b'}' => Value::Dict(Default::default()),
            b']' => Value::List(Default::default()),
            b')' => Value::Tuple(Rc::new([])),
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(code - 0x84)).ok_or("a tuple of nothing")?;
                Value::Tuple(self.stack.split_off(from).into())
            }
            b't' => Value::Tuple(self.since_mark()?.into()),
            b'c' => Value::Global(global(at.line()?, at.line()?)?),
            b'Q' => self.storage()?,
            b'R' => self.call()?,
            other => return Err(format!("pickle opcode {other:#04x}, which no state dict needs")),
        };
        self.stack.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(|| "the pickle takes from an empty stack".into())
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().filter(|m| *m <= self.stack.len()).ok_or("a mark that is not there")?;
        Ok(self.stack.split_off(mark))
    }

    fn remember(&mut self, key: u64) -> Result<(), String> {
        let value = self.stack.last().ok_or("nothing to remember")?.clone();
        self.memo.insert(key as u32, value);
        Ok(())
    }

    fn recall(&self, key: u64) -> Result<Value, String> {
        self.memo.get(&(key as u32)).cloned().ok_or_else(|| format!("nothing remembered as {key}"))
    }

    fn set_items(&mut self, many: bool) -> Result<(), String> {
        let items = if many { self.since_mark()? } else { self.two()? };
        let Some(Value::Dict(dict)) = self.stack.last() else { return Err("items for no dictionary".into()) };
        let pairs = items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        dict.borrow_mut().extend(pairs);
        Ok(())
    }

    fn append(&mut self, many: bool) -> Result<(), String> {
        let items = if many { self.since_mark()? } else { vec![self.pop()?] };
        let Some(Value::List(list)) = self.stack.last() else { return Err("items for no list".into()) };
        list.borrow_mut().extend(items);
        Ok(())
    }

    fn two(&mut self) -> Result<Vec<Value>, String> {
        let from = self.stack.len().checked_sub(2).ok_or("the pickle takes from an empty stack")?;
        Ok(self.stack.split_off(from))
    }

    /// `('storage', kind, key, place, length)`
    fn storage(&mut self) -> Result<Value, String> {
        let Value::Tuple(id) = self.pop()? else { return Err("a persistent id that is no tuple".into()) };
        let [Value::Text(word), Value::Global(Global::StorageOf(kind)), Value::Text(key), ..] = &id[..] else {
            return Err("a persistent id that is no storage".into());
        };
        if &**word != "storage" || !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(format!("a persistent id {word:?}, {key:?}"));
        }
        let bytes = self.archive.read(&format!("data/{key}"))?;
        Ok(Value::Storage(Rc::new(Storage { kind: *kind, bytes })))
    }

    fn call(&mut self) -> Result<Value, String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        match (function, arguments) {
            (Value::Global(Global::OrderedDict), _) => Ok(Value::Dict(Default::default())),
            (Value::Global(Global::RebuildTensor), Value::Tuple(a)) => tensor(&a),
            (Value::Global(Global::RebuildParameter), Value::Tuple(a)) if !a.is_empty() => Ok(a[0].clone()),
            (function, _) => Err(format!("a call of {function:?}")),
        }
    }
}

fn long(at: &mut Cursor) -> Result<Value, String> {
    let n = at.number(1)? as usize;
    if n > 8 {
        return Err(format!("a number of {n} bytes"));
    }
    let unsigned = at.number(n)?;
    let unused = 64 - 8 * n as u32;
    Ok(Value::Int(if n == 0 { 0 } else { (unsigned << unused) as i64 >> unused }))
}

fn global(module: &str, name: &str) -> Result<Global, String> {
    let kind = match (module, name) {
        ("collections", "OrderedDict") => return Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => return Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => return Ok(Global::RebuildParameter),
        ("torch", "FloatStorage") => Kind::Float,
        ("torch", "HalfStorage") => Kind::Half,
        ("torch", "BFloat16Storage") => Kind::BFloat16,
        ("torch", "DoubleStorage") => Kind::Double,
        ("torch", "LongStorage") => Kind::Int64,
        ("torch", "IntStorage") => Kind::Int,
        ("torch", "ShortStorage") => Kind::Int16,
        ("torch", "CharStorage") => Kind::Int8,
        ("torch", "ByteStorage") => Kind::Uint8,
        ("torch", "BoolStorage") => Kind::Bool,
        _ => return Err(format!("it asks for {module}.{name}, which is not weights; refused")),
    };
    Ok(Global::StorageOf(kind))
}

/// `(storage, offset, size, stride, …)`; every index is checked against the storage.
fn tensor(arguments: &[Value]) -> Result<Value, String> {
    let [Value::Storage(storage), Value::Int(offset), Value::Tuple(size), Value::Tuple(stride), ..] = arguments else {
        return Err("a tensor from other than a storage".into());
    };
    let numbers = |t: &[Value]| {
        let number = |v: &Value| if let Value::Int(n) = v { u64::try_from(*n).ok() } else { None };
        t.iter().map(number).collect::<Option<Vec<u64>>>().ok_or("a tensor of no size")
    };
    let (size, stride) = (numbers(size)?, numbers(stride)?);
    let count = storage.bytes.len() / storage.kind.elt_size_in_bytes();
    let outside = || format!("a tensor {size:?} with strides {stride:?} at {offset} in a storage of {count}");
    if size.len() != stride.len() {
        return Err(outside());
    }
    let reach = |(n, s): (&u64, &u64)| n.saturating_sub(1).checked_mul(*s);
    let last = size.iter().zip(&stride).map(reach).try_fold(0u64, |sum, r| sum.checked_add(r?)).ok_or_else(outside)?;
    let first = u64::try_from(*offset).map_err(|_| outside())?;
    if !size.contains(&0) && first.checked_add(last).is_none_or(|end| end >= count as u64) {
        return Err(outside());
    }
    let signed = |v: &[u64]| v.iter().map(|n| *n as i64).collect::<Vec<_>>();
    let flat = Tensor::f_from_data_size(&storage.bytes, &[count as i64], storage.kind).map_err(|e| e.to_string())?;
    let view = flat.f_as_strided(signed(&size), signed(&stride), first as i64).map_err(|e| e.to_string())?;
    Ok(Value::Tensor(Rc::new(view.contiguous())))
}

fn state_dict(object: &Value) -> Option<Vec<(String, Tensor)>> {
    let Value::Dict(dict) = object else { return None };
    let dict = dict.borrow();
    let tensors: Vec<(String, Tensor)> = dict
        .iter()
        .filter_map(|(k, v)| match (k, v) {
            (Value::Text(name), Value::Tensor(t)) => Some((name.to_string(), t.shallow_clone())),
            _ => None,
        })
        .collect();
    if !tensors.is_empty() {
        return Some(tensors);
    }
    let inner = |name: &str| dict.iter().find(|(k, _)| matches!(k, Value::Text(t) if &**t == name));
    ["state_dict", "model", "module"].iter().find_map(|name| state_dict(&inner(name)?.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn zipped(pickle: &[u8], storages: &[(&str, &[u8])]) -> std::path::PathBuf {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("effigy-pth-{}-{n}.pth", std::process::id()));
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, bytes) in [("data.pkl", pickle)].into_iter().chain(storages.iter().copied()) {
            zip.start_file(format!("archive/{name}"), options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    fn read(pickle: &[u8], storages: &[(&str, &[u8])]) -> Result<Checkpoint, Error> {
        let path = zipped(pickle, storages);
        let read = load(&path);
        std::fs::remove_file(path).unwrap();
        read
    }

    fn text(out: &mut Vec<u8>, s: &str) {
        out.push(b'X');
        out.extend((s.len() as u32).to_le_bytes());
        out.extend(s.as_bytes());
    }

    /// `{"w": tensor}` as `torch.save` writes it, with size and stride given.
    fn one_tensor(size: [u8; 2], stride: [u8; 2]) -> Vec<u8> {
        let mut p = vec![0x80, 2, b'}', b'q', 0];
        text(&mut p, "w");
        p.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut p, "storage");
        p.extend(b"ctorch\nFloatStorage\n");
        text(&mut p, "0");
        text(&mut p, "cpu");
        p.extend([b'K', 6, b't', b'Q', b'K', 0]);
        p.extend([b'K', size[0], b'K', size[1], 0x86, b'K', stride[0], b'K', stride[1], 0x86]);
        p.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
        p
    }

    fn six() -> Vec<u8> {
        (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect()
    }

    #[test]
    fn a_tensor_comes_with_its_strides() {
        let file = read(&one_tensor([2, 3], [1, 2]), &[("data/0", &six())]).unwrap();
        let want = Tensor::from_slice(&[0f32, 2.0, 4.0, 1.0, 3.0, 5.0]).view([2, 3]);
        assert_eq!(*file.get("w").unwrap(), want);
    }

    #[test]
    fn a_program_that_would_run_something_is_refused() {
        let evil = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
        let error = read(evil, &[]).unwrap_err().to_string();
        assert!(error.contains("os.system") && error.contains("refused"), "{error}");
        let opcode = read(b"\x80\x04\x93.", &[]).unwrap_err().to_string();
        assert!(opcode.contains("0x93"), "{opcode}");
    }

    #[test]
    fn a_tensor_beyond_its_storage_is_refused() {
        for (size, stride) in [([2, 4], [4, 1]), ([2, 3], [200, 255])] {
            let error = read(&one_tensor(size, stride), &[("data/0", &six())]).unwrap_err().to_string();
            assert!(error.contains("in a storage of 6"), "{error}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        let whole = one_tensor([2, 3], [3, 1]);
        for end in 0..whole.len() - 1 {
            assert!(read(&whole[..end], &[("data/0", &six())]).is_err(), "{end}");
        }
        assert!(read(&whole, &[]).is_err(), "a storage is missing");
    }
}
