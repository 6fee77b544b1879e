//! How far each local target is moved: given in millimeters at the place it moves most, so that a target that was
//! modeled strongly (the brow ridge: 56 mm) counts no more than one that was modeled gently (the nostrils: 2 mm).
//!
//! Constants, and where they come from:
//!
//! | constants                                 | source                                           |
//! | ----------------------------------------- | ------------------------------------------------ |
//! | deviations of local targets (millimeters) | chosen by eye                                    |
//! | deviations of smooth modes                | measured on scans, see `modes`                   |
//! | biases of nose, skull and chin depth      | scanned adults, see the example `identity_space` |
//! | other biases by sex and ancestry          | chosen by eye                                    |
//! | truncation, correlation of left and right | chosen by eye                                    |
use super::person::Person;
use super::{modes, normal};
use crate::model::HeadModel;
use glam::Vec3;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Local coefficients stay within this many standard deviations.
const TRUNCATE: f32 = 2.2;
/// Local targets vary by this much of what [`spread`] says: the rest of what scans vary is the smooth modes'.
const TARGETS_SHARE: f32 = 0.85;
/// Correlation of the same target on the left and on the right.
const LEFT_RIGHT: f32 = 0.97;

/// A column of the identity basis.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// Ancestry × sex × age, or build: weighted by who somebody is.
    Macro(String),
    /// Everything else.
    Local(Local),
}

/// A local target.
#[derive(Clone, Debug)]
pub(super) struct Local {
    /// Columns with the same number are left and right of one target.
    pair: usize,
    /// Standard deviation of the coefficient.
    deviation: f32,
    /// Whether it has no opposite.
    one_sided: bool,
    /// Coefficient added for a grown woman, taken away for a grown man.
    feminine: f32,
    /// Coefficient added per weight of asian ancestry.
    asian: f32,
    /// Coefficient of everybody.
    mean: f32,
}

/// Reads a model's columns.
pub(super) fn columns(model: &HeadModel) -> Vec<Column> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut pairs: BTreeMap<(String, usize), usize> = BTreeMap::new();
    let column = |k: usize| {
        let name = &model.identity.names[k];
        if !name.contains('/') || name.starts_with("build/") {
            return Column::Macro(name.clone());
        }
        // Some names come twice, for two directions: the n-th left one goes with the n-th right one.
        let nth = seen.entry(name.clone()).or_insert(0);
        *nth += 1;
        let next = pairs.len();
        let pair = *pairs.entry((name.replace("/l-", "/").replace("/r-", "/"), *nth)).or_insert(next);
        let field = model.identity.column(k);
        let most = field.iter().map(|d| d.length()).fold(f32::MIN_POSITIVE, f32::max);
        let per_mm = 1e-3 / most;
        let (spread_mm, one_sided) = spread(name);
        let bias = bias(name, field);
        Column::Local(Local {
            pair,
            deviation: spread_mm * per_mm * if name.starts_with("mode/") { 1.0 } else { TARGETS_SHARE },
            one_sided,
            feminine: bias.feminine_mm * per_mm,
            asian: bias.asian_mm * per_mm,
            mean: bias.mean_mm * per_mm,
        })
    };
    (0..model.identity.len()).map(column).collect()
}

/// One coefficient a column.
pub(super) fn draw(columns: &[Column], person: &Person, rng: &mut ChaCha8Rng) -> Vec<f32> {
    // Left and right of one target draw from one shared number.
    let mut shared: BTreeMap<usize, f32> = BTreeMap::new();
    let mut shape = Vec::with_capacity(columns.len());
    for column in columns {
        let local = match column {
            Column::Macro(name) => {
                shape.push(person.macro_weight(name).unwrap_or(0.0));
                continue;
            }
            Column::Local(local) => local,
        };
        let own = normal(rng);
        let common = *shared.entry(local.pair).or_insert_with(|| normal(rng));
        let value = LEFT_RIGHT * common + (1.0 - LEFT_RIGHT * LEFT_RIGHT).sqrt() * own;
        let value = value.clamp(-TRUNCATE, TRUNCATE) * local.deviation;
        let value = value + local.mean + local.feminine * person.femininity() + local.asian * person.ancestry[1];
        shape.push(if local.one_sided { value.abs() } else { value });
    }
    shape
}

