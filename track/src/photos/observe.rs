//! What the network saw, as the fit takes it.
use super::read::ReadPhoto;
use crate::face_net::FaceShape;
use crate::finder::Found;
use crate::fit::{Beliefs, Lens, Observation};
use crate::networks::Networks;
use crate::train::labels::straightened;
use glam::{DMat3, Vec3};
use head::{HeadModel, LandmarkModel, ibug};

/// Which pictures share a focal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cameras {
    /// Those of one size in pixels.
    BySize,
    /// None.
    Own,
}

/// What of the network's answers the head model understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dense {
    /// All: the network was trained for this head's landmarks and identity coefficients.
    Known,
    /// The 68 iBUG landmarks and the ARKit units, which every head has.
    Unknown,
}

impl Dense {
    /// For this network and head.
    pub fn of(networks: &Networks, head: &HeadModel) -> Self {
        let is_same =
            |shape: &FaceShape| shape.landmarks == head.landmarks.len() && shape.mirror == head.landmark_mirror();
        if is_same(&networks.face.shape) { Dense::Known } else { Dense::Unknown }
    }

    /// The head at the landmarks that are understood.
    pub fn model(self, head: &HeadModel) -> LandmarkModel {
        head.landmark_model(&(0..self.count(head.landmarks.len())).collect::<Vec<_>>())
    }

    /// How many of the first `all` landmarks are understood.
    pub fn count(self, all: usize) -> usize {
        match self {
            Dense::Known => all,
            Dense::Unknown => ibug::COUNT,
        }
    }
}

/// One observation per photo, with the camera that took it.
pub fn observations(photos: &[ReadPhoto], cameras: Cameras, dense: Dense) -> Vec<Observation> {
    let alike = |a: &ReadPhoto, b: &ReadPhoto| a.pixels.size() == b.pixels.size() && a.lens == b.lens;
    let camera_of = |i: usize| match cameras {
        Cameras::Own => i,
        // A zoom lens may differ between photos of one size.
        Cameras::BySize => (0..i).find(|&j| alike(&photos[j], &photos[i])).unwrap_or(i),
    };
    let of = |(i, photo): (usize, &ReadPhoto)| Observation {
        camera: camera_of(i),
        ..observation(&photo.found, photo.lens, dense)
    };
    photos.iter().enumerate().map(of).collect()
}

/// What the network saw of one face; its camera is number 0.
pub fn observation(found: &Found, lens: Lens, dense: Dense) -> Observation {
    let floor = 0.006 * found.face.size as f64;
    let n = dense.count(found.points.len());
    let center = |k: usize| (found.face.centre[k] - lens.centre[k] as f32) / lens.focal_px as f32;
    let crop_from_photo = DMat3::from_rotation_z(found.crop_turn_rad as f64)
        * straightened(Vec3::new(center(0), center(1), 1.0)).as_dmat3();
    let mut beliefs = Beliefs::new(&found.reading, crop_from_photo.transpose());
    if dense == Dense::Unknown {
        beliefs.identity.clear();
    }
    Observation {
        points: found.points[..n].iter().map(|p| p.map(f64::from)).collect(),
        sigma_px: found.spread_px[..n].iter().map(|s| (*s as f64).max(floor)).collect(),
        lens,
        camera: 0,
        beliefs: Some(beliefs),
    }
}
