//! Tubes along paths: hems, collars' folds, frames of glasses.
use crate::people::shell::{Path, Shell};
use glam::Vec3;
use std::f32::consts::TAU;

/// A point of a path and the tube around it.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// Meters.
    pub center: Vec3,
    /// Unit, across the path: the direction of the first radius.
    pub side: Vec3,
    /// Half the thickness along `side` and across both (meters).
    pub radii: [f32; 2],
}

impl Shell {
    /// A tube with `around` corners through at least two rings; an open one ends in caps.
    pub fn tube(rings: &[Ring], path: Path, around: usize) -> Self {
        let n = rings.len();
        let along = |i: usize| {
            let (before, after) = match path {
                Path::Closed => (rings[(i + n - 1) % n], rings[(i + 1) % n]),
                Path::Open => (rings[i.saturating_sub(1)], rings[(i + 1).min(n - 1)]),
            };
            (after.center - before.center).normalize_or(Vec3::Y)
        };
        let corner = |(i, ring): (usize, &Ring)| {
            let forward = along(i);
            let side = (ring.side - forward * ring.side.dot(forward)).normalize_or(forward.any_orthonormal_vector());
            let (other, ring) = (forward.cross(side), *ring);
            (0..around).map(move |k| {
                let (sin, cos) = (k as f32 / around as f32 * TAU).sin_cos();
                ring.center + side * (cos * ring.radii[0]) + other * (sin * ring.radii[1])
            })
        };
        let corners = rings.iter().enumerate().flat_map(corner).collect();
        let mut shell = Shell::grid(corners, around, path, Path::Closed);
        if path == Path::Open {
            let tip = |i: usize, turn: f32| {
                rings[i].center + along(i) * (turn * 0.7 * rings[i].radii[0].min(rings[i].radii[1]))
            };
            let last = ((n - 1) * around) as u32;
            shell.fan((0..around as u32).rev(), tip(0, -1.0));
            shell.fan((0..around as u32).map(|k| last + k), tip(n - 1, 1.0));
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
