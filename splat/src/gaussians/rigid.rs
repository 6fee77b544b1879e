//! Moves Gaussians as one body.
use super::{Colors, Gaussians};
use crate::rasterize::harmonics;
use glam::{Quat, Vec3};

impl Gaussians {
    /// The same Gaussians turned by `rotation` about the origin, then moved by `translation` (meters).
    ///
    /// Means, quaternions and spherical harmonics turn (so that highlights turn with the body); scales, opacities and
    /// feature channels stay. `rotation` is taken as unit length.
    pub fn transformed(&self, rotation: Quat, translation: Vec3) -> Self {
        let mut out = self.clone();
        for mean in out.means.chunks_exact_mut(3) {
            mean.copy_from_slice(&(rotation * Vec3::from_slice(mean) + translation).to_array());
        }
        for quat in out.quats.chunks_exact_mut(4) {
            let [w, x, y, z] = [quat[0], quat[1], quat[2], quat[3]];
            let turned = rotation * Quat::from_xyzw(x, y, z, w);
            quat.copy_from_slice(&[turned.w, turned.x, turned.y, turned.z]);
        }
        if let Colors::Sh { degree: 1.. } = self.kind {
            turn_harmonics(&mut out, rotation);
        }
        out
    }
}

fn turn_harmonics(gaussians: &mut Gaussians, rotation: Quat) {
    let stride = gaussians.kind.stride();
    let k = stride / 3;
    let turn = harmonics_rotation(rotation);
    let mut turned = vec![0.0; stride];
    for stored in gaussians.colors.chunks_exact_mut(stride) {
        for (to, row) in turned.chunks_exact_mut(3).zip(&turn) {
            for c in 0..3 {
                to[c] = (0..k).map(|from| row[from] * stored[3 * from + c]).sum();
            }
        }
        stored.copy_from_slice(&turned);
    }
}

/// `[to][from]`: coefficients of f(R⁻¹ d) from those of f(d). The basis is orthonormal, so the entry is ∫ basis_to(R d)
/// basis_from(d) dd, a polynomial of degree 6 that the product of a 4-point Gauss rule in z and 8 equal azimuths
/// integrates exactly.
fn harmonics_rotation(rotation: Quat) -> [[f32; harmonics::MAX_K]; harmonics::MAX_K] {
    const NODES: [(f32, f32); 2] = [(0.339_981_04, 0.652_145_15), (0.861_136_3, 0.347_854_85)];
    let mut out = [[0.0; harmonics::MAX_K]; harmonics::MAX_K];
    for (node, weight) in NODES.into_iter().flat_map(|(z, w)| [(z, w), (-z, w)]) {
        for step in 0..8 {
            let (sin, cos) = (step as f32 * std::f32::consts::FRAC_PI_4).sin_cos();
            let ring = (1.0 - node * node).sqrt();
            let d = Vec3::new(ring * cos, ring * sin, node);
            let (from, to) = (harmonics::basis(3, d.to_array()), harmonics::basis(3, (rotation * d).to_array()));
            for (row, t) in out.iter_mut().zip(to) {
                for (entry, f) in row.iter_mut().zip(from) {
                    *entry += weight * std::f32::consts::FRAC_PI_4 * t * f;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Camera, Settings, forward};
    use glam::Mat4;

    #[test]
    fn a_camera_that_turns_along_sees_the_same() {
        let number = |i: usize| ((i * 2654435761) % 1000) as f32 / 500.0 - 1.0;
        let numbers = |n: usize, seed: usize, scale: f32| (0..n).map(|i| scale * number(i * 7 + seed)).collect();
        let still = Gaussians {
            means: numbers(90, 1, 0.1),
            quats: numbers(120, 2, 1.0),
            log_scales: vec![-4.0; 90],
            opacity_logits: numbers(30, 3, 2.0),
            colors: numbers(30 * 48, 4, 0.5),
            kind: Colors::Sh { degree: 3 },
        };
        let (rotation, translation) = (Quat::from_xyzw(0.3, -0.5, 0.2, 0.7).normalize(), Vec3::new(0.4, -1.0, 0.2));
        let moved = still.transformed(rotation, translation);
        let camera = Camera::look_at(Vec3::new(0.1, 0.2, 0.7), Vec3::ZERO, Vec3::Y, 90.0, 40, 32);
        let world_from_moved = Mat4::from_rotation_translation(rotation, translation).inverse();
        let along = Camera { camera_from_world: camera.camera_from_world * world_from_moved, ..camera };
        let settings = Settings::default();
        let a = forward(still.slices(), &[camera], &settings).unwrap().0;
        let b = forward(moved.slices(), &[along], &settings).unwrap().0;
        assert!(a[0].alpha.iter().sum::<f32>() > 50.0);
        let near = a[0].color.iter().zip(&b[0].color).filter(|(a, b)| (**a - **b).abs() < 1e-4).count();
        assert!(near + 3 >= a[0].color.len(), "{near} of {}: all but pixels at the alpha cut", a[0].color.len());
    }
}
