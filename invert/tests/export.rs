//! Exported files, read again by an independent reader of glTF: the analytic head, no weights.
use glam::{Mat4, Vec2, Vec3};
use head::analytic;
use head::ibug;
use head::model::{ARKIT, HeadModel, Joint, Part};
use invert::export::mesh::HeadMesh;
use invert::export::texture::{self, Source};
use invert::export::{gaussians_glb, hair, mesh_glb};
use prior::config::ModelConfig;
use prior::regions::{Grids, avatar_points};
use serde_json::{Value, json};
use splat::{Colors, Gaussians};
use std::collections::HashMap;

/// A `.glb` in its parts.
struct Parsed {
    json: Value,
    bytes: Vec<u8>,
}

impl Parsed {
    fn new(file: &[u8]) -> Parsed {
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(&file[..4], b"glTF");
        assert_eq!((word(4), word(8)), (2, file.len()));
        let json_length = word(12);
        assert_eq!(&file[16..20], b"JSON");
        let binary = 20 + json_length;
        let length = word(binary);
        assert_eq!(&file[binary + 4..binary + 8], b"BIN\0");
        assert!(json_length.is_multiple_of(4) && length.is_multiple_of(4), "chunks are aligned");
        assert_eq!(binary + 8 + length, file.len());
        let parsed =
            Parsed { json: serde_json::from_slice(&file[20..binary]).unwrap(), bytes: file[binary + 8..].to_vec() };
        assert_eq!(parsed.json["buffers"], json!([{ "byteLength": length }]));
        parsed
    }

    fn view(&self, n: &Value) -> &[u8] {
        let view = &self.json["bufferViews"][n.as_u64().unwrap() as usize];
        let (at, length) = (number(&view["byteOffset"]), number(&view["byteLength"]));
        assert!(at.is_multiple_of(4) && at + length <= self.bytes.len(), "{view}");
        &self.bytes[at..at + length]
    }

    /// All numbers of an accessor, and how many each element has.
    fn numbers(&self, n: &Value) -> (Vec<f64>, usize) {
        let accessor = &self.json["accessors"][number(n)];
        let width = match accessor["type"].as_str().unwrap() {
            "SCALAR" => 1,
            "VEC2" => 2,
            "VEC3" => 3,
            "VEC4" => 4,
            "MAT4" => 16,
            other => panic!("{other}"),
        };
        let count = number(&accessor["count"]);
        let mut values = match accessor.get("bufferView") {
            Some(view) => decode(self.view(view), number(&accessor["componentType"])),
            None => vec![0.0; width * count],
        };
        assert_eq!(values.len(), width * count, "{accessor}");
        if let Some(sparse) = accessor.get("sparse") {
            let indices = &sparse["indices"];
            let rows = decode(self.view(&indices["bufferView"]), number(&indices["componentType"]));
            let stored = decode(self.view(&sparse["values"]["bufferView"]), number(&accessor["componentType"]));
            assert_eq!((rows.len(), stored.len()), (number(&sparse["count"]), width * rows.len()));
            assert!(rows.windows(2).all(|pair| pair[0] < pair[1]) && rows.iter().all(|r| (*r as usize) < count));
            for (row, element) in rows.iter().zip(stored.chunks(width)) {
                values[width * *row as usize..][..width].copy_from_slice(element);
            }
        }
        for (bound, worse) in [("min", f64::min as fn(f64, f64) -> f64), ("max", f64::max)] {
            if let Some(said) = accessor.get(bound) {
                let found = (0..width).map(|i| values.iter().skip(i).step_by(width).copied().reduce(worse).unwrap());
                let said = said.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32);
                assert!(found.map(|v| v as f32).eq(said), "{bound} of {accessor}");
            }
        }
        (values, width)
    }

    fn vectors(&self, n: &Value) -> Vec<Vec3> {
        let (values, width) = self.numbers(n);
        assert_eq!(width, 3);
        values.chunks(3).map(|v| Vec3::new(v[0] as f32, v[1] as f32, v[2] as f32)).collect()
    }
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn decode(bytes: &[u8], component_type: usize) -> Vec<f64> {
    match component_type {
        5121 => bytes.iter().map(|b| f64::from(*b)).collect(),
        5123 => bytes.chunks(2).map(|b| f64::from(u16::from_le_bytes(b.try_into().unwrap()))).collect(),
        5125 => bytes.chunks(4).map(|b| f64::from(u32::from_le_bytes(b.try_into().unwrap()))).collect(),
        5126 => bytes.chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
        other => panic!("component type {other}"),
    }
}

