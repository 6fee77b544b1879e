//! Does a model keep its contract? Every importer and reader ends with this.
use crate::error::Error;
use crate::ibug;
use crate::model::{ARKIT, Basis, HeadModel, Joint};
use glam::Vec3;

/// Regions that every model has.
pub const REGIONS: [&str; 11] =
    ["face", "scalp", "neck", "ears", "lips", "brows", "beard", "eyelids", "nose", "cheeks", "forehead"];

/// Sums of weights may be off by this much (f32 rounding of importers' data).
const SUM_TOLERANCE: f32 = 1e-3;
/// The origin may be off the middle between the eyeballs by this much (meters).
const ORIGIN_TOLERANCE_M: f32 = 1e-3;
/// Distance between the eyeball centers: anything human, children included (meters).
const EYE_DISTANCE_M: std::ops::RangeInclusive<f32> = 0.035..=0.085;

impl HeadModel {
    /// Checks lengths, indices, sums of weights, the mirror map, texture coordinates, regions, scale and origin.
    ///
    /// # Errors
    /// The first thing that is off: [`Error::Shape`], [`Error::Index`] or [`Error::Invalid`].
    pub fn check(&self) -> Result<(), Error> {
        self.check_mesh()?;
        self.check_bases()?;
        self.check_rig()?;
        self.check_labels()
    }

    fn check_mesh(&self) -> Result<(), Error> {
        let (n_vertices, n_faces) = (self.template.len(), self.faces.len());
        if n_vertices == 0 || n_faces == 0 {
            return Err(Error::invalid("template", "expected vertices and faces, got none"));
        }
        finite("template", &self.template)?;
        length("face_parts", n_faces, self.face_parts.len())?;
        length("face_uvs", n_faces, self.face_uvs.len())?;
        indices("faces", self.faces.as_flattened(), n_vertices)?;
        indices("face_uvs", self.face_uvs.as_flattened(), self.uvs.len())?;
        for (f, face) in self.faces.iter().enumerate() {
            let [a, b, c, d] = *face;
            if a == b || b == c || a == c || a == d || b == d {
                return Err(Error::invalid(
                    "faces",
                    format!("face {f} repeats a corner other than the last: {face:?}"),
                ));
            }
        }
        match self.uvs.iter().position(|uv| !(0.0..=1.0).contains(&uv.x) || !(0.0..=1.0).contains(&uv.y)) {
            Some(t) => Err(Error::invalid("uvs", format!("entry {t} is outside 0..=1: {}", self.uvs[t]))),
            None => Ok(()),
        }
    }

    fn check_bases(&self) -> Result<(), Error> {
        basis("identity", &self.identity, self.template.len())?;
        basis("expression", &self.expression, self.template.len())?;
        if let Some(k) = (0..52).find(|&k| self.expression.names.get(k).map(String::as_str) != Some(ARKIT[k])) {
            let got = self.expression.names.get(k);
            return Err(Error::invalid("expression", format!("unit {k} should be {}, got {got:?}", ARKIT[k])));
        }
        length("expression", 52, self.expression.names.len())?;
        length("identity_prior.mean", self.identity.names.len(), self.identity_prior.mean.len())?;
        for component in &self.identity_prior.components {
            length("identity_prior.components", self.identity.names.len(), component.len())?;
        }
        let mut numbers = self.identity_prior.components.iter().flatten().chain(&self.identity_prior.mean);
        if numbers.any(|x| !x.is_finite()) {
            return Err(Error::invalid("identity_prior", "a number is not finite"));
        }
        Ok(())
    }

    fn check_rig(&self) -> Result<(), Error> {
        length("joints", Joint::ALL.len(), self.joints.len())?;
        for (joint, rest) in Joint::ALL.iter().zip(&self.joints) {
            indices("joints", &rest.vertices, self.template.len())?;
            if rest.vertices.is_empty() || !rest.offset.is_finite() {
                return Err(Error::invalid(
                    "joints",
                    format!("{joint:?} has no vertices, or its offset is not finite"),
                ));
            }
        }
        length("weights", self.template.len(), self.weights.len())?;
        for (v, weights) in self.weights.iter().enumerate() {
            let sum: f32 = weights.iter().sum();
            if !((sum - 1.0).abs() < SUM_TOLERANCE && weights.iter().all(|w| *w >= 0.0)) {
                return Err(Error::invalid("weights", format!("vertex {v} should sum to 1: {weights:?}")));
            }
        }
        let places = self.joint_places(&self.template);
        let (left, right) = (places[Joint::EyeLeft as usize], places[Joint::EyeRight as usize]);
        if !EYE_DISTANCE_M.contains(&(left.x - right.x)) {
            return Err(Error::invalid(
                "joints",
                format!("eyeballs at {left} and {right} meters: wrong scale or sides"),
            ));
        }
        if (left + right).length() / 2.0 > ORIGIN_TOLERANCE_M {
            let middle = (left + right) / 2.0;
            return Err(Error::invalid(
                "joints",
                format!("the middle of the eyeballs should be the origin, is {middle}"),
            ));
        }
        Ok(())
    }

    fn check_labels(&self) -> Result<(), Error> {
        length("mirror", self.template.len(), self.mirror.len())?;
        indices("mirror", &self.mirror, self.template.len())?;
        if let Some(v) = (0..self.mirror.len()).find(|&v| self.mirror[self.mirror[v] as usize] as usize != v) {
            return Err(Error::invalid("mirror", format!("vertex {v} does not come back")));
        }
        if self.landmarks.len() < ibug::COUNT {
            return Err(Error::Shape { what: "landmarks".into(), expected: ibug::COUNT, got: self.landmarks.len() });
        }
        for (l, point) in self.landmarks.iter().enumerate() {
            indices("landmarks", &[point.face], self.faces.len())?;
            let sum: f32 = point.weights.iter().sum();
            if sum.is_nan() || (sum - 1.0).abs() >= SUM_TOLERANCE {
                return Err(Error::invalid("landmarks", format!("{l} should sum to 1: {:?}", point.weights)));
            }
        }
        if let Some(name) = REGIONS.iter().find(|&&name| !self.regions.contains_key(name)) {
            return Err(Error::invalid("regions", format!("{name} is missing")));
        }
        for (name, mask) in &self.regions {
            length(&format!("regions.{name}"), self.template.len(), mask.len())?;
            if mask.iter().any(|m| !(0.0..=1.0).contains(m)) {
                return Err(Error::invalid(format!("regions.{name}"), "a value is outside 0..=1"));
            }
        }
        Ok(())
    }
}

fn basis(what: &str, basis: &Basis, n_vertices: usize) -> Result<(), Error> {
    length(what, basis.names.len() * n_vertices, basis.columns.len())?;
    finite(what, &basis.columns)
}

fn length(what: &str, expected: usize, got: usize) -> Result<(), Error> {
    if expected == got { Ok(()) } else { Err(Error::Shape { what: what.into(), expected, got }) }
}

fn indices(what: &str, indices: &[u32], count: usize) -> Result<(), Error> {
    match indices.iter().find(|&&i| i as usize >= count) {
        Some(&i) => Err(Error::Index { what: what.into(), index: i as usize, count }),
        None => Ok(()),
    }
}

fn finite(what: &str, points: &[Vec3]) -> Result<(), Error> {
    match points.iter().position(|p| !p.is_finite()) {
        Some(i) => Err(Error::invalid(what, format!("entry {i} is not finite: {}", points[i]))),
        None => Ok(()),
    }
}
