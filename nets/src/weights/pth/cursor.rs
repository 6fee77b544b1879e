//! Reading of a pickle's bytes.
use std::rc::Rc;

/// Bytes of the program, read front to back.
pub struct Cursor<'a> {
    pub bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (head, tail) = self.bytes.split_at_checked(n).ok_or("the pickle ends early")?;
        self.bytes = tail;
        Ok(head)
    }

    /// Little-endian, unsigned.
    pub fn number(&mut self, n: usize) -> Result<u64, String> {
        Ok(self.take(n)?.iter().rev().fold(0, |v, b| v << 8 | u64::from(*b)))
    }

    pub fn text(&mut self, n: usize) -> Result<Rc<str>, String> {
        Ok(std::str::from_utf8(self.take(n)?).map_err(|_| "a string that is no UTF-8")?.into())
    }

    /// Up to the next line feed.
    pub fn line(&mut self) -> Result<&'a str, String> {
        let end = self.bytes.iter().position(|b| *b == b'\n').ok_or("the pickle ends early")?;
        let line = self.take(end + 1)?;
        std::str::from_utf8(&line[..end]).map_err(|_| "a name that is no UTF-8".into())
    }
}