/// A person, the mesh, and the file.
fn exported() -> (HeadModel, Vec<Vec3>, HeadMesh, Parsed) {
    let model = analytic::head();
    let mut neutral = model.neutral(&vec![0.3; model.identity.names.len()]);
    head::Correctives::new(&model).rest(&model, &mut neutral);
    let mesh = HeadMesh::new(&model, &neutral, &vec![Vec3::ZERO; neutral.len()]);
    let mut expression = [0.0; 52];
    expression[24] = 0.25;
    let file = mesh_glb::to_bytes(&mesh, b"a picture", &expression, "Ada", json!({ "tool": "invert" })).unwrap();
    let parsed = Parsed::new(&file);
    (model, neutral, mesh, parsed)
}

#[test]
fn a_mesh_has_all_that_3d_programs_need() {
    let (model, neutral, mesh, file) = exported();
    let json = &file.json;
    assert_eq!((&json["asset"]["version"], &json["asset"]["extras"]["tool"]), (&json!("2.0"), &json!("invert")));
    let primitive = &json["meshes"][0]["primitives"][0];
    let attributes = &primitive["attributes"];
    let positions = file.vectors(&attributes["POSITION"]);
    let normals = file.vectors(&attributes["NORMAL"]);
    assert!(file.json["accessors"][number(&attributes["POSITION"])]["min"].is_array(), "positions have bounds");
    same_places(&positions, &model_at_rest(&model, &neutral)); // the person at rest
    assert!(normals.iter().all(|n| (n.length() - 1.0).abs() < 1e-4));
    let (uvs, _) = file.numbers(&attributes["TEXCOORD_0"]);
    assert!(uvs.iter().all(|t| (0.0..=1.0).contains(t)));
    let (indices, _) = file.numbers(&primitive["indices"]);
    assert!(indices.iter().all(|&i| (i as usize) < positions.len()));

    // Every triangle of every part but the lashes, outside out, and on its own texels.
    let cut = head::normals::triangles(&model.faces);
    let lashes = cut.face.iter().filter(|f| model.face_parts[**f as usize] == Part::Lashes).count();
    assert_eq!(indices.len(), 3 * (cut.indices.len() - lashes));
    let parts = primitive["extras"]["parts"].as_object().unwrap();
    assert_eq!(parts.values().map(|p| number(&p["indexCount"])).sum::<usize>(), indices.len());
    for eye in ["eyeLeft", "eyeRight"] {
        let (first, count) = (number(&parts[eye]["firstIndex"]), number(&parts[eye]["indexCount"]));
        let corners: Vec<Vec3> = indices[first..first + count].iter().map(|&i| positions[i as usize]).collect();
        let center = corners.iter().sum::<Vec3>() / count as f32;
        assert!(center.x.signum() == if eye == "eyeLeft" { 1.0 } else { -1.0 }, "{eye} is at {center}");
        let out = corners.chunks(3).filter(|t| (t[1] - t[0]).cross(t[2] - t[0]).dot(t[0] - center) >= 0.0).count();
        assert!(out * 3 == count, "{out} of {} triangles of {eye} face outwards", count / 3);
    }
    let atlas: Vec<Vec2> = uvs.chunks(2).map(|t| Vec2::new(t[0] as f32, 1.0 - t[1] as f32)).collect();
    assert!(atlas.iter().zip(&mesh.uvs).all(|(a, b)| a.distance(*b) < 1e-6), "v runs down");
    let picture = &json["images"][0];
    assert_eq!((file.view(&picture["bufferView"]), &picture["mimeType"]), (&b"a picture"[..], &json!("image/jpeg")));
}

