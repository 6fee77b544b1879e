//! Bytes of a `.spz` → Gaussians.
use super::{COLOR_SCALE, FRAC_LARGEST, HEADER, MAGIC};
use crate::files::logit;
use crate::{Colors, Gaussians};
use flate2::read::GzDecoder;
use std::io::Read;
use std::ops::Range;

/// More than any file holds: a limit on what damaged files may ask for.
const MAX_GAUSSIANS: usize = 1 << 26;
/// Bytes of the header of version 4, which is not compressed.
const LONG_HEADER: usize = 32;
/// Bytes of an entry of version 4's table of contents: compressed and plain size of a stream, u64 each.
const ENTRY: usize = 16;

/// The fields that all versions share: the first 16 bytes.
struct Header {
    version: u32,
    n: usize,
    degree: usize,
    fractional_bits: u8,
    /// Version 4: number of streams.
    streams: usize,
}

impl Header {
    fn parse(head: &[u8]) -> Result<Self, String> {
        let word = |i: usize| u32::from_le_bytes([0, 1, 2, 3].map(|b| head[4 * i + b]));
        if word(0) != MAGIC {
            return Err(format!("starts with {:#010x}; expected {MAGIC:#010x}", word(0)));
        }
        let (version, n, degree, fractional_bits) = (word(1), word(2) as usize, head[12] as usize, head[13]);
        if degree == 4 {
            return Err("harmonics of degree 4, which are not read; expected at most 3".into());
        }
        if degree > 4 || fractional_bits > 23 || n > MAX_GAUSSIANS {
            return Err(format!(
                "{n} Gaussians, degree {degree}, {fractional_bits} fractional bits; expected at most {MAX_GAUSSIANS}, 3, 23"
            ));
        }
        Ok(Header { version, n, degree, fractional_bits, streams: head[15] as usize })
    }

    fn kind(&self) -> Colors {
        Colors::Sh { degree: self.degree }
    }

    /// Bytes per Gaussian of positions, opacities, colors, scales, rotations, harmonics.
    fn widths(&self) -> [usize; 6] {
        let (position, rotation) = (if self.version == 1 { 6 } else { 9 }, if self.version >= 3 { 4 } else { 3 });
        [position, 1, 3, 3, rotation, self.kind().stride() - 3]
    }
}

/// A whole file.
///
/// # Errors
/// What was expected.
pub fn parse(bytes: &[u8]) -> Result<Gaussians, String> {
    let (header, body) = if bytes.starts_with(b"NGSP") { parse_streams(bytes)? } else { parse_gzip(bytes)? };
    Ok(unpack(&body, &header))
}

/// Versions 1 to 3.
fn parse_gzip(bytes: &[u8]) -> Result<(Header, Vec<u8>), String> {
    let mut head = [0u8; HEADER];
    let mut stream = GzDecoder::new(bytes);
    stream.read_exact(&mut head).map_err(|e| format!("no gzip stream of at least {HEADER} bytes: {e}"))?;
    let header = Header::parse(&head)?;
    if !(1..=3).contains(&header.version) {
        return Err(format!("gzip stream of version {}; expected 1 to 3", header.version));
    }
    let needed = header.n * header.widths().iter().sum::<usize>();
    let mut body = Vec::new();
    // Extensions may follow; a byte beyond the arrays is never needed.
    stream.take(needed as u64).read_to_end(&mut body).map_err(|e| format!("gzip: {e}"))?;
    if body.len() < needed {
        return Err(format!("{} Gaussians need {needed} bytes, the file holds {}", header.n, body.len()));
    }
    Ok((header, body))
}

