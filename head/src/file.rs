//! `head.safetensors`: a whole [`HeadModel`] in one file, exact to the bit.
//!
//! Displacement columns are stored sparse: `*.starts [K + 1]`, `*.vertices [nnz]`, `*.values [nnz, 3]`. Names and the
//! version are JSON in the header, under the key `head`. All floats are 32-bit little-endian, meters.
use crate::error::Error;
use crate::model::{Basis, HeadModel, IdentityPrior, JointRest, Part, SurfacePoint};
use glam::{Vec2, Vec3};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

const FORMAT: &str = "effigy-head";
const VERSION: u32 = 1;

/// What the header says beside the tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    source: String,
    identity: Vec<String>,
    expression: Vec<String>,
    regions: Vec<String>,
}

impl HeadModel {
    /// Writes the model whole or not at all: a temporary file beside it, then a rename.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let bytes = to_bytes(self)?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let written = std::fs::write(&temporary, &bytes)
            .and_then(|()| std::fs::File::open(&temporary)?.sync_all())
            .and_then(|()| std::fs::rename(&temporary, path));
        written.map_err(|source| {
            // The write has failed already; whether the remains can be removed changes nothing about it.
            drop(std::fs::remove_file(&temporary));
            Error::Io { action: "write", source, path: path.into() }
        })
    }

    /// Reads a model and checks it.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Io`], or [`Error::Invalid`] when it is another kind of file, damaged, or breaks the
    /// contract of [`HeadModel`].
    pub fn load(path: &Path) -> Result<HeadModel, Error> {
        let bytes = std::fs::read(path).map_err(|e| Error::reading("head model", path, e))?;
        let model = from_bytes(&bytes).map_err(|e| Error::invalid(path.display().to_string(), e.to_string()))?;
        model.check().map_err(|e| Error::invalid(path.display().to_string(), e.to_string()))?;
        Ok(model)
    }

    /// [`HeadModel::source`] of the model in a file, without the rest of it.
    ///
    /// # Errors
    /// As [`HeadModel::load`].
    pub fn source_of(path: &Path) -> Result<String, Error> {
        let bytes = std::fs::read(path).map_err(|e| Error::reading("head model", path, e))?;
        let header = read_header(&bytes).map_err(|e| Error::invalid(path.display().to_string(), e.to_string()))?;
        Ok(header.source)
    }
}

/// The bytes of the file; the same model gives the same bytes.
///
/// # Errors
/// [`Error::Invalid`] when the lists do not fit together.
pub fn to_bytes(model: &HeadModel) -> Result<Vec<u8>, Error> {
    let mut tensors = Writer::default();
    tensors.f32("template", &[model.template.len(), 3], flat3(&model.template));
    tensors.u32("faces", &[model.faces.len(), 4], model.faces.as_flattened().iter().copied());
    tensors.u8("face_parts", model.face_parts.iter().map(|&part| part as u8));
    tensors.f32("uvs", &[model.uvs.len(), 2], model.uvs.iter().flat_map(|uv| uv.to_array()));
    tensors.u32("face_uvs", &[model.face_uvs.len(), 4], model.face_uvs.as_flattened().iter().copied());
    tensors.basis("identity", &model.identity, model.template.len());
    tensors.basis("expression", &model.expression, model.template.len());
    tensors.f32("weights", &[model.weights.len(), 5], model.weights.as_flattened().iter().copied());
    tensors.u32("mirror", &[model.mirror.len()], model.mirror.iter().copied());
    for (j, joint) in model.joints.iter().enumerate() {
        tensors.u32(&format!("joints.{j}.vertices"), &[joint.vertices.len()], joint.vertices.iter().copied());
        tensors.f32(&format!("joints.{j}.offset"), &[3], joint.offset.to_array());
    }
    let landmarks = &model.landmarks;
    tensors.u32("landmarks.faces", &[landmarks.len()], landmarks.iter().map(|l| l.face));
    tensors.f32("landmarks.weights", &[landmarks.len(), 4], landmarks.iter().flat_map(|l| l.weights));
    for (r, mask) in model.regions.values().enumerate() {
        tensors.f32(&format!("regions.{r}"), &[mask.len()], mask.iter().copied());
    }
    let prior = &model.identity_prior;
    tensors.f32("prior.mean", &[prior.mean.len()], prior.mean.iter().copied());
    let width = prior.components.first().map_or(0, Vec::len);
    tensors.f32("prior.components", &[prior.components.len(), width], prior.components.iter().flatten().copied());
    let header = Header {
        format: FORMAT.into(),
        version: VERSION,
        source: model.source.clone(),
        identity: model.identity.names.clone(),
        expression: model.expression.names.clone(),
        regions: model.regions.keys().cloned().collect(),
    };
    tensors.finish(&header)
}