#[test]
fn fifty_two_targets_move_what_their_names_say() {
    let (model, neutral, _, file) = exported();
    let mesh = &file.json["meshes"][0];
    assert_eq!(mesh["extras"]["targetNames"], json!(ARKIT.as_slice()));
    assert_eq!((mesh["weights"].as_array().unwrap().len(), &mesh["weights"][24]), (52, &json!(0.25)));
    let primitive = &mesh["primitives"][0];
    let targets = primitive["targets"].as_array().unwrap();
    assert_eq!(targets.len(), 52);
    let rest = file.vectors(&primitive["attributes"]["POSITION"]);
    let offsets: Vec<Vec<Vec3>> = targets.iter().map(|t| file.vectors(&t["POSITION"])).collect();
    assert!(offsets.iter().all(|o| o.len() == rest.len()));
    let at = |name: &str| &offsets[ARKIT.iter().position(|n| *n == name).unwrap()];
    let nearest =
        |p: Vec3| (0..rest.len()).min_by(|&a, &b| rest[a].distance(p).total_cmp(&rest[b].distance(p))).unwrap();
    let landmarks = model.landmarks_at(&neutral);
    let chin = nearest(landmarks[ibug::CHIN]);
    let crown = (0..rest.len()).max_by(|&a, &b| rest[a].y.total_cmp(&rest[b].y)).unwrap();
    assert!(at("jawOpen")[chin].y < -0.005, "the chin goes down by {}", at("jawOpen")[chin].y);
    for offsets in &offsets {
        assert!(offsets[crown].length() < 1e-6, "the crown stays");
    }
    // Each target is the engine's own pose, eyeballs, lids and lips included.
    let correctives = head::Correctives::new(&model);
    let same = same_places(&rest, &model_at_rest(&model, &neutral));
    let mut params = model.params();
    for (k, name) in ARKIT.iter().enumerate() {
        params.expression = [0.0; 52];
        params.expression[k] = 1.0;
        let posed = correctives.pose(&model, &neutral, &params).positions;
        for (v, at_rest) in rest.iter().enumerate() {
            let off = same[v].iter().map(|&u| posed[u].distance(*at_rest + offsets[k][v])).fold(f32::MAX, f32::min);
            assert!(off < 2e-6, "{name}: vertex {v} is {off} m off");
        }
    }
    let turned = at("eyeLookOutLeft").iter().zip(&rest).filter(|(o, p)| o.length() > 1e-3 && p.x > 0.0).count();
    assert!(turned > 20, "{turned} vertices of the left eyeball turn");
    // Normals turn with the surface.
    let normals = file.vectors(&primitive["attributes"]["NORMAL"]);
    for target in targets {
        let moved = file.vectors(&target["NORMAL"]);
        assert!(moved.iter().zip(&normals).all(|(d, n)| (*d + *n).length() < 1.01));
    }
}

