//! What the labels of the frames say, counted in one pass.
use super::chart::{Histogram, Sphere};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, UInt32Type, UInt64Type};
use formats::{Error, Part, Scan, Shard, scan::ScanError};
use glam::{Mat3, Vec3};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Columns that are read.
const COLUMNS: [&str; 12] = [
    "frame_id",
    "identity_id",
    "light_id",
    "split",
    "width",
    "height",
    "image_sha256",
    "expression",
    "pose",
    "camera_from_world",
    "intrinsics",
    "light",
];

/// Frames of one kind of light that are kept to be shown.
pub const SHOWN_PER_LIGHT: usize = 6;
/// A weight above this counts as an expression that is there.
pub const ACTIVE: f32 = 0.05;

/// Counts.
pub struct Frames {
    /// Rows.
    pub rows: u64,
    /// Bytes of the shards.
    pub bytes: u64,
    /// Shards with rows that are meant.
    pub shards: u64,
    /// By split: frames, people.
    pub splits: BTreeMap<String, (u64, BTreeSet<u32>)>,
    /// Frames of each person.
    pub per_person: HashMap<u32, u64>,
    /// By width and height.
    pub sizes: BTreeMap<(u32, u32), u64>,
    /// Bytes on disk by column.
    pub column_bytes: Vec<(String, u64)>,
    /// Where the camera stands, seen from the face.
    pub views: Sphere,
    /// Where the head turns, in the world.
    pub heads: Sphere,
    /// Meters from the middle of the head to the camera.
    pub distance_m: Histogram,
    /// Vertical field of view, degrees.
    pub view_deg: Histogram,
    /// Rows without a camera.
    pub no_camera: u64,
    /// Frames in which each ARKit unit is there.
    pub units: [u64; 52],
    /// Units at once.
    pub units_at_once: Histogram,
    /// Kind of light → frames.
    pub lights: BTreeMap<String, u64>,
    /// Kind of light → places (file, row) of some frames, of different lights.
    pub light_places: BTreeMap<String, Vec<(usize, usize)>>,
    /// Different lights.
    pub light_ids: BTreeSet<u32>,
    /// Groups of frames with the same image: their ids.
    pub doubled: Vec<Vec<u64>>,
    /// Images beyond the first of each group.
    pub doubled_images: u64,
    kind_of: HashMap<String, String>,
    seen_lights: BTreeSet<u32>,
    digests: Vec<(u64, u64)>,
}

impl Frames {
    /// Reads the labels of the rows that are meant.
    ///
    /// # Errors
    /// As [`Scan::select`].
    pub fn read(scan: &Scan, mut done: impl FnMut(&Shard)) -> Result<Self, ScanError> {
        let mut frames = Frames::empty();
        for (file, selection) in scan.selections().enumerate() {
            let selection = selection?;
            if !selection.rows.is_empty() {
                frames.shards += 1;
                frames.bytes += selection.shard.bytes();
                frames.add_column_bytes(selection.shard.column_bytes());
                let complaint = |what| Error::data(selection.shard.path(), what);
                selection.for_each_batch(Part::Columns(&COLUMNS), |batch, rows| {
                    frames.add(batch, file, rows).map_err(complaint)
                })?;
            }
            done(&selection.shard);
        }
        frames.find_doubled();
        Ok(frames)
    }

    fn empty() -> Self {
        Frames {
            rows: 0,
            bytes: 0,
            shards: 0,
            splits: BTreeMap::new(),
            per_person: HashMap::new(),
            sizes: BTreeMap::new(),
            column_bytes: Vec::new(),
            views: Sphere::new(),
            heads: Sphere::new(),
            distance_m: Histogram::new(0.0, 10.0, 0.01),
            view_deg: Histogram::new(0.0, 120.0, 0.5),
            no_camera: 0,
            units: [0; 52],
            units_at_once: Histogram::new(0.0, 53.0, 1.0),
            lights: BTreeMap::new(),
            light_places: BTreeMap::new(),
            light_ids: BTreeSet::new(),
            doubled: Vec::new(),
            doubled_images: 0,
            kind_of: HashMap::new(),
            seen_lights: BTreeSet::new(),
            digests: Vec::new(),
        }
    }

