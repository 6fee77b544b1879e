//! Shards → batches: UV maps of a head, its picture, its camera.
use crate::maps::UvSpace;
use crate::model::{IdentityMaps, UvMaps};
use anyhow::{Context, Result};
use formats::image::{Picture, rgb8_from_encoded};
use formats::{Dataset, IdentityRow};
use glam::Vec3;
use head::Correctives;
use head::HeadModel;
use nets::view::{camera_of_posed, focus, picture};
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
    correctives: Correctives,
    uv: UvSpace,
    uv_size: usize,
    image_size: usize,
    people: Mutex<FxHashMap<u32, Arc<Person>>>,
    device: Device,
}

/// What every row of one identity shares. Up to [`MOST_KEPT`] are kept decoded.
struct Person {
    /// `[V]` meters.
    neutral: Vec<Vec3>,
    /// `[3, U, U]` meters.
    position: Vec<f32>,
    /// `[3, U, U]` display RGB.
    texture: Vec<f32>,
}

/// About 0.5 MB each at 128 texels, 1.7 MB at 256.
const MOST_KEPT: usize = 1536;

/// Rows of a batch; `B` heads, each with one picture.
pub struct Batch {
    /// What the encoders take.
    pub maps: UvMaps,
    /// `[B, 3, H, W]` display RGB, straight.
    pub images: Tensor,
    /// `[B, 1, H, W]` coverage.
    pub alphas: Tensor,
    /// `[B, 1, H, W]` 1 at eyes and mouth, 0 elsewhere ([`nets::view::focus`]).
    pub focus: Tensor,
    /// `[B]` head space → image: the head's own motion is folded in.
    pub cameras: Vec<Camera>,
    /// `[B]` under datagen's studio light, which is the same for everyone.
    pub in_studio: Vec<bool>,
}

/// Light of datagen that all datasets share.
const STUDIO_LIGHT: u32 = 0;

/// One row, decoded.
struct Example {
    person: Arc<Person>,
    expression: Vec<f32>,
    image: Vec<f32>,
    alpha: Vec<f32>,
    focus: Vec<f32>,
    camera: Camera,
    in_studio: bool,
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
        Ok(HeadData {
            dataset,
            correctives: Correctives::new(&model),
            model,
            uv,
            uv_size,
            image_size,
            people: Default::default(),
            device: Device::Cpu,
        })
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

    /// The people of a split.
    pub fn identities(&self, split: &str) -> impl Iterator<Item = &IdentityRow> {
        self.dataset.identities().iter().filter(move |row| row.split == split)
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
            in_studio: examples.iter().map(|e| e.in_studio).collect(),
        })
    }

    /// The maps of people at rest, rendered or not: texture and position.
    ///
    /// # Errors
    /// A person without appearance map.
    pub fn at_rest(&self, people: &[u32]) -> Result<IdentityMaps> {
        let people: Vec<Arc<Person>> = people.par_iter().map(|&id| self.person(id)).collect::<Result<_>>()?;
        let of_each = |f: fn(&Person) -> &Vec<f32>| self.stacked(people.iter().map(|p| f(p)));
        Ok(IdentityMaps { texture: of_each(|p| &p.texture), position: of_each(|p| &p.position) })
    }

    /// `[B, 3, U, U]` meters: the expressions of `rows` on the faces of `people`, one each.
    ///
    /// # Errors
    /// As [`HeadData::at_rest`].
    pub fn expressions(&self, people: &[u32], rows: &[usize]) -> Result<Tensor> {
        let made: Vec<Vec<f32>> = people
            .par_iter()
            .zip(rows)
            .map(|(&id, &row)| {
                let params = self.dataset.labels(row).head_params(&[]);
                let offsets = self.correctives.offsets(&self.model, &self.person(id)?.neutral, &params);
                Ok(self.uv.planes(&offsets))
            })
            .collect::<Result<_>>()?;
        Ok(self.stacked(made.iter()))
    }

    /// Maps of three planes as a batch.
    fn stacked<'a>(&self, maps: impl Iterator<Item = &'a Vec<f32>>) -> Tensor {
        let all: Vec<f32> = maps.flatten().copied().collect();
        let u = self.uv_size as i64;
        Tensor::from_slice(&all).view([-1, 3, u, u]).to_device(self.device)
    }

    /// Mean position (meters) and texture maps `[3, U, U]` over the identities of a split, and the mask `[1, U, U]`.
    ///
    /// # Errors
    /// An identity without appearance map.
    pub fn mean_maps(&self, split: &str) -> Result<(Tensor, Tensor, Tensor)> {
        let people: Vec<_> = self.identities(split).map(|r| r.identity_id).collect();
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
        let params = row.head_params(&[]);
        let posed = self.model.pose_neutral(&person.neutral, &params);
        let offsets = self.correctives.offsets(&self.model, &person.neutral, &params);
        let (image, alpha) = picture(&row, self.image_size)?;
        let scale = [self.image_size as f32 / row.width as f32, self.image_size as f32 / row.height as f32];
        let landmarks: Vec<[f32; 2]> = row.landmarks_2d.iter().map(|p| [p[0] * scale[0], p[1] * scale[1]]).collect();
        Ok(Example {
            focus: focus(&landmarks, self.image_size),
            expression: self.uv.planes(&offsets),
            image: planes(&image.data),
            alpha: alpha.data,
            camera: camera_of_posed(&row, &posed).resized(self.image_size, self.image_size),
            in_studio: row.light_id == STUDIO_LIGHT,
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
        let mut neutral = self.model.neutral(&row.shape);
        self.correctives.rest(&self.model, &mut neutral);
        let person = Arc::new(Person { position: self.uv.planes(&neutral), texture: planes(&texture.data), neutral });
        let mut people = self.people.lock().expect("no panic while held");
        if people.len() < MOST_KEPT {
            people.insert(id, person.clone());
        }
        Ok(person)
    }
}

/// `[H, W, 3]` → `[3, H, W]`.
fn planes(interleaved: &[f32]) -> Vec<f32> {
    (0..3).flat_map(|c| interleaved.iter().skip(c).step_by(3).copied()).collect()
}
