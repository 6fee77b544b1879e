//! Tubes along paths: hems, collars' folds, frames of glasses.
use glam::Vec3;
use std::f32::consts::TAU;

/// A mesh without material. Letters: `V` vertices, `T` triangles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shell {
    /// `[V]` metres.
    pub positions: Vec<Vec3>,
    /// `[T]` counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

/// Whether a path comes back to where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// It ends, in round caps.
    Open,
    /// Its last point is followed by its first.
    Closed,
}

/// A point of a path and the tube around it.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// Metres.
    pub center: Vec3,
    /// Unit, across the path: the direction of the first radius.
    pub side: Vec3,
    /// Half the thickness along `side` and across both (metres).
    pub radii: [f32; 2],
}

impl Shell {
    /// Adds another mesh.
    pub fn append(&mut self, other: Shell) {
        let first = self.positions.len() as u32;
        self.positions.extend(other.positions);
        self.triangles.extend(other.triangles.into_iter().map(|t| t.map(|v| v + first)));
    }

    /// A tube with `around` corners through at least two rings.
    pub fn tube(rings: &[Ring], path: Path, around: usize) -> Self {
        let n = rings.len();
        let mut shell = Shell::default();
        let along = |i: usize| {
            let (before, after) = match path {
                Path::Closed => (rings[(i + n - 1) % n], rings[(i + 1) % n]),
                Path::Open => (rings[i.saturating_sub(1)], rings[(i + 1).min(n - 1)]),
            };
            (after.center - before.center).normalize_or(Vec3::Y)
        };
        for (i, ring) in rings.iter().enumerate() {
            let forward = along(i);
            let side = (ring.side - forward * ring.side.dot(forward)).normalize_or(forward.any_orthonormal_vector());
            let other = forward.cross(side);
            shell.positions.extend((0..around).map(|k| {
                let (sin, cos) = (k as f32 / around as f32 * TAU).sin_cos();
                ring.center + side * (cos * ring.radii[0]) + other * (sin * ring.radii[1])
            }));
        }
        let joints = if path == Path::Closed { n } else { n - 1 };
        let at = |i: usize, k: usize| (i % n * around + k % around) as u32;
        for i in 0..joints {
            for k in 0..around {
                let [a, b, c, d] = [at(i, k), at(i, k + 1), at(i + 1, k + 1), at(i + 1, k)];
                shell.triangles.extend([[a, b, c], [a, c, d]]);
            }
        }
        if path == Path::Open {
            for (i, turn) in [(0, -1.0), (n - 1, 1.0)] {
                let cap = shell.positions.len() as u32;
                let reach = 0.7 * rings[i].radii[0].min(rings[i].radii[1]);
                shell.positions.push(rings[i].center + along(i) * (turn * reach));
                for k in 0..around {
                    let (a, b) = (at(i, k), at(i, k + 1));
                    shell.triangles.push(if turn > 0.0 { [a, b, cap] } else { [b, a, cap] });
                }
            }
        }
        shell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(shell: &Shell) -> f32 {
        let corner = |v: u32| shell.positions[v as usize];
        shell.triangles.iter().map(|t| corner(t[0]).dot(corner(t[1]).cross(corner(t[2]))) / 6.0).sum()
    }

    #[test]
    fn tubes_are_closed_and_face_outwards() {
        let ring = |x: f32| Ring { center: Vec3::X * x, side: Vec3::Y, radii: [0.1, 0.1] };
        let straight = Shell::tube(&[ring(0.0), ring(0.5), ring(1.0)], Path::Open, 32);
        let wanted = std::f32::consts::PI * 0.01 * (1.0 + 2.0 * 0.07 / 3.0);
        assert!((volume(&straight) / wanted - 1.0).abs() < 0.02, "{}", volume(&straight));
        let around = |k: usize| {
            let (sin, cos) = (k as f32 / 64.0 * TAU).sin_cos();
            Ring { center: Vec3::new(cos, sin, 0.0), side: Vec3::Z, radii: [0.1, 0.1] }
        };
        let torus = Shell::tube(&(0..64).map(around).collect::<Vec<_>>(), Path::Closed, 32);
        let wanted = 2.0 * std::f32::consts::PI.powi(2) * 0.01;
        assert!((volume(&torus) / wanted - 1.0).abs() < 0.02, "{}", volume(&torus));
    }
}
