//! An avatar as files of other programs: a head mesh with blendshapes, or the Gaussians of one expression.
use crate::avatar::Avatar;
use crate::view::Puppet;
use anyhow::{Context, Result};
use formats::card::write_json;
use formats::exit::Failure;
use formats::publish::write_atomically;
use glam::{Quat, Vec3};
use head::model::ARKIT;
use splat::Gaussians;
use splat::files::Format;
use std::path::{Path, PathBuf};

pub mod gaussians_glb;
pub mod hair;
pub mod mesh;
pub mod mesh_glb;
pub mod note;
pub mod texture;

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

/// What of an avatar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A textured head mesh with 52 blendshapes and a skeleton.
    Mesh,
    /// The Gaussians of one expression.
    Gaussians,
}

/// What is written, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `.glb`: [`mesh_glb`].
    Mesh,
    /// `.glb`: [`gaussians_glb`].
    GaussiansGlb,
    /// `.ply`, `.splat` or `.spz`.
    Gaussians(Format),
}

impl Target {
    /// By the ending of the name; a `.glb` has the mesh unless `kind` says otherwise.
    ///
    /// # Errors
    /// An ending that no writer has, or that has no room for `kind`.
    pub fn of(out: &Path, kind: Option<Kind>) -> Result<Self> {
        let is_glb = out.extension().is_some_and(|e| e.eq_ignore_ascii_case("glb"));
        match (is_glb, kind) {
            (true, Some(Kind::Gaussians)) => Ok(Target::GaussiansGlb),
            (true, _) => Ok(Target::Mesh),
            (false, Some(Kind::Mesh)) => {
                Err(Failure::usage(format!("--kind mesh: expected a name that ends in .glb: {out:?}")).into())
            }
            (false, _) => match Format::of(out) {
                Ok(format) => Ok(Target::Gaussians(format)),
                Err(_) => {
                    let expected = "expected a name that ends in .glb, .ply, .splat or .spz";
                    Err(Failure::usage(format!("--out: {expected}: {out:?}")).into())
                }
            },
        }
    }
}

/// Writes an avatar at 52 ARKit weights, which a mesh has as the weights it is opened with. A note on its making lies inside a
/// `.glb` (`asset.extras`), or beside the file as `OUT.json`. Returns the number of Gaussians that cannot be drawn and are
/// left out.
///
/// # Errors
/// A mesh of an avatar without a head model, or a file that cannot be written.
pub fn write(avatar: &mut Avatar, target: Target, expression: &[f32; 52], up: Up, out: &Path) -> Result<usize> {
    let note = note::note(avatar.card(), avatar.seen().as_deref());
    let name = avatar.card().name.clone();
    match target {
        Target::Mesh => {
            let still = gaussians(avatar, &[0.0; 52])?;
            let rig = avatar.rig().ok_or_else(|| {
                Failure::bad_data("this avatar has no head model with a texture atlas; export it with --kind gaussians")
            })?;
            let bare = rig.rest_positions();
            let on = |rest| texture::Source { model: rig.model(), rest, anchors: rig.anchors(), gaussians: &still };
            let volume = hair::volume(&on(&bare));
            let rest: Vec<Vec3> = bare.iter().zip(&volume).map(|(p, hair)| *p + *hair).collect();
            let mesh = mesh::HeadMesh::new(rig.model(), rig.neutral(), &volume);
            let jpeg = texture::to_jpeg(&texture::bake(&on(&rest), texture::SIZE))?;
            write_atomically(out, &mesh_glb::to_bytes(&mesh, &jpeg, expression, &name, note)?)?;
            Ok(0)
        }
        Target::GaussiansGlb => {
            let (drawn, dropped) = gaussians(avatar, expression)?.slices().drawable();
            write_atomically(out, &gaussians_glb::to_bytes(&drawn, &name, note)?)?;
            Ok(dropped)
        }
        Target::Gaussians(format) => {
            let gaussians = up.turned(gaussians(avatar, expression)?, format);
            let dropped = splat::files::write(out, gaussians.slices())?;
            write_json(&beside(out), &note).context("the note beside the export")?;
            Ok(dropped)
        }
    }
}

/// `head.ply` → `head.ply.json`.
fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// The head at 52 ARKit weights, owned, in head space (meters, display RGB).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_and_the_kind_choose_the_writer() {
        let target = |name: &str, kind| Target::of(Path::new(name), kind).map_err(|e| e.to_string());
        assert_eq!(target("a.glb", None), Ok(Target::Mesh));
        assert_eq!(target("a.GLB", Some(Kind::Gaussians)), Ok(Target::GaussiansGlb));
        assert_eq!(target("a.spz", None), Ok(Target::Gaussians(Format::Spz)));
        assert_eq!(target("a.ply", Some(Kind::Gaussians)), Ok(Target::Gaussians(Format::Ply)));
        assert!(target("a.ply", Some(Kind::Mesh)).unwrap_err().contains(".glb"));
        assert!(target("a.obj", None).unwrap_err().contains(".splat"));
    }

    /// Viewers expect y down in `.ply` and `.splat`; the specification of `.spz` says y up.
    #[test]
    fn y_is_down_by_default_where_the_format_says_nothing() {
        let one = Gaussians {
            means: vec![1.0, 2.0, 3.0],
            quats: vec![1.0, 0.0, 0.0, 0.0],
            log_scales: vec![-4.0; 3],
            opacity_logits: vec![0.0],
            colors: vec![0.5; 3],
            kind: splat::Colors::Features { channels: 3 },
        };
        let means = |up: Up, format| up.turned(one.clone(), format).means;
        for (format, down) in [(Format::Ply, -1.0), (Format::Splat, -1.0), (Format::Spz, 1.0)] {
            assert_eq!(means(Up::Down, format), [1.0, 2.0 * down, 3.0 * down], "{format:?}");
            assert_eq!(means(Up::Y, format), [1.0, 2.0, 3.0], "{format:?}");
        }
    }

    #[test]
    fn the_note_has_the_name_of_the_file() {
        assert_eq!(beside(Path::new("out/head.ply")), Path::new("out/head.ply.json"));
    }
}
