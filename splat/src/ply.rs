//! Gaussians as `.ply`, the file that all viewers of 3D Gaussians read.
//!
//! One little-endian binary element `vertex` with float properties, in the order of the original release (Kerbl et al. 2023):
//! `x y z nx ny nz f_dc_0..2 f_rest_0..(3K−4) opacity scale_0..2 rot_0..3`. Opacity is the logit, scales are logarithms,
//! rotations are w x y z. `f_rest` holds channel after channel (all of red, then green, then blue), where
//! [`Gaussians::colors`] holds coefficient after coefficient.
//!
//! Colours are stored as they are. Most viewers show them without a transfer curve, so Gaussians in linear light look
//! dark there unless they were converted first.
use crate::files::{parse_file, require_rgb, write_whole};
use crate::{Colors, Error, GaussianSlices, Gaussians};
use std::io::Write;
use std::path::Path;

/// Bytes a header may take.
const MAX_HEADER: usize = 64 << 10;
/// Zeroth harmonic: what turns a plain colour into a coefficient.
pub(crate) const Y0: f32 = 0.282_094_8;

/// Where the values of one Gaussian lie in its record.
struct Layout {
    count: usize,
    stride: usize,
    /// x y z, f_dc, opacity, scale, rot: offset and type of each.
    fixed: Vec<(usize, Float)>,
    rest: Vec<(usize, Float)>,
    body: usize,
}

#[derive(Clone, Copy)]
enum Float {
    Single,
    Double,
}

const FIXED: [&str; 14] = [
    "x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2",
    "rot_3",
];

/// Reads a `.ply` of Gaussians; other properties of the vertices are skipped.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is not such a file, with what was expected.
pub fn read(path: &Path) -> Result<Gaussians, Error> {
    parse_file(path, parse)
}

/// Writes a `.ply`; it appears whole or not at all. Plain RGB becomes harmonics of degree 0 (what a viewer shows is
/// the same for colours that are not negative).
///
/// # Errors
/// [`Error::Shape`] for arrays that disagree or features that are not three channels, [`Error::Io`] if the file cannot
/// be written.
pub fn write(path: &Path, gaussians: GaussianSlices<'_>) -> Result<(), Error> {
    require_rgb("channels of a .ply", &gaussians)?;
    write_whole(path, |out| write_to(out, gaussians))
}

