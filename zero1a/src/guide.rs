//! The landmarks that the video model is conditioned on: where the face of each frame is.
use crate::clips::FrameSpec;
use crate::config::Landmarks;
use crate::landmark_map::LANDMARKS;
use crate::trainer::Trainer;
use anyhow::Result;
use head::{HeadModel, PersonMesh};
use tch::{Kind, Tensor};
use track::face::Face;
use track::finder::FindConfig;
use track::networks::Networks;
use track::picture::{Mips, Picture};

/// Side at which the avatar is drawn for the tracker, pixels: more than clips have, which it reads badly.
const READ_PX: usize = 256;
/// Score under which a reading is not believed.
const LEAST_SCORE: f32 = 0.3;
/// Mean distance from the rig's landmarks, share of the face's size, above which it is not believed either.
const FARTHEST: f32 = 0.08;

/// Landmarks of frames.
pub struct Guide<'a> {
    /// Where they come from once there is an avatar to read.
    pub source: Landmarks,
    /// The head.
    pub model: &'a HeadModel,
    /// Reads rendered frames; without it, [`Landmarks::Detected`] is the rig's.
    pub tracker: Option<&'a Networks>,
}

/// Landmarks of a clip's frames.
pub struct Guided {
    /// `[F][68]` pixels.
    pub landmarks: Vec<Vec<[f32; 2]>>,
    /// How many of the frames the tracker could not read.
    pub unread: usize,
}

impl Guide<'_> {
    /// The rig's, exact for what is asked: 68 a frame, pixels.
    pub fn exact(&self, mesh: &PersonMesh, frame_specs: &[FrameSpec]) -> Vec<Vec<[f32; 2]>> {
        frame_specs
            .iter()
            .map(|frame_spec| {
                let points = self.model.landmarks_at(&mesh.posed(&frame_spec.expression, &Default::default()));
                points[..LANDMARKS].iter().map(|p| frame_spec.camera.project(*p).0.to_array()).collect()
            })
            .collect()
    }

    /// As configured, for an avatar that has learnt something.
    ///
    /// # Errors
    /// What the rasterizer says.
    pub fn of_avatar(&self, trainer: &Trainer, frame_specs: &[FrameSpec], background: [f32; 3]) -> Result<Guided> {
        let exact = self.exact(&trainer.rigged.mesh, frame_specs);
        let (Landmarks::Detected, Some(tracker)) = (self.source, self.tracker) else {
            return Ok(Guided { landmarks: exact, unread: 0 });
        };
        let mut guided = Guided { landmarks: Vec::new(), unread: 0 };
        for (frame_spec, exact) in frame_specs.iter().zip(exact) {
            let side = frame_spec.camera.width;
            let large = FrameSpec { camera: frame_spec.camera.resized(READ_PX, READ_PX), ..frame_spec.clone() };
            let drawn = trainer.pictures(&[large], background)?;
            match read(tracker, &drawn, &exact, side)? {
                Some(points) => guided.landmarks.push(points),
                None => {
                    guided.unread += 1;
                    guided.landmarks.push(exact);
                }
            }
        }
        Ok(guided)
    }
}

/// The tracker's landmarks of a picture `[1, 3, R, R]` in pixels of a picture of `side`, looked for where `exact` are.
///
/// # Errors
/// A tensor that is no picture.
pub fn read(tracker: &Networks, picture: &Tensor, exact: &[[f32; 2]], side: usize) -> Result<Option<Vec<[f32; 2]>>> {
    let size = picture.size()[3] as usize;
    let up = size as f32 / side as f32;
    let scaled = |points: &[[f32; 2]], by: f32| -> Vec<[f32; 2]> { points.iter().map(|p| p.map(|v| v * by)).collect() };
    let face = Face::from_landmarks(&scaled(exact, up));
    let found = tracker.read_face(&mips(picture, size)?, &face, &FindConfig::default());
    let points = scaled(&found.points[..LANDMARKS], 1.0 / up);
    let apart = mean_distance(&points, exact) / (face.size / up);
    Ok((found.face.score >= LEAST_SCORE && apart <= FARTHEST).then_some(points))
}

/// Mean distance of two lists of points.
pub fn mean_distance(a: &[[f32; 2]], b: &[[f32; 2]]) -> f32 {
    let n = a.len().min(b.len());
    a.iter().zip(b).map(|(p, q)| (p[0] - q[0]).hypot(p[1] - q[1])).sum::<f32>() / n.max(1) as f32
}

fn mips(picture: &Tensor, size: usize) -> Result<Mips> {
    let codes = (picture.clamp(0.0, 1.0) * 255.0).round().to_kind(Kind::Uint8);
    let hwc = codes.squeeze_dim(0).permute([1, 2, 0]).contiguous().to_device(tch::Device::Cpu);
    let rgb: Vec<u8> = Vec::try_from(hwc.flatten(0, -1))?;
    let rgba = rgb.as_chunks::<3>().0.iter().flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    Ok(Mips::new(Picture { width: size, height: size, rgba }))
}