#[test]
fn a_skeleton_turns_the_head_as_the_rig_does() {
    let (model, neutral, _, file) = exported();
    let (skin, nodes) = (&file.json["skins"][0], &file.json["nodes"]);
    let attributes = &file.json["meshes"][0]["primitives"][0]["attributes"];
    let (inverse, _) = file.numbers(&skin["inverseBindMatrices"]);
    let inverse: Vec<Mat4> =
        inverse.chunks(16).map(|m| Mat4::from_cols_array(&std::array::from_fn(|i| m[i] as f32))).collect();
    let joints: Vec<usize> = skin["joints"].as_array().unwrap().iter().map(number).collect();
    let names: Vec<&str> = joints.iter().map(|&j| nodes[j]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["neck", "head", "jaw", "eyeLeft", "eyeRight"]);
    // World transforms at rest undo the inverse bind matrices.
    let parent_of = |j: usize| {
        let has = |p: &&usize| nodes[**p]["children"].as_array().is_some_and(|c| c.iter().any(|c| number(c) == j));
        joints.iter().find(has).copied()
    };
    let world = |mut j: usize, turned: Option<(usize, Mat4)>| {
        let mut total = Mat4::IDENTITY;
        loop {
            let t = &nodes[j]["translation"];
            let t =
                Vec3::new(t[0].as_f64().unwrap() as f32, t[1].as_f64().unwrap() as f32, t[2].as_f64().unwrap() as f32);
            let local = Mat4::from_translation(t);
            total = turned.filter(|(k, _)| *k == j).map_or(local, |(_, turn)| local * turn) * total;
            match parent_of(j) {
                Some(parent) => j = parent,
                None => return total,
            }
        }
    };
    for (&j, inverse) in joints.iter().zip(&inverse) {
        assert!((world(j, None) * *inverse).abs_diff_eq(Mat4::IDENTITY, 1e-6), "joint {j}");
    }
    assert_eq!(file.json["scenes"][0]["nodes"], json!([0, joints[0]]));

    // A turned jaw moves every vertex as linear blend skinning of the rig does.
    let (weights, _) = file.numbers(&attributes["WEIGHTS_0"]);
    let (hung, _) = file.numbers(&attributes["JOINTS_0"]);
    for weights in weights.chunks(4) {
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{weights:?}");
    }
    let turn = Vec3::new(0.2, 0.1, 0.0);
    let matrix = Mat4::from_quat(glam::Quat::from_scaled_axis(turn));
    let moved: Vec<Mat4> =
        joints.iter().zip(&inverse).map(|(&j, inverse)| world(j, Some((joints[2], matrix))) * *inverse).collect();
    let mut params = model.params();
    params.pose[Joint::Jaw as usize] = turn;
    let at_rest = model_at_rest(&model, &neutral);
    let posed = model.pose_neutral(&at_rest, &params).positions;
    let positions = file.vectors(&attributes["POSITION"]);
    let same = same_places(&positions, &at_rest);
    for (v, rest) in positions.into_iter().enumerate() {
        let blended: Vec3 =
            (0..4).map(|i| weights[4 * v + i] as f32 * moved[hung[4 * v + i] as usize].transform_point3(rest)).sum();
        let off = same[v].iter().map(|&u| posed[u].distance(blended)).fold(f32::MAX, f32::min);
        assert!(off < 1e-5, "vertex {v} is {off} m off");
    }
}

fn model_at_rest(model: &HeadModel, neutral: &[Vec3]) -> Vec<Vec3> {
    head::Correctives::new(model).pose(model, neutral, &model.params()).positions
}

/// For each vertex of the file those of the model at the same place.
fn same_places(file: &[Vec3], model: &[Vec3]) -> Vec<Vec<usize>> {
    let bits = |p: &Vec3| p.to_array().map(f32::to_bits);
    let mut at: HashMap<[u32; 3], Vec<usize>> = HashMap::new();
    for (v, place) in model.iter().enumerate() {
        at.entry(bits(place)).or_default().push(v);
    }
    file.iter().map(|place| at[&bits(place)].clone()).collect()
}

/// Gaussians on the analytic head: skin by height, eyes green.
fn painted(model: &HeadModel, rest: &[Vec3]) -> (Vec<head::model::SurfacePoint>, Gaussians) {
    let grids = Grids { face: 160, scalp: 160, detail: 160, eyes: 200, teeth: 160, tongue: 64, mouth: 64 };
    let regions = avatar_points(model, rest, &grids, &ModelConfig::default());
    let anchors: Vec<_> = regions.iter().flat_map(|r| r.anchors.clone()).collect();
    let mut g = Gaussians::empty(Colors::Features { channels: 3 });
    for (anchor, scale) in anchors.iter().zip(regions.iter().flat_map(|r| r.log_scales.clone())) {
        let corners = model.faces[anchor.face as usize];
        let place: Vec3 = (0..4).map(|k| anchor.weights[k] * rest[corners[k] as usize]).sum();
        g.means.extend(place.to_array());
        g.quats.extend([1.0, 0.0, 0.0, 0.0]);
        g.log_scales.extend([scale - 0.5; 3]);
        g.opacity_logits.push(3.0);
        g.colors.extend(match model.face_parts[anchor.face as usize] {
            Part::EyeLeft | Part::EyeRight => [0.0, 1.0, 0.0],
            _ => [0.5 + 2.0 * place.y, 0.3, 0.6],
        });
    }
    (anchors, g)
}

