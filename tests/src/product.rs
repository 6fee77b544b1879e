//! What the tools write for others, read without the tools: `.ply`, animated WebP.

/// A binary little-endian `.ply` with one element of floats.
pub struct Ply {
    names: Vec<String>,
    /// One row a vertex.
    pub rows: Vec<Vec<f32>>,
}

impl Ply {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// What is not as the format says.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let end = b"end_header\n";
        let at = bytes.windows(end.len()).position(|w| w == end).ok_or("no end_header")? + end.len();
        let header = std::str::from_utf8(&bytes[..at]).map_err(|e| e.to_string())?;
        if !header.starts_with("ply\nformat binary_little_endian 1.0\n") {
            return Err(format!("another format: {header}"));
        }
        let count: usize = header
            .lines()
            .find_map(|l| l.strip_prefix("element vertex "))
            .and_then(|n| n.parse().ok())
            .ok_or("no element vertex")?;
        let names: Vec<String> =
            header.lines().filter_map(|l| l.strip_prefix("property float ")).map(str::to_owned).collect();
        let body = &bytes[at..];
        if body.len() != count * names.len() * 4 {
            return Err(format!("{} bytes for {count} × {} floats", body.len(), names.len()));
        }
        let float = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        let rows = body.chunks_exact(names.len() * 4).map(|row| row.chunks_exact(4).map(float).collect()).collect();
        Ok(Ply { names, rows })
    }

    /// A property of every vertex.
    ///
    /// # Panics
    /// If there is no such property.
    pub fn column<'a>(&'a self, name: &str) -> impl Iterator<Item = f32> + 'a {
        let k = self.names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no property {name}"));
        self.rows.iter().map(move |row| row[k])
    }
}

/// How long each frame of an animated WebP (RIFF chunks `ANMF`) that loops forever is shown: milliseconds. Frames that
/// look the same may be one.
///
/// # Errors
/// What is not as the format says.
pub fn webp_durations(bytes: &[u8]) -> Result<Vec<u32>, String> {
    if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WEBP" {
        return Err("no WebP".into());
    }
    let (mut at, mut durations, mut loops) = (12, Vec::new(), None);
    while at + 8 <= bytes.len() {
        let size = u32::from_le_bytes([bytes[at + 4], bytes[at + 5], bytes[at + 6], bytes[at + 7]]) as usize;
        let body = bytes.get(at + 8..at + 8 + size).ok_or("a chunk ends beyond the file")?;
        match &bytes[at..at + 4] {
            b"ANMF" => durations.push(u32::from_le_bytes([body[12], body[13], body[14], 0])),
            b"ANIM" => loops = Some(u16::from_le_bytes([body[4], body[5]])),
            _ => (),
        }
        at += 8 + size + size % 2;
    }
    match loops {
        Some(0) => Ok(durations),
        other => Err(format!("loop count {other:?}, expected 0: for ever")),
    }
}
