//! Others on the same GPU, scene and cameras, by a Python that has them.
use crate::Result;
use crate::job::SIZE_PX;
use crate::report::{Report, Threshold};
use crate::scenes::{around, shell};
use splat::Camera;
use std::path::Path;
use std::process::Command;

/// Carried along with the program, so that it needs no checkout.
const SCRIPT: &str = include_str!("peers.py");

/// Forward and backward of what that Python has; what it has not is skipped with its own words.
pub fn measure(python: &str, report: &mut Report) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("splat-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let rows = rows(python, &folder, report);
    std::fs::remove_dir_all(&folder)?;
    rows
}

fn rows(python: &str, folder: &Path, report: &mut Report) -> Result<()> {
    let (script, ply, cameras) = (folder.join("peers.py"), folder.join("shell.ply"), folder.join("cameras.json"));
    std::fs::write(&script, SCRIPT)?;
    splat::ply::write(&ply, shell(100_000).slices())?;
    let all: Vec<_> = around(8, SIZE_PX).iter().map(as_json).collect();
    std::fs::write(&cameras, serde_json::to_string(&all)?)?;
    let output = Command::new(python).arg(&script).args([&ply, &cameras]).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            report.skip("gsplat and Faster-GS", format!("{python}: {error}"));
            return Ok(());
        }
    };
    // A line a figure: name, tab, milliseconds; or name, tab, why not.
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((name, value)) = line.split_once('\t') else { continue };
        match value.parse() {
            Ok(value) => report.check(name, value, "ms", Threshold::None),
            Err(_) => report.skip(name, value),
        }
    }
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        report.skip("gsplat and Faster-GS", words.lines().last().unwrap_or("the script said nothing"));
    }
    Ok(())
}

fn as_json(camera: &Camera) -> serde_json::Value {
    let rows = camera.camera_from_world.transpose().to_cols_array_2d();
    serde_json::json!({
        "camera_from_world": rows, "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy,
        "width": camera.width, "height": camera.height,
    })
}
