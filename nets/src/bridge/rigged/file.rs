//! [`Rigged`] in a [`Checkpoint`]: half floats, and only the displacements that are not zero.
use super::{Bound, Rigged, indices, values};
use crate::bridge::render::GaussianTensors;
use crate::error::{Error, check_shape};
use crate::weights::checkpoint::Checkpoint;
use glam::Vec3;
use head::PersonMesh;
use head::model::{ARKIT, Basis};
use splat::Colors;
use tch::{Device, Kind, Tensor};

/// Value of the header's `net` in files with a rigged avatar.
pub const NET: &str = "effigy-rigged-1";

impl Rigged {
    /// Puts the person into a file. What is bound is rounded to half floats, so are the units; the mesh at rest is not:
    /// half floats of 25 cm are a tenth of a millimeter apart.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a value does not fit.
    pub fn put(&self, file: &mut Checkpoint) -> Result<(), Error> {
        let degree = match self.bound.local.kind {
            Colors::Sh { degree } => degree.to_string(),
            Colors::Features { .. } => "none".into(),
        };
        file.note("net", NET).note("sh_degree", degree);
        let mesh = &self.mesh;
        let n_vertices = mesh.neutral.len();
        for (name, t) in self.bound.parameters() {
            file.put(&format!("bound.{name}"), &halved(name, t)?);
        }
        file.put("bound.triangle", &self.bound.triangle.to_kind(Kind::Int));
        file.put("mesh.neutral", &vec3s(&mesh.neutral));
        file.put("mesh.joint_places", &vec3s(&mesh.joint_places));
        let corners: Vec<i32> = mesh.triangles.as_flattened().iter().map(|v| *v as i32).collect();
        file.put("mesh.triangles", &Tensor::from_slice(&corners).view([-1, 3]));
        file.put("mesh.weights", &halved("weights", &Tensor::from_slice(mesh.weights.as_flattened()).view([-1, 5]))?);
        // What half floats round to zero is no movement: it would be left out the next time.
        let moves = |d: &Vec3| d.to_array().iter().any(|v| half::f16::from_f32(*v).to_f32() != 0.0);
        let moved: Vec<usize> = (0..mesh.units.columns.len()).filter(|&i| moves(&mesh.units.columns[i])).collect();
        let of_moved = |f: &dyn Fn(usize) -> i32| Tensor::from_slice(&moved.iter().map(|&i| f(i)).collect::<Vec<_>>());
        file.put("mesh.units.unit", &of_moved(&|i| (i / n_vertices) as i32));
        file.put("mesh.units.vertex", &of_moved(&|i| (i % n_vertices) as i32));
        let displacements: Vec<Vec3> = moved.iter().map(|&i| mesh.units.columns[i]).collect();
        file.put("mesh.units.displacement", &halved("units", &vec3s(&displacements))?);
        Ok(())
    }

    /// Takes the person out of a file, onto `device`.
    ///
    /// # Errors
    /// [`Error::Format`], [`Error::Missing`], [`Error::Shape`] or [`Error::Data`] for a file of another kind or parts
    /// that do not fit together.
    pub fn take(file: &Checkpoint, device: Device) -> Result<Self, Error> {
        file.expect_net(NET)?;
        let kind = match file.notes.get("sh_degree").map(String::as_str) {
            Some(text) => match text.parse::<usize>() {
                Ok(degree) if degree <= 3 => Colors::Sh { degree },
                _ => Colors::Features { channels: 3 },
            },
            None => return Err(Error::Data("a rigged avatar without sh_degree".into())),
        };
        let float =
            |name: &str| Ok::<_, Error>(file.get(&format!("bound.{name}"))?.to_kind(Kind::Float).to_device(device));
        let local = GaussianTensors {
            means: float("means")?,
            quats: float("quats")?,
            log_scales: float("log_scales")?,
            opacity_logits: float("opacity_logits")?,
            colors: float("colors")?,
            kind,
        };
        let triangle = file.get("bound.triangle")?.to_kind(Kind::Int64).to_device(device);
        let rigged = Rigged { mesh: mesh(file)?, bound: Bound { local, triangle } };
        rigged.bound.check(rigged.mesh.triangles.len())?;
        Ok(rigged)
    }
}