    fn add_column_bytes(&mut self, columns: Vec<(String, u64)>) {
        for (name, bytes) in columns {
            match self.column_bytes.iter_mut().find(|(n, _)| *n == name) {
                Some((_, sum)) => *sum += bytes,
                None => self.column_bytes.push((name, bytes)),
            }
        }
    }

    fn add(&mut self, batch: &RecordBatch, file: usize, rows: &[usize]) -> Result<(), String> {
        let numbers = |name: &str| {
            let column = batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<UInt32Type>());
            column.map(|c| c.values().to_vec()).ok_or_else(|| format!("no column {name:?} of u32"))
        };
        let texts = |name: &str| {
            let column = batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>());
            column.ok_or_else(|| format!("no column {name:?} of text"))
        };
        let (people, light_ids) = (numbers("identity_id")?, numbers("light_id")?);
        let (widths, heights) = (numbers("width")?, numbers("height")?);
        let (splits, lights) = (texts("split")?, texts("light")?);
        let (expressions, poses) = (floats(batch, "expression", 52)?, floats(batch, "pose", 15)?);
        let (cameras, intrinsics) = (floats(batch, "camera_from_world", 16)?, floats(batch, "intrinsics", 9)?);
        for i in 0..batch.num_rows() {
            self.rows += 1;
            let split = self.splits.entry(splits.value(i).to_string()).or_default();
            split.0 += 1;
            split.1.insert(people[i]);
            *self.per_person.entry(people[i]).or_default() += 1;
            *self.sizes.entry((widths[i], heights[i])).or_default() += 1;
            self.add_expression(&expressions[i * 52..][..52]);
            self.add_camera(&poses[i * 15..][..15], &cameras[i * 16..][..16], &intrinsics[i * 9..][..9], heights[i]);
            self.add_light(lights.value(i), light_ids[i], (file, rows[i]));
        }
        self.add_digests(batch)
    }

    fn add_expression(&mut self, weights: &[f32]) {
        let mut at_once = 0;
        for (unit, weight) in self.units.iter_mut().zip(weights) {
            let active = u64::from(*weight > ACTIVE);
            *unit += active;
            at_once += active;
        }
        self.units_at_once.add(at_once as f64);
    }

    fn add_camera(&mut self, pose: &[f32], camera: &[f32], intrinsics: &[f32], height: u32) {
        // Neck, then head: axis-angle in the parent joint.
        let turn = |v: &[f32]| Mat3::from_quat(glam::Quat::from_scaled_axis(Vec3::from_slice(v)));
        let world_from_head = turn(&pose[..3]) * turn(&pose[3..6]);
        let facing = angles_deg(world_from_head * Vec3::Z);
        self.heads.add(facing[0], facing[1]);
        let rotation = Mat3::from_cols_slice(&[
            camera[0], camera[1], camera[2], camera[4], camera[5], camera[6], camera[8], camera[9], camera[10],
        ]);
        // Row-major cells read as columns: `rotation` is the transposed one, world from camera.
        let place = -(rotation * Vec3::new(camera[3], camera[7], camera[11]));
        if intrinsics[4] <= 0.0 || !place.is_finite() || place.length() < 1e-6 {
            self.no_camera += 1;
            return;
        }
        let [yaw, pitch] = angles_deg(world_from_head.transpose() * place);
        self.views.add(yaw, pitch);
        self.distance_m.add(f64::from(place.length()));
        self.view_deg.add(2.0 * (f64::from(height) / 2.0 / f64::from(intrinsics[4])).atan().to_degrees());
    }

    fn add_light(&mut self, text: &str, id: u32, place: (usize, usize)) {
        let kind = match self.kind_of.get(text) {
            Some(kind) => kind.clone(),
            None => {
                let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
                let kind = json.and_then(|l| Some(l.get("kind")?.as_str()?.to_string())).unwrap_or("unknown".into());
                // Bounded: a set with a light of its own for every frame must not fill the memory.
                if self.kind_of.len() < 4096 {
                    self.kind_of.insert(text.into(), kind.clone());
                }
                kind
            }
        };
        self.light_ids.insert(id);
        let places = self.light_places.entry(kind.clone()).or_default();
        if places.len() < SHOWN_PER_LIGHT && self.seen_lights.insert(id) {
            places.push(place);
        }
        *self.lights.entry(kind).or_default() += 1;
    }

    /// Eight bytes of a digest tell images apart.
    fn add_digests(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let digests = batch.column_by_name("image_sha256").and_then(|c| c.as_fixed_size_binary_opt());
        let ids = batch.column_by_name("frame_id").and_then(|c| c.as_primitive_opt::<UInt64Type>());
        let (digests, ids) = digests.zip(ids).ok_or("no columns image_sha256 and frame_id")?;
        for (digest, id) in digests.iter().zip(ids.values()) {
            if let Some(head) = digest.and_then(|d| d.first_chunk()) {
                self.digests.push((u64::from_le_bytes(*head), *id));
            }
        }
        Ok(())
    }

    fn find_doubled(&mut self) {
        let mut digests = std::mem::take(&mut self.digests);
        digests.sort_unstable();
        for group in digests.chunk_by(|a, b| a.0 == b.0).filter(|g| g.len() > 1) {
            self.doubled_images += group.len() as u64 - 1;
            if self.doubled.len() < 12 {
                self.doubled.push(group.iter().map(|g| g.1).take(8).collect());
            }
        }
    }
}

