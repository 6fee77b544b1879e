//! Gaussians as `.spz`, about a tenth of a `.ply`. Versions 1 to 4 are read, version 3 is written.
//!
//! A gzip stream of a 16-byte header (`NGSP`, version, count, degree, fractional bits, flags) and one array after the
//! other: positions 3 × 24-bit fixed point (version 1: 3 × half float), opacity u8, color 3 × u8, log scales 3 × u8,
//! rotation (from version 3 the three smallest parts in 10 bits each and the index of the largest in 2; before, x y z in
//! 3 bytes), harmonics u8 each, coefficient after coefficient. Version 4 holds the same arrays as zstd streams behind a
//! plain header of 32 bytes. Format as published with github.com/nianticlabs/spz (README.md there); space is theirs too:
//! x right, y up, z backward, which is our world.
mod parse;

use crate::files::{Loaded, byte, drawable, parse_file, require_rgb, unit, write_whole};
use crate::gaussians::SH_C0_F32;
use crate::rasterize::sigmoid;
use crate::{Colors, Error, GaussianSlices, files};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::Path;

const MAGIC: u32 = 0x5053_474e;
const HEADER: usize = 16;
/// Positions are written to 2⁻¹² m: a quarter of a millimeter, within ±2 km.
const FRACTIONAL_BITS: u8 = 12;
/// What 8 bits of color span: the zeroth harmonic over ±0.5/0.15.
const COLOR_SCALE: f32 = 0.15;

/// Reads a `.spz` of version 1 to 4; extensions are skipped.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is not such a file, with what was expected.
pub fn read(path: &Path) -> Result<Loaded, Error> {
    parse_file(path, parse::parse)
}

/// Writes a `.spz` of version 3; it appears whole or not at all. Returns the number of rows left out: see
/// [`GaussianSlices::drawable`].
///
/// # Errors
/// [`Error::Shape`] for arrays that disagree or features that are not three channels, [`Error::Io`] if the file cannot
/// be written.
pub fn write(path: &Path, gaussians: GaussianSlices<'_>) -> Result<usize, Error> {
    require_rgb("channels of a .spz", &gaussians)?;
    let (kept, dropped) = drawable(gaussians, path)?;
    write_whole(path, |out| {
        let mut packed = GzEncoder::new(out, Compression::default());
        packed.write_all(&pack(&kept.slices()))?;
        packed.finish().map(|_| ())
    })?;
    Ok(dropped)
}

fn pack(g: &GaussianSlices<'_>) -> Vec<u8> {
    let (degree, stride) = match g.kind {
        Colors::Sh { degree } => (degree, g.kind.stride()),
        Colors::Features { .. } => (0, 3),
    };
    let mut out = Vec::with_capacity(HEADER + g.len() * (20 + stride - 3));
    for value in [MAGIC, 3, g.len() as u32] {
        out.extend(value.to_le_bytes());
    }
    out.extend([degree as u8, FRACTIONAL_BITS, 0, 0]);
    let (limit, unit_m) = ((1 << 23) as f32, (1 << FRACTIONAL_BITS) as f32);
    for mean in g.means {
        let fixed = (mean * unit_m).round().clamp(-limit, limit - 1.0) as i32;
        out.extend(&fixed.to_le_bytes()[..3]);
    }
    out.extend(g.opacity_logits.iter().map(|&logit| byte(sigmoid(logit))));
    for n in 0..g.len() {
        out.extend(files::base_color(g, n).map(|c| byte((c - 0.5) / SH_C0_F32 * COLOR_SCALE + 0.5)));
    }
    out.extend(g.log_scales.iter().map(|s| ((s + 10.0) * 16.0).round().clamp(0.0, 255.0) as u8));
    for quat in g.quats.chunks_exact(4) {
        out.extend(pack_quat(unit(quat)).to_le_bytes());
    }
    if degree > 0 {
        for stored in g.colors.chunks_exact(stride) {
            out.extend(stored[3..].iter().enumerate().map(|(i, &v)| pack_harmonic(v, if i < 9 { 5 } else { 4 })));
        }
    }
    out
}

/// 8 bits of which the upper `bits` say something, so that gzip finds more to save.
fn pack_harmonic(value: f32, bits: u32) -> u8 {
    let step = 1 << (8 - bits);
    let whole = (value * 128.0).round().clamp(-1e6, 1e6) as i32 + 128;
    ((whole + step / 2).div_euclid(step) * step).clamp(0, 255) as u8
}

const FRAC_LARGEST: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Of a unit quaternion w x y z. Parts are counted x y z w; all but the largest follow from the highest bits down.
fn pack_quat([w, x, y, z]: [f32; 4]) -> u32 {
    let parts = [x, y, z, w];
    let largest = (1..4).fold(0, |best, i| if parts[i].abs() > parts[best].abs() { i } else { best });
    let mut out = largest as u32;
    for (_, &part) in parts.iter().enumerate().filter(|(i, _)| *i != largest) {
        let size = (511.0 * part.abs() / FRAC_LARGEST).round().min(511.0) as u32;
        let negative = (part < 0.0) != (parts[largest] < 0.0);
        out = out << 10 | (negative as u32) << 9 | size;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::parse::unpack_quat;
    use super::*;
    use crate::Gaussians;

    #[test]
    fn quaternions_come_back() {
        for i in 0..500u32 {
            let part = |k: u32| ((i * 4 + k).wrapping_mul(2654435761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
            let q = unit(&[part(0), part(1), part(2), part(3)]);
            let back = unpack_quat(pack_quat(q));
            let along: f32 = (0..4).map(|i| q[i] * back[i]).sum();
            assert!(along.abs() > 1.0 - 1e-5, "{q:?} came back as {back:?}");
        }
    }

    /// Bytes worked out by hand from the published description.
    #[test]
    fn layout_is_the_published_one() {
        let one = Gaussians {
            means: vec![1.0, -0.5, 0.25],
            quats: vec![1.0, 0.0, 0.0, 0.0],
            log_scales: vec![-10.0, -4.0, 5.0],
            opacity_logits: vec![0.0],
            colors: vec![0.0, 1.0, -1.0],
            kind: Colors::Sh { degree: 0 },
        };
        let packed = pack(&one.slices());
        assert_eq!(packed[..16], *b"NGSP\x03\0\0\0\x01\0\0\0\0\x0c\0\0");
        assert_eq!(packed[16..25], [0, 0x10, 0, 0, 0xf8, 0xff, 0, 0x04, 0]);
        assert_eq!(packed[25..], [128, 128, 166, 89, 0, 96, 240, 0, 0, 0, 0xc0]);
    }
}