/// Version 4: header, extensions, table of contents, a zstd stream per array.
fn parse_streams(bytes: &[u8]) -> Result<(Header, Vec<u8>), String> {
    let head = bytes.get(..LONG_HEADER).ok_or("the file ends within its header")?;
    let header = Header::parse(head)?;
    if header.version != 4 {
        return Err(format!("version {} without gzip; expected version 4", header.version));
    }
    let contents = u32::from_le_bytes([0, 1, 2, 3].map(|b| head[16 + b])) as usize;
    let widths = header.widths();
    let expected: Vec<usize> = widths.iter().map(|width| header.n * width).collect();
    // Harmonics of no coefficients may have no stream.
    let streams = header.streams;
    if contents < LONG_HEADER || !(streams == 6 || streams == 5 && widths[5] == 0) {
        return Err(format!("{streams} streams, table of contents at byte {contents}; expected 6 and at least 32"));
    }
    let mut at = contents + streams * ENTRY;
    let table = bytes.get(contents..at).ok_or("the file ends within its table of contents")?;
    let mut body = Vec::new();
    for (entry, needed) in table.chunks_exact(ENTRY).zip(expected) {
        let long = |i: usize| u64::from_le_bytes(std::array::from_fn(|b| entry[8 * i + b]));
        let packed = usize::try_from(long(0)).ok().and_then(|size| bytes[at..].get(..size));
        let packed = packed.ok_or("the file ends within a stream")?;
        at += packed.len();
        let start = body.len();
        if needed > 0 {
            let stream = zstd::Decoder::new(packed).map_err(|e| format!("zstd: {e}"))?;
            stream.take(needed as u64 + 1).read_to_end(&mut body).map_err(|e| format!("zstd: {e}"))?;
        }
        if (long(1), body.len() - start) != (needed as u64, needed) {
            return Err(format!("a stream of {} bytes; expected {needed}", body.len() - start));
        }
    }
    Ok((header, body))
}

/// Of the arrays one after another.
fn unpack(body: &[u8], header: &Header) -> Gaussians {
    let (n, kind, widths) = (header.n, header.kind(), header.widths());
    let mut start = 0;
    let arrays: [Range<usize>; 6] = widths.map(|width| {
        start += n * width;
        start - n * width..start
    });
    let [positions, alphas, colors, scales, quats, harmonics] = arrays.map(|range| &body[range]);
    let unit_m = (1u32 << header.fractional_bits) as f32;
    let position = |b: &[u8]| match *b {
        [low, high] => half::f16::from_le_bytes([low, high]).to_f32(),
        // The sign bit of 24 is moved to that of 32 and back.
        _ => (i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) as f32 / unit_m,
    };
    let quat = |b: &[u8]| match *b {
        [a, b, c, d] => unpack_quat(u32::from_le_bytes([a, b, c, d])),
        _ => {
            let [x, y, z] = [b[0], b[1], b[2]].map(|v| v as f32 / 127.5 - 1.0);
            [(1.0 - x * x - y * y - z * z).max(0.0).sqrt(), x, y, z]
        }
    };
    let base = |&c: &u8| (c as f32 / 255.0 - 0.5) / COLOR_SCALE;
    let mut out_colors = Vec::with_capacity(n * kind.stride());
    for i in 0..n {
        out_colors.extend(colors[3 * i..3 * i + 3].iter().map(base));
        let stored = &harmonics[i * widths[5]..(i + 1) * widths[5]];
        out_colors.extend(stored.iter().map(|&v| (v as f32 - 128.0) / 128.0));
    }
    Gaussians {
        means: positions.chunks_exact(widths[0] / 3).map(position).collect(),
        quats: quats.chunks_exact(widths[4]).flat_map(quat).collect(),
        log_scales: scales.iter().map(|&s| s as f32 / 16.0 - 10.0).collect(),
        opacity_logits: alphas.iter().map(|&a| logit(a as f32 / 255.0)).collect(),
        colors: out_colors,
        kind,
    }
}

/// w x y z
pub fn unpack_quat(mut packed: u32) -> [f32; 4] {
    let largest = (packed >> 30) as usize;
    let (mut parts, mut rest) = ([0.0f32; 4], 1.0);
    for i in (0..4).rev().filter(|i| *i != largest) {
        let size = FRAC_LARGEST * (packed & 511) as f32 / 511.0;
        parts[i] = if packed >> 9 & 1 == 1 { -size } else { size };
        rest -= size * size;
        packed >>= 10;
    }
    parts[largest] = f32::max(rest, 0.0).sqrt();
    let [x, y, z, w] = parts;
    [w, x, y, z]
}
