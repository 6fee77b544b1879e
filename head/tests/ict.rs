//! The ICT-FaceKit importer, on the real files: `$EFFIGY_ICT` or `target/assets/ict`.
use glam::Vec3;
use head::model::{Joint, Part};
use head::params::unit;
use head::{Error, HeadModel, UvAtlas, ict};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static MODEL: LazyLock<Option<HeadModel>> = LazyLock::new(|| {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/assets/ict");
    let folder = std::env::var_os("EFFIGY_ICT").map_or(PathBuf::from(default), PathBuf::from);
    if !folder.exists() {
        eprintln!("skipped: no ICT-FaceKit checkout at {folder:?}; set EFFIGY_ICT to one");
        return None;
    }
    Some(ict::import(&folder).expect("a checkout of ICT-FaceKit Light"))
});

fn unit_at(model: &HeadModel, name: &str) -> Vec<Vec3> {
    let mut params = model.params();
    params.expression[unit(name).expect("unit")] = 1.0;
    model.landmarks_at(&model.evaluate(&params).positions)
}

#[test]
fn the_mesh_is_whole() {
    let Some(model) = MODEL.as_ref() else { return };
    model.check().expect("contract");
    assert_eq!((model.identity.len(), model.n_vertices()), (100, 24_359));
    let places = model.joint_places(&model.template);
    let distance = places[Joint::EyeLeft as usize].distance(places[Joint::EyeRight as usize]);
    assert!((0.058..0.068).contains(&distance), "eyeballs are {distance} m apart");
    assert!((-0.06..0.02).contains(&places[Joint::Jaw as usize].y), "jaw hinge: {}", places[Joint::Jaw as usize]);
    assert!((-0.12..-0.04).contains(&places[Joint::Jaw as usize].z), "jaw hinge: {}", places[Joint::Jaw as usize]);
    for part in [Part::Tongue, Part::Gums, Part::TeethUpper, Part::TeethLower, Part::Lashes, Part::Mouth] {
        assert!(model.face_parts.contains(&part), "{part:?}");
    }
}

#[test]
fn pairs_are_pairs() {
    let Some(model) = MODEL.as_ref() else { return };
    let reflect = |p: Vec3| p * Vec3::new(-1.0, 1.0, 1.0);
    let far = (0..model.n_vertices()).filter(|&v| {
        let other = model.mirror[v] as usize;
        model.template[other].distance(reflect(model.template[v])) > 5e-4
    });
    let far = far.count();
    assert!(far < 100, "the mesh is symmetric but for a few vertices, {far} have no partner");
}

#[test]
fn units_move_what_they_name_on_the_persons_side() {
    let Some(model) = MODEL.as_ref() else { return };
    let rest = model.landmarks_at(&model.template);
    assert!(rest[36].x < rest[39].x && rest[39].x < 0.0 && rest[42].x > 0.0, "landmarks start on the person's right");
    assert!(rest[8].y < rest[57].y && rest[57].y < rest[51].y && rest[51].y < rest[33].y && rest[33].y < rest[27].y);
    let gap = |l: &[Vec3], eye: usize| l[eye + 1].distance(l[eye + 5]);
    let blink = unit_at(model, "eyeBlinkLeft");
    assert!(gap(&blink, 42) < 0.25 * gap(&rest, 42) && gap(&blink, 36) > 0.9 * gap(&rest, 36), "42.. is the left eye");
    let open = unit_at(model, "jawOpen");
    assert!(rest[8].y - open[8].y > 0.02 && rest[30].distance(open[30]) < 2e-3);
    let smile = unit_at(model, "mouthSmileRight");
    assert!(smile[48].y - rest[48].y > 4e-3 && smile[48].x < rest[48].x && smile[54].distance(rest[54]) < 3e-3);
    assert!(unit_at(model, "mouthLeft")[57].x > rest[57].x + 5e-3);
    let brows = unit_at(model, "browInnerUp");
    assert!(brows[21].y > rest[21].y + 2e-3 && brows[22].y > rest[22].y + 2e-3, "both halves of the unit");
}

#[test]
fn the_jaw_joint_opens_the_mouth_as_the_unit_does() {
    let Some(model) = MODEL.as_ref() else { return };
    let mut params = model.params();
    params.pose[Joint::Jaw as usize] = Vec3::new(0.3, 0.0, 0.0);
    let posed = model.evaluate(&params).positions;
    let moved = |part: Part| {
        let of_part = model.faces.iter().zip(&model.face_parts).filter(|(_, p)| **p == part);
        of_part
            .flat_map(|(face, _)| face.map(|v| posed[v as usize].distance(model.template[v as usize])))
            .fold(0.0, f32::max)
    };
    assert!(moved(Part::TeethLower) > 0.015 && moved(Part::TeethUpper) < 1e-6 && moved(Part::EyeLeft) < 1e-6);
}

#[test]
fn the_atlas_has_every_part_once() {
    let Some(model) = MODEL.as_ref() else { return };
    let area = |row: &[u32; 4]| {
        let [a, b, c, d] = row.map(|t| model.uvs[t as usize]);
        0.5 * ((b - a).perp_dot(c - a).abs() + (c - a).perp_dot(d - a).abs())
    };
    let sum: f32 = model.face_uvs.iter().map(area).sum();
    let covered = UvAtlas::new(model, 1024).mask().iter().filter(|m| **m).count() as f32 / (1024.0 * 1024.0);
    assert!((sum - covered).abs() < 0.02, "faces have area {sum}, the atlas covers {covered}");
}

#[test]
fn another_mesh_is_refused() {
    let folder = std::env::temp_dir().join(format!("effigy-ict-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("temporary folder");
    let missing = ict::import(&folder).expect_err("nothing there");
    assert!(matches!(&missing, Error::Missing { path, .. } if path.ends_with("generic_neutral_mesh.obj")), "{missing}");
    let mesh = folder.join("generic_neutral_mesh.obj");
    for (text, expected) in [
        (
            "v 0 0 0\nvt 0 0\nf 1/1 1/1 1/1\n",
            "vertices of generic_neutral_mesh.obj (ICT-FaceKit Light): expected 26719 entries, got 1",
        ),
        ("v 0 0\n", "generic_neutral_mesh.obj, line 1: expected 3 numbers, got 2"),
    ] {
        std::fs::write(&mesh, text).expect("written");
        assert_eq!(ict::import(Path::new(&folder)).expect_err(expected).to_string(), expected);
    }
    std::fs::remove_dir_all(&folder).expect("removed");
}
