//! What a clip is to show: cameras and expressions of its frames, from counters alone.
use crate::motion::{self, Expression};
use crate::schedule::{Group, Schedule};
use glam::Vec3;
use nets::rng::Rng;
use serde::{Deserialize, Serialize};
use splat::Camera;

/// Where cameras stand. Angles in degrees, as people think of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Views {
    /// Yaw at the end of a spatial clip, least and most, to either side.
    pub side_deg: [f32; 2],
    /// Pitch at the end of a spatial clip, up or down.
    pub pitch_deg: f32,
    /// Yaw of a temporal clip's camera, to either side.
    pub temporal_deg: f32,
}

impl Default for Views {
    fn default() -> Self {
        Views { side_deg: [30.0, 60.0], pitch_deg: 15.0, temporal_deg: 10.0 }
    }
}

/// Where the reference was taken from, as far as other cameras follow it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rest {
    /// What cameras look at (metres, head space).
    pub target: Vec3,
    /// How far away they stand (metres).
    pub distance_m: f32,
    /// Focal length over the picture's side.
    pub focal: f32,
}

impl Rest {
    /// Distance and focal length of a camera in head space that looks at `target`.
    pub fn of(camera: &Camera, target: Vec3) -> Self {
        Rest { target, distance_m: camera.eye().distance(target), focal: camera.fx / camera.width as f32 }
    }

    /// A camera `yaw` radians to the head's left and `pitch` above, `size` pixels a side.
    pub fn camera(&self, yaw: f32, pitch: f32, size: usize) -> Camera {
        let direction = Vec3::new(yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos());
        let eye = self.target + direction * self.distance_m;
        Camera::look_at(eye, self.target, Vec3::Y, self.focal * size as f32, size, size)
    }
}

/// One clip's poses `p̂` and faces, `n_f` of each.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Its number.
    pub id: usize,
    /// What it teaches.
    pub group: Group,
    /// `[n_f]` cameras in head space, the front first.
    pub cameras: Vec<Camera>,
    /// `[n_f]`
    pub expressions: Vec<Expression>,
}

/// A frame as it is asked for: what is seen from where.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameSpec {
    /// In head space.
    pub camera: Camera,
    /// ARKit units.
    pub expression: Expression,
}

/// Faces that temporal clips show instead of made-up ones, `[n][frames]`.
pub type Sequences = Vec<Vec<Expression>>;

/// All clips of a schedule, `size` pixels a side.
pub fn plan(schedule: &Schedule, views: &Views, rest: &Rest, real: &Sequences, size: usize, seed: u64) -> Vec<Clip> {
    let frames = schedule.progression.frames;
    (0..schedule.n_clips())
        .map(|id| {
            let group = schedule.group(id);
            let mut rng = Rng::new(&[seed, 0xc11b, id as u64]);
            let own_seed = nets::rng::mix(&[seed, 0xface, id as u64]);
            let side = |rng: &mut Rng, most: f32| rng.range(-most, most).to_radians();
            let (cameras, expressions) = match group {
                Group::Spatial => {
                    let [least, most] = views.side_deg;
                    // Left and right in turn: with few clips chance would leave a side unseen.
                    let yaw = rng.range(least, most).to_radians() * if id.is_multiple_of(2) { 1.0 } else { -1.0 };
                    let pitch = side(&mut rng, views.pitch_deg);
                    let share = |i: usize| i as f32 / (frames.max(2) - 1) as f32;
                    let camera = |i: usize| rest.camera(yaw * share(i), pitch * share(i), size);
                    let face = if id == 0 { [0.0; 52] } else { motion::held(own_seed) };
                    ((0..frames).map(camera).collect(), vec![face; frames])
                }
                Group::Synthetic | Group::Real => {
                    let yaw = side(&mut rng, views.temporal_deg);
                    let first_real = schedule.progression.spatial + schedule.progression.synthetic;
                    let sequence = id.checked_sub(first_real).and_then(|i| real.get(i));
                    let faces = match (group, sequence) {
                        (Group::Synthetic, _) => motion::relaxed(own_seed, frames),
                        (_, None) => motion::exaggerated(own_seed, frames),
                        (_, Some(sequence)) => (0..frames).map(|i| sequence[i.min(sequence.len() - 1)]).collect(),
                    };
                    (vec![rest.camera(yaw, 0.0, size); frames], faces)
                }
            };
            Clip { id, group, cameras, expressions }
        })
        .collect()
}

impl Clip {
    /// What its frames are to show when it is made before iteration `k`.
    pub fn frame_specs(&self, schedule: &Schedule, k: u64) -> Vec<FrameSpec> {
        (0..self.cameras.len())
            .map(|i| {
                let pose = schedule.pose(self.id, i, k);
                FrameSpec { camera: self.cameras[pose], expression: self.expressions[i] }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Method, Progression};

    fn clips(real: &Sequences) -> (Schedule, Vec<Clip>) {
        let progression = Progression { frames: 8, spatial: 4, synthetic: 2, real: 2, ..Default::default() };
        let schedule = Schedule { progression, method: Method::Full, refresh_every: 30, clips_per_refresh: 1 };
        let rest = Rest { target: Vec3::new(0.0, -0.01, -0.04), distance_m: 0.9, focal: 2.6 };
        let clips = plan(&schedule, &Views::default(), &rest, real, 64, 5);
        (schedule, clips)
    }

    fn yaw(camera: &Camera) -> f32 {
        let from = camera.eye() - Vec3::new(0.0, -0.01, -0.04);
        from.x.atan2(from.z).to_degrees()
    }

    #[test]
    fn spatial_clips_go_from_the_front_to_both_sides() {
        let (schedule, clips) = clips(&Vec::new());
        for clip in &clips[..4] {
            assert!(yaw(&clip.cameras[0]).abs() < 1e-3);
            let end = yaw(&clip.cameras[7]);
            assert!((30.0..=60.0).contains(&end.abs()) && (end > 0.0) == clip.id.is_multiple_of(2), "{end}");
            assert!(clip.expressions.iter().all(|e| *e == clip.expressions[0]));
            let distance = |c: &Camera| c.eye().distance(Vec3::new(0.0, -0.01, -0.04));
            assert!(clip.cameras.iter().all(|c| (distance(c) - 0.9).abs() < 1e-5));
            let first = clip.frame_specs(&schedule, 0);
            assert!(first.iter().all(|m| m.camera == clip.cameras[0]));
        }
        assert!(clips[4..].iter().all(|c| c.cameras.iter().all(|a| *a == c.cameras[0] && yaw(a).abs() <= 10.0)));
    }

    #[test]
    fn real_sequences_take_the_place_of_made_up_ones() {
        let real = vec![vec![[0.25; 52]; 3]];
        let (_, with) = clips(&real);
        let (_, without) = clips(&Vec::new());
        assert!(with[6].expressions.iter().all(|e| *e == [0.25; 52]), "a short sequence holds its last face");
        assert_eq!(with[7], without[7], "there is one sequence");
        assert_eq!(with[..6], without[..6]);
    }
}
