//! What cameras, lamps and files do to a picture: the bridge from renders to photos.
//!
//! Every function changes colours only; geometry is the business of [`super::compose`]. Beside [`nets::pictures::augment`], whose
//! blur and JPEG serve here too, because a tracker meets worse photos than a recognizer's crops: hard light, sharpening,
//! blotchy grain.
use crate::picture::Canvas;
use nets::pictures::augment::blur_rows;
use nets::rng::Rng;

/// Degrades `canvas` at random. Order: light, lens, sensor, development, file.
pub fn degrade(canvas: &mut Canvas, dice: &mut Rng) {
    if dice.chance(0.45) {
        light(canvas, dice);
    }
    if dice.chance(0.45) {
        let longest = if dice.chance(0.15) { 2.6 } else { 1.1 };
        let sigma = dice.range(0.2, longest) * canvas.width as f32 / 128.0;
        blur(canvas, sigma);
    }
    tone(canvas, dice);
    if dice.chance(0.5) {
        noise(canvas, dice);
    }
    if dice.chance(0.15) {
        let sharpness = dice.range(0.3, 1.2);
        sharpen(canvas, sharpness);
    }
    canvas.planes[..3].iter_mut().flatten().for_each(|v| *v = v.clamp(0.0, 1.0));
    if dice.chance(0.3) {
        jpeg(canvas, 20 + dice.below(70) as u8);
    }
}

/// A brighter side, a soft lamp or a hard shadow's edge.
fn light(canvas: &mut Canvas, dice: &mut Rng) {
    let (w, h) = (canvas.width, canvas.height);
    let turn = dice.range(0.0, std::f32::consts::TAU);
    let (dx, dy) = (turn.cos(), turn.sin());
    let (offset, strength) = (dice.range(-0.3, 0.3), dice.range(0.1, 0.7));
    let steep = if dice.chance(0.25) { dice.log_range(8.0, 40.0) } else { dice.range(1.0, 3.0) };
    let tint: [f32; 3] = std::array::from_fn(|_| 1.0 + dice.range(-0.15, 0.15));
    for y in 0..h {
        for x in 0..w {
            let (u, v) = (x as f32 / w as f32 - 0.5, y as f32 / h as f32 - 0.5);
            let side = ((u * dx + v * dy - offset) * steep).clamp(-1.0, 1.0);
            for c in 0..3 {
                canvas.planes[c][y * w + x] *= 1.0 + strength * side * tint[c] * 0.8;
            }
        }
    }
}

/// White balance, exposure, gamma, contrast, saturation; sometimes grey.
fn tone(canvas: &mut Canvas, dice: &mut Rng) {
    let exposure = dice.log_range(0.6, 1.5);
    let cast: [f32; 3] = std::array::from_fn(|_| exposure * dice.log_range(0.86, 1.16));
    let gamma = dice.log_range(0.65, 1.5);
    let contrast = dice.log_range(0.65, 1.5);
    let saturation = match dice.below(8) {
        0 => 0.0,
        _ => dice.range(0.3, 1.5),
    };
    let (black, pivot) = (dice.range(-0.05, 0.1), dice.range(0.35, 0.6));
    let curve = Power::new(gamma);
    let [r, g, b, _] = &mut canvas.planes;
    for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
        let mut rgb = [*r, *g, *b];
        for c in 0..3 {
            let v = curve.of(rgb[c] * cast[c]);
            rgb[c] = (v - pivot) * contrast + pivot + black;
        }
        let grey = 0.30 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2];
        [*r, *g, *b] = rgb.map(|v| grey + saturation * (v - grey));
    }
}

/// `v^exponent` for 0..=2 from a table: thrice as fast as `powf`, and the pictures are 8-bit anyway.
pub struct Power {
    table: [f32; 514],
}

impl Power {
    /// Of one exponent.
    pub fn new(exponent: f32) -> Self {
        Power { table: std::array::from_fn(|i| (i as f32 / 256.0).powf(exponent)) }
    }

    /// Clamped to 0..=2.
    pub fn of(&self, v: f32) -> f32 {
        let t = v.clamp(0.0, 2.0) * 256.0;
        let i = t as usize;
        self.table[i] + (t - i as f32) * (self.table[i + 1] - self.table[i])
    }
}

/// Grain: white or blotchy, coloured or grey.
fn noise(canvas: &mut Canvas, dice: &mut Rng) {
    let strength = dice.log_range(0.004, 0.07);
    let (coloured, cell) = (dice.chance(0.6), 1 + dice.below(2));
    let w = canvas.width;
    let mut state = 1 + dice.below(u32::MAX as usize - 1) as u32;
    // Xorshift (Marsaglia 2003); the sum of its four bytes is near enough to a Gaussian, and cheap.
    let mut draw = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let sum: i32 = state.to_le_bytes().iter().map(|b| *b as i32).sum();
        (sum - 510) as f32 * (strength / 147.8)
    };
    for y in 0..canvas.height {
        let mut held = [0.0f32; 3];
        for x in 0..w {
            if x % cell == 0 {
                held = if coloured { [draw(), draw(), draw()] } else { [draw(); 3] };
            }
            for c in 0..3 {
                canvas.planes[c][y * w + x] += held[c];
            }
        }
    }
}

/// Gaussian blur of the colours, separable, edges repeated; `sigma` in pixels.
pub fn blur(canvas: &mut Canvas, sigma: f32) {
    for c in 0..3 {
        blur_rows(&mut canvas.planes[c], canvas.width, 1, sigma);
    }
}

/// Unsharp mask.
fn sharpen(canvas: &mut Canvas, amount: f32) {
    let mut soft = canvas.clone();
    blur(&mut soft, 1.0);
    for c in 0..3 {
        for (v, s) in canvas.planes[c].iter_mut().zip(&soft.planes[c]) {
            *v += amount * (*v - s);
        }
    }
}

/// Through the JPEG codec and back.
fn jpeg(canvas: &mut Canvas, quality: u8) {
    let codes = canvas.to_rgb8();
    let back = nets::pictures::augment::jpeg_rgb8(codes.as_raw(), canvas.width, canvas.height, quality);
    canvas.set_rgb8(&back.expect("JPEG takes any picture of at least one pixel"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrading_keeps_the_range_and_the_coverage() {
        let mut canvas = Canvas::new(32, 32);
        for (i, v) in canvas.planes[0].iter_mut().enumerate() {
            *v = (i % 7) as f32 / 7.0;
        }
        canvas.planes[3].fill(0.25);
        for i in 0..40 {
            let mut c = canvas.clone();
            degrade(&mut c, &mut Rng::new(&[3, 0, i]));
            assert!(c.planes[..3].iter().flatten().all(|v| (0.0..=1.0).contains(v)), "index {i}");
            assert!(c.planes[3].iter().all(|a| *a == 0.25));
        }
    }
}
