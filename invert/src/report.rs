//! A demo folder as one self-contained page: photo, avatar, motion, viewer, and what the prior is worth.
use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use formats::card::read_json;
use formats::exit::Failure;
use serde_json::Value;
use std::path::Path;

const PAGE: &str = include_str!("report/report.html");

/// The page. `demo` holds what `make demo` makes: `tracked/overlay/*.png`, `avatar/`, `sheet.png`, `performance.webp`,
/// `turn.webp`, `viewer.html`, `synthetic/{with,without}.{json,png}`.
///
/// # Errors
/// A part that is missing.
pub fn page(demo: &Path) -> Result<String> {
    let avatar: Value = read_json(&demo.join("avatar/card.json"), "avatar card")?;
    let with: Value = read_json(&demo.join("synthetic/with.json"), "evaluation")?;
    let without: Value = read_json(&demo.join("synthetic/without.json"), "evaluation")?;
    let viewer = String::from_utf8_lossy(&read(demo, "viewer.html")?).replace('&', "&amp;").replace('"', "&quot;");
    let mut html = PAGE
        .replace("{{avatar_facts}}", &avatar_facts(&avatar))
        .replace("{{metrics}}", &metrics_table(&with, &without))
        .replace("{{protocol}}", &escape(with["protocol"].as_str().unwrap_or_default()));
    for name in ["sheet.png", "performance.webp", "turn.webp", "synthetic/with.png", "synthetic/without.png"] {
        html = html.replace(&format!("{{{{{name}}}}}"), &data_uri(demo, name)?);
    }
    html = html.replace("{{overlay}}", &data_uri(demo, &first_overlay(demo)?)?);
    Ok(html.replace("{{viewer}}", &viewer))
}

/// The overlay of the first photo, as a path within `demo`.
fn first_overlay(demo: &Path) -> Result<String> {
    let folder = demo.join("tracked/overlay");
    let missing = || Failure::missing(format!("the demo folder lacks a part (no overlay): {folder:?}"));
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

fn metrics_table(with: &Value, without: &Value) -> String {
    let rows = [
        ("psnr_db", "PSNR (dB)", 2),
        ("ssim", "SSIM", 4),
        ("lpips-self", "lpips-self ↓", 4),
        ("csim-self", "csim-self", 4),
    ];
    let cell = |v: &Value, digits: usize| v.as_f64().map_or("–".into(), |x| format!("{x:.digits$}"));
    rows.iter()
        .map(|(key, title, digits)| {
            format!(
                "<tr><th>{title}</th><td>{}</td><td>{}</td></tr>",
                cell(&with[*key], *digits),
                cell(&without[*key], *digits)
            )
        })
        .collect()
}

fn read(demo: &Path, name: &str) -> Result<Vec<u8>> {
    let path = demo.join(name);
    std::fs::read(&path).map_err(|e| Failure::missing(format!("the demo folder lacks a part ({e}): {path:?}")).into())
}

fn data_uri(demo: &Path, name: &str) -> Result<String> {
    let kind = if name.ends_with(".webp") { "webp" } else { "png" };
    Ok(format!("data:image/{kind};base64,{}", BASE64.encode(read(demo, name)?)))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_part_is_named() {
        let folder = std::env::temp_dir().join(format!("invert-report-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let err = format!("{:#}", page(&folder).unwrap_err());
        assert!(err.contains("card.json"), "{err}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
