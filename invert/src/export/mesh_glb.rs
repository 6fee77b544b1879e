//! A head mesh as `.glb`: one skinned mesh with 52 morph targets, one material, one texture.
use crate::export::mesh::HeadMesh;
use crate::glb::{Glb, Numbers, Role, Shape};
use anyhow::Result;
use glam::{Mat4, Vec3};
use head::model::{ARKIT, Joint};
use serde_json::{Value, json};

/// Offsets that are shorter are left out of a morph target (meters).
const LEAST_OFFSET_M: f32 = 1e-6;
/// Changes of a normal that are smaller are left out: a tenth of a degree.
const LEAST_TURN: f32 = 2e-3;
/// Node of the mesh; the joints follow.
const MESH_NODE: usize = 0;

/// The bytes of the file.
///
/// `jpeg` is the texture of [`crate::export::texture`], `expression` the weights that the morph targets have when the file is
/// opened, `note` goes into `asset.extras`. The material is unlit, for the texture holds the light of the photos; programs
/// that do not know `KHR_materials_unlit` see a rough dielectric.
///
/// # Errors
/// None below 4 GiB.
pub fn to_bytes(mesh: &HeadMesh, jpeg: &[u8], expression: &[f32; 52], name: &str, note: Value) -> Result<Vec<u8>> {
    let mut glb = Glb::default();
    let primitive = primitive(&mut glb, mesh);
    let places = mesh.joint_places;
    let inverse: Vec<f32> = places.iter().flat_map(|p| Mat4::from_translation(-*p).to_cols_array()).collect();
    let inverse = glb.array(Numbers::F32(&inverse), Shape::Mat4, Role::Other);
    let picture = glb.view(jpeg);
    let mut nodes = vec![json!({ "name": "head mesh", "mesh": 0, "skin": 0 })];
    nodes.extend(joint_nodes(&places));
    let root = node_of(Joint::Neck);
    glb.finish(json!({
        "asset": {
            "version": "2.0", "generator": concat!("Effigy invert ", env!("CARGO_PKG_VERSION")), "extras": note,
        },
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{ "name": name, "nodes": [MESH_NODE, root] }],
        "nodes": nodes,
        "meshes": [{
            "name": "head", "primitives": [primitive], "weights": expression.as_slice(),
            "extras": { "targetNames": ARKIT.as_slice() },
        }],
        "skins": [{
            "name": "head", "inverseBindMatrices": inverse, "skeleton": root, "joints": Joint::ALL.map(node_of),
        }],
        "materials": [{
            "name": "head", "doubleSided": true, "extensions": { "KHR_materials_unlit": {} },
            "pbrMetallicRoughness": {
                "baseColorTexture": { "index": 0 }, "metallicFactor": 0.0, "roughnessFactor": 0.8,
            },
        }],
        "textures": [{ "sampler": 0, "source": 0 }],
        // Linear with mipmaps, clamped to the edge.
        "samplers": [{ "magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071 }],
        "images": [{ "name": "head", "bufferView": picture, "mimeType": "image/jpeg" }],
    }))
}

fn primitive(glb: &mut Glb, mesh: &HeadMesh) -> Value {
    let indices = mesh.triangles.as_flattened();
    let narrow: Option<Vec<u16>> = indices.iter().map(|&i| u16::try_from(i).ok().filter(|i| *i < u16::MAX)).collect();
    let indices = narrow.as_deref().map_or(Numbers::U32(indices), Numbers::U16);
    let indices = glb.array(indices, Shape::Scalar, Role::Indices);
    // Their origin is the top left corner.
    let uvs: Vec<f32> = mesh.uvs.iter().flat_map(|uv| [uv.x, 1.0 - uv.y]).collect();
    let attributes = json!({
        "POSITION": glb.positions(&mesh.positions),
        "NORMAL": glb.vectors(&mesh.normals),
        "TEXCOORD_0": glb.array(Numbers::F32(&uvs), Shape::Vec2, Role::Attribute),
        "JOINTS_0": glb.array(Numbers::U8(mesh.joints.as_flattened()), Shape::Vec4, Role::Attribute),
        "WEIGHTS_0": glb.array(Numbers::F32(mesh.weights.as_flattened()), Shape::Vec4, Role::Attribute),
    });
    let targets: Vec<Value> = mesh
        .targets
        .iter()
        .map(|target| {
            let offsets = glb.sparse_positions(&target.offsets, LEAST_OFFSET_M);
            json!({ "POSITION": offsets, "NORMAL": glb.sparse(&target.normals, LEAST_TURN) })
        })
        .collect();
    let parts: serde_json::Map<String, Value> = mesh
        .parts
        .iter()
        .map(|(name, range)| {
            (name.to_string(), json!({ "firstIndex": 3 * range.start, "indexCount": 3 * range.len() }))
        })
        .collect();
    json!({
        "attributes": attributes, "indices": indices, "material": 0, "targets": targets, "extras": { "parts": parts },
    })
}

fn node_of(joint: Joint) -> usize {
    MESH_NODE + 1 + joint as usize
}

fn name_of(joint: Joint) -> &'static str {
    match joint {
        Joint::Neck => "neck",
        Joint::Head => "head",
        Joint::Jaw => "jaw",
        Joint::EyeLeft => "eyeLeft",
        Joint::EyeRight => "eyeRight",
    }
}

/// `[5]` each joint at its place, given in its parent.
fn joint_nodes(places: &[Vec3; 5]) -> [Value; 5] {
    Joint::ALL.map(|joint| {
        let parent = joint.parent().map_or(Vec3::ZERO, |parent| places[parent as usize]);
        let mut node = json!({ "name": name_of(joint), "translation": (places[joint as usize] - parent).to_array() });
        let children: Vec<usize> =
            Joint::ALL.into_iter().filter(|child| child.parent() == Some(joint)).map(node_of).collect();
        if !children.is_empty() {
            node["children"] = children.into();
        }
        node
    })
}
