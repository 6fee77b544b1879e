//! What a camera, a codec and a room do to a picture: augmentations on `[H, W, 3]` sRGB floats in 0..=1.
//!
//! Every draw comes from the [`Rng`] passed in, so a sample is a function of its seed.
use crate::Error;
use crate::pictures::align::Affine;
use crate::rng::Rng;
use formats::image::{Decoded, Picture};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// Samples `source` where `source_from_output` sends each output pixel: bilinear, over a grid of `⌈scale⌉²` points when
/// shrinking; outside the source is 0. Values in 0..=1.
pub fn warp(source: &Decoded<u8>, source_from_output: &Affine, width: usize, height: usize) -> Picture {
    let samples = (source_from_output.scale().ceil() as usize).clamp(1, 8);
    let mut out = Picture::new(width, height, source.channels);
    let share = 1.0 / (255.0 * (samples * samples) as f32);
    for (i, pixel) in out.data.chunks_exact_mut(source.channels).enumerate() {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        for s in 0..samples * samples {
            let offset = |k: usize| (k as f32 + 0.5) / samples as f32;
            let p = source_from_output.apply([x + offset(s % samples), y + offset(s / samples)]);
            add_bilinear(source, p, share, pixel);
        }
    }
    out
}

fn add_bilinear(source: &Decoded<u8>, p: [f32; 2], share: f32, pixel: &mut [f32]) {
    let (x, y) = (p[0] - 0.5, p[1] - 0.5);
    let (x0, y0) = (x.floor(), y.floor());
    let (fx, fy) = (x - x0, y - y0);
    for (dy, wy) in [(0, 1.0 - fy), (1, fy)] {
        for (dx, wx) in [(0, 1.0 - fx), (1, fx)] {
            let (px, py) = (x0 as i64 + dx, y0 as i64 + dy);
            if px < 0 || py < 0 || px >= source.width as i64 || py >= source.height as i64 {
                continue;
            }
            let at = (py as usize * source.width + px as usize) * source.channels;
            for (c, value) in pixel.iter_mut().enumerate() {
                *value += share * wx * wy * f32::from(source.data[at + c]);
            }
        }
    }
}

/// The same by the nearest pixel, for class ids, depths and normals, which must not be mixed; `outside` elsewhere.
pub fn warp_nearest<T: Copy>(
    source: &Decoded<T>,
    source_from_output: &Affine,
    width: usize,
    height: usize,
    outside: T,
) -> Vec<T> {
    let mut out = Vec::with_capacity(width * height * source.channels);
    for i in 0..width * height {
        let p = source_from_output.apply([(i % width) as f32 + 0.5, (i / width) as f32 + 0.5]);
        let (x, y) = (p[0].floor() as i64, p[1].floor() as i64);
        let inside = x >= 0 && y >= 0 && x < source.width as i64 && y < source.height as i64;
        let at = (y.max(0) as usize * source.width + x.max(0) as usize) * source.channels;
        (0..source.channels).for_each(|c| out.push(if inside { source.data[at + c] } else { outside }));
    }
    out
}

/// A background: one or two layers of coarse random colors, smoothly enlarged (one cell is flat, two a gradient).
pub fn background(width: usize, height: usize, rng: &mut Rng) -> Picture {
    let coarse = |rng: &mut Rng, spread: f32| {
        let cells = 1 + rng.below(10);
        let base: [f32; 3] = std::array::from_fn(|_| rng.unit());
        let mut small = Picture::new(cells, cells, 3);
        for (i, v) in small.data.iter_mut().enumerate() {
            *v = (base[i % 3] + spread * rng.normal()).clamp(0.0, 1.0);
        }
        small.resized(width, height)
    };
    let spread = rng.range(0.02, 0.35);
    let mut out = coarse(rng, spread);
    if rng.chance(0.5) {
        let over = coarse(rng, 0.3);
        out.data.iter_mut().zip(&over.data).for_each(|(a, b)| *a = 0.6 * *a + 0.4 * b);
    }
    out
}

/// `picture` over `behind`, by `alpha` (one channel, same size).
pub fn over(picture: &mut Picture, alpha: &Picture, behind: &Picture) {
    for (i, v) in picture.data.iter_mut().enumerate() {
        let a = alpha.data[i / 3];
        *v = *v * a + behind.data[i] * (1.0 - a);
    }
}

