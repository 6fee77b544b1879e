//! Random numbers of one path: a pure function of (seed, pixel, sample, dimension), so threads change nothing.
//!
//! Padded, Owen-scrambled Sobol points: every pair of dimensions takes its own shuffle of the same two-dimensional
//! sequence (Burley 2020, "Practical Hash-based Owen Scrambling", sections 3 and 4).
use splat::splitmix::{GAMMA, mix};

/// The numbers of one path, drawn in order.
#[derive(Clone, Debug)]
pub struct Sampler {
    key: u64,
    sample: u32,
    dimension: u32,
    /// How many plain numbers were drawn: they have dimensions of their own.
    plain: u32,
}

/// Spread numbers that a vertex of a path may draw.
const PER_VERTEX: u32 = 16;

impl Sampler {
    /// Path `sample` of `pixel` under `seed`.
    #[inline]
    pub fn new(seed: u64, pixel: u32, sample: u32) -> Self {
        Sampler { key: mix(seed ^ mix(u64::from(pixel).wrapping_add(GAMMA))), sample, dimension: 0, plain: 0 }
    }

    /// Goes to the numbers of vertex `number` of the path, 0 being where it begins: whatever the path drew before, the
    /// samples of a pixel find the same dimensions there, and so are spread well together.
    #[inline]
    pub fn at_vertex(&mut self, number: u32) {
        self.dimension = number * PER_VERTEX;
    }

    /// A number in `0..1`, well spread over the samples of the pixel.
    #[inline]
    pub fn next_1d(&mut self) -> f32 {
        let h = self.advance();
        let index = scramble(self.sample, h as u32);
        unit(scramble(index.reverse_bits(), (h >> 32) as u32))
    }

    /// Two numbers in `0..1`, well spread together.
    #[inline]
    pub fn next_2d(&mut self) -> [f32; 2] {
        let h = self.advance();
        let index = scramble(self.sample, h as u32);
        let (a, b) = ((h >> 32) as u32, (h >> 32) as u32 ^ 0x9e37_79b9);
        [unit(scramble(index.reverse_bits(), a)), unit(scramble(sobol_second(index), b.wrapping_mul(0x85eb_ca6b)))]
    }

    /// A number in `0..1` without structure over the samples: cheaper, for long walks.
    #[inline]
    pub fn next_plain(&mut self) -> f32 {
        self.plain += 1;
        let h = self.key ^ u64::from(self.sample).wrapping_mul(0xd6e8_feb8_6659_fd93);
        unit((mix(h.wrapping_add(u64::from(self.plain).wrapping_mul(GAMMA))) >> 32) as u32)
    }

    #[inline]
    fn advance(&mut self) -> u64 {
        self.dimension += 1;
        mix(self.key.wrapping_add(u64::from(self.dimension).wrapping_mul(GAMMA)))
    }
}

/// The top 24 bits as a number in `0..1`.
#[inline]
fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// Owen scrambling of the bits, highest first, by the Laine–Karras hash on the reversed word
/// (constants of Burley 2020, listing 1; applied to an index it is the nested shuffle).
#[inline]
fn scramble(bits: u32, seed: u32) -> u32 {
    let mut x = bits.reverse_bits();
    x = x.wrapping_add(seed);
    x ^= x.wrapping_mul(0x6c50_b47c);
    x ^= x.wrapping_mul(0xb82f_1e52);
    x ^= x.wrapping_mul(0xc7af_e638);
    x ^= x.wrapping_mul(0x8d22_f6e6);
    x.reverse_bits()
}

/// Second Sobol dimension of an index, as 32 bits: its matrix is Pascal's triangle mod 2, which is the substitution
/// `x → x + 1` in the polynomial whose coefficients are the bits; hence by halves.
#[inline]
fn sobol_second(index: u32) -> u32 {
    let mut v = index;
    v ^= (v & 0xffff_0000) >> 16;
    v ^= (v & 0xff00_ff00) >> 8;
    v ^= (v & 0xf0f0_f0f0) >> 4;
    v ^= (v & 0xcccc_cccc) >> 2;
    v ^= (v & 0xaaaa_aaaa) >> 1;
    v.reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every elementary interval of 2⁻⁴ holds exactly one of 16 points: what makes 16 samples worth more than 16.
    #[test]
    fn pairs_are_a_net() {
        for (pixel, pair) in [(0, 0), (7, 3), (12345, 9)] {
            let points: Vec<[f32; 2]> = (0..16)
                .map(|s| {
                    let mut r = Sampler::new(1, pixel, s);
                    (0..pair).for_each(|_| _ = r.next_2d());
                    r.next_2d()
                })
                .collect();
            for log_x in 0..=4u32 {
                let (nx, ny) = (1 << log_x, 16 >> log_x);
                let mut seen = [false; 16];
                for p in &points {
                    seen[(p[0] * nx as f32) as usize * ny + (p[1] * ny as f32) as usize] = true;
                }
                assert!(seen.iter().all(|&s| s), "pixel {pixel} pair {pair} grid {nx}x{ny}: {points:?}");
            }
        }
    }

    #[test]
    fn vertices_stay_a_net_whatever_was_drawn_before() {
        let mut seen = [false; 16];
        for sample in 0..16 {
            let mut r = Sampler::new(3, 42, sample);
            (0..sample % 5).for_each(|_| _ = r.next_2d());
            (0..sample % 7).for_each(|_| _ = r.next_plain());
            r.at_vertex(2);
            let [x, y] = r.next_2d();
            seen[(x * 4.0) as usize * 4 + (y * 4.0) as usize] = true;
        }
        assert!(seen.iter().all(|s| *s), "{seen:?}");
    }

    #[test]
    fn second_dimension_is_pascals_matrix() {
        let (mut column, mut columns) = (1u32 << 31, Vec::new());
        for _ in 0..32 {
            columns.push(column);
            column ^= column >> 1;
        }
        for index in [0u32, 1, 5, 77, 0xdead_beef] {
            let plain = (0..32).filter(|b| index >> b & 1 == 1).fold(0, |v, b| v ^ columns[b]);
            assert_eq!(sobol_second(index), plain);
        }
    }

    #[test]
    fn pixels_seeds_and_dimensions_are_not_alike() {
        let mean_product = |a: &mut dyn FnMut(u32) -> f32, b: &mut dyn FnMut(u32) -> f32| {
            (0..20_000).map(|i| (a(i) - 0.5) * (b(i) - 0.5)).sum::<f32>() / 20_000.0
        };
        let mut here = |i| Sampler::new(1, i, 0).next_1d();
        let mut beside = |i| Sampler::new(1, i + 1, 0).next_1d();
        let mut seeded = |i| Sampler::new(2, i, 0).next_1d();
        assert!(mean_product(&mut here, &mut beside).abs() < 3e-3);
        assert!(mean_product(&mut here, &mut seeded).abs() < 3e-3);
        let mut later = |i| {
            let mut s = Sampler::new(1, i, 0);
            s.next_1d();
            s.next_plain()
        };
        assert!(mean_product(&mut here, &mut later).abs() < 3e-3);
    }
}
