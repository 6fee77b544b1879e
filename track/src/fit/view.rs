//! Pose and lens of a picture, and where a point lands under them, with derivatives.
use super::Lens;
use glam::{DMat3, DQuat, DVec3};

/// Rigid unknowns of a picture: rotation (3), translation (3).
pub(super) const RIGID: usize = 6;

/// Pose and lens of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Camera from head.
    pub rotation: DMat3,
    /// Metres.
    pub translation: DVec3,
    /// Of pixels.
    pub log_focal: f64,
}

impl View {
    pub fn focal(&self) -> f64 {
        self.log_focal.exp()
    }

    /// Turned by an axis-angle in camera space about the head's origin, then shifted.
    pub fn moved(&self, step: &[f64]) -> View {
        let turn = DQuat::from_scaled_axis(DVec3::new(step[0], step[1], step[2]));
        View {
            rotation: DMat3::from_quat(turn) * self.rotation,
            translation: self.translation + DVec3::new(step[3], step[4], step[5]),
            log_focal: self.log_focal,
        }
    }
}

/// Derivatives of a projected point.
pub(super) struct Rows {
    /// By rotation and translation: `[6]` of (x, y) pixels.
    pub rigid: [[f64; 2]; RIGID],
    /// By log focal: (x, y) pixels.
    pub log_focal: [f64; 2],
    /// By the point in head space: pixels per metre, `[2, 3]`.
    pub point: [DVec3; 2],
}

/// Where a point in head space lands, with derivatives.
pub(super) fn project(view: &View, lens: &Lens, point: DVec3) -> ([f64; 2], Rows) {
    let turned = view.rotation * point;
    let p = turned + view.translation;
    let f = view.focal();
    let z = p.z.max(1e-3);
    let (u, v) = (f * p.x / z, f * p.y / z);
    // Derivatives by the point in camera space.
    let dx = DVec3::new(f / z, 0.0, -u / z);
    let dy = DVec3::new(0.0, f / z, -v / z);
    let mut rigid = [[0.0; 2]; RIGID];
    for (k, axis) in [DVec3::X, DVec3::Y, DVec3::Z].into_iter().enumerate() {
        let sweep = axis.cross(turned);
        rigid[k] = [dx.dot(sweep), dy.dot(sweep)];
        rigid[3 + k] = [dx[k], dy[k]];
    }
    let back = view.rotation.transpose();
    ([u + lens.centre[0], v + lens.centre[1]], Rows { rigid, log_focal: [u, v], point: [back * dx, back * dy] })
}

/// Huber's loss with its knee at 1.
pub(super) fn huber(r: f64) -> f64 {
    if r <= 1.0 { 0.5 * r * r } else { r - 0.5 }
}
