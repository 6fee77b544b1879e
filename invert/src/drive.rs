//! An avatar in motion: frames, sheets and an animated picture.
use crate::avatar::Avatar;
use crate::clip::Clip;
use anyhow::{Context, Result, anyhow};
use formats::publish::write_atomically;
use head::params::unit;
use nets::view::draw_one;
use prior::sample::portrait;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Behind a driven avatar (display RGB).
pub const BACKDROP: [f32; 3] = [0.157, 0.149, 0.137];

/// The head at an expression, `yaw` radians to its left: `[3, S, S]`.
///
/// # Errors
/// A size no picture can be made at.
pub fn picture(avatar: &mut Avatar, expression: &[f32; 52], yaw: f32, size: usize) -> Result<Tensor> {
    let gaussians = avatar.gaussians(expression);
    Ok(draw_one(&gaussians, &portrait(yaw, size), BACKDROP)?.color.select(0, 0))
}

/// Expressions shown on a sheet.
pub const POSES: [&[(&str, f32)]; 7] = [
    &[],
    &[("mouthSmileLeft", 0.9), ("mouthSmileRight", 0.9), ("cheekSquintLeft", 0.4), ("cheekSquintRight", 0.4)],
    &[
        ("browInnerUp", 0.9),
        ("browOuterUpLeft", 0.8),
        ("browOuterUpRight", 0.8),
        ("eyeWideLeft", 0.8),
        ("eyeWideRight", 0.8),
        ("jawOpen", 0.5),
    ],
    &[("eyeBlinkLeft", 1.0), ("eyeBlinkRight", 1.0)],
    &[("mouthPucker", 0.9), ("mouthFunnel", 0.3)],
    &[("browDownLeft", 0.9), ("browDownRight", 0.9), ("mouthFrownLeft", 0.8), ("mouthFrownRight", 0.8)],
    &[("jawOpen", 0.8)],
];

/// [`POSES`] from the right, the front and the left, as PNG.
///
/// # Errors
/// As [`picture`].
pub fn sheet(avatar: &mut Avatar, size: usize) -> Result<Vec<u8>> {
    let mut rows: [Vec<Tensor>; 3] = Default::default();
    for pose in POSES {
        let mut weights = [0.0; 52];
        for (name, value) in pose {
            weights[unit(name).context("a pose names a unit that ARKit does not have")?] = *value;
        }
        for (row, yaw) in rows.iter_mut().zip([-0.6, 0.0, 0.6]) {
            row.push(picture(avatar, &weights, yaw, size)?);
        }
    }
    nets::view::sheet_png(&rows)
}

/// Every pose from every side into `folder`, as `{pose}{yaw:+}.png`; `yaws_deg` to the person's left.
///
/// # Errors
/// As [`picture`] and [`write_pngs`].
pub fn stills(
    avatar: &mut Avatar,
    poses: &[(String, [f32; 52])],
    yaws_deg: &[f32],
    size: usize,
    folder: &Path,
) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {folder:?}"))?;
    for (name, weights) in poses {
        for yaw in yaws_deg {
            let png = nets::view::sheet_png(&[vec![picture(avatar, weights, yaw.to_radians(), size)?]])?;
            write_atomically(&folder.join(format!("{name}{yaw:+}.png")), &png)?;
        }
    }
    Ok(())
}

/// How the head turns while it performs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turn {
    /// It looks straight on.
    Still,
    /// It swings once to both sides, so many radians.
    Swing(f32),
}

/// Every frame of a clip, `[3, S, S]` each.
///
/// # Errors
/// As [`picture`].
pub fn frames(
    avatar: &mut Avatar,
    clip: &Clip,
    turn: Turn,
    size: usize,
    mut done: impl FnMut(usize),
) -> Result<Vec<Tensor>> {
    let n = clip.frames.len();
    (0..n)
        .map(|i| {
            let yaw = match turn {
                Turn::Still => 0.0,
                Turn::Swing(reach) => reach * (std::f32::consts::TAU * i as f32 / n as f32).sin(),
            };
            let frame = picture(avatar, &clip.frames[i], yaw, size);
            done(i + 1);
            frame
        })
        .collect()
}

/// Writes an animated WebP that loops for ever.
///
/// # Errors
/// Encoding or writing.
pub fn write_webp(frames: &[Tensor], fps: f32, path: &Path) -> Result<()> {
    let first = frames.first().context("a clip without frames")?;
    let (height, width) = (first.size()[1] as u32, first.size()[2] as u32);
    let bytes: Vec<Vec<u8>> = frames.iter().map(rgb8).collect::<Result<_>>()?;
    let mut config = webp::WebPConfig::new().map_err(|()| anyhow!("libwebp refused its own defaults"))?;
    config.quality = 82.0;
    config.method = 3;
    let mut encoder = webp::AnimEncoder::new(width, height, &config);
    encoder.set_loop_count(0);
    for (i, frame) in bytes.iter().enumerate() {
        let milliseconds = (i as f32 * 1000.0 / fps).round() as i32;
        encoder.add_frame(webp::AnimFrame::from_rgb(frame, width, height, milliseconds));
    }
    write_atomically(path, &encoder.encode())?;
    Ok(())
}

/// Writes `frame-00000.png` and so on.
///
/// # Errors
/// Encoding or writing.
pub fn write_pngs(frames: &[Tensor], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {folder:?}"))?;
    for (i, frame) in frames.iter().enumerate() {
        let (height, width) = (frame.size()[1] as usize, frame.size()[2] as usize);
        let png = formats::image::png_from_rgb8(width, height, &rgb8(frame)?)?;
        write_atomically(&folder.join(format!("frame-{i:05}.png")), &png)?;
    }
    Ok(())
}

/// `[3, H, W]` display RGB → `[H, W, 3]` bytes.
fn rgb8(frame: &Tensor) -> Result<Vec<u8>> {
    let bytes = (frame.clamp(0.0, 1.0) * 255.0).round().to_kind(Kind::Uint8).permute([1, 2, 0]).contiguous();
    Ok(Vec::try_from(bytes.flatten(0, -1).to_device(Device::Cpu))?)
}
