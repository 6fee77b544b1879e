//! Light from infinitely far away: a latitude-longitude map, sampled by its brightness.
//!
//! A surface sees half of the map, and of that the middle best. So cells of the map are drawn from one table for each of
//! some hundred directions that a surface may look to ([`Aim`]): brightness times cosine. Within a cell texels are drawn
//! by brightness alone. Two numbers go in and are used whole, so that well spread ones stay so.
mod aim;
mod tables;

use crate::tracer::elementary::{acos, atan2, sin_cos};
pub use aim::Aim;
use glam::{Vec2, Vec3, Vec4};
use std::f32::consts::{FRAC_1_PI, PI, TAU};
use tables::Tables;

/// A latitude-longitude map of radiance, `[height][width]`, row 0 at the zenith (+y).
///
/// Direction `d` lies at column `(atan2(d.x, d.z) / 2π + ½ - yaw / 2π) · width`, row `acos(d.y) / π · height`:
/// at yaw 0 the middle column is +z, what a head faces. Texels are constant over their cell, so that sampling is exact.
#[derive(Clone, Debug)]
pub struct Environment {
    width: usize,
    height: usize,
    yaw_turns: f32,
    /// `[height][width]` radiance, and in `w` probability per steradian when drawn by brightness alone.
    texels: Vec<Vec4>,
    /// The map in rectangles.
    cells: Cells,
    /// Shares of the cells, a table for each aim.
    aims: Tables,
    /// `[aims][cells]` how much more probable a cell is to an aim than by brightness alone.
    gain: Vec<f32>,
    /// `[height + 1]` cosines of the borders between rows.
    cosines: Vec<f32>,
    /// `[width + 1]` sine and cosine of the azimuth of the borders between columns.
    azimuths: Vec<Vec2>,
}

/// Rectangles of texels that cover a map, row by row.
#[derive(Clone, Debug)]
struct Cells {
    /// Texels across and down; fewer at the right and lower border.
    size: [usize; 2],
    /// Cells in a row.
    across: usize,
    /// `[cells + 1]` where the texels of each begin in `cumulative`.
    first: Vec<u32>,
    /// Cumulative shares of the texels of each cell, row by row.
    cumulative: Vec<f32>,
    /// `[cells]` share of all light, and its mean direction at yaw 0 (shorter than 1).
    power: Vec<f64>,
    center: Vec<Vec3>,
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
        let solid: Vec<f64> = (0..height).map(|y| row_solid_angle(y, height) / width as f64).collect();
        let light = |k: usize| brightness(radiance[k]) * solid[k / width];
        let total: f64 = (0..width * height).map(light).sum();
        // a black map is sampled evenly
        let share = |k: usize| if total > 0.0 { light(k) / total } else { solid[k / width] / SPHERE };
        let shares: Vec<f64> = (0..width * height).map(share).collect();
        let density = |k: usize| (shares[k] / solid[k / width]) as f32;
        let texels = radiance.iter().enumerate().map(|(k, c)| c.extend(density(k))).collect();
        let cosines = (0..=height).map(|y| (PI * y as f32 / height as f32).cos()).collect();
        let cells = Cells::new(width, height, &shares);
        let (aims, gain) = (Tables::of(0), Vec::new());
        let azimuths = Vec::new();
        let map = Environment { width, height, yaw_turns: 0.0, texels, cells, aims, gain, cosines, azimuths };
        Some(map.turned(yaw_rad))
    }

    /// The same radiance from everywhere.
    pub fn uniform(radiance: Vec3) -> Self {
        let sound = radiance.is_finite() && radiance.min_element() >= 0.0;
        let radiance = if sound { radiance } else { Vec3::ZERO };
        // fine enough that surfaces can aim at what they see
        let (width, height) = (32, 16);
        Environment::new(width, height, vec![radiance; width * height], 0.0).expect("finite and not negative")
    }

    /// The same map turned to `yaw_rad` about +y.
    pub fn turned(mut self, yaw_rad: f32) -> Self {
        self.yaw_turns = yaw_rad / TAU;
        let turns = |x: usize| x as f32 / self.width as f32 - 0.5 + self.yaw_turns;
        self.azimuths = (0..=self.width).map(|x| Vec2::from((turns(x) * TAU).sin_cos())).collect();
        let turn = glam::Mat3::from_rotation_y(yaw_rad);
        let centers: Vec<Vec3> = self.cells.center.iter().map(|c| turn * *c).collect();
        (self.aims, self.gain) = aim::tables(&self.cells.power, &centers);
        self
    }

    /// Mean radiance over all directions.
    pub fn mean(&self) -> Vec3 {
        let row =
            |y: usize| self.texels[y * self.width..(y + 1) * self.width].iter().map(|t| t.truncate()).sum::<Vec3>();
        let weight = |y: usize| (row_solid_angle(y, self.height) / SPHERE) as f32 / self.width as f32;
        (0..self.height).map(|y| row(y) * weight(y)).sum()
    }

    /// Radiance from a unit direction, and the density with which [`Environment::sample`] gives it to `aim` (per
    /// steradian).
    #[inline]
    pub fn look(&self, direction: Vec3, aim: Aim) -> (Vec3, f32) {
        let v = acos(direction.y.clamp(-1.0, 1.0)) * FRAC_1_PI;
        let u = atan2(direction.x, direction.z) * (0.5 * FRAC_1_PI) + 0.5 - self.yaw_turns;
        let x = (((u - u.floor()) * self.width as f32) as usize).min(self.width - 1);
        let y = ((v * self.height as f32) as usize).min(self.height - 1);
        let texel = self.texels[y * self.width + x];
        (texel.truncate(), texel.w * self.gain_of(aim, self.cells.of(x, y)))
    }

    /// A direction drawn by brightness, and by how well `aim` sees it, from two numbers in `0..1`.
    #[inline]
    pub fn sample(&self, aim: Aim, u: [f32; 2]) -> LightSample {
        let (cell, fy) = self.aims.invert(aim.index(), u[0]);
        let ([x, y], fx) = self.cells.texel(cell, self.width, u[1]);
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
        LightSample { direction, radiance: texel.truncate(), density: texel.w * self.gain_of(aim, cell) }
    }

    #[inline]
    fn gain_of(&self, aim: Aim, cell: usize) -> f32 {
        self.gain[aim.index() * self.cells.power.len() + cell]
    }
}

