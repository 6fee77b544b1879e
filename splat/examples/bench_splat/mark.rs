//! The mark beside our figures: the same scene by `tests/parity/torch_tiles.py`, which also vouches for image and gradients.
use crate::report::{Report, Threshold};
use crate::scenes::{front, shell};
use splat::{Settings, Upstream};
use std::error::Error;
use std::path::Path;
use std::process::Command;

pub const NAME: &str = "plain PyTorch, shell 100k";

/// Both passes by that Python: they take seconds, where ours take a blink. Without torch there it is skipped.
pub fn torch(python: &str, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let import = Command::new(python).args(["-c", "import torch"]).output();
    let complaint = match import {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(last_line(&output.stderr)),
        Err(error) => Some(error.to_string()),
    };
    if let Some(complaint) = complaint {
        report.skip(NAME, format!("{complaint} ({python}; `make parity-python` makes one)"));
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("splat-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let rows = rows(python, &folder);
    std::fs::remove_dir_all(&folder)?;
    rows?
        .into_iter()
        .for_each(|(what, value, unit, threshold)| report.check(format!("{NAME}{what}"), value, unit, threshold));
    Ok(())
}

type Figure = (String, f64, &'static str, Threshold);

fn rows(python: &str, folder: &Path) -> Result<Vec<Figure>, Box<dyn Error>> {
    let threads = std::thread::available_parallelism()?.get();
    let (ply, ours) = (folder.join("shell.ply"), folder.join("ours.f32"));
    let ours_ms = write_ours(&ply, &ours)?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/torch_tiles.py");
    let output = Command::new(python).arg(script).args([&ply, &ours]).arg(threads.to_string()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [both, processor, apart, beyond, gradients] = numbers[..] else {
        return Err(format!("{script}: expected 5 figures, got {text:?}: {}", last_line(&output.stderr)).into());
    };
    Ok(vec![
        (format!(", {threads} threads: forward + backward"), both, "ms", Threshold::None),
        (format!(", {threads} threads: forward + backward, processor time"), processor, "ms", Threshold::None),
        (
            format!(", {threads} threads: forward + backward over ours, not warmed up"),
            both / ours_ms,
            "x",
            Threshold::AtLeast(10.0),
        ),
        (": greatest distance of a pixel".into(), apart, "", Threshold::None),
        // An alpha at the cutoff may fall on either side of it: worth 1/255 of a color, in few pixels.
        (": pixels further than 2e-3 apart".into(), beyond, "", Threshold::AtMost(100.0)),
        (": gradients, relative".into(), gradients, "", Threshold::AtMost(1e-2)),
    ])
}

/// The scene, and its image and gradients one array after another. Returns the milliseconds of both passes.
fn write_ours(ply: &Path, file: &Path) -> Result<f64, Box<dyn Error>> {
    let (scene, camera, settings) = (shell(100_000), [front(512)], Settings::default());
    splat::ply::write(ply, scene.slices())?;
    let clock = std::time::Instant::now();
    let (images, saved) = splat::forward(scene.slices(), &camera, &settings)?;
    let image = &images[0].color;
    let per = 1.0 / image.len() as f32;
    let color: Vec<f32> = image.iter().map(|v| if *v > 0.5 { per } else { -per }).collect();
    let upstream = [Upstream { color: &color, alpha: None, depth: None }];
    let g = splat::backward(scene.slices(), &camera, &settings, &saved, &upstream)?;
    let ms = clock.elapsed().as_secs_f64() * 1e3;
    let arrays = [image, &g.means, &g.quats, &g.log_scales, &g.opacity_logits, &g.colors];
    let bytes: Vec<u8> = arrays.into_iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(file, bytes)?;
    Ok(ms)
}

fn last_line(stderr: &[u8]) -> String {
    String::from_utf8_lossy(stderr).lines().last().unwrap_or("it said nothing").to_owned()
}
