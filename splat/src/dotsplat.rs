//! Gaussians as `.splat`, the small file of many web viewers.
//!
//! 32 bytes each, no header: position 3 × f32 (meters), standard deviations 3 × f32 (meters), red green blue opacity
//! 4 × u8, quaternion w x y z 4 × u8 (128 is 0, 0 is −1). The most visible come first, so that a viewer may show what it has.
use crate::files::{Loaded, base_color, byte, drawable, logit, parse_file, require_rgb, unit, write_whole};
use crate::gaussians::SH_C0_F32;
use crate::rasterize::sigmoid;
use crate::{Colors, Error, GaussianSlices, Gaussians};
use std::io::Write;
use std::path::Path;

const RECORD: usize = 32;

/// Reads a `.splat`; colors become harmonics of degree 0.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it is no whole number of records.
pub fn read(path: &Path) -> Result<Loaded, Error> {
    parse_file(path, parse)
}

fn parse(bytes: &[u8]) -> Result<Gaussians, String> {
    if !bytes.len().is_multiple_of(RECORD) {
        return Err(format!("{} bytes; expected a multiple of {RECORD}", bytes.len()));
    }
    let mut out = Gaussians::empty(Colors::Sh { degree: 0 });
    for record in bytes.chunks_exact(RECORD) {
        let float = |i: usize| f32::from_le_bytes([0, 1, 2, 3].map(|b| record[4 * i + b]));
        out.means.extend([0, 1, 2].map(float));
        out.log_scales.extend([3, 4, 5].map(|i| float(i).ln()));
        out.colors.extend([24, 25, 26].map(|i| (record[i] as f32 / 255.0 - 0.5) / SH_C0_F32));
        out.opacity_logits.push(logit(record[27] as f32 / 255.0));
        out.quats.extend([28, 29, 30, 31].map(|i| (record[i] as f32 - 128.0) / 128.0));
    }
    Ok(out)
}

/// Writes a `.splat`; it appears whole or not at all. Harmonics beyond the zeroth are left out. Returns the number of rows
/// left out: see [`GaussianSlices::drawable`].
///
/// # Errors
/// [`Error::Shape`] for arrays that disagree or features that are not three channels, [`Error::Io`] if the file cannot
/// be written.
pub fn write(path: &Path, gaussians: GaussianSlices<'_>) -> Result<usize, Error> {
    require_rgb("channels of a .splat", &gaussians)?;
    let (kept, dropped) = drawable(gaussians, path)?;
    let g = kept.slices();
    let seen = |n: usize| sigmoid(g.opacity_logits[n]) * g.log_scales[3 * n..3 * n + 3].iter().sum::<f32>().exp();
    let mut order: Vec<usize> = (0..g.len()).collect();
    order.sort_by(|&a, &b| seen(b).total_cmp(&seen(a)));
    write_whole(path, |out| {
        for n in order {
            let scales = [0, 1, 2].map(|i| g.log_scales[3 * n + i].exp());
            for value in g.means[3 * n..3 * n + 3].iter().chain(&scales) {
                out.write_all(&value.to_le_bytes())?;
            }
            let [red, green, blue] = base_color(&g, n).map(byte);
            out.write_all(&[red, green, blue, byte(sigmoid(g.opacity_logits[n]))])?;
            let quat = unit(&g.quats[4 * n..4 * n + 4]);
            out.write_all(&quat.map(|q| (q * 128.0 + 128.0).round().clamp(0.0, 255.0) as u8))?;
        }
        Ok(())
    })?;
    Ok(dropped)
}
