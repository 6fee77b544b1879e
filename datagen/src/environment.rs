//! Light from infinitely far away: a latitude-longitude map, sampled by its brightness.
use crate::elementary::{acos, atan2, sin_cos};
use glam::{Vec2, Vec3, Vec4};
use std::f32::consts::{FRAC_1_PI, PI, TAU};

/// A latitude-longitude map of radiance, `[height][width]`, row 0 at the zenith (+y).
///
/// Direction `d` lies at column `(atan2(d.x, d.z) / 2π + ½ - yaw / 2π) · width`, row `acos(d.y) / π · height`:
/// at yaw 0 the middle column is +z, what a head faces. Texels are constant over their cell, so that sampling is exact.
#[derive(Clone, Debug)]
pub struct Environment {
    width: usize,
    height: usize,
    yaw_turns: f32,
    /// `[height][width]` radiance, and in `w` probability per steradian.
    texels: Vec<Vec4>,
    /// Shares of the rows: one table.
    rows: Tables,
    /// Shares of the texels of each row: `height` tables.
    columns: Tables,
    /// `[height + 1]` cosines of the borders between rows.
    cosines: Vec<f32>,
    /// `[width + 1]` sine and cosine of the azimuth of the borders between columns.
    azimuths: Vec<Vec2>,
}

/// A direction towards the light.
#[derive(Clone, Copy, Debug)]
pub struct LightSample {
    /// Unit, world.
    pub direction: Vec3,
    /// Linear RGB.
    pub radiance: Vec3,
    /// Per steradian.
    pub density: f32,
}

impl Environment {
    /// From linear RGB radiance, row 0 at the zenith, turned about +y by `yaw_rad` (counter-clockwise seen from above).
    /// `None` unless there are `width × height` finite, non-negative texels, at most 65,535 a side.
    pub fn new(width: usize, height: usize, radiance: Vec<Vec3>, yaw_rad: f32) -> Option<Self> {
        let sound = |c: &Vec3| c.is_finite() && c.min_element() >= 0.0;
        if width == 0
            || height == 0
            || width.max(height) > u16::MAX as usize
            || radiance.len() != width * height
            || !radiance.iter().all(sound)
        {
            return None;
        }
        let power: Vec<f64> = (0..height).map(|y| row_power(&radiance, y, width)).collect();
        let in_rows: Vec<f64> = (0..height).map(|y| row_solid_angle(y, height) * power[y]).collect();
        let total: f64 = in_rows.iter().sum();
        // a black map is sampled evenly
        let share_of_row =
            |y: usize| if total > 0.0 { in_rows[y] / total } else { row_solid_angle(y, height) / SPHERE };
        let (mut columns, mut texels) = (Tables::of(width), Vec::with_capacity(width * height));
        for y in 0..height {
            let even = 1.0 / width as f64;
            let share = |c: &Vec3| if power[y] > 0.0 { brightness(*c) / (power[y] * width as f64) } else { even };
            let row = &radiance[y * width..(y + 1) * width];
            let shares: Vec<f64> = row.iter().map(share).collect();
            let per_share = share_of_row(y) * width as f64 / row_solid_angle(y, height);
            texels.extend(row.iter().zip(&shares).map(|(c, s)| c.extend((s * per_share) as f32)));
            columns.push(&shares);
        }
        let rows = Tables::one(&(0..height).map(share_of_row).collect::<Vec<_>>());
        let cosines = (0..=height).map(|y| (PI * y as f32 / height as f32).cos()).collect();
        Some(
            Environment { width, height, yaw_turns: 0.0, texels, rows, columns, cosines, azimuths: Vec::new() }
                .turned(yaw_rad),
        )
    }

    /// The same radiance from everywhere.
    pub fn uniform(radiance: Vec3) -> Self {
        let sound = radiance.is_finite() && radiance.min_element() >= 0.0;
        let radiance = if sound { radiance } else { Vec3::ZERO };
        Environment {
            width: 1,
            height: 1,
            yaw_turns: 0.0,
            texels: vec![radiance.extend(0.25 / PI)],
            rows: Tables::one(&[1.0]),
            columns: Tables::one(&[1.0]),
            cosines: vec![1.0, -1.0],
            azimuths: Vec::new(),
        }
        .turned(0.0)
    }

    /// The same map turned to `yaw_rad` about +y.
    pub fn turned(mut self, yaw_rad: f32) -> Self {
        self.yaw_turns = yaw_rad / TAU;
        let turns = |x: usize| x as f32 / self.width as f32 - 0.5 + self.yaw_turns;
        self.azimuths = (0..=self.width).map(|x| Vec2::from((turns(x) * TAU).sin_cos())).collect();
        self
    }

