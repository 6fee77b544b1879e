//! Which part of a map a surface looks to.
use super::tables::Tables;
use glam::{Vec2, Vec3};

/// Squares on an edge of the octahedron that directions are sorted into.
const SIDE: usize = 16;
/// How far below its horizon (cosine) a surface still aims: what sorting normals and cells costs in sharpness.
const SLACK: f32 = 0.35;

/// What light is drawn for: all of it, or what a surface sees that looks to about one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aim(u16);

impl Aim {
    /// All light, by brightness alone: for fibers, which see all around.
    pub const ANYWHERE: Aim = Aim((SIDE * SIDE) as u16);

    /// For a surface of that unit normal.
    #[inline]
    pub fn about(normal: Vec3) -> Self {
        // octahedral map: Cigolle et al. 2014, "A Survey of Efficient Representations for Independent Unit Vectors"
        let n = normal / normal.abs().element_sum().max(1e-20);
        let flat = Vec2::new(n.x, n.z);
        let sign = |v: Vec2| Vec2::new(1.0f32.copysign(v.x), 1.0f32.copysign(v.y));
        let flat = if n.y < 0.0 { (Vec2::ONE - Vec2::new(n.z.abs(), n.x.abs())) * sign(flat) } else { flat };
        let cell = |t: f32| (((0.5 + 0.5 * t) * SIDE as f32) as usize).min(SIDE - 1);
        Aim((cell(flat.y) * SIDE + cell(flat.x)) as u16)
    }

    /// The normal in the middle of an aim's square.
    fn middle(self) -> Vec3 {
        let at = |k: usize| (k as f32 + 0.5) / SIDE as f32 * 2.0 - 1.0;
        let (x, z) = (at(self.index() % SIDE), at(self.index() / SIDE));
        let y = 1.0 - x.abs() - z.abs();
        let fold = (-y).max(0.0);
        let inwards = |t: f32| t - fold.copysign(t);
        Vec3::new(inwards(x), y, inwards(z)).normalize_or(Vec3::Y)
    }

    #[inline]
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A table of the shares of the cells for each aim, [`Aim::ANYWHERE`] last, and `[aims][cells]` these shares over those of
/// brightness alone. `power` sums to one; `centers` are the mean directions of each cell's light.
pub(super) fn tables(power: &[f64], centers: &[Vec3]) -> (Tables, Vec<f32>) {
    let (mut tables, mut gain) = (Tables::of(power.len()), Vec::with_capacity((SIDE * SIDE + 1) * power.len()));
    for aim in (0..SIDE * SIDE).map(|k| Aim(k as u16)) {
        let normal = aim.middle();
        let seen: Vec<f64> = centers.iter().map(|c| f64::from(seen(normal.dot(*c)))).collect();
        let total: f64 = power.iter().zip(&seen).map(|(p, s)| p * s).sum();
        // where nothing is seen at all, aiming is of no use
        let each = |s: f64| if total > 1e-6 { s / total } else { 1.0 };
        tables.push(&power.iter().zip(&seen).map(|(p, s)| p * each(*s)).collect::<Vec<_>>());
        gain.extend(seen.iter().map(|s| each(*s) as f32));
    }
    tables.push(power);
    gain.extend(power.iter().map(|_| 1.0));
    (tables, gain)
}

/// The cosine, let out smoothly below the horizon.
fn seen(cos: f32) -> f32 {
    if cos >= SLACK { cos } else { (cos + SLACK).max(0.0).powi(2) / (4.0 * SLACK) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_normal_finds_a_square_whose_middle_is_near() {
        for i in 0..2000 {
            let y = 1.0 - 2.0 * (i as f32 + 0.5) / 2000.0;
            let (sin, cos) = (i as f32 * 2.399_963).sin_cos();
            let r = (1.0 - y * y).sqrt();
            let normal = Vec3::new(r * cos, y, r * sin);
            let aim = Aim::about(normal);
            assert!(aim != Aim::ANYWHERE && aim.middle().dot(normal) > 0.97, "{normal} {}", aim.middle());
        }
    }
}
