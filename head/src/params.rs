//! The parameters of a head: neutral, mirrored, by name.
use crate::model::{ARKIT, HeadParams};
use glam::Vec3;

impl HeadParams {
    /// Everything at zero; `n_shape` identity columns.
    pub fn neutral(n_shape: usize) -> HeadParams {
        HeadParams { shape: vec![0.0; n_shape], expression: [0.0; 52], pose: [Vec3::ZERO; 5] }
    }

    /// The same person making the mirrored face: left and right units and eyes change places, rotations are
    /// reflected at the plane x = 0. The shape stays: which of its columns are lopsided only the source knows.
    pub fn mirrored(&self) -> HeadParams {
        let mut expression = [0.0; 52];
        for (k, value) in expression.iter_mut().enumerate() {
            *value = self.expression[mirrored_unit(k)];
        }
        let reflect = |axis_angle: Vec3| Vec3::new(axis_angle.x, -axis_angle.y, -axis_angle.z);
        let [neck, head, jaw, left, right] = self.pose.map(reflect);
        HeadParams { shape: self.shape.clone(), expression, pose: [neck, head, jaw, right, left] }
    }
}

/// Index of an ARKit unit in [`ARKIT`].
pub fn unit(name: &str) -> Option<usize> {
    ARKIT.iter().position(|&other| other == name)
}

/// The unit of the other side; a unit without sides is its own mirror image.
pub fn mirrored_unit(k: usize) -> usize {
    let name = ARKIT[k];
    let other = if let Some(stem) = name.strip_suffix("Left") {
        format!("{stem}Right")
    } else if let Some(stem) = name.strip_suffix("Right") {
        format!("{stem}Left")
    } else {
        return k;
    };
    unit(&other).unwrap_or(k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirroring_is_an_involution_that_pairs_twenty_units() {
        assert!((0..52).all(|k| mirrored_unit(mirrored_unit(k)) == k));
        assert_eq!((0..52).filter(|&k| mirrored_unit(k) != k).count(), 2 * 20);
        let mut params = HeadParams::neutral(3);
        params.expression[unit("jawLeft").expect("unit")] = 0.5;
        params.pose[3] = Vec3::new(0.1, 0.2, 0.3);
        let mirrored = params.mirrored();
        assert_eq!(mirrored.expression[unit("jawRight").expect("unit")], 0.5);
        assert_eq!(mirrored.pose[4], Vec3::new(0.1, -0.2, -0.3));
        assert_eq!(mirrored.mirrored(), params);
    }
}
