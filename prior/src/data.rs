//! Shards → batches: UV maps of a head, its picture, its camera.
use crate::maps::UvSpace;
use crate::model::UvMaps;
use anyhow::{Context, Result};
use formats::image::{Picture, gray8_from_png, rgb8_from_encoded};
use formats::{Dataset, FrameRow};
use glam::{Vec2, Vec3};
use head::HeadModel;
use head::evaluate::Posed;
use head::model::HeadParams;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use splat::Camera;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tch::{Device, Tensor};

/// A dataset of rendered heads and the model they were made with.
pub struct HeadData {
    dataset: Dataset,
    model: HeadModel,
    uv: UvSpace,
    uv_size: usize,
    image_size: usize,
    people: Mutex<FxHashMap<u32, Arc<Person>>>,
    device: Device,
}

/// What every row of one identity shares. Up to [`MOST_KEPT`] are kept decoded.
struct Person {
    /// `[V]` metres.
    neutral: Vec<Vec3>,
    /// `[3, U, U]` metres.
    position: Vec<f32>,
    /// `[3, U, U]` display RGB.
    texture: Vec<f32>,
}

/// About 0.5 MB each at 128 texels.
const MOST_KEPT: usize = 512;

/// Rows of a batch; `B` heads, each with one picture.
pub struct Batch {
    /// What the encoders take.
    pub maps: UvMaps,
    /// `[B, 3, H, W]` display RGB, straight.
    pub images: Tensor,
    /// `[B, 1, H, W]` coverage.
    pub alphas: Tensor,
    /// `[B, 1, H, W]` 1 at eyes and mouth, 0 elsewhere ([`focus`]).
    pub focus: Tensor,
    /// `[B]` head space → image: the head's own motion is folded in.
    pub cameras: Vec<Camera>,
}

/// One row, decoded.
struct Example {
    person: Arc<Person>,
    expression: Vec<f32>,
    image: Vec<f32>,
    alpha: Vec<f32>,
    focus: Vec<f32>,
    camera: Camera,
}

impl HeadData {
    /// Opens a dataset; images come at `image_size`, maps at `uv_size` (both square).
    ///
    /// # Errors
    /// What [`Dataset::open`] says; a model whose identity columns do not fit the rows.
    pub fn open(path: &Path, model: HeadModel, uv_size: usize, image_size: usize) -> Result<Self> {
        let dataset = Dataset::open(path)?;
        let uv = UvSpace::new(&model, uv_size);
        let columns = model.identity.names.len();
        if let Some(row) = dataset.identities().iter().find(|r| r.shape.len() != columns) {
            let text = format!(
                "identity {} has {} shape coefficients, the head model has {columns}",
                row.identity_id,
                row.shape.len()
            );
            return Err(formats::exit::Failure::bad_data(text).into());
        }
        Ok(HeadData { dataset, model, uv, uv_size, image_size, people: Default::default(), device: Device::Cpu })
    }

    /// The same, its batches on `device`.
    pub fn on(self, device: Device) -> Self {
        HeadData { device, ..self }
    }

    /// Where batches lie, and so where a network trains on them.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The rows of a split under one light (negative: every light).
    pub fn rows(&self, split: &str, light_id: i64) -> Vec<usize> {
        let lit = |i: &usize| light_id < 0 || i64::from(self.dataset.labels(*i).light_id) == light_id;
        self.dataset.split(split).into_iter().filter(lit).collect()
    }

    /// The dataset.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The head model.
    pub fn model(&self) -> &HeadModel {
        &self.model
    }