/// Exposure, white balance, contrast, gamma, saturation, now and then gray.
pub fn color(picture: &mut Picture, rng: &mut Rng) {
    let gain: [f32; 3] = {
        let exposure = rng.log_range(0.6, 1.6);
        std::array::from_fn(|_| exposure * rng.log_range(0.9, 1.11))
    };
    let (contrast, gamma) = (rng.log_range(0.75, 1.33), rng.log_range(0.8, 1.25));
    let saturation = if rng.chance(0.08) { 0.0 } else { rng.range(0.5, 1.4) };
    for pixel in picture.data.chunks_exact_mut(3) {
        let mut p = [0.0; 3];
        for c in 0..3 {
            p[c] = (pixel[c] * gain[c]).max(0.0).powf(gamma);
        }
        let gray = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
        for c in 0..3 {
            let saturated = gray + saturation * (p[c] - gray);
            pixel[c] = ((saturated - 0.5) * contrast + 0.5).clamp(0.0, 1.0);
        }
    }
}

/// Gaussian blur of standard deviation `sigma_px`; edges repeat.
pub fn blur(picture: &Picture, sigma_px: f32) -> Picture {
    let mut out = picture.clone();
    blur_rows(&mut out.data, picture.width, picture.channels, sigma_px);
    out
}

/// The same in place, on rows of `width` interleaved pixels of `channels` values.
pub fn blur_rows(data: &mut [f32], width: usize, channels: usize, sigma_px: f32) {
    let (reach, stride) = ((3.0 * sigma_px).ceil() as usize, width * channels);
    if reach == 0 || data.is_empty() {
        return;
    }
    let taps: Vec<f32> =
        (0..=2 * reach).map(|i| (-0.5 * ((i as f32 - reach as f32) / sigma_px).powi(2)).exp()).collect();
    let sum: f32 = taps.iter().sum();
    let mut padded = vec![0.0f32; stride + 2 * reach * channels];
    for row in data.chunks_exact_mut(stride) {
        let (before, rest) = padded.split_at_mut(reach * channels);
        before.chunks_exact_mut(channels).for_each(|p| p.copy_from_slice(&row[..channels]));
        let (middle, after) = rest.split_at_mut(stride);
        middle.copy_from_slice(row);
        after.chunks_exact_mut(channels).for_each(|p| p.copy_from_slice(&row[stride - channels..]));
        row.fill(0.0);
        for (k, tap) in taps.iter().enumerate() {
            row.iter_mut().zip(&padded[k * channels..]).for_each(|(v, p)| *v += tap / sum * p);
        }
    }
    let rows = data.to_vec();
    let last = rows.len() / stride - 1;
    for (y, row) in data.chunks_exact_mut(stride).enumerate() {
        row.fill(0.0);
        for (k, tap) in taps.iter().enumerate() {
            let from = (y + k).saturating_sub(reach).min(last);
            row.iter_mut().zip(&rows[from * stride..]).for_each(|(v, p)| *v += tap / sum * p);
        }
    }
}

/// Sensor noise: a constant part and one that grows with the signal (variance `read² + shot² · value`).
pub fn noise(picture: &mut Picture, read: f32, shot: f32, rng: &mut Rng) {
    for v in &mut picture.data {
        let deviation = (read * read + shot * shot * *v).sqrt();
        *v = (*v + deviation * rng.normal()).clamp(0.0, 1.0);
    }
}

/// Through a JPEG of this quality (1 to 100).
///
/// # Errors
/// [`Error::Formats`] if the codec refuses (an empty picture).
pub fn jpeg(picture: &mut Picture, quality: u8) -> Result<(), Error> {
    let back = jpeg_rgb8(&picture.raw8(), picture.width, picture.height, quality)?;
    picture.data = back.iter().map(|&v| f32::from(v) / 255.0).collect();
    Ok(())
}

/// The same on 8-bit values `[H, W, 3]`.
///
/// # Errors
/// As [`jpeg`].
pub fn jpeg_rgb8(rgb: &[u8], width: usize, height: usize, quality: u8) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .write_image(rgb, width as u32, height as u32, ExtendedColorType::Rgb8)
        .map_err(|e| Error::Data(format!("JPEG: {e}")))?;
    Ok(formats::image::rgb8_from_encoded(&bytes)?.data)
}

/// A turned rectangle or ellipse of one color somewhere, up to `share` of the side in size: a hand, a mask, a microphone.
pub fn occlude(picture: &mut Picture, share: f32, rng: &mut Rng) {
    let side = picture.width.min(picture.height) as f32;
    let center = [rng.unit() * picture.width as f32, rng.unit() * picture.height as f32];
    let half = [rng.range(0.05, 0.5 * share) * side, rng.range(0.05, 0.5 * share) * side];
    let (sin, cos) = rng.range(0.0, std::f32::consts::TAU).sin_cos();
    let (round, color): (bool, [f32; 3]) = (rng.chance(0.5), std::array::from_fn(|_| rng.unit()));
    let width = picture.width;
    for (i, pixel) in picture.data.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((i % width) as f32 - center[0], (i / width) as f32 - center[1]);
        let (u, v) = ((cos * x + sin * y) / half[0], (cos * y - sin * x) / half[1]);
        let inside = if round { u * u + v * v < 1.0 } else { u.abs() < 1.0 && v.abs() < 1.0 };
        if inside {
            pixel.copy_from_slice(&color);
        }
    }
}

