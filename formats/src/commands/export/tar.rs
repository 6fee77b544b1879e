//! Tar files (POSIX ustar), the same bytes for the same content: no owner, no time.
use std::io::{Result, Write};

const BLOCK: usize = 512;

/// Writes files one after the other.
pub struct Tar<W: Write> {
    sink: W,
}

impl<W: Write> Tar<W> {
    /// An empty archive.
    pub fn new(sink: W) -> Self {
        Tar { sink }
    }

    /// Adds a file; `name` of at most 100 bytes.
    pub fn file(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(&header(name, bytes.len())?)?;
        self.sink.write_all(bytes)?;
        self.sink.write_all(&[0; BLOCK][..bytes.len().next_multiple_of(BLOCK) - bytes.len()])
    }

    /// Ends the archive with two empty blocks.
    pub fn finish(mut self) -> Result<W> {
        self.sink.write_all(&[0; 2 * BLOCK])?;
        self.sink.flush()?;
        Ok(self.sink)
    }
}

fn header(name: &str, size: usize) -> Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    if name.len() > 100 || size >= 1 << 33 {
        return Err(std::io::Error::other(format!("{name}: too long for a tar header")));
    }
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}
