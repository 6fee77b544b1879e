//! Where the landmarks of a driven avatar belong: on the head model, moved as the avatar is.
use crate::avatar::Avatar;
use glam::Vec3;
use head::{HeadModel, HeadParams, ibug};
use splat::Camera;

/// A head model that moves with the avatar.
pub struct ExpectedLandmarks {
    model: HeadModel,
    /// `[V]` at rest (meters).
    neutral: Vec<Vec3>,
}

impl ExpectedLandmarks {
    /// The head model in the avatar's folder; for avatars without one, the mean person of `model`.
    pub fn of(avatar: &Avatar, model: &HeadModel) -> Self {
        match avatar.rig() {
            Some(rig) => ExpectedLandmarks { model: rig.model().clone(), neutral: rig.neutral().to_vec() },
            None => ExpectedLandmarks { model: model.clone(), neutral: model.neutral(&model.identity_prior.mean) },
        }
    }

    /// `[68]` iBUG landmarks, pixels. The shape of `params` is not read.
    pub fn project(&self, params: &HeadParams, camera: &Camera) -> Vec<[f32; 2]> {
        let posed = self.model.pose_neutral(&self.neutral, params);
        let points = self.model.landmarks_at(&posed.positions);
        points[..ibug::COUNT].iter().map(|p| camera.project(*p).0.to_array()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use head::params::unit;

    #[test]
    fn an_open_jaw_lowers_the_chin() {
        let model = head::analytic::head();
        let neutral = model.neutral(&model.identity_prior.mean);
        let expected = ExpectedLandmarks { model, neutral };
        let camera = prior::sample::portrait(0.0, 256);
        let mut params = HeadParams::neutral(1);
        let rest = expected.project(&params, &camera);
        params.expression[unit("jawOpen").unwrap()] = 1.0;
        let open = expected.project(&params, &camera);
        assert_eq!(rest.len(), ibug::COUNT);
        assert!(rest.iter().flatten().all(|v| (0.0..256.0).contains(v)), "a portrait shows the face: {rest:?}");
        assert!(open[ibug::CHIN][1] > rest[ibug::CHIN][1] + 1.0);
        assert!((open[ibug::NASION][1] - rest[ibug::NASION][1]).abs() < 0.5);
    }
}