    /// Decodes rows, in order.
    ///
    /// # Errors
    /// A row that cannot be read, or lacks what training needs (alpha, the identity's appearance).
    pub fn batch(&self, rows: &[usize]) -> Result<Batch> {
        let examples: Vec<Example> = rows.par_iter().map(|&i| self.example(i)).collect::<Result<_>>()?;
        let (b, u, s) = (rows.len() as i64, self.uv_size as i64, self.image_size as i64);
        let stack = |f: fn(&Example) -> &Vec<f32>, shape: [i64; 4]| {
            let all: Vec<f32> = examples.iter().flat_map(|e| f(e).iter().copied()).collect();
            Tensor::from_slice(&all).view(shape).to_device(self.device)
        };
        Ok(Batch {
            maps: UvMaps {
                texture: stack(|e| &e.person.texture, [b, 3, u, u]),
                position: stack(|e| &e.person.position, [b, 3, u, u]),
                expression: stack(|e| &e.expression, [b, 3, u, u]),
            },
            images: stack(|e| &e.image, [b, 3, s, s]),
            alphas: stack(|e| &e.alpha, [b, 1, s, s]),
            focus: stack(|e| &e.focus, [b, 1, s, s]),
            cameras: examples.iter().map(|e| e.camera).collect(),
        })
    }

    /// Mean position (metres) and texture maps `[3, U, U]` over the identities of a split, and the mask `[1, U, U]`.
    ///
    /// # Errors
    /// An identity without appearance map.
    pub fn mean_maps(&self, split: &str) -> Result<(Tensor, Tensor, Tensor)> {
        let people: Vec<_> =
            self.dataset.identities().iter().filter(|r| r.split == split).map(|r| r.identity_id).collect();
        let texels = 3 * self.uv_size * self.uv_size;
        let (mut position, mut texture) = (vec![0.0; texels], vec![0.0; texels]);
        for &id in &people {
            let person = self.person(id)?;
            position.iter_mut().zip(&person.position).for_each(|(sum, v)| *sum += v / people.len() as f32);
            texture.iter_mut().zip(&person.texture).for_each(|(sum, v)| *sum += v / people.len() as f32);
        }
        let u = self.uv_size as i64;
        let mask = Tensor::from_slice(&self.uv.mask()).view([1, u, u]);
        Ok((Tensor::from_slice(&position).view([3, u, u]), Tensor::from_slice(&texture).view([3, u, u]), mask))
    }

    fn example(&self, i: usize) -> Result<Example> {
        let row = self.dataset.frame_with(i, &["image", "alpha"])?;
        let person = self.person(row.identity_id)?;
        let params = HeadParams { shape: Vec::new(), expression: row.expression, pose: row.pose.map(Vec3::from) };
        let posed = self.model.pose_neutral(&person.neutral, &params);
        let still =
            HeadParams { pose: [Vec3::ZERO, Vec3::ZERO, params.pose[2], params.pose[3], params.pose[4]], ..params };
        let mut offsets = self.model.pose_neutral(&person.neutral, &still).positions;
        offsets.iter_mut().zip(&person.neutral).for_each(|(p, rest)| *p -= *rest);
        let (image, alpha) = picture(&row, self.image_size)?;
        let scale = [self.image_size as f32 / row.width as f32, self.image_size as f32 / row.height as f32];
        let landmarks: Vec<[f32; 2]> = row.landmarks_2d.iter().map(|p| [p[0] * scale[0], p[1] * scale[1]]).collect();
        Ok(Example {
            focus: focus(&landmarks, self.image_size),
            expression: self.uv.planes(&offsets),
            image: planes(&image.data),
            alpha: alpha.data,
            camera: in_head_space(&row, &posed).resized(self.image_size, self.image_size),
            person,
        })
    }

    /// An identity's maps, decoded once.
    fn person(&self, id: u32) -> Result<Arc<Person>> {
        if let Some(person) = self.people.lock().expect("no panic while held").get(&id) {
            return Ok(person.clone());
        }
        let row = self.dataset.identity_with_maps(id)?;
        let appearance = row
            .appearance
            .with_context(|| format!("identity {id} has no appearance map; render with maps.appearance = true"))?;
        let texture = Picture::raw_from_8bit(&rgb8_from_encoded(&appearance)?).resized(self.uv_size, self.uv_size);
        let neutral = self.model.neutral(&row.shape);
        let person = Arc::new(Person { position: self.uv.planes(&neutral), texture: planes(&texture.data), neutral });
        let mut people = self.people.lock().expect("no panic while held");
        if people.len() < MOST_KEPT {
            people.insert(id, person.clone());
        }
        Ok(person)
    }
}

