//! The viewer page: one HTML file that draws the avatar and moves it, with no network and no library.
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use formats::motion::HEAD_JOINT_M;
use head::rig::{LOOK_DOWN_RAD, LOOK_SIDE_RAD, LOOK_UP_RAD};
use serde_json::{Value, json};
use splat::gaussians::SH_C0;
use splat::{Colors, Gaussians};

const PAGE: &str = include_str!("view/viewer.html");
/// One script in this order: a file uses what stands in those before it.
const SCRIPTS: [&str; 6] = [
    include_str!("view/viewer/avatar.js"),
    include_str!("view/viewer/sort.js"),
    include_str!("view/viewer/draw.js"),
    include_str!("view/viewer/clip.js"),
    include_str!("view/viewer/save.js"),
    include_str!("view/viewer.js"),
];
/// A Gaussian that a unit moves by no more than this (metres) is not stored with it: a fifth of a pixel of a face.
const LEAST_MOVE_M: f32 = 1e-4;
/// Nor one whose display color or opacity changes by no more than this.
const LEAST_SHADE: f32 = 2.5 / 255.0;

/// An avatar as the page takes it: the neutral head and the same Gaussians at full swing of each unit.
pub struct Puppet {
    /// Shown as the page's title.
    pub title: String,
    /// The neutral head.
    pub neutral: Gaussians,
    /// `[N]` how much of each Gaussian the photos showed, 0..=1; none where that is not known.
    pub seen: Option<Vec<f32>>,
    /// ARKit name and Gaussians at weight 1, same order and number as `neutral`.
    pub units: Vec<(String, Gaussians)>,
    /// Clip: frames a second, and the 52 weights of each frame in the order of `units`.
    pub clip: (f32, Vec<Vec<f32>>),
    /// What the camera looks at (metres), how far away it stands (metres), focal length over the image's shorter side.
    pub view: ([f32; 3], f32, f32),
}

/// The whole page.
///
/// Units are linear: position and colour of a Gaussian move by `weight × (unit − neutral)`, stored as int8 with one step
/// a unit, for the Gaussians that visibly move ([`LEAST_MOVE_M`], [`LEAST_SHADE`]); rotations and scales stay. View-dependent colour is left out (degree 0 of the harmonics).
pub fn page(puppet: &Puppet) -> String {
    let data = pack(puppet).to_string().replace("</", "<\\/"); // a title must not close the script element
    PAGE.replace("/*VIEWER_JS*/", &SCRIPTS.concat()).replace("/*AVATAR_JSON*/", &data)
}

fn pack(puppet: &Puppet) -> Value {
    let neutral = &puppet.neutral;
    let colors = display_colors(neutral);
    let units: Vec<Value> = puppet
        .units
        .iter()
        .map(|(name, unit)| {
            let unit_colors = display_colors(unit);
            let rows = moving(&unit.means, &neutral.means, &unit_colors, &colors);
            let (step, means) = quantise(&unit.means, &neutral.means, 3, &rows);
            let (color_step, shades) = quantise(&unit_colors, &colors, 4, &rows);
            let rows: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
            json!({
                "name": name, "rows": BASE64.encode(rows),
                "step": step, "means": means, "color_step": color_step, "colors": shades,
            })
        })
        .collect();
    let scales: Vec<f32> = neutral.log_scales.iter().map(|s| s.exp()).collect();
    let (target, distance, focal) = puppet.view;
    json!({
        "title": puppet.title,
        "n": neutral.len(),
        "means": base64_f32(&neutral.means),
        "quats": base64_f32(&neutral.quats),
        "scales": base64_f32(&scales),
        "colors": base64_f32(&colors),
        "seen": puppet.seen.as_ref().map(|seen| BASE64.encode(bytes_of_shares(seen))),
        "units": units,
        "clip": { "fps": puppet.clip.0, "frames": rounded(&puppet.clip.1) },
        "view": { "target": target, "distance": distance, "focal": focal },
        "rig": {
            "head_joint": HEAD_JOINT_M.to_array(),
            "look_side": LOOK_SIDE_RAD, "look_up": LOOK_UP_RAD, "look_down": LOOK_DOWN_RAD,
        },
    })
}