    /// Mean radiance over all directions.
    pub fn mean(&self) -> Vec3 {
        let row =
            |y: usize| self.texels[y * self.width..(y + 1) * self.width].iter().map(|t| t.truncate()).sum::<Vec3>();
        let weight = |y: usize| (row_solid_angle(y, self.height) / SPHERE) as f32 / self.width as f32;
        (0..self.height).map(|y| row(y) * weight(y)).sum()
    }

    /// Radiance from a unit direction, and the density with which [`Environment::sample`] gives it (per steradian).
    #[inline]
    pub fn look(&self, direction: Vec3) -> (Vec3, f32) {
        let v = acos(direction.y.clamp(-1.0, 1.0)) * FRAC_1_PI;
        let u = atan2(direction.x, direction.z) * (0.5 * FRAC_1_PI) + 0.5 - self.yaw_turns;
        let x = (((u - u.floor()) * self.width as f32) as usize).min(self.width - 1);
        let y = ((v * self.height as f32) as usize).min(self.height - 1);
        let texel = self.texels[y * self.width + x];
        (texel.truncate(), texel.w)
    }

    /// A direction drawn in proportion to brightness, from two numbers in `0..1`.
    #[inline]
    pub fn sample(&self, u: [f32; 2]) -> LightSample {
        let (y, fy) = self.rows.invert(0, u[0]);
        let (x, fx) = self.columns.invert(y, u[1]);
        // equal areas within a texel: uniform in cos θ
        let cos = self.cosines[y] + (self.cosines[y + 1] - self.cosines[y]) * fy;
        let sin = (1.0 - cos * cos).max(0.0).sqrt();
        let azimuth = if self.width >= FINE {
            // the chord between two borders, drawn out to the circle: even to less than a thousandth
            self.azimuths[x].lerp(self.azimuths[x + 1], fx).normalize_or(Vec2::Y)
        } else {
            Vec2::from(sin_cos(((x as f32 + fx) / self.width as f32 - 0.5 + self.yaw_turns) * TAU))
        };
        let texel = self.texels[y * self.width + x];
        let direction = Vec3::new(sin * azimuth.x, cos, sin * azimuth.y);
        LightSample { direction, radiance: texel.truncate(), density: texel.w }
    }
}

/// Maps of that many columns are fine enough to find the azimuth by a chord.
const FINE: usize = 128;

/// Steradians of all directions.
const SPHERE: f64 = 4.0 * std::f64::consts::PI;

/// Steradians of one row.
fn row_solid_angle(y: usize, height: usize) -> f64 {
    let cos = |k: usize| (std::f64::consts::PI * k as f64 / height as f64).cos();
    2.0 * std::f64::consts::PI * (cos(y) - cos(y + 1))
}

fn brightness(c: Vec3) -> f64 {
    f64::from(c.x) + f64::from(c.y) + f64::from(c.z)
}

/// Mean brightness of one row.
fn row_power(radiance: &[Vec3], y: usize, width: usize) -> f64 {
    radiance[y * width..(y + 1) * width].iter().map(|c| brightness(*c)).sum::<f64>() / width as f64
}

/// Discrete distributions over `n` cells each, inverted through a guide: where to begin looking for each `n`-th part of
/// `0..1` (Chen, Asau 1974), so that a draw takes about one step whatever `n`. All lie in one block of memory.
#[derive(Clone, Debug)]
struct Tables {
    n: usize,
    /// `[tables][n + 1]` cumulative shares.
    cumulative: Vec<f32>,
    /// `[tables][n]`
    guide: Vec<u16>,
}

impl Tables {
    /// None yet, over `n` cells.
    fn of(n: usize) -> Self {
        Tables { n, cumulative: Vec::new(), guide: Vec::new() }
    }

    /// One alone.
    fn one(shares: &[f64]) -> Self {
        let mut tables = Tables::of(shares.len());
        tables.push(shares);
        tables
    }

    /// Adds one, from shares that sum to one.
    fn push(&mut self, shares: &[f64]) {
        let (from, mut sum) = (self.cumulative.len(), 0.0);
        self.cumulative.push(0.0);
        self.cumulative.extend(shares.iter().map(|s| {
            sum += s;
            sum as f32
        }));
        let (n, mut cell) = (self.n, 0);
        let cumulative = &self.cumulative[from..];
        self.guide.extend((0..n).map(|k| {
            while cell + 1 < n && cumulative[cell + 1] <= k as f32 / n as f32 {
                cell += 1;
            }
            cell as u16
        }));
    }