/// Reads what [`to_bytes`] wrote; run [`HeadModel::check`] on the result.
///
/// # Errors
/// [`Error::Invalid`] when it is another kind of file or damaged.
pub fn from_bytes(bytes: &[u8]) -> Result<HeadModel, Error> {
    let fault = |reason: String| Error::invalid("head model", reason);
    let header = read_header(bytes)?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| fault(e.to_string()))?;
    let reader = Reader { file };
    let template = reader.vec3s("template")?;
    let n = template.len();
    let joint = |j: usize| -> Result<JointRest, Error> {
        let offset = reader.f32s(&format!("joints.{j}.offset"), 3)?;
        let offset = Vec3::from_slice(offset.first_chunk::<3>().ok_or_else(|| fault("a joint without place".into()))?);
        Ok(JointRest { vertices: reader.u32s(&format!("joints.{j}.vertices"))?, offset })
    };
    let (landmark_faces, landmark_weights) = (reader.u32s("landmarks.faces")?, reader.rows::<4>("landmarks.weights")?);
    let regions = header.regions.iter().enumerate();
    let part = |&p: &u8| PARTS.get(usize::from(p)).copied().ok_or_else(|| fault(format!("unknown part {p}")));
    let prior_mean = reader.f32s("prior.mean", 1)?;
    let prior_width = prior_mean.len().max(1);
    Ok(HeadModel {
        source: header.source,
        faces: reader.u32s("faces")?.as_chunks().0.to_vec(),
        face_parts: reader.bytes("face_parts", Dtype::U8)?.iter().map(part).collect::<Result<_, _>>()?,
        uvs: reader.rows::<2>("uvs")?.into_iter().map(Vec2::from).collect(),
        face_uvs: reader.u32s("face_uvs")?.as_chunks().0.to_vec(),
        identity: reader.basis("identity", header.identity, n)?,
        expression: reader.basis("expression", header.expression, n)?,
        joints: (0..5).map(joint).collect::<Result<_, _>>()?,
        weights: reader.rows::<5>("weights")?,
        mirror: reader.u32s("mirror")?,
        landmarks: landmark_faces
            .into_iter()
            .zip(landmark_weights)
            .map(|(face, weights)| SurfacePoint { face, weights })
            .collect(),
        regions: regions
            .map(|(r, name)| Ok((name.clone(), reader.f32s(&format!("regions.{r}"), 1)?)))
            .collect::<Result<_, Error>>()?,
        identity_prior: IdentityPrior {
            components: reader.f32s("prior.components", 1)?.chunks(prior_width).map(<[f32]>::to_vec).collect(),
            mean: prior_mean,
        },
        template,
    })
}

const PARTS: [Part; 9] = [
    Part::Skin,
    Part::EyeLeft,
    Part::EyeRight,
    Part::TeethUpper,
    Part::TeethLower,
    Part::Gums,
    Part::Tongue,
    Part::Mouth,
    Part::Lashes,
];

fn read_header(bytes: &[u8]) -> Result<Header, Error> {
    let fault = |reason: String| Error::invalid("head model", reason);
    let (_, metadata) = SafeTensors::read_metadata(bytes)
        .map_err(|e| fault(format!("expected a head.safetensors, this is not a safetensors file: {e}")))?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get("head"));
    let text = text.ok_or_else(|| fault("expected a head.safetensors, this safetensors file holds no head".into()))?;
    let header: Header = serde_json::from_str(text).map_err(|e| fault(format!("header: {e}")))?;
    match (header.format.as_str(), header.version) {
        (FORMAT, VERSION) => Ok(header),
        (FORMAT, newer) => Err(fault(format!("has version {newer}, this build reads {VERSION}"))),
        (other, _) => Err(fault(format!("expected format {FORMAT}, got {other}"))),
    }
}

#[derive(Default)]
struct Writer {
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

impl Writer {
    fn f32(&mut self, name: &str, shape: &[usize], values: impl IntoIterator<Item = f32>) {
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        self.tensors.push((name.into(), Dtype::F32, shape.to_vec(), bytes));
    }

    fn u32(&mut self, name: &str, shape: &[usize], values: impl IntoIterator<Item = u32>) {
        let bytes = values.into_iter().flat_map(u32::to_le_bytes).collect();
        self.tensors.push((name.into(), Dtype::U32, shape.to_vec(), bytes));
    }

