//! Identity columns: macro targets (ancestry × sex × age, build) and local ones (nose, chin, ears …).
//!
//! Macro columns are differences from the average young adult, who is the template: with weights that sum to one
//! over each set, `template + Σ w·column` is MakeHuman's own blend. Pairs of opposite local targets make one
//! signed column, `(incr − decr) / 2`. Then the smooth [`modes`]. No column moves the point midway between the eyeballs.
use super::assembly::Assembly;
use super::lips::LipSeal;
use super::wheel::{TARGETS, Wheel};
use super::{Base, modes, target};
use crate::error::Error;
use crate::model::Basis;
use glam::Vec3;

/// Ancestry axes of the macro targets, in the order of `SampledIdentity::ancestry`.
pub const ANCESTRIES: [&str; 3] = ["african", "asian", "caucasian"];
/// Sexes, in the order of their weights.
pub const SEXES: [&str; 2] = ["female", "male"];
/// Ages with a target; the sampler blends between neighbors.
pub const AGES: [&str; 3] = ["child", "young", "old"];
const LEVELS: [&str; 3] = ["min", "average", "max"];
/// Folders of local targets.
const LOCAL: [&str; 11] =
    ["head", "forehead", "eyebrows", "eyes", "nose", "mouth", "ears", "chin", "cheek", "neck", "asym"];
/// Opposite endings: the first is the negative direction.
const OPPOSITES: [(&str, &str); 8] = [
    ("-decr", "-incr"),
    ("-down", "-up"),
    ("-in", "-out"),
    ("-backward", "-forward"),
    ("-concave", "-convex"),
    ("-compress", "-uncompress"),
    ("-l", "-r"),
    ("-square", "-round"),
];
/// Columns that never reach this (meters) carry nothing.
const SMALLEST_M: f32 = 2e-4;

/// All identity columns.
pub fn columns(base: &Base, assembly: &Assembly, seal: &LipSeal, wheel: &mut Wheel) -> Result<Basis, Error> {
    let mut columns = Columns { basis: Basis::default(), base, assembly, seal };
    let n = base.positions.len();
    for name in macros(wheel) {
        let field = target::read(wheel, &file(&name), n)?;
        columns.push(&name, difference(&field, &base.mean_macro));
    }
    for name in builds(wheel) {
        let field = target::read(wheel, &file(&name), n)?;
        columns.push(&name.replace("macrodetails/universal-", "build/"), difference(&field, &base.mean_build));
    }
    for folder in LOCAL {
        for (name, low, high) in local_targets(wheel, folder) {
            let mut field = target::read(wheel, &high, n)?;
            if let Some(low) = low {
                field = target::read(wheel, &low, n)?.iter().zip(&field).map(|(l, h)| (*h - *l) / 2.0).collect();
            }
            columns.push(&name, field);
        }
    }
    for (name, field) in modes::fields(base, assembly) {
        columns.push(&name, field.iter().map(|d| *d / base.scale).collect());
    }
    if columns.basis.names.len() < 100 {
        return Err(Error::invalid(
            TARGETS,
            format!("expected over 100 targets of the head, got {}", columns.basis.names.len()),
        ));
    }
    Ok(columns.basis)
}

/// The mean of some targets (units of the file).
pub fn mean(wheel: &mut Wheel, names: &[String], n: usize) -> Result<Vec<Vec3>, Error> {
    let mut sum = vec![Vec3::ZERO; n];
    for name in names {
        for (total, value) in sum.iter_mut().zip(target::read(wheel, &file(name), n)?) {
            *total += value / names.len() as f32;
        }
    }
    Ok(sum)
}

/// The six young adults whose mean the template is.
pub fn average_adults() -> Vec<String> {
    let pairs = ANCESTRIES.iter().flat_map(|a| SEXES.map(|s| format!("macrodetails/{a}-{s}-young")));
    pairs.collect()
}

/// Their average builds.
pub fn average_builds() -> Vec<String> {
    SEXES.map(|s| format!("macrodetails/universal-{s}-young-averagemuscle-averageweight")).to_vec()
}

fn macros(wheel: &Wheel) -> Vec<String> {
    let mut names = Vec::new();
    for (ancestry, sex) in ANCESTRIES.iter().flat_map(|a| SEXES.map(|s| (a, s))) {
        names.extend(AGES.map(|age| format!("macrodetails/{ancestry}-{sex}-{age}")));
    }
    names.retain(|name| wheel.has(&file(name)));
    names
}

fn builds(wheel: &Wheel) -> Vec<String> {
    let mut names = Vec::new();
    for (sex, age) in SEXES.iter().flat_map(|s| AGES.map(|a| (s, a))) {
        for (muscle, weight) in LEVELS.iter().flat_map(|m| LEVELS.map(|w| (m, w))) {
            names.push(format!("macrodetails/universal-{sex}-{age}-{muscle}muscle-{weight}weight"));
        }
    }
    names.retain(|name| wheel.has(&file(name)));
    names
}

/// `(name, negative file, positive file)` of the targets in a folder.
fn local_targets(wheel: &Wheel, folder: &str) -> Vec<(String, Option<String>, String)> {
    let prefix = format!("{TARGETS}{folder}/");
    let stems: Vec<String> = wheel
        .names_under(&prefix)
        .iter()
        .filter_map(|name| name.strip_prefix(TARGETS)?.strip_suffix(".target.gz").map(String::from))
        .filter(|stem| is_shape(stem))
        .collect();
    let mut targets = Vec::new();
    for stem in &stems {
        let opposite = |from: usize| {
            OPPOSITES.iter().find_map(|pair| {
                let (own, other) = if from == 0 { (pair.0, pair.1) } else { (pair.1, pair.0) };
                let other = format!("{}{other}", stem.strip_suffix(own)?);
                stems.contains(&other).then_some((stem.len() - own.len(), other))
            })
        };
        match (opposite(0), opposite(1)) {
            // Listed when its positive twin comes up.
            (Some(_), None) => {}
            (_, Some((end, low))) => targets.push((stem[..end].to_string(), Some(file(&low)), file(stem))),
            (None, None) => targets.push((stem.clone(), None, file(stem))),
        }
    }
    targets
}

/// Turning or shifting the whole head is pose, not shape; the trunk is gone.
fn is_shape(stem: &str) -> bool {
    !["head/head-trans-", "head/head-angle-", "asym/asymm-"].iter().any(|p| stem.starts_with(p))
}

fn file(name: &str) -> String {
    format!("{TARGETS}{name}.target.gz")
}

fn difference(a: &[Vec3], b: &[Vec3]) -> Vec<Vec3> {
    a.iter().zip(b).map(|(a, b)| *a - *b).collect()
}

/// The basis as it grows.
struct Columns<'a> {
    basis: Basis,
    base: &'a Base,
    assembly: &'a Assembly,
    seal: &'a LipSeal,
}

impl Columns<'_> {
    /// Appends a field (units of the file) as a column, unless it does nothing to the head.
    fn push(&mut self, name: &str, mut field: Vec<Vec3>) {
        let shift = self.base.eye_midpoint_shift(&field);
        for value in &mut field {
            *value = (*value - shift) * self.base.scale;
        }
        self.seal.apply(&mut field);
        let column = self.assembly.displace(&field);
        if column.iter().any(|d| d.length() > SMALLEST_M) {
            self.basis.names.push(name.trim_start_matches("macrodetails/").to_string());
            self.basis.columns.extend(column);
        }
    }
}