/// Shrinks and enlarges again: a face that was small in its photo.
pub fn coarsen(picture: &Picture, factor: f32) -> Picture {
    let small = |n: usize| ((n as f32 / factor) as usize).max(4);
    picture.resized(small(picture.width), small(picture.height)).resized(picture.width, picture.height)
}

/// What happens to a photo between the lens and the file: a random selection of the above, `strength` in 0..=1.
///
/// # Errors
/// As [`jpeg`].
pub fn degrade(picture: &mut Picture, strength: f32, rng: &mut Rng) -> Result<(), Error> {
    if rng.chance(0.4 * strength) {
        *picture = blur(picture, rng.log_range(0.4, 0.4 + 1.6 * strength));
    }
    if rng.chance(0.3 * strength) {
        *picture = coarsen(picture, rng.range(1.2, 1.2 + 2.0 * strength));
    }
    if rng.chance(0.6 * strength) {
        let (read, shot) = (rng.range(0.0, 0.03 * strength), rng.range(0.0, 0.05 * strength));
        noise(picture, read, shot, rng);
    }
    if rng.chance(0.5 * strength) {
        jpeg(picture, rng.range(30.0, 95.0) as u8)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(n: usize) -> Decoded<u8> {
        let data = (0..n * n).flat_map(|i| [(i % n * 4) as u8, (i / n * 4) as u8, 128]).collect();
        Decoded { width: n, height: n, channels: 3, data }
    }

    #[test]
    fn warping_agrees_with_the_differentiable_crop() {
        let source = ramp(48);
        let t = crate::pictures::data::tensor_from_decoded(&source).unsqueeze(0);
        for m in [Affine([[0.8, -0.2, 10.0], [0.2, 0.8, 4.0]]), Affine([[1.7, 0.3, 2.0], [-0.3, 1.7, 9.0]])] {
            let mine = warp(&source, &m, 16, 16);
            let theirs = crate::pictures::align::crop(&t, &[m], 16);
            for (i, v) in mine.data.iter().enumerate() {
                let (c, y, x) = ((i % 3) as i64, (i / 48) as i64, (i / 3 % 16) as i64);
                let other = theirs.double_value(&[0, c, y, x]) as f32;
                assert!((v - other).abs() < 1e-4, "pixel {x} {y}: {v} against {other}");
            }
        }
    }

    #[test]
    fn nearest_keeps_values_whole() {
        let source = Decoded { width: 4, height: 1, channels: 1, data: vec![3u8, 5, 7, 9] };
        let shifted = Affine([[1.0, 0.0, 1.4], [0.0, 1.0, 0.0]]);
        assert_eq!(warp_nearest(&source, &shifted, 4, 1, 0), [5, 7, 9, 0]);
    }

    #[test]
    fn everything_stays_in_range_and_repeats_with_its_seed() {
        let identity = Affine([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
        let run = |seed: u64| {
            let mut rng = Rng::new(&[seed]);
            let mut p = warp(&ramp(32), &identity, 32, 32);
            let behind = background(32, 32, &mut rng);
            let mut alpha = Picture::new(32, 32, 1);
            alpha.data.iter_mut().enumerate().for_each(|(i, v)| *v = f32::from(u8::from(i % 2 == 0)));
            over(&mut p, &alpha, &behind);
            color(&mut p, &mut rng);
            occlude(&mut p, 0.4, &mut rng);
            degrade(&mut p, 1.0, &mut rng).unwrap();
            jpeg(&mut p, 50).unwrap();
            p
        };
        for seed in 0..20 {
            let p = run(seed);
            assert!(p.data.iter().all(|v| (0.0..=1.0).contains(v)));
            assert_eq!(p, run(seed));
        }
        assert_ne!(run(0), run(1));
    }

    #[test]
    fn blur_keeps_flat_pictures_and_smooths_edges() {
        let mut p = Picture::new(20, 10, 3);
        p.data.iter_mut().enumerate().for_each(|(i, v)| *v = if i / 3 % 20 < 10 { 0.0 } else { 1.0 });
        let b = blur(&p, 1.5);
        let at = |x: usize| b.data[(5 * 20 + x) * 3];
        assert!((at(9) + at(10) - 1.0).abs() < 1e-4, "symmetric about the edge");
        assert!(at(0) < 1e-3 && at(19) > 0.999 && at(8) > 0.05);
        let mut spot = vec![0.0; 21 * 21];
        spot[10 * 21 + 10] = 1.0;
        blur_rows(&mut spot, 21, 1, 1.5);
        assert!((spot.iter().sum::<f32>() - 1.0).abs() < 1e-5 && spot[10 * 21 + 10] < 0.1, "the sum of a spot stays");
    }
}
