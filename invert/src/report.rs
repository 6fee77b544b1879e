//! What `make demo` or `make pipeline` made, as one self-contained page.
use anyhow::Result;
use formats::card::read_json;
use formats::exit::Failure;
use formats::page::{self, STYLE, escape};
use serde_json::Value;
use std::path::Path;

const DEMO: &str = include_str!("report/report.html");
const PIPELINE: &str = include_str!("report/pipeline.html");

/// Photo, avatar, motion, viewer, and what the prior is worth. `demo` holds what `make demo` makes: `tracked/overlay/*.png`, `avatar/`, `inputs/`, `sheet.png`, `performance.webp`,
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
    html = html.replace("{{inputs}}", &inputs_section(demo, &avatar)?);
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

/// Each photo next to the avatar at the same view, and a table of their metrics. Empty for a card without metrics of its
/// inputs; without images where `inputs/` does not exist.
fn inputs_section(demo: &Path, card: &Value) -> Result<String> {
    let (Some(figures), Some(ids)) = (card["metrics"]["inputs"].as_array(), card["frame_ids"].as_array()) else {
        return Ok(String::new());
    };
    let number = |v: &Value, digits: usize| v.as_f64().map_or("–".into(), |x| format!("{x:.digits$}"));
    let (mut pictures, mut rows) = (String::new(), String::new());
    for (i, (id, of_one)) in ids.iter().zip(figures).enumerate() {
        let (n, id) = (i + 1, id.as_u64().unwrap_or_default());
        rows += &format!(
            "<tr><th>Photo {n}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            number(&of_one["psnr_db"], 1),
            number(&of_one["ssim"], 3),
            number(&of_one["sharpness"], 2)
        );
        if !demo.join("inputs").is_dir() {
            continue;
        }
        pictures += "<div class=\"full\">";
        for (what, title) in [("truth", "Photo"), ("avatar", "Avatar, same view:")] {
            let uri = data_uri(demo, &format!("inputs/{id:05}-{what}.png"))?;
            pictures += &format!(
                "<figure><img src=\"{uri}\" alt=\"{title} {n}\"><figcaption>{title} {n}</figcaption></figure>"
            );
        }
        pictures += "</div>";
    }
    let seen = card["metrics"]["seen"].as_f64().map_or(String::new(), |s| format!(" The photos show {:.0} % of the Gaussians; the viewer's button “Unseen parts” tints the others, which come from the prior and the face's symmetry.", 100.0 * s));
    Ok(format!(
        "  <p></p>{pictures}\n  <table>\n    <thead><tr><th></th><th>PSNR (dB)</th><th>SSIM</th><th>sharpness</th></tr></thead>\n    \
         <tbody>{rows}</tbody>\n  </table>\n  <p>The avatar against each photo it was fitted to, over valid pixels; \
         sharpness is the gradient energy of the avatar divided by that of the photo.{seen}</p>"
    ))
}

fn avatar_facts(card: &Value) -> String {
    let (metrics, psnr) = (&card["metrics"], &card["metrics"]["input_psnr_db"]);
    let number = |v: &Value| v.as_f64().unwrap_or(f64::NAN);
    let stages: Vec<String> = metrics["stages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|s| Some(format!("{} {:.0} s", s["stage"].as_str()?, s["seconds"].as_f64()?)))
        .collect();
    let stages = if stages.is_empty() { String::new() } else { format!(" ({})", stages.join(", ")) };
    let plan = if metrics["plan"] == "fast" { " with the fast settings" } else { "" };
    let end = psnr["end"].as_f64().map_or(String::new(), |db| format!(", {db:.1} dB at the end"));
    format!(
        "{} Gaussians, fitted in {:.0} s{plan}{stages}. On the photo itself: {:.1} dB at the first guess, {:.1} dB at the pivot, {:.1} dB tuned{end}.",
        card["gaussians"],
        number(&metrics["seconds"]),
        number(&psnr["first_guess"]),
        number(&psnr["pivot"]),
        number(&psnr["tuned"]),
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
    fn each_photo_stands_beside_the_avatar_with_its_figures() {
        let folder = std::env::temp_dir().join(format!("invert-report-inputs-{}", std::process::id()));
        let card = serde_json::json!({ "frame_ids": [3, 12], "gaussians": 80000, "metrics": {
            "inputs": [{ "psnr_db": 27.31, "ssim": 0.9124, "sharpness": 0.857 }, { "psnr_db": 25.0, "ssim": 0.9, "sharpness": null }],
            "seen": 0.58, "plan": "fast", "seconds": 61.0, "stages": [{ "stage": "A code", "steps": 80, "seconds": 30.2 }],
        }});
        let table = inputs_section(&folder, &card).unwrap();
        assert!(table.contains("<td>27.3</td><td>0.912</td><td>0.86</td>") && table.contains("58 %"), "{table}");
        assert!(!table.contains("<img"), "no pictures lie there");
        std::fs::create_dir_all(folder.join("inputs")).unwrap();
        for name in ["00003-truth", "00003-avatar", "00012-truth", "00012-avatar"] {
            std::fs::write(folder.join(format!("inputs/{name}.png")), name).unwrap();
        }
        assert_eq!(inputs_section(&folder, &card).unwrap().matches("<img").count(), 4);
        std::fs::remove_dir_all(folder).unwrap();
        assert_eq!(inputs_section(Path::new("absent"), &serde_json::json!({})).unwrap(), "", "an older avatar");
        let facts = avatar_facts(&card);
        assert!(facts.contains("in 61 s with the fast settings (A code 30 s)"), "{facts}");
    }

    #[test]
    fn a_missing_part_is_named() {
        let folder = std::env::temp_dir().join(format!("invert-report-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let err = format!("{:#}", of_demo(&folder).unwrap_err());
        assert!(err.contains("card.json"), "{err}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