/// Cells across and down a map, at most.
const CELLS: [usize; 2] = [32, 16];

impl Cells {
    /// From the share of all light of each texel.
    fn new(width: usize, height: usize, shares: &[f64]) -> Self {
        let size = [width.div_ceil(CELLS[0]), height.div_ceil(CELLS[1])];
        let (across, down) = (width.div_ceil(size[0]), height.div_ceil(size[1]));
        let mut cells = Cells {
            size,
            across,
            first: vec![0],
            cumulative: Vec::with_capacity(shares.len()),
            power: Vec::new(),
            center: Vec::new(),
        };
        for cell in 0..across * down {
            let columns = cell % across * size[0]..width.min((cell % across + 1) * size[0]);
            let rows = cell / across * size[1]..height.min((cell / across + 1) * size[1]);
            let texels: Vec<[usize; 2]> = rows.flat_map(|y| columns.clone().map(move |x| [x, y])).collect();
            let share = |[x, y]: [usize; 2]| shares[y * width + x];
            let power: f64 = texels.iter().map(|t| share(*t)).sum();
            let (mut center, mut sum) = (Vec3::ZERO, 0.0);
            for &[x, y] in &texels {
                let part = if power > 0.0 { share([x, y]) / power } else { 1.0 / texels.len() as f64 };
                let (sin, cos) = (PI * (y as f32 + 0.5) / height as f32).sin_cos();
                let (east, north) = (((x as f32 + 0.5) / width as f32 - 0.5) * TAU).sin_cos();
                center += Vec3::new(sin * east, cos, sin * north) * part as f32;
                sum += part;
                cells.cumulative.push(sum as f32);
            }
            cells.first.push(cells.cumulative.len() as u32);
            cells.power.push(power);
            cells.center.push(center);
        }
        cells
    }

    /// The cell of a texel.
    #[inline]
    fn of(&self, x: usize, y: usize) -> usize {
        y / self.size[1] * self.across + x / self.size[0]
    }