/// The camera in head space: the rigid motion of the skull is folded into it, so that Gaussians stay at rest.
pub fn camera_from_head(row: &FrameRow, model: &HeadModel, params: &HeadParams) -> Camera {
    in_head_space(row, &model.evaluate(params))
}

fn in_head_space(row: &FrameRow, posed: &Posed) -> Camera {
    let camera = row.camera();
    Camera { camera_from_world: camera.camera_from_world * glam::Mat4::from(posed.world_from_head()), ..camera }
}

/// Straight display RGB `[S, S, 3]` and coverage `[S, S, 1]` of a row.
///
/// A render stands before a plain tone, which is taken out of the pixels it shows through, so that the head can be
/// put before any other. A photo is left as it is.
///
/// # Errors
/// A row without alpha; pictures that cannot be decoded.
pub fn picture(row: &FrameRow, size: usize) -> Result<(Picture, Picture)> {
    let alpha = row
        .alpha
        .as_ref()
        .with_context(|| format!("frame {} has no alpha; render with maps.alpha = true", row.frame_id))?;
    let alpha = Picture::raw_from_8bit(&gray8_from_png(alpha)?);
    let mut rgb = Picture::raw_from_8bit(&rgb8_from_encoded(&row.image)?);
    if row.samples_per_pixel > 0 {
        remove_backdrop(&mut rgb, &alpha);
    }
    Ok((rgb.resized(size, size), alpha.resized(size, size)))
}

/// `[S, S, 1]` 1 where the row's picture knows what is there, 0 beyond the photo's edge.
///
/// A render knows every pixel, a tracked row says it in `valid`. In shards older than that column, the frame of a photo is a
/// turned crop: what lies beyond the photo is pure black and connected to the border of the frame. Two pixels beside it, which
/// the resampling mixed with black, count as unknown.
///
/// # Errors
/// A picture that cannot be decoded.
pub fn valid(row: &FrameRow, size: usize) -> Result<Picture> {
    let known = |width, height| Picture { width, height, channels: 1, data: vec![1.0; width * height] };
    if row.samples_per_pixel > 0 {
        return Ok(known(size, size));
    }
    if let Some(valid) = &row.valid {
        let gray = gray8_from_png(valid)?;
        let data = gray.data.iter().map(|v| f32::from(*v) / 255.0).collect();
        let mask = Picture { width: gray.width, height: gray.height, channels: 1, data };
        return Ok(mask.resized(size, size));
    }
    let rgb = rgb8_from_encoded(&row.image)?;
    let beyond = border_black(&rgb.data, rgb.width, rgb.height);
    let mut mask = known(rgb.width, rgb.height);
    for i in (0..beyond.len()).filter(|&i| beyond[i]) {
        let (x, y) = (i % rgb.width, i / rgb.width);
        for near_y in y.saturating_sub(2)..(y + 3).min(rgb.height) {
            for near_x in x.saturating_sub(2)..(x + 3).min(rgb.width) {
                mask.data[near_y * rgb.width + near_x] = 0.0;
            }
        }
    }
    Ok(mask.resized(size, size))
}

/// `[H, W]` the pure black pixels of `rgb` `[H, W, 3]` that are connected to the border.
fn border_black(rgb: &[u8], width: usize, height: usize) -> Vec<bool> {
    let is_black = |i: usize| rgb[3 * i..3 * i + 3] == [0, 0, 0];
    let on_border = |i: &usize| {
        let (x, y) = (i % width, i / width);
        x == 0 || y == 0 || x + 1 == width || y + 1 == height
    };
    let mut found = vec![false; width * height];
    let mut open: Vec<usize> = (0..width * height).filter(on_border).collect();
    while let Some(i) = open.pop() {
        if found[i] || !is_black(i) {
            continue;
        }
        found[i] = true;
        let (x, y) = (i % width, i / width);
        open.extend((x > 0).then(|| i - 1));
        open.extend((x + 1 < width).then_some(i + 1));
        open.extend((y > 0).then(|| i - width));
        open.extend((y + 1 < height).then_some(i + width));
    }
    found
}

