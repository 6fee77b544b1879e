//! Gaussians as `.ply`, the file that all viewers of 3D Gaussians read.
//!
//! One element `vertex` with float properties, in the order of the original release (Kerbl et al. 2023):
//! `x y z nx ny nz f_dc_0..2 f_rest_0..(3K−4) opacity scale_0..2 rot_0..3`. Opacity is the logit, scales are logarithms,
//! rotations are w x y z. `f_rest` holds channel after channel (all of red, then green, then blue), where
//! [`Gaussians::colors`] holds coefficient after coefficient. Written as little-endian binary; read as that, as
//! big-endian binary and as ASCII. A file without `scale_2` (2D Gaussians, Huang et al. 2024) gets flat Gaussians.
//!
//! Colors are stored as they are. Most viewers show them without a transfer curve, so Gaussians in linear light look
//! dark there unless they were converted first.
mod header;

use crate::files::{Loaded, drawable, parse_file, require_rgb, write_whole};
use crate::gaussians::SH_C0_F32;
use crate::{Colors, Error, GaussianSlices, Gaussians};
use header::{Encoding, Field, Float, Header};
use std::io::Write;
use std::path::Path;

/// Where the values of one Gaussian lie in its record.
struct Layout {
    /// x y z, f_dc, opacity, scale, rot; only scale_2 may be absent.
    fixed: Vec<Option<Field>>,
    /// f_rest, channel after channel.
    rest: Vec<Field>,
}

const FIXED: [&str; 14] = [
    "x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2",
    "rot_3",
];

/// Reads a `.ply` of Gaussians; other properties of the vertices are skipped.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is not such a file, with what was expected.
pub fn read(path: &Path) -> Result<Loaded, Error> {
    parse_file(path, parse)
}

/// Writes a `.ply`; it appears whole or not at all. Plain RGB becomes harmonics of degree 0 (what a viewer shows is
/// the same for colors that are not negative). Returns the number of rows left out: see [`GaussianSlices::drawable`].
///
/// # Errors
/// [`Error::Shape`] for arrays that disagree or features that are not three channels, [`Error::Io`] if the file cannot
/// be written.
pub fn write(path: &Path, gaussians: GaussianSlices<'_>) -> Result<usize, Error> {
    require_rgb("channels of a .ply", &gaussians)?;
    let (kept, dropped) = drawable(gaussians, path)?;
    write_whole(path, |out| write_to(out, kept.slices()))?;
    Ok(dropped)
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
            Colors::Features { .. } => record.extend(color.iter().map(|c| (c - 0.5) / SH_C0_F32)),
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
    let header = Header::parse(bytes)?;
    let layout = Layout::of(&header)?;
    let degree = match layout.rest.len() {
        0 => 0,
        9 => 1,
        24 => 2,
        45 => 3,
        other => return Err(format!("{other} properties f_rest; expected 0, 9, 24 or 45")),
    };
    let body = &bytes[header.body..];
    let mut out = Gaussians::empty(Colors::Sh { degree });
    if header.encoding == Encoding::Ascii {
        let mut words = body.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        for n in 0..header.count {
            let record: Vec<f32> = words.by_ref().take(header.words).map(number).collect::<Result<_, _>>()?;
            if record.len() < header.words {
                return Err(format!("{} vertices in the header, the file holds {n}", header.count));
            }
            layout.push(|field| record[field.word], &mut out);
        }
        return Ok(out);
    }
    let needed = header.count.checked_mul(header.stride).ok_or("vertex count overflows")?;
    if body.len() < needed {
        return Err(format!("{} vertices need {needed} bytes, the file holds {}", header.count, body.len()));
    }
    for record in body[..needed].chunks_exact(header.stride.max(1)) {
        layout.push(|field| value(record, field, header.encoding), &mut out);
    }
    Ok(out)
}

impl Layout {
    fn of(header: &Header<'_>) -> Result<Self, String> {
        let field = |name: &&str| match header.find(name)? {
            None if *name != "scale_2" => Err(format!("no property {name}: not a .ply of Gaussians")),
            field => Ok(field),
        };
        let rest = |i: usize| {
            let name = format!("f_rest_{i}");
            header.find(&name)?.ok_or(format!("no property {name}: not a .ply of Gaussians"))
        };
        Ok(Layout {
            fixed: FIXED.iter().map(field).collect::<Result<_, _>>()?,
            rest: (0..header.count_of("f_rest_")).map(rest).collect::<Result<_, _>>()?,
        })
    }

    /// Appends one Gaussian, `value` reading its record.
    fn push(&self, value: impl Fn(Field) -> f32, out: &mut Gaussians) {
        let flat = crate::gaussians::drawable::FLAT_LOG_SCALE;
        let fixed: Vec<f32> = self.fixed.iter().map(|field| field.map_or(flat, &value)).collect();
        out.means.extend_from_slice(&fixed[..3]);
        out.colors.extend_from_slice(&fixed[3..6]);
        out.opacity_logits.push(fixed[6]);
        out.log_scales.extend_from_slice(&fixed[7..10]);
        out.quats.extend_from_slice(&fixed[10..14]);
        let k = self.rest.len() / 3;
        out.colors.extend((0..k).flat_map(|i| [0, 1, 2].map(|c| value(self.rest[c * k + i]))));
    }
}

/// A word of an ASCII record; `nan` and `inf` are numbers here.
fn number(word: &[u8]) -> Result<f32, String> {
    let text = String::from_utf8_lossy(word);
    text.parse().map_err(|_| format!("{text:?}: expected a number"))
}

fn value(record: &[u8], field: Field, encoding: Encoding) -> f32 {
    let single = |i: usize| -> [u8; 4] { std::array::from_fn(|b| record[i + b]) };
    let double = |i: usize| -> [u8; 8] { std::array::from_fn(|b| record[i + b]) };
    match (field.float, encoding) {
        (Float::Single, Encoding::Big) => f32::from_be_bytes(single(field.offset)),
        (Float::Single, _) => f32::from_le_bytes(single(field.offset)),
        (Float::Double, Encoding::Big) => f64::from_be_bytes(double(field.offset)) as f32,
        (Float::Double, _) => f64::from_le_bytes(double(field.offset)) as f32,
    }
}
