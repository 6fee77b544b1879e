//! The page: sections in the order in which a curator asks.
use super::Report;
use super::chart::{bars, bars_to, histogram, short, thousands};
use super::frames::ACTIVE;
use super::people::by_count;
use crate::commands::human;
use formats::page::{self, escape};
use std::fmt::Write;

const STYLE: &str = include_str!("report.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let name = escape(&report.name);
    let sections = [
        head(report),
        pictures(report),
        people(report),
        views(report),
        expressions(report),
        lights(report),
        columns(report),
        doubled(report),
        making(report),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name}</title>\n\
         <style>\n{}{STYLE}</style>\n<main>\n{}</main>\n</html>\n",
        page::STYLE,
        sections.concat()
    )
}

fn head(report: &Report) -> String {
    let f = &report.frames;
    let made = &report.making.provenance;
    let mut html = format!("<h1>{}</h1>\n", escape(&report.name));
    let _ = writeln!(
        html,
        "<p>A dataset of heads by <code>{} {}</code>, plan <code>{:.12}</code>, seed {}.{}</p>",
        escape(&made.tool),
        escape(&made.tool_version),
        escape(&made.config_hash),
        made.seed,
        match &report.condition {
            Some(condition) => format!(" Only rows where <code>{}</code>.", escape(condition)),
            None => String::new(),
        }
    );
    let checked = match &report.findings {
        Some(findings) if findings.is_empty() => "none".to_string(),
        Some(findings) => thousands(findings.len() as u64),
        None => "not looked for".into(),
    };
    let sizes = f.sizes.keys().map(|(w, h)| format!("{w}×{h}")).collect::<Vec<_>>();
    let size = if sizes.len() > 2 { format!("{} sizes", sizes.len()) } else { sizes.join(", ") };
    let mut counts: Vec<u64> = f.per_person.values().copied().collect();
    counts.sort_unstable();
    let (least, most) = (counts.first().copied().unwrap_or(0), counts.last().copied().unwrap_or(0));
    let each = if least == most { thousands(least) } else { format!("{}–{}", thousands(least), thousands(most)) };
    let facts = [
        ("frames", thousands(f.rows)),
        ("people", thousands(f.per_person.len() as u64)),
        ("frames a person", each),
        ("pixels", size),
        ("shards", thousands(f.shards)),
        ("on disk", human(f.bytes)),
        ("findings of a quick check", checked),
    ];
    html += "<div class=\"facts\">";
    for (what, value) in facts {
        let _ = write!(html, "<div><b>{value}</b><span>{what}</span></div>");
    }
    html += "</div>\n<table><thead><tr><th>split</th><th>frames</th><th>people</th></tr></thead><tbody>\n";
    for (split, (frames, people)) in &f.splits {
        let (frames, people) = (thousands(*frames), thousands(people.len() as u64));
        let _ = writeln!(html, "<tr><th>{}</th><td>{frames}</td><td>{people}</td></tr>", escape(split));
    }
    html += "</tbody></table>\n";
    if let Some(findings) = report.findings.as_ref().filter(|f| !f.is_empty()) {
        html += "<ul class=\"bad\">";
        for finding in findings.iter().take(20) {
            let line = format!("{}: {}", finding.path.display(), finding.what);
            let _ = write!(html, "<li>{}</li>", escape(&line));
        }
        html += "</ul>\n";
    }
    html
}

fn pictures(report: &Report) -> String {
    let p = &report.pictures;
    let mut html = section("Pictures", "Drawn by lot.");
    let _ = writeln!(html, "<figure><img src=\"{}\" alt=\"Frames drawn by lot\"></figure>", p.sheet);
    if let Some(layers) = &p.layers {
        let _ = writeln!(
            html,
            "<figure class=\"gap\"><img src=\"{layers}\" alt=\"Layers\"><figcaption>Frames with their layers: \
             image, landmarks (green seen, red hidden), classes, then the maps</figcaption></figure>"
        );
    }
    let broken = if p.broken > 0 { format!(" {} could not be decoded.", p.broken) } else { String::new() };
    let mut charts = vec![
        ("Mean brightness (sRGB code)".to_string(), histogram(&[&p.brightness], "")),
        ("Black or white to the full, share of a picture".into(), histogram(&[&p.clipped], " %")),
    ];
    if p.coverage.n > 0 {
        charts.push(("Covered by the head, share of a picture".into(), histogram(&[&p.coverage], " %")));
    }
    let _ = writeln!(html, "<p>Measured on {} of the frames.{broken}</p>", p.measured);
    html + &grid(&charts)
}

