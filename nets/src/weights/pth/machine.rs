//! The pickle machine, as far as it is allowed to go.
use super::archive::Archive;
use super::cursor::Cursor;
use super::value::{Global, Storage, Value, tensor};
use std::collections::HashMap;
use std::rc::Rc;

/// The pickle machine: a stack, marks on it, a memo.
pub struct Machine {
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    archive: Archive,
}

impl Machine {
    /// With nothing on its stack yet.
    pub fn new(archive: Archive) -> Self {
        Machine { stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), archive }
    }

    /// What the program leaves.
    pub fn run(&mut self, program: &[u8]) -> Result<Value, String> {
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
            b'q' => return self.remember(at.number(1)?), // BINPUT
            b'r' => return self.remember(at.number(4)?), // LONG_BINPUT
            b's' => return self.two().and_then(|pair| self.set_items(pair)), // SETITEM
            b'u' => return self.since_mark().and_then(|items| self.set_items(items)), // SETITEMS
            b'a' => return self.pop().and_then(|item| self.append(vec![item])), // APPEND
            b'e' => return self.since_mark().and_then(|items| self.append(items)), // APPENDS
            b'b' => return self.pop().map(drop),         // BUILD: attributes, of no use here
            b'0' => return self.pop().map(drop),         // POP
            b'h' => self.recall(at.number(1)?)?,         // BINGET
            b'j' => self.recall(at.number(4)?)?,         // LONG_BINGET
            b'N' | 0x88 | 0x89 => Value::Plain,          // NONE, NEWTRUE, NEWFALSE
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
            b'c' => Value::Global(Global::named(at.line()?, at.line()?)?),
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

    /// Keys and values in turn, into the dictionary on top.
    fn set_items(&mut self, items: Vec<Value>) -> Result<(), String> {
        let Some(Value::Dict(dict)) = self.stack.last() else { return Err("items for no dictionary".into()) };
        let pairs = items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        dict.borrow_mut().extend(pairs);
        Ok(())
    }

    /// Into the list on top.
    fn append(&mut self, items: Vec<Value>) -> Result<(), String> {
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
        let Value::Tuple(id) = self.pop()? else { return Err("a persistent id that is not a tuple".into()) };
        let [Value::Text(word), Value::Global(Global::StorageOf(kind)), Value::Text(key), ..] = &id[..] else {
            return Err("a persistent id that is not a storage".into());
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
