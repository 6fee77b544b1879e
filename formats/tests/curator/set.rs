//! A dataset of three people whose numbers fit together: cameras, landmarks and depth of one solid.
use formats::{Error, Existing, FrameRow, IdentityRow, Provenance, ShardName, image};
use glam::Vec3;
use std::path::PathBuf;
use std::process::{Command, Output};

/// In a folder of its own, removed when dropped.
pub struct Set(pub PathBuf);

/// Pixels a side.
pub const SIZE: usize = 48;
/// Radius of the ball that stands for a head, meters.
const RADIUS_M: f32 = 0.1;

impl Set {
    pub fn new(name: &str) -> Self {
        let set = Set(std::env::temp_dir().join(format!("curator-{}-{name}", std::process::id())).join("set"));
        set.write_people();
        for (split, index, total, identity) in [("train", 0, 2, 0), ("train", 1, 2, 1), ("val", 0, 1, 2)] {
            let rows = (0..8).map(|k| Ok::<_, Error>(row(split, identity, k / 4, k % 4)));
            let path = set.0.join("frames").join(ShardName::new(split, index, total).file_name());
            formats::write_frames(&path, rows, &provenance(), Existing::Replace).unwrap();
        }
        set
    }

    fn write_people(&self) {
        let rows = ["train", "train", "val"].into_iter().enumerate().map(|(i, split)| {
            let color = ["brown", "blue", "green"][i];
            Ok::<_, Error>(IdentityRow {
                identity_id: i as u32,
                split: split.into(),
                age: 20.0 + 30.0 * i as f32,
                sex: i as f32 / 2.0,
                ancestry: [0.2, 0.3, 0.5],
                skin_tone: ["I", "III", "VI"][i].into(),
                hair_style: "short".into(),
                parameters: format!(r#"{{"eyes":{{"color":"{color}"}}}}"#),
                ..IdentityRow::default()
            })
        });
        let path = self.0.join("identities").join(ShardName::new("part", 0, 1).file_name());
        formats::write_identities(&path, rows, &provenance(), Existing::Replace).unwrap();
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// A path beside the dataset, which goes with it.
    pub fn beside(&self, name: &str) -> String {
        self.0.with_file_name(name).to_str().unwrap().to_string()
    }

    /// The tool on the dataset: `args[0]`, the path, the rest.
    pub fn run(&self, args: &[&str]) -> Output {
        shards(&[&args[..1], &[self.path()], &args[1..]].concat())
    }

    pub fn events(&self, args: &[&str]) -> Vec<serde_json::Value> {
        let output = self.run(&[args, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        std::fs::remove_dir_all(self.0.parent().unwrap()).unwrap();
    }
}

pub fn provenance() -> Provenance {
    Provenance::new("datagen", "0.1.0", "cameras = 4\nhead_source = \"makehuman\"\n", 7)
}

/// A ball of the person's color seen from four sides; landmarks on its surface.
pub fn row(split: &str, identity: u32, expression: u32, camera_id: u32) -> FrameRow {
    let angle = camera_id as f32 * 0.5 - 0.75;
    let place = Vec3::new(angle.sin(), 0.2, angle.cos()) * 0.8;
    let camera = splat::Camera::look_at(place, Vec3::ZERO, Vec3::Y, 120.0, SIZE, SIZE);
    let to_pixel = |p: Vec3| {
        let c = camera.camera_from_world.transform_point3(p);
        [camera.fx * c.x / c.z + camera.cx, camera.fy * c.y / c.z + camera.cy]
    };
    let points: Vec<Vec3> = (0..72)
        .map(|k| {
            let (a, h) = (k as f32 * 2.4, 1.0 - 2.0 * (k as f32 + 0.5) / 72.0);
            Vec3::new((1.0 - h * h).sqrt() * a.cos(), h, (1.0 - h * h).sqrt() * a.sin()) * RADIUS_M
        })
        .collect();
    let radius_px = 120.0 * RADIUS_M / place.length();
    let inside = |i: usize| ((i % SIZE) as f32 + 0.5 - 24.0).hypot((i / SIZE) as f32 + 0.5 - 24.0) < radius_px;
    let pixels = SIZE * SIZE;
    let skin = [[224, 172, 140], [150, 98, 70], [84, 52, 36]][identity as usize];
    let tint = (camera_id + 4 * expression) as u8;
    let rgb: Vec<u8> = (0..pixels).flat_map(|i| if inside(i) { skin } else { [90 + tint, 110, 130] }).collect();
    let gray = |value: u8| {
        image::png_from_gray8(SIZE, SIZE, &(0..pixels).map(|i| if inside(i) { value } else { 0 }).collect::<Vec<_>>())
            .unwrap()
    };
    let depth_mm10 = (place.length() * 10_000.0) as u16;
    let depth: Vec<u16> = (0..pixels).map(|i| if inside(i) { depth_mm10 } else { 0 }).collect();
    let mut row = FrameRow {
        frame_id: u64::from(identity * 100 + expression * 4 + camera_id),
        identity_id: identity,
        expression_id: expression,
        camera_id,
        light_id: expression,
        split: split.into(),
        image: image::png_from_rgb8(SIZE, SIZE, &rgb).unwrap(),
        alpha: Some(gray(255)),
        segmentation: Some(gray(1)),
        depth: Some(image::png_from_gray16(SIZE, SIZE, &depth).unwrap()),
        landmarks_2d: points.iter().map(|p| to_pixel(*p)).collect(),
        landmarks_3d: points.iter().map(|p| p.to_array()).collect(),
        landmark_visible: points.iter().map(|p| f32::from(p.dot(place) > 0.0)).collect(),
        gaze: [[0.0, 0.0, 1.0]; 2],
        light: format!(r#"{{"kind":"{}"}}"#, ["sky", "studio"][expression as usize]),
        ..FrameRow::default()
    };
    row.expression[head::params::unit("jawOpen").unwrap()] = 0.5 * expression as f32;
    row.set_camera(&camera);
    row
}

pub fn shards(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shards")).args(args).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