fn people(report: &Report) -> String {
    let measured = &report.pictures.tones;
    let tones = ("Skin as it looks, by typology angle".to_string(), bars(measured));
    let Some(p) = report.people.as_ref().filter(|p| p.age_female.mean() + p.age_male.mean() > 0.0) else {
        if measured.is_empty() {
            return String::new();
        }
        return section("People", "Nothing is known of the people but their pictures.") + &grid(&[tones]);
    };
    let text = format!(
        "{} people. The angle is measured on {} of the frames, whatever the light.",
        thousands(p.n),
        report.pictures.measured
    );
    let ordered = |counts| -> Vec<(String, u64)> { std::collections::BTreeMap::clone(counts).into_iter().collect() };
    let mut charts = vec![
        (format!("Age: {} and {}", key(0, "women"), key(1, "men")), histogram(&[&p.age_female, &p.age_male], "")),
        ("Sex, 0 female … 1 male".into(), histogram(&[&p.sex], "")),
        ("Ancestry, the strongest".into(), bars(&by_count(&p.ancestry))),
        ("Skin type (Fitzpatrick)".into(), bars(&ordered(&p.tones))),
    ];
    if !measured.is_empty() {
        charts.push(tones);
    }
    for (title, counts) in [("Hair", &p.hair), ("Eyes", &p.eyes), ("Beard", &p.beards)] {
        if !counts.is_empty() {
            charts.push((title.into(), bars(&by_count(counts))));
        }
    }
    section("People", &text) + &grid(&charts)
}

fn views(report: &Report) -> String {
    let f = &report.frames;
    let mut text = String::from("Angles in cells of 5°, seen from the face: to the person's left is +, up is +.");
    if f.no_camera > 0 {
        let _ = write!(text, " {} frames have no camera.", thousands(f.no_camera));
    }
    let mut charts = vec![("Where the head turns, in the world".to_string(), f.heads.heat_map())];
    if f.no_camera < f.rows {
        charts.insert(0, ("Where the camera stands, from the face".into(), f.views.heat_map()));
        charts.push((
            format!("Distance, mean {} m", short_digits(f.distance_m.mean())),
            histogram(&[&f.distance_m], " m"),
        ));
        charts.push(("Vertical field of view".into(), histogram(&[&f.view_deg], "°")));
    }
    section("Poses and cameras", &text) + &grid(&charts)
}

fn expressions(report: &Report) -> String {
    let f = &report.frames;
    let names = head::model::ARKIT.iter().map(|n| n.to_string());
    let mut units: Vec<(String, u64)> = names.zip(f.units).collect();
    units.sort_by_key(|item| std::cmp::Reverse(item.1));
    let never = units.iter().filter(|u| u.1 == 0).count();
    let text = format!(
        "Frames in which an ARKit unit is above {ACTIVE}; {} at once on average.{}",
        short_digits(f.units_at_once.mean()),
        if never > 0 { format!(" {never} of the 52 never are.") } else { String::new() }
    );
    let third = units.len().div_ceil(3);
    let mut charts: Vec<(String, String)> =
        units.chunks(third).map(|chunk| (String::new(), bars_to(chunk, units[0].1))).collect();
    charts.push(("Units at once".into(), histogram(&[&f.units_at_once], "")));
    section("Expressions", &text) + &grid(&charts)
}

fn lights(report: &Report) -> String {
    let f = &report.frames;
    let [lights, kinds] =
        [(f.light_ids.len(), "light"), (f.lights.len(), "kind")].map(|(n, what)| counted(n as u64, what));
    let text = format!("{lights} of {kinds}.");
    let mut html = section("Light", &text);
    html += "<div class=\"lights\">";
    for (kind, picture) in report.pictures.lights.iter().filter(|(_, picture)| !picture.is_empty()) {
        let frames = counted(f.lights.get(kind).copied().unwrap_or(0), "frame");
        let kind = escape(kind);
        let _ = write!(
            html,
            "<figure><img src=\"{picture}\" alt=\"{kind}\"><figcaption>{kind}: {frames}</figcaption></figure>"
        );
    }
    html + "</div>\n"
}

fn columns(report: &Report) -> String {
    let f = &report.frames;
    let text = "Bytes of the shards that hold these rows.";
    let mut html = section("Columns", text);
    html += "<table class=\"columns\"><thead><tr><th>column</th><td>type</td><td>unit</td><th>on disk</th><th></th>\
             <td>meaning</td></tr></thead><tbody>\n";
    let all = f.column_bytes.iter().map(|c| c.1).sum::<u64>().max(1);
    for [name, kind, unit, meaning] in &report.columns {
        let bytes = f.column_bytes.iter().find(|c| c.0 == *name).map_or(0, |c| c.1);
        let share = bytes as f64 / all as f64 * 100.0;
        let _ = writeln!(
            html,
            "<tr><th>{}</th><td>{}</td><td>{}</td><th>{}</th><th class=\"share\"><i style=\"width:{share:.1}%\"></i></th>\
             <td>{}</td></tr>",
            escape(name),
            escape(kind),
            escape(unit),
            human(bytes),
            escape(meaning)
        );
    }
    html + "</tbody></table>\n"
}

