//! What `make demo` or `make pipeline` made, as one self-contained page.
use anyhow::Result;
use formats::card::read_json;
use formats::exit::Failure;
use formats::page::{self, STYLE, escape};
use serde_json::Value;
use std::path::Path;

const DEMO: &str = include_str!("report/report.html");
const PIPELINE: &str = include_str!("report/pipeline.html");

/// Photo, avatar, motion, viewer, and what the prior is worth. `demo` holds what `make demo` makes: `tracked/overlay/*.png`, `avatar/`, `sheet.png`, `performance.webp`,
/// `turn.webp`, `viewer.html`, `synthetic/{with,without}.{json,png}`, and `zero1a/section.html` where there is a video model.
///
/// # Errors
/// A part that is missing.
pub fn of_demo(demo: &Path) -> Result<String> {
    let avatar: Value = read_json(&demo.join("avatar/card.json"), "avatar card")?;
    let with: Value = read_json(&demo.join("synthetic/with.json"), "evaluation")?;
    let without: Value = read_json(&demo.join("synthetic/without.json"), "evaluation")?;
    let viewer = String::from_utf8_lossy(&read(demo, "viewer.html")?).replace('&', "&amp;").replace('"', "&quot;");
    let mut html = DEMO
        .replace("{{style}}", STYLE)
        .replace("{{avatar_facts}}", &avatar_facts(&avatar))
        .replace("{{metrics}}", &metrics_table(&[&with, &without]))
        .replace("{{protocol}}", &escape(with["protocol"].as_str().unwrap_or_default()));
    for name in ["sheet.png", "performance.webp", "turn.webp", "synthetic/with.png", "synthetic/without.png"] {
        html = html.replace(&format!("{{{{{name}}}}}"), &data_uri(demo, name)?);
    }
    let symgen = demo.join("zero1a/section.html");
    let section = if symgen.is_file() {
        String::from_utf8_lossy(&read(demo, "zero1a/section.html")?).into()
    } else {
        String::new()
    };
    html = html.replace("{{zero1a}}", &section);
    html = html.replace("{{overlay}}", &data_uri(demo, &first_overlay(demo)?)?);
    Ok(html.replace("{{viewer}}", &viewer))
}

/// Heads, prior, tracker and avatar of one training from scratch. `run` holds what `make pipeline` makes:
/// `heads/sheet.png`, `prior.json` and its contact sheets, `track.eval.txt`, `eval.{json,png}`, `avatar.webp`.
///
/// # Errors
/// A part that is missing.
pub fn of_pipeline(run: &Path) -> Result<String> {
    let prior: Value = read_json(&run.join("prior.json"), "prior card")?;
    let eval: Value = read_json(&run.join("eval.json"), "evaluation")?;
    let mut html = PIPELINE
        .replace("{{style}}", STYLE)
        .replace("{{prior_facts}}", &escape(&prior_facts(&prior)))
        .replace("{{track}}", &escape(&String::from_utf8_lossy(&read(run, "track.eval.txt")?)))
        .replace("{{metrics}}", &metrics_table(&[&eval]))
        .replace("{{protocol}}", &escape(eval["protocol"].as_str().unwrap_or_default()));
    for name in ["heads/sheet.png", "eval.png", "avatar.webp"] {
        html = html.replace(&format!("{{{{{name}}}}}"), &data_uri(run, name)?);
    }
    let sheet = format!("prior.{:06}.png", prior["steps"].as_u64().unwrap_or_default());
    Ok(html.replace("{{prior_sheet}}", &data_uri(run, &sheet)?))
}

fn prior_facts(card: &Value) -> String {
    let value = |name: &str| card["metrics"][name]["value"].as_f64().unwrap_or(f64::NAN);
    format!(
        "{}; {} steps. Held out: PSNR {:.2} dB, SSIM {:.4}, position {:.2} mm.",
        card["data"].as_str().unwrap_or_default(),
        card["steps"],
        value("psnr_db"),
        value("ssim"),
        value("position_mm")
    )
}

/// The overlay of the first photo, as a path within `demo`.
fn first_overlay(demo: &Path) -> Result<String> {
    let folder = demo.join("tracked/overlay");
    let missing = || Failure::missing(format!("incomplete demo folder (no overlay): {folder:?}"));
    let entries = std::fs::read_dir(&folder).map_err(|_| missing())?;
    let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).filter(|n| n.ends_with(".png"));
    Ok(format!("tracked/overlay/{}", names.min().ok_or_else(missing)?))
}

fn avatar_facts(card: &Value) -> String {
    let psnr = &card["metrics"]["input_psnr_db"];
    format!(
        "{} Gaussians, fitted in {:.0} s. On the photo itself: {:.1} dB at the first guess, {:.1} dB at the pivot, {:.1} dB tuned.",
        card["gaussians"],
        card["metrics"]["seconds"].as_f64().unwrap_or(f64::NAN),
        psnr["first_guess"].as_f64().unwrap_or(f64::NAN),
        psnr["pivot"].as_f64().unwrap_or(f64::NAN),
        psnr["tuned"].as_f64().unwrap_or(f64::NAN),
    )
}

/// A row a figure, a column a report.
fn metrics_table(reports: &[&Value]) -> String {
    let rows = [
        ("psnr_db", "PSNR (dB)", 2),
        ("ssim", "SSIM", 4),
        ("lpips-self", "lpips-self ↓", 4),
        ("csim-self", "csim-self", 4),
    ];
    let cell = |v: &Value, digits: usize| v.as_f64().map_or("–".into(), |x| format!("{x:.digits$}"));
    let line = |(key, title, digits): (&str, &str, usize)| {
        let cells: String = reports.iter().map(|r| format!("<td>{}</td>", cell(&r[key], digits))).collect();
        format!("<tr><th>{title}</th>{cells}</tr>")
    };
    rows.into_iter().map(line).collect()
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    std::fs::read(&path).map_err(|e| Failure::missing(format!("incomplete folder ({e}): {path:?}")).into())
}

fn data_uri(folder: &Path, name: &str) -> Result<String> {
    let kind = if name.ends_with(".webp") { "webp" } else { "png" };
    Ok(page::data_uri(&format!("image/{kind}"), &read(folder, name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_is_named() {
        let folder = std::env::temp_dir().join(format!("invert-report-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let err = format!("{:#}", of_demo(&folder).unwrap_err());
        assert!(err.contains("card.json"), "{err}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