#[test]
fn a_texel_has_the_color_of_its_own_part() {
    let model = analytic::head();
    let rest = model.template.clone();
    let (anchors, gaussians) = painted(&model, &rest);
    let source = Source { model: &model, rest: &rest, anchors: &anchors, gaussians: &gaussians };
    let size = 256;
    let picture = texture::bake(&source, size);
    let atlas = head::UvAtlas::new(&model, size);
    let places = atlas.position_map(&rest).values;
    let (mut eyes, mut skin) = (0, 0);
    for (i, pixel) in picture.pixels().enumerate() {
        let [r, g, b] = pixel.0.map(|c| f32::from(c) / 255.0);
        match atlas.part(i) {
            Some(Part::EyeLeft | Part::EyeRight) => {
                assert!(g > 0.97 && r < 0.03 && b < 0.03, "an eye's texel is {pixel:?}");
                eyes += 1;
            }
            Some(Part::Skin) => {
                let want = (0.5 + 2.0 * places[i].y).clamp(0.0, 1.0);
                assert!((r - want).abs() < 0.05 && (g - 0.3).abs() < 0.02 && (b - 0.6).abs() < 0.02, "{pixel:?}");
                skin += 1;
            }
            // Padding and the rest: a color of the head, never black.
            _ => assert!(r + g + b > 0.5, "{pixel:?} at {i}"),
        }
    }
    assert!(eyes > 500 && skin > 20_000, "{eyes} and {skin} texels");
    let jpeg = texture::to_jpeg(&picture).unwrap();
    let back = image::load_from_memory(&jpeg).unwrap().to_rgb8();
    let off = back.as_raw().iter().zip(picture.as_raw()).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>();
    assert!(f64::from(off) / (back.as_raw().len() as f64) < 3.0);
}

/// Hair that stands 3 cm off the scalp lifts the mesh there and nowhere else.
#[test]
fn the_mesh_has_the_volume_of_the_hair() {
    let model = analytic::head();
    let rest = model.template.clone();
    let (anchors, mut gaussians) = painted(&model, &rest);
    let scalp = &model.regions["scalp"];
    let up = Vec3::new(0.0, 0.03, 0.0);
    for (n, anchor) in anchors.iter().enumerate() {
        let share: f32 = (0..4).map(|k| anchor.weights[k] * scalp[model.faces[anchor.face as usize][k] as usize]).sum();
        if share >= 0.5 {
            gaussians.means[3 * n + 1] += up.y;
        }
    }
    let volume = hair::volume(&Source { model: &model, rest: &rest, anchors: &anchors, gaussians: &gaussians });
    let crown = (0..rest.len()).max_by(|&a, &b| rest[a].y.total_cmp(&rest[b].y)).unwrap();
    assert!(volume[crown].distance(up) < 1e-3, "the crown is lifted by {}", volume[crown]);
    for (v, offset) in volume.iter().enumerate() {
        assert!(offset.y > -1e-6 && offset.length() < up.y + 1e-4 && (scalp[v] > 0.0 || *offset == Vec3::ZERO));
    }
    let bare = HeadMesh::new(&model, &rest, &vec![Vec3::ZERO; rest.len()]);
    let haired = HeadMesh::new(&model, &rest, &volume);
    let lifted = haired.positions.iter().zip(&bare.positions).map(|(a, b)| a.y - b.y).fold(0.0, f32::max);
    assert!((lifted - up.y).abs() < 1e-3 && haired.normals.iter().all(|n| (n.length() - 1.0).abs() < 1e-4));
}