/// Standard deviation at the place a column moves most (millimeters), and whether it has no opposite.
fn spread(name: &str) -> (f32, bool) {
    let (folder, target) = name.split_once('/').unwrap_or((name, ""));
    let target = target.trim_start_matches("l-").trim_start_matches("r-");
    match folder {
        "asym" => (0.55, false),
        "head" => match target {
            "head-fat" => (1.6, false),
            "head-age" => (0.5, false),
            _ if target.contains("scale") => (2.2, false),
            // Diamond, oval, rectangle, triangles: whole other skulls.
            _ => (1.1, true),
        },
        "forehead" => (1.6, false),
        "eyebrows" => (0.9, false),
        "eyes" => match target {
            _ if target.starts_with("eye-height") => (0.2, false),
            _ if target.starts_with("eye-corner") => (0.45, false),
            _ if target.starts_with("eye-push") => (0.35, false),
            "eye-epicanthus" => (0.5, false),
            _ => (0.5, false),
        },
        "nose" => match target {
            "nose-scale-vert" | "nose-scale-depth" | "nose-point" => (1.1, false),
            _ => (0.75, false),
        },
        "mouth" => match target {
            "mouth-scale-horiz" => (1.1, false),
            "mouth-angles" => (0.5, false),
            _ => (0.65, false),
        },
        "ears" => match target {
            "ear-shape-pointed" | "ear-shape-triangle" => (0.9, true),
            "ear-wing" | "ear-flap" => (1.6, false),
            _ => (1.2, target == "ear-shape"),
        },
        "chin" => (1.3, target == "chin-triangle"),
        "cheek" => (1.0, false),
        "neck" => (1.8, false),
        "mode" => (modes::spread_mm(target), false),
        _ => (1.0, false),
    }
}

/// Where the middle of a column's distribution lies (millimeters at the place it moves most).
#[derive(Default)]
struct Bias {
    mean_mm: f32,
    /// For a grown woman; a grown man gets the opposite.
    feminine_mm: f32,
    asian_mm: f32,
}

/// Sexual dimorphism beyond the macro targets, and the fold of East Asian lids.
fn bias(name: &str, field: &[Vec3]) -> Bias {
    let (_, target) = name.split_once('/').unwrap_or((name, ""));
    let target = target.trim_start_matches("l-").trim_start_matches("r-");
    let feminine = |mm: f32| Bias { feminine_mm: mm, ..Bias::default() };
    let vertical = || {
        let sum = field.iter().fold(Vec3::ZERO, |sum, d| sum + d.abs());
        sum.y > sum.x.max(sum.z)
    };
    match target {
        "eyebrows-trans" if vertical() => feminine(0.9),
        "eye-scale" => Bias { mean_mm: 0.7, feminine_mm: 0.3, asian_mm: 0.5 },
        "eye-epicanthus" => Bias { asian_mm: 0.9, ..Bias::default() },
        "nose-volume" | "nose-width3" | "nose-hump" => feminine(-0.3),
        // Scanned adults have deeper noses, shorter skulls and fuller chins than our people had (`make identity-space`).
        "nose-scale-depth" => Bias { mean_mm: 2.2, feminine_mm: -0.5, ..Bias::default() },
        "head-back-scale-depth" => Bias { mean_mm: -4.5, ..Bias::default() },
        "chin-prominent" => Bias { mean_mm: 0.4, ..Bias::default() },
        "mouth-upperlip-volume" | "mouth-lowerlip-volume" => feminine(0.4),
        "mouth-angles" => Bias { mean_mm: 0.4, ..Bias::default() },
        "chin-width" | "chin-bones" | "chin-height" => feminine(-0.7),
        "cheek-volume" | "cheek-bones" => feminine(0.4),
        "measure-neck-circ" | "neck-scale-horiz" => feminine(-1.2),
        _ => Bias::default(),
    }
}