    /// The cell of a table that `u` in `0..1` falls into, and where in it.
    #[inline]
    fn invert(&self, table: usize, u: f32) -> (usize, f32) {
        let n = self.n;
        let cumulative = &self.cumulative[table * (n + 1)..(table + 1) * (n + 1)];
        let mut i = self.guide[table * n + ((u * n as f32) as usize).min(n - 1)] as usize;
        while i + 1 < n && cumulative[i + 1] <= u {
            i += 1;
        }
        while i > 0 && cumulative[i + 1] <= cumulative[i] {
            i -= 1; // u beyond the last share: rounding, and a table that closes with empty cells
        }
        let (a, b) = (cumulative[i], cumulative[i + 1]);
        (i, ((u - a) / (b - a).max(1e-20)).clamp(0.0, 1.0 - f32::EPSILON))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Sampler;

    fn on_sphere(u: [f32; 2]) -> Vec3 {
        let (cos, azimuth) = (1.0 - 2.0 * u[0], TAU * u[1]);
        let sin = (1.0 - cos * cos).max(0.0).sqrt();
        Vec3::new(sin * azimuth.sin(), cos, sin * azimuth.cos())
    }

    fn window() -> Environment {
        window_of(1)
    }

    /// The same map with every texel cut into `fine × fine`.
    fn window_of(fine: usize) -> Environment {
        let texels = (0..32 * 16 * fine * fine).map(|i| {
            let (x, y) = (i % (32 * fine) / fine, i / (32 * fine) / fine);
            let lamp = if x == 5 && y == 4 { Vec3::splat(80.0) } else { Vec3::ZERO };
            Vec3::new(0.1, 0.2, 0.3) * (1.0 + (x as f32 * 0.7).sin()) + lamp
        });
        Environment::new(32 * fine, 16 * fine, texels.collect(), 0.4).unwrap()
    }

    #[test]
    fn density_integrates_to_one() {
        let env = window();
        let n = 1 << 20;
        let sum: f64 = (0..n).map(|i| f64::from(env.look(on_sphere(Sampler::new(3, 0, i).next_2d())).1)).sum();
        let integral = sum / f64::from(n) * 4.0 * std::f64::consts::PI;
        assert!((integral - 1.0).abs() < 0.02, "{integral}");
    }

    #[test]
    fn a_sample_looks_back_at_its_own_texel() {
        for env in [window(), window_of(8)] {
            let mut s = Sampler::new(4, 0, 0);
            let (mut same, n) = (0, 20_000);
            for _ in 0..n {
                let l = env.sample(s.next_2d());
                let (radiance, density) = env.look(l.direction);
                same += usize::from(radiance == l.radiance && density == l.density);
            }
            assert!(same as f32 > 0.999 * n as f32, "{same} of {n}: only rounding at texel borders may differ");
        }
    }

    #[test]
    fn sampling_gives_the_integral_of_the_map() {
        for env in [window(), window_of(8)] {
            let row =
                |y: usize| env.texels[y * env.width..(y + 1) * env.width].iter().map(|t| t.truncate()).sum::<Vec3>();
            let weight = |y: usize| (row_solid_angle(y, env.height) / env.width as f64) as f32;
            let exact: Vec3 = (0..env.height).map(|y| row(y) * weight(y)).sum();
            let mut s = Sampler::new(5, 0, 0);
            let n = 200_000;
            let mean = (0..n).map(|_| env.sample(s.next_2d())).map(|l| l.radiance / l.density).sum::<Vec3>() / n as f32;
            assert!((mean / exact - Vec3::ONE).abs().max_element() < 0.01, "{mean} {exact}");
            // moments of the direction under the density itself: scattered light of a lamp comes from where it stands
            let even = |k: u32| on_sphere(Sampler::new(6, 0, k).next_2d());
            let looked = (0..n).map(even).map(|d| d * env.look(d).0.x).sum::<Vec3>() * (4.0 * PI / n as f32);
            let drawn =
                (0..n).map(|_| env.sample(s.next_2d())).map(|l| l.direction * (l.radiance.x / l.density)).sum::<Vec3>();
            assert!((looked - drawn / n as f32).length() < 0.02 * exact.x, "{looked} {}", drawn / n as f32);
        }
    }

    #[test]
    fn black_maps_and_single_texels_work() {
        let black = Environment::new(4, 2, vec![Vec3::ZERO; 8], 0.0).unwrap();
        assert!(black.sample([0.999, 0.999]).density > 0.0);
        assert!((Environment::uniform(Vec3::ONE).look(Vec3::Y).1 - 0.25 / PI).abs() < 1e-6);
        assert!(Environment::new(2, 2, vec![Vec3::NAN; 4], 0.0).is_none());
    }
}