fn mesh(file: &Checkpoint) -> Result<PersonMesh, Error> {
    let rows = |name: &str, width: i64| {
        let t = file.get(name)?;
        check_shape(name, t, &[-1, width])?;
        Ok::<_, Error>(t)
    };
    let points = |t: &Tensor| values(t).as_chunks::<3>().0.iter().map(|p| Vec3::from(*p)).collect::<Vec<_>>();
    let neutral = points(rows("mesh.neutral", 3)?);
    let n = neutral.len() as i64;
    let within = |name: &str, list: Vec<i64>, end: i64| match list.iter().find(|i| **i < 0 || **i >= end) {
        Some(i) => Err(Error::Data(format!("{name}: {i}, expected 0..{end}"))),
        None => Ok(list),
    };
    let list = |name: &str, end: i64| within(name, indices(&file.get(name)?.view([-1])), end);
    let corners = within("mesh.triangles", indices(&rows("mesh.triangles", 3)?.view([-1])), n)?;
    let (unit, vertex) = (list("mesh.units.unit", 52)?, list("mesh.units.vertex", n)?);
    let displacement = points(rows("mesh.units.displacement", 3)?);
    let weights: Vec<[f32; 5]> = values(rows("mesh.weights", 5)?).as_chunks::<5>().0.to_vec();
    if unit.len() != vertex.len() || unit.len() != displacement.len() || weights.len() != neutral.len() {
        return Err(Error::Data("a rigged avatar whose lists are of different lengths".into()));
    }
    let mut columns = vec![Vec3::ZERO; 52 * neutral.len()];
    for ((u, v), by) in unit.iter().zip(&vertex).zip(&displacement) {
        columns[(u * n + v) as usize] = *by;
    }
    let joints = points(rows("mesh.joint_places", 3)?);
    Ok(PersonMesh {
        triangles: corners.as_chunks::<3>().0.iter().map(|t| t.map(|v| v as u32)).collect(),
        units: Basis { names: ARKIT.map(String::from).to_vec(), columns },
        weights,
        joint_places: joints.try_into().map_err(|_| Error::Data("a rigged avatar without its five joints".into()))?,
        neutral,
    })
}

fn vec3s(points: &[Vec3]) -> Tensor {
    let flat: Vec<f32> = points.iter().flat_map(|p| p.to_array()).collect();
    Tensor::from_slice(&flat).view([-1, 3])
}

fn halved(name: &str, t: &Tensor) -> Result<Tensor, Error> {
    let half = t.detach().to_kind(Kind::Half);
    match half.isfinite().all().int64_value(&[]) {
        0 => Err(Error::NotFinite { what: format!("{name} as half float"), step: 0 }),
        _ => Ok(half),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::rigged;
    use super::*;
    use std::path::Path;

    #[test]
    fn a_person_comes_back_from_a_file() {
        let person = rigged(2);
        let mut file = Checkpoint::new(7);
        person.put(&mut file).unwrap();
        let bytes = file.to_bytes(Path::new("a")).unwrap();
        let back = Rigged::take(&Checkpoint::from_bytes(&bytes, Path::new("a")).unwrap(), Device::Cpu).unwrap();
        assert_eq!(back.mesh.neutral, person.mesh.neutral);
        assert_eq!(back.mesh.triangles, person.mesh.triangles);
        let mut expression = [0.0; 52];
        expression[head::params::unit("jawOpen").unwrap()] = 0.7;
        let pose = [Vec3::ZERO; 5];
        let apart = (back.posed(&expression, &pose).means - person.posed(&expression, &pose).means).abs();
        assert!(apart.max().double_value(&[]) < 5e-5, "half floats move Gaussians by less than 50 µm");
        // What was rounded once stays.
        let mut again = Checkpoint::new(7);
        back.put(&mut again).unwrap();
        assert!(again.to_bytes(Path::new("a")).unwrap() == bytes);
    }

    #[test]
    fn damage_is_refused() {
        let mut file = Checkpoint::new(0);
        rigged(1).put(&mut file).unwrap();
        let bad = |name: &str, t: Tensor| {
            let mut file = Checkpoint::new(0);
            rigged(1).put(&mut file).unwrap();
            file.put(name, &t);
            Rigged::take(&file, Device::Cpu)
        };
        assert!(Rigged::take(&file, Device::Cpu).is_ok());
        assert!(bad("mesh.units.unit", Tensor::from_slice(&[99i32])).is_err());
        assert!(bad("mesh.triangles", Tensor::from_slice(&[0i32, 1, 1 << 30]).view([1, 3])).is_err());
        assert!(bad("bound.means", Tensor::zeros([3, 3], (Kind::Float, Device::Cpu))).is_err());
        assert!(matches!(Rigged::take(&Checkpoint::new(0), Device::Cpu), Err(Error::Format { .. })));
    }
}
