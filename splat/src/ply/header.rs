//! The text at the head of a `.ply`: what a record holds and how it is encoded.

/// Bytes a header may take.
const MAX_HEADER: usize = 64 << 10;

/// How records are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Numbers as words between white space.
    Ascii,
    /// Little-endian binary.
    Little,
    /// Big-endian binary.
    Big,
}

/// Type of a floating-point property.
#[derive(Clone, Copy, Debug)]
pub enum Float {
    /// 32 bits.
    Single,
    /// 64 bits.
    Double,
}

/// A floating-point number of a record.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Bytes from the start of a binary record.
    pub offset: usize,
    /// Words from the start of an ASCII record.
    pub word: usize,
    /// Its type.
    pub float: Float,
}

/// The element `vertex`, which comes first.
#[derive(Debug)]
pub struct Header<'a> {
    /// How records are encoded.
    pub encoding: Encoding,
    /// Number of records.
    pub count: usize,
    /// Bytes of a binary record.
    pub stride: usize,
    /// Words of an ASCII record.
    pub words: usize,
    /// Where the records begin, bytes from the start of the file.
    pub body: usize,
    /// Names, and fields where a property is a floating-point number.
    properties: Vec<(&'a str, Option<Field>)>,
}

impl<'a> Header<'a> {
    /// The header of a whole file.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let (text, body) = text_of(bytes)?;
        let mut header =
            Header { encoding: Encoding::Little, count: 0, stride: 0, words: 0, body, properties: Vec::new() };
        // None before the element, then whether lines still speak of it.
        let mut in_vertex: Option<bool> = None;
        for line in text.lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] | ["comment" | "obj_info", ..] => {}
                ["format", name, "1.0"] => header.encoding = encoding_of(name, line)?,
                ["format", name, ..] => {
                    encoding_of(name, line)?;
                    return Err(format!("{line:?}; expected version 1.0"));
                }
                ["element", "vertex", n] if in_vertex.is_none() => {
                    header.count = n.parse().map_err(|_| format!("{line:?}: expected a number of vertices"))?;
                    in_vertex = Some(true);
                }
                ["element", "chunk", ..] if in_vertex.is_none() => {
                    return Err("compressed .ply of SuperSplat, which is not read; convert it with \
                         `splat-transform in.compressed.ply out.ply`"
                        .into());
                }
                ["element", ..] if in_vertex.is_none() => {
                    return Err(format!("{line:?}; expected element vertex first"));
                }
                ["element", ..] => in_vertex = Some(false),
                ["property", ..] if in_vertex == Some(false) => {}
                ["property", "list", ..] if in_vertex == Some(true) => {
                    return Err(format!("{line:?}: expected no lists in a vertex"));
                }
                ["property", kind, name] if in_vertex == Some(true) => header.push(kind, name, line)?,
                _ => return Err(format!("header line {line:?} is not understood")),
            }
        }
        in_vertex.ok_or("no element vertex")?;
        Ok(header)
    }

    fn push(&mut self, kind: &str, name: &'a str, line: &str) -> Result<(), String> {
        let (size, float) = size_of(kind).ok_or_else(|| format!("{line:?}: unknown type"))?;
        if self.properties.iter().any(|(other, _)| *other == name) {
            return Err(format!("property {name} comes twice"));
        }
        let field = float.map(|float| Field { offset: self.stride, word: self.words, float });
        self.properties.push((name, field));
        self.stride += size;
        self.words += 1;
        Ok(())
    }

    /// The floating-point property of that name; none where there is none of that name.
    ///
    /// # Errors
    /// If the property has another type.
    pub fn find(&self, name: &str) -> Result<Option<Field>, String> {
        match self.properties.iter().find(|(other, _)| *other == name) {
            Some((_, Some(field))) => Ok(Some(*field)),
            Some(_) => Err(format!("property {name}: expected float or double")),
            None => Ok(None),
        }
    }

    /// Number of properties whose names begin so.
    pub fn count_of(&self, start: &str) -> usize {
        self.properties.iter().filter(|(name, _)| name.starts_with(start)).count()
    }
}

/// The header's lines, and where the body begins. Some writers end lines with `\r\n`; the body begins right after the
/// header's last `\n` in either case.
fn text_of(bytes: &[u8]) -> Result<(&str, usize), String> {
    if !bytes.starts_with(b"ply\n") && !bytes.starts_with(b"ply\r\n") {
        return Err("not a .ply file: expected \"ply\" in the first line".into());
    }
    let head = &bytes[..bytes.len().min(MAX_HEADER)];
    let ends: [&[u8]; 2] = [b"end_header\n", b"end_header\r\n"];
    let at = |end: &[u8]| head.windows(end.len()).position(|w| w == end).map(|at| (at, at + end.len()));
    let (end, body) =
        ends.into_iter().filter_map(at).min().ok_or(format!("no end_header within the first {MAX_HEADER} bytes"))?;
    Ok((std::str::from_utf8(&head[..end]).map_err(|_| "header is not text")?, body))
}

fn encoding_of(name: &str, line: &str) -> Result<Encoding, String> {
    match name {
        "ascii" => Ok(Encoding::Ascii),
        "binary_little_endian" => Ok(Encoding::Little),
        "binary_big_endian" => Ok(Encoding::Big),
        _ => Err(format!("{line:?}; expected ascii, binary_little_endian or binary_big_endian")),
    }
}

/// Bytes of a property type, and how to read it if it is a floating-point number.
fn size_of(kind: &str) -> Option<(usize, Option<Float>)> {
    Some(match kind {
        "float" | "float32" => (4, Some(Float::Single)),
        "double" | "float64" => (8, Some(Float::Double)),
        "char" | "uchar" | "int8" | "uint8" => (1, None),
        "short" | "ushort" | "int16" | "uint16" => (2, None),
        "int" | "uint" | "int32" | "uint32" => (4, None),
        _ => return None,
    })
}