/// The values of an array column of `n` floats a row.
fn floats<'a>(batch: &'a RecordBatch, name: &str, n: usize) -> Result<&'a [f32], String> {
    let mut column = batch.column_by_name(name).ok_or_else(|| format!("no column {name:?}"))?;
    while let Some(list) = column.as_fixed_size_list_opt() {
        column = list.values();
    }
    let values = column.as_primitive_opt::<Float32Type>().map(|c| &c.values()[..]);
    values
        .filter(|v| v.len() == n * batch.num_rows())
        .ok_or_else(|| format!("column {name:?}: expected {n} floats a row"))
}

/// Yaw (to the person's left) and pitch (up) of a direction from a head that faces +z.
fn angles_deg(direction: Vec3) -> [f64; 2] {
    let d = direction.as_dvec3();
    [d.x.atan2(d.z).to_degrees(), d.y.atan2(d.x.hypot(d.z)).to_degrees()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_to_the_left_and_above_is_seen_there() {
        let place = Vec3::new(0.5, 0.2, 0.8);
        let camera = splat::Camera::look_at(place, Vec3::ZERO, Vec3::Y, 300.0, 64, 48);
        let row_major = camera.camera_from_world.transpose().to_cols_array();
        let mut frames = Frames::empty();
        frames.add_camera(&[0.0; 15], &row_major, &[300.0, 0.0, 32.0, 0.0, 300.0, 24.0, 0.0, 0.0, 1.0], 48);
        assert!((frames.distance_m.mean() - f64::from(place.length())).abs() < 1e-5);
        let [yaw, pitch] = angles_deg(place);
        let mut expected = Sphere::new();
        expected.add(yaw, pitch);
        assert!(frames.views == expected);
        assert!((yaw - 32.0).abs() < 0.1 && (pitch - 11.98).abs() < 0.1, "{yaw} {pitch}");
        // The head turns to the camera: it is seen from the front.
        let mut pose = [0.0; 15];
        pose[4] = (yaw - 2.0).to_radians() as f32;
        let mut frames = Frames::empty();
        frames.add_camera(&pose, &row_major, &[300.0, 0.0, 32.0, 0.0, 300.0, 24.0, 0.0, 0.0, 1.0], 48);
        let mut expected = Sphere::new();
        expected.add(2.0, pitch);
        assert!(frames.views == expected);
    }
}
