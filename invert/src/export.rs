//! An avatar at one expression as plain Gaussians.
use crate::avatar::Avatar;
use crate::view::Puppet;
use anyhow::Result;
use glam::{Quat, Vec3};
use head::model::ARKIT;
use splat::Gaussians;
use splat::files::Format;

/// Which way up points in a file that says nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Up {
    /// x right, y down, z forward: the convention of 3D Gaussian viewers.
    Down,
    /// x right, y up, z backward: Effigy's world space.
    Y,
}

impl Up {
    /// Our Gaussians as they are to be written: half a turn about x takes y up to y down. An `.spz` stays as it is, for its
    /// specification says y up.
    pub fn turned(self, gaussians: Gaussians, format: Format) -> Gaussians {
        match (self, format) {
            (Up::Down, Format::Ply | Format::Splat) => {
                gaussians.transformed(Quat::from_xyzw(1.0, 0.0, 0.0, 0.0), Vec3::ZERO)
            }
            (Up::Y, _) | (Up::Down, Format::Spz) => gaussians,
        }
    }
}

/// The head at 52 ARKit weights, owned, in head space (metres, display RGB).
///
/// # Errors
/// None on the CPU.
pub fn gaussians(avatar: &mut Avatar, expression: &[f32; 52]) -> Result<Gaussians> {
    Ok(avatar.gaussians(expression).to_gaussians()?)
}

/// What the viewer page takes: the neutral head, every unit alone, and a clip.
///
/// # Errors
/// As [`gaussians`].
pub fn puppet(avatar: &mut Avatar, clip: &crate::clip::Clip) -> Result<Puppet> {
    let neutral = gaussians(avatar, &[0.0; 52])?;
    let mut units = Vec::with_capacity(52);
    for (k, name) in ARKIT.iter().enumerate() {
        let mut weights = [0.0; 52];
        weights[k] = 1.0;
        units.push((name.to_string(), gaussians(avatar, &weights)?));
    }
    Ok(Puppet {
        title: avatar.card().name.clone(),
        neutral,
        seen: avatar.seen(),
        units,
        clip: (clip.fps, clip.frames.iter().map(|f| f.expression.to_vec()).collect()),
        view: ([0.0, -0.01, -0.04], 0.9, 2.6),
    })
}