/// `[S, S]` 1 within the eyes and the mouth of landmarks (68 first, pixels), falling to 0 around; zero without landmarks.
pub fn focus(landmarks: &[[f32; 2]], size: usize) -> Vec<f32> {
    let mut map = vec![0f32; size * size];
    if landmarks.len() < 68 {
        return map;
    }
    for (points, margin) in [(36..42, 0.35), (42..48, 0.35), (48..68, 0.2)] {
        let points: Vec<Vec2> = landmarks[points].iter().map(|p| Vec2::from(*p)).collect();
        let center = points.iter().sum::<Vec2>() / points.len() as f32;
        let reach = points.iter().map(|p| p.distance(center)).fold(0.0, f32::max) * (1.0 + margin);
        for (i, value) in map.iter_mut().enumerate() {
            let p = Vec2::new((i % size) as f32 + 0.5, (i / size) as f32 + 0.5);
            *value = value.max((2.0 - 2.0 * p.distance(center) / reach.max(1.0)).clamp(0.0, 1.0));
        }
    }
    map
}

/// Turns `α·head + (1 − α)·tone` into the head's own colour where enough of it shows.
fn remove_backdrop(rgb: &mut Picture, alpha: &Picture) {
    const BARE: f32 = 0.5 / 255.0;
    const ENOUGH: f32 = 0.1;
    let bare: Vec<&[f32]> = rgb.data.chunks(3).zip(&alpha.data).filter(|(_, a)| **a < BARE).map(|(c, _)| c).collect();
    if bare.is_empty() {
        return;
    }
    let tone: Vec<f32> = (0..3).map(|k| bare.iter().map(|c| c[k]).sum::<f32>() / bare.len() as f32).collect();
    for (color, &a) in rgb.data.chunks_mut(3).zip(&alpha.data).filter(|(_, a)| **a >= ENOUGH) {
        (0..3).for_each(|k| color[k] = ((color[k] - (1.0 - a) * tone[k]) / a).clamp(0.0, 1.0));
    }
}

/// `[H, W, 3]` → `[3, H, W]`.
fn planes(interleaved: &[f32]) -> Vec<f32> {
    (0..3).flat_map(|c| interleaved.iter().skip(c).step_by(3).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_at_the_border_is_unknown_and_black_hair_is_not() {
        let size = 16;
        let mut rgb = vec![90u8; size * size * 3];
        let mut blacken = |xs: std::ops::Range<usize>, ys: std::ops::Range<usize>| {
            for (x, y) in xs.flat_map(|x| ys.clone().map(move |y| (x, y))) {
                rgb[3 * (y * size + x)..][..3].fill(0);
            }
        };
        blacken(0..3, 0..16);
        blacken(8..11, 6..9);
        let image = formats::image::png_from_rgb8(size, size, &rgb).unwrap();
        let photo = FrameRow { image, samples_per_pixel: 0, ..Default::default() };
        let mask = valid(&photo, size).unwrap();
        let at = |x: usize, y: usize| mask.data[y * size + x];
        assert_eq!([at(1, 4), at(4, 4), at(6, 4), at(9, 7)], [0.0, 0.0, 1.0, 1.0]);
        let render = FrameRow { samples_per_pixel: 8, ..photo };
        assert!(valid(&render, size).unwrap().data.iter().all(|v| *v == 1.0));
    }

    #[test]
    fn a_plain_backdrop_is_taken_out() {
        let alpha = Picture { width: 3, height: 1, channels: 1, data: vec![0.0, 0.5, 1.0] };
        let mut rgb =
            Picture { width: 3, height: 1, channels: 3, data: vec![0.8, 0.8, 0.8, 0.5, 0.45, 0.4, 0.2, 0.1, 0.0] };
        remove_backdrop(&mut rgb, &alpha);
        for (got, want) in rgb.data[3..].iter().zip([0.2, 0.1, 0.0, 0.2, 0.1, 0.0]) {
            assert!((got - want).abs() < 1e-6, "{:?}", rgb.data);
        }
    }
}