fn doubled(report: &Report) -> String {
    let f = &report.frames;
    let text = match f.doubled_images {
        0 => "No two frames have the same image (SHA-256 of the encoded bytes).".into(),
        n => format!("{} images are copies of others (SHA-256 of the encoded bytes).", thousands(n)),
    };
    let mut html = section("Duplicates", &text);
    if !f.doubled.is_empty() {
        html += "<ul>";
        for ids in &f.doubled {
            let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
            let _ = write!(html, "<li>frame_id {}</li>", ids.join(", "));
        }
        html += "</ul>\n";
    }
    html
}

fn making(report: &Report) -> String {
    let m = &report.making;
    let p = &m.provenance;
    let rows: u64 = m.hosts.values().map(|h| h.rows).sum();
    let secs: f64 = m.hosts.values().map(|h| h.secs).sum();
    let mut text = match m.span {
        Some((first, last)) => format!(
            "{} in {} of process time on {}, {} from the first to the last.",
            counted(rows, "row"),
            clock(secs),
            counted(m.hosts.len() as u64, "machine"),
            clock(last - first)
        ),
        None => "No side files, so nothing is known of the time it took.".into(),
    };
    if m.without_side > 0 && m.span.is_some() {
        let _ = write!(text, " {} shards have no side file.", thousands(m.without_side));
    }
    if m.plans > 1 {
        let _ = write!(text, " <b>The shards are of {} different plans.</b>", m.plans);
    }
    let mut html = section("Making", &text);
    if m.rate.n > 0 {
        html += &grid(&[("Rows a second, shard by shard".into(), histogram(&[&m.rate], ""))]);
        html +=
            "<table><thead><tr><th>machine</th><th>shards</th><th>rows</th><th>process time</th></tr></thead><tbody>\n";
        for (name, host) in m.hosts.iter().take(64) {
            let (shards, rows) = (thousands(host.shards), thousands(host.rows));
            let _ = writeln!(
                html,
                "<tr><th>{}</th><td>{shards}</td><td>{rows}</td><td>{}</td></tr>",
                escape(name),
                clock(host.secs)
            );
        }
        html += "</tbody></table>\n";
    }
    let _ = writeln!(
        html,
        "<table class=\"facts\"><tbody><tr><th>tool</th><td>{} {}, commit {}</td></tr>\n<tr><th>plan</th><td>sha256 {}</td></tr>\n\
         <tr><th>seed</th><td>{}</td></tr>",
        escape(&p.tool),
        escape(&p.tool_version),
        escape(&p.git_commit),
        escape(&p.config_hash),
        p.seed
    );
    for (name, sha256) in &p.inputs {
        let _ = writeln!(html, "<tr><th>{}</th><td>sha256 {}</td></tr>", escape(name), escape(sha256));
    }
    let _ = writeln!(
        html,
        "</tbody></table>\n<details><summary>The plan</summary><pre>{}</pre></details>",
        escape(&p.config_toml)
    );
    html
}

fn section(title: &str, text: &str) -> String {
    format!("\n<h2>{title}</h2>\n<p>{text}</p>\n")
}

/// Charts with their titles (HTML).
fn grid(charts: &[(String, String)]) -> String {
    let mut html = String::from("<div class=\"charts\">");
    for (title, svg) in charts {
        let caption = if title.is_empty() { String::new() } else { format!("<figcaption>{title}</figcaption>") };
        let _ = write!(html, "<figure>{caption}{svg}</figure>");
    }
    html + "</div>\n"
}

/// A name in the color of its series.
fn key(series: usize, name: &str) -> String {
    format!("<b class=\"k{series}\">{name}</b>")
}

/// `1 frame`, `2 frames`.
fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(n), if n == 1 { "" } else { "s" })
}

fn short_digits(value: f64) -> String {
    short((value * 100.0).round() / 100.0)
}

/// `3.2 s`, `12 min`, `5.1 h`.
fn clock(secs: f64) -> String {
    match secs {
        s if s < 90.0 => format!("{s:.1} s"),
        s if s < 5400.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::chart::{Histogram, Sphere};
    use super::*;

    #[test]
    fn an_empty_chart_is_still_a_chart() {
        let empty = histogram(&[&Histogram::new(0.0, 1.0, 0.1)], "");
        assert!(empty.starts_with("<svg") && empty.ends_with("</svg>") && !empty.contains("NaN"));
        assert!(!bars(&[]).contains("NaN") && !Sphere::new().heat_map().contains("NaN"));
    }
}