    fn u8(&mut self, name: &str, values: impl IntoIterator<Item = u8>) {
        let bytes: Vec<u8> = values.into_iter().collect();
        self.tensors.push((name.into(), Dtype::U8, vec![bytes.len()], bytes));
    }

    fn basis(&mut self, name: &str, basis: &Basis, n_vertices: usize) {
        let (mut starts, mut vertices, mut values) = (vec![0u32], Vec::new(), Vec::new());
        for column in basis.columns.chunks(n_vertices.max(1)) {
            for (v, displacement) in column.iter().enumerate().filter(|(_, d)| **d != Vec3::ZERO) {
                vertices.push(v as u32);
                values.push(*displacement);
            }
            starts.push(vertices.len() as u32);
        }
        self.u32(&format!("{name}.starts"), &[starts.len()], starts.iter().copied());
        self.u32(&format!("{name}.vertices"), &[vertices.len()], vertices.iter().copied());
        self.f32(&format!("{name}.values"), &[values.len(), 3], flat3(&values));
    }

    fn finish(self, header: &Header) -> Result<Vec<u8>, Error> {
        let fault = |e: &dyn std::fmt::Display| Error::invalid("head model", e.to_string());
        let text = serde_json::to_string(header).map_err(|e| fault(&e))?;
        let mut views = Vec::new();
        for (name, dtype, shape, bytes) in &self.tensors {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(|e| fault(&e))?;
            views.push((name.as_str(), view));
        }
        safetensors::serialize(views, Some(HashMap::from([("head".to_string(), text)]))).map_err(|e| fault(&e))
    }
}

struct Reader<'a> {
    file: SafeTensors<'a>,
}

impl Reader<'_> {
    fn bytes(&self, name: &str, dtype: Dtype) -> Result<Vec<u8>, Error> {
        let tensor = self.file.tensor(name).map_err(|e| Error::invalid("head model", e.to_string()))?;
        match tensor.dtype() == dtype {
            true => Ok(tensor.data().to_vec()),
            false => Err(Error::invalid("head model", format!("{name}: expected {dtype:?}, got {:?}", tensor.dtype()))),
        }
    }

    /// Values of a tensor whose number is a multiple of `row`.
    fn f32s(&self, name: &str, row: usize) -> Result<Vec<f32>, Error> {
        let bytes = self.bytes(name, Dtype::F32)?;
        if bytes.len() % (4 * row) != 0 {
            return Err(Error::invalid("head model", format!("{name}: expected rows of {row}")));
        }
        Ok(bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
    }

    fn u32s(&self, name: &str) -> Result<Vec<u32>, Error> {
        let bytes = self.bytes(name, Dtype::U32)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|&b| u32::from_le_bytes(b)).collect())
    }

    fn rows<const N: usize>(&self, name: &str) -> Result<Vec<[f32; N]>, Error> {
        Ok(self.f32s(name, N)?.as_chunks().0.to_vec())
    }

    fn vec3s(&self, name: &str) -> Result<Vec<Vec3>, Error> {
        Ok(self.rows::<3>(name)?.into_iter().map(Vec3::from).collect())
    }

    fn basis(&self, name: &str, names: Vec<String>, n_vertices: usize) -> Result<Basis, Error> {
        let fault = |reason: &str| Error::invalid(name, reason);
        let starts = self.u32s(&format!("{name}.starts"))?;
        let vertices = self.u32s(&format!("{name}.vertices"))?;
        let values = self.vec3s(&format!("{name}.values"))?;
        if starts.len() != names.len() + 1 || values.len() != vertices.len() {
            return Err(fault("its lists differ in length"));
        }
        let total = names.len().checked_mul(n_vertices).filter(|&t| t < 1 << 28).ok_or_else(|| fault("too large"))?;
        let mut columns = vec![Vec3::ZERO; total];
        for k in 0..names.len() {
            let range = starts[k] as usize..starts[k + 1] as usize;
            let listed = vertices.get(range.clone()).ok_or_else(|| fault("a column reaches beyond its list"))?;
            for (&v, &value) in listed.iter().zip(&values[range]) {
                if v as usize >= n_vertices {
                    return Err(fault("a vertex is out of range"));
                }
                columns[k * n_vertices + v as usize] = value;
            }
        }
        Ok(Basis { names, columns })
    }
}

fn flat3(values: &[Vec3]) -> impl Iterator<Item = f32> + '_ {
    values.iter().flat_map(|v| v.to_array())
}
