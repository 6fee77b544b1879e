//! A binary glTF 2.0 file: arrays in one buffer, and the JSON that says what they are.
//!
//! Layout: Khronos, "glTF 2.0 Specification", section 4.4 (GLB). All numbers are little-endian; every array starts at a
//! multiple of four bytes.
use anyhow::{Context, Result};
use glam::Vec3;
use serde_json::{Value, json};

const MAGIC: u32 = 0x4654_6c67;
const JSON_CHUNK: u32 = 0x4e4f_534a;
const BINARY_CHUNK: u32 = 0x004e_4942;
/// `ARRAY_BUFFER` and `ELEMENT_ARRAY_BUFFER`.
const VERTICES: u32 = 34962;
const INDICES: u32 = 34963;

/// Numbers of an array, by the type that they are stored as.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// 8 bits.
    U8(&'a [u8]),
    /// 16 bits.
    U16(&'a [u16]),
    /// 32 bits.
    U32(&'a [u32]),
    /// Single precision.
    F32(&'a [f32]),
}

impl Numbers<'_> {
    fn component_type(self) -> u32 {
        match self {
            Numbers::U8(_) => 5121,
            Numbers::U16(_) => 5123,
            Numbers::U32(_) => 5125,
            Numbers::F32(_) => 5126,
        }
    }

    fn len(self) -> usize {
        match self {
            Numbers::U8(values) => values.len(),
            Numbers::U16(values) => values.len(),
            Numbers::U32(values) => values.len(),
            Numbers::F32(values) => values.len(),
        }
    }

    fn bytes(self) -> Vec<u8> {
        match self {
            Numbers::U8(values) => values.to_vec(),
            Numbers::U16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Numbers::U32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Numbers::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}

/// How many numbers an element has.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// One.
    Scalar,
    /// Two.
    Vec2,
    /// Three.
    Vec3,
    /// Four.
    Vec4,
    /// Sixteen, column by column.
    Mat4,
}

impl Shape {
    fn width(self) -> usize {
        match self {
            Shape::Scalar => 1,
            Shape::Vec2 => 2,
            Shape::Vec3 => 3,
            Shape::Vec4 => 4,
            Shape::Mat4 => 16,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Shape::Scalar => "SCALAR",
            Shape::Vec2 => "VEC2",
            Shape::Vec3 => "VEC3",
            Shape::Vec4 => "VEC4",
            Shape::Mat4 => "MAT4",
        }
    }
}

/// What an array is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Per vertex, as it is.
    Attribute,
    /// Per vertex, integers that stand for 0..=1.
    Normalized,
    /// Corners of triangles.
    Indices,
    /// Anything else.
    Other,
}

/// A file in the making: arrays are added and referred to by the numbers that come back.
#[derive(Clone, Debug, Default)]
pub struct Glb {
    bytes: Vec<u8>,
    views: Vec<Value>,
    accessors: Vec<Value>,
}

impl Glb {
    /// Adds bytes, such as a picture; returns the number of the buffer view.
    pub fn view(&mut self, bytes: &[u8]) -> usize {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.views.push(json!({ "buffer": 0, "byteOffset": self.bytes.len(), "byteLength": bytes.len() }));
        self.bytes.extend_from_slice(bytes);
        self.views.len() - 1
    }

    /// Adds an array; returns the number of the accessor. Elements of attributes must be multiples of four bytes.
    pub fn array(&mut self, numbers: Numbers<'_>, shape: Shape, role: Role) -> usize {
        debug_assert!(numbers.len().is_multiple_of(shape.width()), "whole elements");
        let view = self.view(&numbers.bytes());
        match role {
            Role::Attribute | Role::Normalized => self.views[view]["target"] = VERTICES.into(),
            Role::Indices => self.views[view]["target"] = INDICES.into(),
            Role::Other => (),
        }
        let mut accessor = json!({
            "bufferView": view, "componentType": numbers.component_type(),
            "count": numbers.len() / shape.width(), "type": shape.name(),
        });
        if role == Role::Normalized {
            accessor["normalized"] = true.into();
        }
        self.accessors.push(accessor);
        self.accessors.len() - 1
    }

    /// Adds vectors per vertex; returns the number of the accessor.
    pub fn vectors(&mut self, vectors: &[Vec3]) -> usize {
        self.array(Numbers::F32(&flat(vectors)), Shape::Vec3, Role::Attribute)
    }

    /// Adds positions, which need their bounds; returns the number of the accessor.
    pub fn positions(&mut self, positions: &[Vec3]) -> usize {
        let accessor = self.vectors(positions);
        self.bound(accessor, positions);
        accessor
    }

    /// Adds vectors per vertex of which most are shorter than `least` and become zero: only the others are stored. Returns
    /// the number of the accessor.
    pub fn sparse(&mut self, vectors: &[Vec3], least: f32) -> usize {
        let kept: Vec<usize> = (0..vectors.len()).filter(|&v| vectors[v].length() >= least).collect();
        let values: Vec<Vec3> = kept.iter().map(|&v| vectors[v]).collect();
        let mut accessor = json!({ "componentType": 5126, "count": vectors.len(), "type": "VEC3" });
        if !kept.is_empty() {
            let rows: Vec<u32> = kept.iter().map(|&v| v as u32).collect();
            let narrow: Option<Vec<u16>> = rows.iter().map(|&v| u16::try_from(v).ok()).collect();
            let numbers = narrow.as_deref().map_or(Numbers::U32(&rows), Numbers::U16);
            let indices = self.view(&numbers.bytes());
            let stored = self.view(&Numbers::F32(&flat(&values)).bytes());
            accessor["sparse"] = json!({
                "count": kept.len(), "values": { "bufferView": stored },
                "indices": { "bufferView": indices, "componentType": numbers.component_type() },
            });
        }
        self.accessors.push(accessor);
        self.accessors.len() - 1
    }

    /// As [`Glb::sparse`], with the bounds that positions need.
    pub fn sparse_positions(&mut self, vectors: &[Vec3], least: f32) -> usize {
        let accessor = self.sparse(vectors, least);
        let stored: Vec<Vec3> = vectors.iter().map(|v| if v.length() >= least { *v } else { Vec3::ZERO }).collect();
        self.bound(accessor, &stored);
        accessor
    }

    fn bound(&mut self, accessor: usize, values: &[Vec3]) {
        let low = values.iter().copied().reduce(Vec3::min).unwrap_or_default();
        let high = values.iter().copied().reduce(Vec3::max).unwrap_or_default();
        self.accessors[accessor]["min"] = json!(low.to_array());
        self.accessors[accessor]["max"] = json!(high.to_array());
    }

    /// The file; `json` is everything but the arrays.
    ///
    /// # Errors
    /// More than 4 GiB.
    pub fn finish(mut self, mut json: Value) -> Result<Vec<u8>> {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        json["buffers"] = json!([{ "byteLength": self.bytes.len() }]);
        json["bufferViews"] = self.views.into();
        json["accessors"] = self.accessors.into();
        let mut text = serde_json::to_vec(&json)?;
        text.resize(text.len().next_multiple_of(4), b' ');
        let total = u32::try_from(12 + 8 + text.len() + 8 + self.bytes.len()).context("a .glb ends at 4 GiB")?;
        let mut out = Vec::with_capacity(total as usize);
        [MAGIC, 2, total].iter().for_each(|word| out.extend(word.to_le_bytes()));
        for (kind, chunk) in [(JSON_CHUNK, &text), (BINARY_CHUNK, &self.bytes)] {
            out.extend((chunk.len() as u32).to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(chunk);
        }
        Ok(out)
    }
}

fn flat(vectors: &[Vec3]) -> Vec<f32> {
    vectors.iter().flat_map(|v| v.to_array()).collect()
}