/// `[N, 4]` display RGB and opacity.
fn display_colors(g: &Gaussians) -> Vec<f32> {
    let stride = g.kind.stride();
    (0..g.len())
        .flat_map(|i| {
            let c = &g.colors[i * stride..i * stride + 3];
            let rgb = match g.kind {
                Colors::Sh { .. } => [0, 1, 2].map(|k| c[k] * SH_C0 as f32 + 0.5),
                Colors::Features { .. } => [c[0], c[1], c[2]],
            };
            let opacity = 1.0 / (1.0 + (-g.opacity_logits[i]).exp());
            [rgb[0], rgb[1], rgb[2], opacity]
        })
        .collect()
}

/// Gaussians that a unit visibly moves or shades.
fn moving(means: &[f32], at_rest: &[f32], colors: &[f32], colors_at_rest: &[f32]) -> Vec<u32> {
    let differs = |a: &[f32], b: &[f32], least: f32| a.iter().zip(b).any(|(a, b)| (a - b).abs() > least);
    let moves = |i: &usize| {
        let (of_mean, of_color) = (3 * i..3 * i + 3, 4 * i..4 * i + 4);
        differs(&means[of_mean.clone()], &at_rest[of_mean], LEAST_MOVE_M)
            || differs(&colors[of_color.clone()], &colors_at_rest[of_color], LEAST_SHADE)
    };
    (0..means.len() / 3).filter(moves).map(|i| i as u32).collect()
}

/// Differences of the `rows` of `width` numbers as int8, and their step.
fn quantise(at_one: &[f32], at_rest: &[f32], width: usize, rows: &[u32]) -> (f32, String) {
    let differences = || {
        let places = rows.iter().flat_map(|&row| (0..width).map(move |k| row as usize * width + k));
        places.map(|i| at_one[i] - at_rest[i])
    };
    let step = differences().map(f32::abs).fold(0.0, f32::max) / 127.0;
    let code = |d: f32| if step > 0.0 { (d / step).round() as i8 as u8 } else { 0 };
    let bytes: Vec<u8> = differences().map(code).collect();
    (step, BASE64.encode(bytes))
}

fn base64_f32(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    BASE64.encode(bytes)
}

/// 0..=1 as 0..=255.
fn bytes_of_shares(values: &[f32]) -> Vec<u8> {
    values.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
}

fn rounded(frames: &[Vec<f32>]) -> Vec<Vec<f32>> {
    frames.iter().map(|f| f.iter().map(|w| (w * 1000.0).round() / 1000.0).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(shift: f32) -> Gaussians {
        Gaussians {
            means: vec![shift, 0.0, 0.0, 0.1, 0.0, 0.0],
            quats: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
            log_scales: vec![-4.0; 6],
            opacity_logits: vec![2.0; 2],
            colors: vec![0.0; 6],
            kind: Colors::Sh { degree: 0 },
        }
    }

    fn puppet(title: &str) -> Puppet {
        Puppet {
            title: title.into(),
            neutral: two(0.0),
            seen: Some(vec![0.0, 0.6]),
            units: vec![("jawOpen".into(), two(-0.02))],
            clip: (25.0, vec![vec![0.0], vec![1.0]]),
            view: ([0.0; 3], 0.8, 1.5),
        }
    }

    #[test]
    fn the_page_asks_for_nothing_from_outside() {
        let html = page(&puppet("A person"));
        for word in ["http://", "https://", "src=", "fetch(", "import("] {
            assert!(!html.contains(word), "the page holds {word}");
        }
        assert!(!html.contains("/*AVATAR_JSON*/") && !html.contains("/*VIEWER_JS*/"));
    }

    #[test]
    fn a_title_cannot_break_out() {
        assert!(!page(&puppet("</script><b>")).contains("</script><b>"));
    }

    #[test]
    fn what_was_seen_is_a_byte_each() {
        let value = pack(&puppet("x"));
        assert_eq!(BASE64.decode(value["seen"].as_str().unwrap()).unwrap(), [0, 153]);
        assert!(pack(&Puppet { seen: None, ..puppet("x") })["seen"].is_null());
    }

    #[test]
    fn displacements_come_back_within_half_a_step() {
        let value = pack(&puppet("x"));
        let unit = &value["units"][0];
        let step = unit["step"].as_f64().unwrap();
        let bytes = BASE64.decode(unit["means"].as_str().unwrap()).unwrap();
        assert!((bytes[0] as i8 as f64 * step + 0.02).abs() <= step / 2.0);
        // The second Gaussian stays where it is and is left out.
        let rows = BASE64.decode(unit["rows"].as_str().unwrap()).unwrap();
        assert_eq!((rows, bytes.len()), (vec![0; 4], 3));
    }
}
