//! COCO: `images/SPLIT/…`, `annotations/SPLIT.json` with a head (box, 68 keypoints, mask) and a mask of each class.
//!
//! Keypoints and boxes are in pixels from the top left corner of the image; pixel centers lie at +0.5.
use super::{Sink, rle, safe_name, write};
use arrow::array::RecordBatch;
use formats::frame::FrameRow;
use formats::segmentation;
use formats::{Error, image};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

/// iBUG landmarks.
const KEYPOINTS: usize = head::ibug::COUNT;
/// Id of the category of whole heads; class `k` of the segmentation is `k + 1`.
const HEAD: usize = 1;

/// The open annotation file of each split.
pub struct Coco {
    folder: PathBuf,
    splits: BTreeMap<String, Annotations>,
}

/// `annotations` go straight into the file; `images`, the shorter list, wait beside it.
struct Annotations {
    path: PathBuf,
    file: BufWriter<File>,
    images: BufWriter<File>,
    images_path: PathBuf,
    n: u64,
    n_images: u64,
}

impl Coco {
    /// Into `folder`.
    pub fn new(folder: &Path) -> Self {
        Coco { folder: folder.into(), splits: BTreeMap::new() }
    }
}

impl Sink for Coco {
    fn frame(&mut self, frame: &FrameRow, _: &RecordBatch, _: usize) -> anyhow::Result<()> {
        let split = safe_name(&frame.split);
        if !self.splits.contains_key(&split) {
            self.splits.insert(split.clone(), Annotations::create(&self.folder, &split)?);
        }
        let annotations = self.splits.get_mut(&split).expect("inserted above");
        let name = format!("{:012}.{}", frame.frame_id, image::extension_of(&frame.image));
        write(&self.folder.join("images").join(&split).join(&name), &frame.image)?;
        let (width, height) = (frame.width, frame.height);
        annotations.image(json!({"id": frame.frame_id, "file_name": format!("{split}/{name}"), "width": width,
            "height": height, "identity_id": frame.identity_id, "expression_id": frame.expression_id,
            "camera_id": frame.camera_id, "light_id": frame.light_id}))?;
        for annotation in annotations_of(frame)? {
            annotations.annotation(annotation)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> anyhow::Result<()> {
        self.splits.into_values().try_for_each(|annotations| annotations.finish().map_err(Into::into))
    }
}

/// Of the head, then of each class that shows.
fn annotations_of(frame: &FrameRow) -> Result<Vec<Value>, Error> {
    let classes = frame.segmentation.as_ref().map(|bytes| image::gray8_from_png(bytes)).transpose()?;
    let alpha = frame.alpha.as_ref().map(|bytes| image::gray8_from_png(bytes)).transpose()?;
    let (width, height) = (frame.width as usize, frame.height as usize);
    let whole = match (&alpha, &classes) {
        (Some(alpha), _) => Some(alpha.data.iter().map(|&a| a >= 128).collect()),
        (None, Some(classes)) => Some(classes.data.iter().map(|&c| c > 0).collect()),
        (None, None) => None,
    };
    let mut head = match whole.and_then(|mask: Vec<bool>| annotation_of_mask(&mask, width, height)) {
        Some(annotation) => annotation,
        None => annotation_of_points(&frame.landmarks_2d),
    };
    head["category_id"] = json!(HEAD);
    let (keypoints, n) = keypoints(frame);
    (head["keypoints"], head["num_keypoints"]) = (json!(keypoints), json!(n));
    let mut found = vec![head];
    for class in 1..segmentation::NAMES.len() {
        let Some(classes) = &classes else { break };
        let mask: Vec<bool> = classes.data.iter().map(|&c| usize::from(c) == class).collect();
        if let Some(mut annotation) = annotation_of_mask(&mask, width, height) {
            annotation["category_id"] = json!(class + 1);
            found.push(annotation);
        }
    }
    for annotation in &mut found {
        (annotation["image_id"], annotation["iscrowd"]) = (json!(frame.frame_id), json!(0));
    }
    Ok(found)
}

/// Box, area and mask; none for an empty mask or one of another size.
fn annotation_of_mask(mask: &[bool], width: usize, height: usize) -> Option<Value> {
    if mask.len() != width * height || !mask.contains(&true) {
        return None;
    }
    let column = |x: &usize| (0..height).any(|y| mask[y * width + x]);
    let row = |y: &usize| mask[y * width..(y + 1) * width].contains(&true);
    let (left, right) = ((0..width).find(column)?, (0..width).rev().find(column)?);
    let (top, bottom) = ((0..height).find(row)?, (0..height).rev().find(row)?);
    Some(json!({
        "bbox": [left, top, right + 1 - left, bottom + 1 - top],
        "area": mask.iter().filter(|m| **m).count(),
        "segmentation": {"size": [height, width], "counts": rle::counts(mask, width, height)},
    }))
}

/// Box of the landmarks, where there is no mask.
fn annotation_of_points(points: &[[f32; 2]]) -> Value {
    let finite = || points.iter().filter(|p| p[0].is_finite() && p[1].is_finite());
    let bound = |k: usize, pick: fn(f32, f32) -> f32| finite().map(|p| p[k]).reduce(pick).unwrap_or(0.0);
    let [x0, y0, x1, y1] = [bound(0, f32::min), bound(1, f32::min), bound(0, f32::max), bound(1, f32::max)];
    json!({"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "segmentation": []})
}

/// x, y and 2 seen, 1 hidden, 0 unknown; and how many are known.
fn keypoints(frame: &FrameRow) -> (Vec<f32>, usize) {
    let mut flat = Vec::with_capacity(KEYPOINTS * 3);
    for k in 0..KEYPOINTS {
        let known = frame.landmarks_2d.get(k).filter(|p| p[0].is_finite() && p[1].is_finite());
        let seen = frame.landmark_visible.get(k).is_none_or(|v| *v > 0.5);
        flat.extend(match known {
            Some([x, y]) => [*x, *y, if seen { 2.0 } else { 1.0 }],
            None => [0.0; 3],
        });
    }
    let known = flat.chunks_exact(3).filter(|p| p[2] > 0.0).count();
    (flat, known)
}

fn categories() -> Value {
    let names: Vec<String> = (1..=KEYPOINTS).map(|k| format!("ibug_{k}")).collect();
    // Jaw, brows, nose, nostrils, eyes, lips: chains of the iBUG mark-up, counted from 1; eyes and lips are closed.
    let open = [1..=17, 18..=22, 23..=27, 28..=31, 32..=36];
    let closed = [37..=42, 43..=48, 49..=60, 61..=68];
    let mut skeleton: Vec<[usize; 2]> =
        open.iter().chain(&closed).flat_map(|c| (*c.start()..*c.end()).map(|k| [k, k + 1])).collect();
    skeleton.extend(closed.iter().map(|c| [*c.end(), *c.start()]));
    let mut all =
        vec![json!({"id": HEAD, "name": "head", "supercategory": "person", "keypoints": names, "skeleton": skeleton})];
    let class = |k: usize| json!({"id": k + 1, "name": segmentation::NAMES[k], "supercategory": "head"});
    all.extend((1..segmentation::NAMES.len()).map(class));
    Value::Array(all)
}

impl Annotations {
    fn create(folder: &Path, split: &str) -> Result<Self, Error> {
        let path = folder.join("annotations").join(format!("{split}.json"));
        let images_path = path.with_extension("images");
        write(&path, b"")?;
        let open = |path: &Path| {
            let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
            file.map(BufWriter::new).map_err(|source| Error::Create { source, path: path.into() })
        };
        let (file, images) = (open(&path)?, open(&images_path)?);
        let mut annotations = Annotations { path, file, images, images_path, n: 0, n_images: 0 };
        let info =
            json!({"description": "written by shards export; keypoints and boxes in pixels from the top left corner"});
        let head = format!("{{\"info\":{info},\"licenses\":[],\"categories\":{},\"annotations\":[", categories());
        annotations.file.write_all(head.as_bytes()).map_err(|e| annotations.io(e))?;
        Ok(annotations)
    }

    fn image(&mut self, image: Value) -> Result<(), Error> {
        let comma = if self.n_images > 0 { ",\n" } else { "\n" };
        self.n_images += 1;
        write!(self.images, "{comma}{image}").map_err(|e| self.io(e))
    }

    fn annotation(&mut self, mut annotation: Value) -> Result<(), Error> {
        let comma = if self.n > 0 { ",\n" } else { "\n" };
        self.n += 1;
        annotation["id"] = json!(self.n);
        write!(self.file, "{comma}{annotation}").map_err(|e| self.io(e))
    }

    fn finish(mut self) -> Result<(), Error> {
        self.append_images().map_err(|e| self.io(e))?;
        std::fs::remove_file(&self.images_path).map_err(|e| self.io(e))
    }

    fn append_images(&mut self) -> std::io::Result<()> {
        self.images.flush()?;
        self.file.write_all(b"],\"images\":[")?;
        let images = self.images.get_mut();
        images.rewind()?;
        std::io::copy(images, &mut self.file)?;
        self.file.write_all(b"]}\n")?;
        self.file.flush()
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io { what: "cannot write", source, path: self.path.clone() }
    }
}
