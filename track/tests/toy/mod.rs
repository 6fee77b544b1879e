//! A dataset of flat-shaded analytic heads: rows as datagen writes them, without a renderer.
use formats::{Existing, FrameRow, IdentityRow, Provenance};
use glam::Vec3;
use head::model::HeadParams;
use splat::Camera;
use std::path::Path;
use track::mesh_view;

const SIDE: usize = 96;

/// Two people to train on and one held out, four views each.
pub fn dataset(folder: &Path) {
    let head = head::analytic::head();
    let provenance = Provenance::new("toy", "0", "", 0);
    let mut people = Vec::new();
    for (identity_id, split) in [(0u32, "train"), (1, "train"), (2, "val")] {
        let shape = head.shape_from_prior(&[identity_id as f32 - 1.0, 0.5]);
        people.push(IdentityRow {
            identity_id,
            split: split.into(),
            shape,
            parameters: "{}".into(),
            ..Default::default()
        });
    }
    for split in ["train", "val"] {
        let rows: Vec<Result<FrameRow, formats::Error>> = people
            .iter()
            .filter(|p| p.split == split)
            .flat_map(|p| (0..4).map(|view| Ok(frame(&head, p, view))))
            .collect();
        let path = folder.join(format!("frames/{split}-00000-of-00001.parquet"));
        formats::write_frames(&path, rows, &provenance, Existing::Replace).unwrap();
    }
    let rows: Vec<Result<IdentityRow, formats::Error>> = people.into_iter().map(Ok).collect();
    let path = folder.join("identities/part-00000-of-00001.parquet");
    formats::write_identities(&path, rows, &provenance, Existing::Replace).unwrap();
}

fn frame(head: &head::HeadModel, person: &IdentityRow, view: u32) -> FrameRow {
    let mut params = HeadParams { shape: person.shape.clone(), expression: [0.0; 52], pose: [Vec3::ZERO; 5] };
    params.expression[head::params::unit("jawOpen").unwrap()] = 0.2 * view as f32;
    let posed = head.evaluate(&params);
    let yaw = 0.4 * view as f32 - 0.6;
    let eye = Vec3::new(0.8 * yaw.sin(), 0.02, 0.8 * yaw.cos());
    let camera = Camera::look_at(eye, Vec3::new(0.0, 0.0, -0.02), Vec3::Y, 250.0, SIDE, SIDE);
    let drawn = mesh_view::draw(head, &posed.positions, &camera);
    let mut rgb = Vec::new();
    let mut alpha = Vec::new();
    for (shade, part) in drawn.shade.iter().zip(&drawn.part) {
        let tone = (255.0 * shade) as u8;
        rgb.extend(if part.is_some() { [tone, tone / 4 * 3, tone / 3 * 2] } else { [120, 120, 130] });
        alpha.push(255 * part.is_some() as u8);
    }
    let landmarks = head.landmarks_at(&posed.positions);
    let mut row = FrameRow {
        frame_id: (person.identity_id * 4 + view) as u64,
        identity_id: person.identity_id,
        expression_id: view,
        split: person.split.clone(),
        image: formats::image::png_from_rgb8(SIDE, SIDE, &rgb).unwrap(),
        alpha: Some(formats::image::png_from_gray8(SIDE, SIDE, &alpha).unwrap()),
        landmarks_2d: landmarks.iter().map(|p| camera.project(*p).0.to_array()).collect(),
        landmarks_3d: landmarks.iter().map(|p| p.to_array()).collect(),
        landmark_visible: vec![1.0; landmarks.len()],
        ..Default::default()
    };
    row.set_camera(&camera);
    row.expression = params.expression;
    row
}