    /// The texel of a cell that `u` falls into, and where in it.
    #[inline]
    fn texel(&self, cell: usize, map_width: usize, u: f32) -> ([usize; 2], f32) {
        let cumulative = &self.cumulative[self.first[cell] as usize..self.first[cell + 1] as usize];
        let k = cumulative.partition_point(|c| *c <= u).min(cumulative.len() - 1);
        let from = if k == 0 { 0.0 } else { cumulative[k - 1] };
        let left = cell % self.across * self.size[0];
        let width = self.size[0].min(map_width - left);
        let at = [left + k % width, cell / self.across * self.size[1] + k / width];
        (at, ((u - from) / (cumulative[k] - from).max(1e-20)).clamp(0.0, 1.0 - f32::EPSILON))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::sampler::Sampler;

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

    fn aims() -> [Aim; 4] {
        [Aim::ANYWHERE, Aim::about(Vec3::Z), Aim::about(Vec3::NEG_Y), Aim::about(Vec3::new(-0.6, 0.64, 0.48))]
    }

    #[test]
    fn density_integrates_to_one() {
        let env = window();
        let n = 1 << 20;
        for aim in aims() {
            let sum: f64 = (0..n).map(|i| f64::from(env.look(on_sphere(Sampler::new(3, 0, i).next_2d()), aim).1)).sum();
            let integral = sum / f64::from(n) * 4.0 * std::f64::consts::PI;
            assert!((integral - 1.0).abs() < 0.02, "{aim:?}: {integral}");
        }
    }

    #[test]
    fn a_sample_looks_back_at_its_own_texel() {
        for env in [window(), window_of(8)] {
            let mut s = Sampler::new(4, 0, 0);
            let (mut same, n) = (0, 20_000);
            for k in 0..n {
                let aim = aims()[k % 4];
                let l = env.sample(aim, s.next_2d());
                let (radiance, density) = env.look(l.direction, aim);
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
            let mean =
                (0..n).map(|_| env.sample(Aim::ANYWHERE, s.next_2d())).map(|l| l.radiance / l.density).sum::<Vec3>()
                    / n as f32;
            assert!((mean / exact - Vec3::ONE).abs().max_element() < 0.01, "{mean} {exact}");
            // moments of the direction under the density itself: scattered light of a lamp comes from where it stands
            let even = |k: u32| on_sphere(Sampler::new(6, 0, k).next_2d());
            let looked =
                (0..n).map(even).map(|d| d * env.look(d, Aim::ANYWHERE).0.x).sum::<Vec3>() * (4.0 * PI / n as f32);
            let drawn = (0..n)
                .map(|_| env.sample(Aim::ANYWHERE, s.next_2d()))
                .map(|l| l.direction * (l.radiance.x / l.density))
                .sum::<Vec3>();
            assert!((looked - drawn / n as f32).length() < 0.02 * exact.x, "{looked} {}", drawn / n as f32);
        }
    }

    /// Irradiance of a surface: aiming finds the same as looking everywhere, with less noise.
    #[test]
    fn a_surface_that_aims_receives_the_same_light_more_evenly() {
        let env = window();
        for normal in [Vec3::Z, Vec3::new(0.6, 0.0, 0.8), Vec3::NEG_X] {
            let received = |aim: Aim| {
                let (mut sum, mut squares) = (0.0, 0.0);
                let n = 200_000;
                for i in 0..n {
                    let l = env.sample(aim, Sampler::new(7, 0, i).next_2d());
                    let e = l.radiance.y * normal.dot(l.direction).max(0.0) / l.density;
                    (sum, squares) = (sum + f64::from(e), squares + f64::from(e * e));
                }
                let mean = sum / f64::from(n);
                (mean, squares / f64::from(n) - mean * mean)
            };
            let ((blind, much), (aimed, less)) = (received(Aim::ANYWHERE), received(Aim::about(normal)));
            assert!(
                (aimed / blind - 1.0).abs() < 0.01 && less < 0.5 * much,
                "{normal}: {blind} ± {much}, {aimed} ± {less}"
            );
        }
    }

    #[test]
    fn black_maps_and_single_texels_work() {
        let black = Environment::new(4, 2, vec![Vec3::ZERO; 8], 0.0).unwrap();
        assert!(black.sample(Aim::ANYWHERE, [0.999, 0.999]).density > 0.0);
        assert!((Environment::uniform(Vec3::ONE).look(Vec3::Y, Aim::ANYWHERE).1 - 0.25 / PI).abs() < 1e-6);
        assert!(Environment::new(2, 2, vec![Vec3::NAN; 4], 0.0).is_none());
    }
}
