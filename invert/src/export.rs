//! An avatar at one expression as plain Gaussians.
use crate::avatar::Avatar;
use crate::view::Puppet;
use anyhow::Result;
use head::model::ARKIT;
use splat::Gaussians;

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
        units,
        clip: (clip.fps, clip.frames.iter().map(|f| f.to_vec()).collect()),
        view: ([0.0, -0.01, -0.04], 0.9, 2.6),
    })
}