#[test]
fn gaussians_are_stored_as_the_extension_says() {
    let model = analytic::head();
    let (_, mut gaussians) = painted(&model, &model.template);
    gaussians.quats[..4].copy_from_slice(&[2.0, 0.0, 0.0, 2.0]);
    let file = Parsed::new(&gaussians_glb::to_bytes(&gaussians, "Ada", json!({})).unwrap());
    assert_eq!(file.json["extensionsUsed"], json!(["KHR_gaussian_splatting"]));
    let primitive = &file.json["meshes"][0]["primitives"][0];
    assert_eq!(primitive["mode"], 0);
    let extension = &primitive["extensions"]["KHR_gaussian_splatting"];
    assert_eq!((&extension["kernel"], &extension["colorSpace"]), (&json!("ellipse"), &json!("srgb_rec709_display")));
    let attribute = |name: &str| file.numbers(&primitive["attributes"][name]);
    let close = |found: &[f64], want: &[f64]| found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6);
    let (positions, _) = attribute("POSITION");
    assert!(positions.iter().zip(&gaussians.means).all(|(a, b)| *a == f64::from(*b)));
    let (rotations, _) = attribute("KHR_gaussian_splatting:ROTATION");
    assert!(close(&rotations[..4], &[0.0, 0.0, 0.5f64.sqrt(), 0.5f64.sqrt()]), "x y z w, of unit length");
    let (scales, _) = attribute("KHR_gaussian_splatting:SCALE");
    assert!(close(&scales[..1], &[f64::from(gaussians.log_scales[0]).exp()]), "meters, not their logarithm");
    let (opacities, _) = attribute("KHR_gaussian_splatting:OPACITY");
    assert!(close(&opacities[..1], &[1.0 / (1.0 + (-3.0f64).exp())]));
    let (harmonics, _) = attribute("KHR_gaussian_splatting:SH_DEGREE_0_COEF_0");
    assert!((harmonics[0] * splat::gaussians::SH_C0 + 0.5 - f64::from(gaussians.colors[0])).abs() < 1e-5);
    let (points, width) = attribute("COLOR_0");
    let linear = formats::image::linear_from_srgb(gaussians.colors[1]);
    assert!(width == 4 && (points[1] / 65535.0 - f64::from(linear)).abs() < 1e-4, "points are linear RGB");
    assert_eq!(opacities.len(), gaussians.len());
}

#[test]
fn harmonics_of_higher_degrees_go_coefficient_by_coefficient() {
    let degree_1 = Gaussians {
        means: vec![0.0; 6],
        quats: [1.0, 0.0, 0.0, 0.0].repeat(2),
        log_scales: vec![-5.0; 6],
        opacity_logits: vec![0.0; 2],
        colors: (0..24).map(|i| i as f32).collect(),
        kind: Colors::Sh { degree: 1 },
    };
    let file = Parsed::new(&gaussians_glb::to_bytes(&degree_1, "two", json!({})).unwrap());
    let attributes = &file.json["meshes"][0]["primitives"][0]["attributes"];
    let coefficient = |name: &str| file.numbers(&attributes[format!("KHR_gaussian_splatting:SH_DEGREE_{name}")]).0;
    assert_eq!(coefficient("0_COEF_0"), [0.0, 1.0, 2.0, 12.0, 13.0, 14.0]);
    assert_eq!(coefficient("1_COEF_0"), [3.0, 4.0, 5.0, 15.0, 16.0, 17.0]);
    assert_eq!(coefficient("1_COEF_2"), [9.0, 10.0, 11.0, 21.0, 22.0, 23.0]);
    assert!(attributes.get("KHR_gaussian_splatting:SH_DEGREE_2_COEF_0").is_none());
}
