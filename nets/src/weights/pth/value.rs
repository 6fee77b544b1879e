//! What a pickle of weights may build, and the names that it may call.
use std::cell::RefCell;
use std::rc::Rc;
use tch::{Kind, Tensor};

/// What the program may build.
#[derive(Clone, Debug)]
pub enum Value {
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
pub enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    StorageOf(Kind),
}

/// The bytes that tensors are cut from.
#[derive(Debug)]
pub struct Storage {
    pub kind: Kind,
    pub bytes: Vec<u8>,
}

impl Global {
    /// By module and name; anything but weights is refused by name.
    pub fn named(module: &str, name: &str) -> Result<Self, String> {
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
}

/// `(storage, offset, size, stride, …)`; every index is checked against the storage.
pub fn tensor(arguments: &[Value]) -> Result<Value, String> {
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