fn write_to(out: &mut impl Write, g: GaussianSlices<'_>) -> std::io::Result<()> {
    let k = match g.kind {
        Colors::Sh { .. } => g.kind.stride() / 3,
        Colors::Features { .. } => 1,
    };
    writeln!(out, "ply\nformat binary_little_endian 1.0\nelement vertex {}", g.len())?;
    let names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"].map(str::to_owned).into_iter();
    let names = names.chain((0..3 * (k - 1)).map(|i| format!("f_rest_{i}")));
    let tail = ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"];
    for name in names.chain(tail.map(str::to_owned)) {
        writeln!(out, "property float {name}")?;
    }
    writeln!(out, "end_header")?;
    let mut record: Vec<f32> = Vec::with_capacity(17 + 3 * k);
    for n in 0..g.len() {
        let color = &g.colors[n * 3 * k..(n + 1) * 3 * k];
        record.clear();
        record.extend_from_slice(&g.means[3 * n..3 * n + 3]);
        record.extend_from_slice(&[0.0; 3]);
        match g.kind {
            Colors::Sh { .. } => record.extend_from_slice(&color[..3]),
            Colors::Features { .. } => record.extend(color.iter().map(|c| (c - 0.5) / Y0)),
        }
        record.extend((0..3).flat_map(|c| (1..k).map(move |i| color[3 * i + c])));
        record.push(g.opacity_logits[n]);
        record.extend_from_slice(&g.log_scales[3 * n..3 * n + 3]);
        record.extend_from_slice(&g.quats[4 * n..4 * n + 4]);
        for value in &record {
            out.write_all(&value.to_le_bytes())?;
        }
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Result<Gaussians, String> {
    let layout = parse_header(bytes)?;
    let degree = match layout.rest.len() {
        0 => 0,
        9 => 1,
        24 => 2,
        45 => 3,
        other => return Err(format!("{other} properties f_rest; expected 0, 9, 24 or 45")),
    };
    let body = &bytes[layout.body..];
    let needed = layout.count.checked_mul(layout.stride).ok_or("vertex count overflows")?;
    if body.len() < needed {
        return Err(format!("{} vertices need {needed} bytes, the file holds {}", layout.count, body.len()));
    }
    let mut out = Gaussians::empty(Colors::Sh { degree });
    let k = layout.rest.len() / 3;
    for record in body[..needed].chunks_exact(layout.stride.max(1)) {
        let fixed: Vec<f32> = layout.fixed.iter().map(|&at| value(record, at)).collect();
        out.means.extend_from_slice(&fixed[..3]);
        out.colors.extend_from_slice(&fixed[3..6]);
        out.opacity_logits.push(fixed[6]);
        out.log_scales.extend_from_slice(&fixed[7..10]);
        out.quats.extend_from_slice(&fixed[10..14]);
        out.colors.extend((0..k).flat_map(|i| [0, 1, 2].map(|c| value(record, layout.rest[c * k + i]))));
    }
    Ok(out)
}

fn value(record: &[u8], (offset, float): (usize, Float)) -> f32 {
    let byte = |i: usize| record[offset + i];
    match float {
        Float::Single => f32::from_le_bytes([0, 1, 2, 3].map(byte)),
        Float::Double => f64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(byte)) as f32,
    }
}

fn parse_header(bytes: &[u8]) -> Result<Layout, String> {
    const END: &[u8] = b"end_header\n";
    if !bytes.starts_with(b"ply\n") && !bytes.starts_with(b"ply\r\n") {
        return Err("not a .ply file: expected \"ply\" in the first line".into());
    }
    let head = &bytes[..bytes.len().min(MAX_HEADER)];
    // Some writers end lines with \r\n; the body begins right after the header's last \n in either case.
    let end = [END, b"end_header\r\n"]
        .iter()
        .filter_map(|end| head.windows(end.len()).position(|window| window == *end).map(|at| (at, at + end.len())));
    let (end, body) = end.min().ok_or(format!("no end_header within the first {MAX_HEADER} bytes"))?;
    let text = std::str::from_utf8(&head[..end]).map_err(|_| "header is not text")?;
    let mut properties: Vec<(&str, usize, Option<Float>)> = Vec::new();
    let (mut count, mut stride, mut in_vertex) = (None, 0, false);
    for line in text.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] | ["comment" | "obj_info", ..] => {}
            ["format", "binary_little_endian", "1.0"] => {}
            ["format", ..] => return Err(format!("{line:?}; expected binary_little_endian 1.0")),
            ["element", "vertex", n] if count.is_none() => {
                count = Some(n.parse::<usize>().map_err(|_| format!("{line:?}: expected a number of vertices"))?);
                in_vertex = true;
            }
            ["element", ..] if count.is_none() => {
                return Err(format!("{line:?}; expected element vertex first (compressed .ply is not read)"));
            }
            ["element", ..] => in_vertex = false,
            ["property", "list", ..] if in_vertex => return Err(format!("{line:?}: expected no lists in a vertex")),
            ["property", kind, name] if in_vertex => {
                let (size, float) = size_of(kind).ok_or_else(|| format!("{line:?}: unknown type"))?;
                if properties.iter().any(|(other, ..)| *other == name) {
                    return Err(format!("property {name} comes twice"));
                }
                properties.push((name, stride, float));
                stride += size;
            }
            ["property", ..] if count.is_some() => {}
            _ => return Err(format!("header line {line:?} is not understood")),
        }
    }
    let count = count.ok_or("no element vertex")?;
    let find = |name: &str| -> Result<(usize, Float), String> {
        match properties.iter().find(|(other, ..)| *other == name) {
            Some((_, offset, Some(float))) => Ok((*offset, *float)),
            Some(_) => Err(format!("property {name}: expected float or double")),
            None => Err(format!("no property {name}: not a .ply of Gaussians")),
        }
    };
    let fixed = FIXED.into_iter().map(find).collect::<Result<_, _>>()?;
    let n_rest = properties.iter().filter(|(name, ..)| name.starts_with("f_rest_")).count();
    let rest = (0..n_rest).map(|i| find(&format!("f_rest_{i}"))).collect::<Result<_, _>>()?;
    Ok(Layout { count, stride, fixed, rest, body })
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
