//! The person to be fitted: pictures, cameras, expressions and a first guess of the maps, from a shard.
use crate::config::Geometry;
use crate::foreground::unmix;
use crate::unwrap::unwrap;
use anyhow::{Context, Result};
use formats::digest::{hex, sha256};
use formats::exit::Failure;
use formats::image::Picture;
use formats::{Dataset, FrameRow};
use glam::Vec3;
use head::model::HeadParams;
use head::{Correctives, HeadModel};
use nets::view::{camera_from_head, focus, picture, valid};
use prior::maps::UvSpace;
use splat::Camera;
use tch::{Device, Tensor};

/// One picture of the person.
pub struct View {
    /// Row it came from.
    pub frame_id: u64,
    /// `[S, S, 3]` display RGB.
    pub image: Picture,
    /// `[S, S, 1]` coverage.
    pub alpha: Picture,
    /// `[S, S, 1]` 1 where the picture knows what is there, 0 beyond the photo's edge.
    pub valid: Picture,
    /// Head space → picture.
    pub camera: Camera,
    /// `[L]` landmarks in the picture (pixels at `S`).
    pub landmarks_2d: Vec<[f32; 2]>,
    /// Everything that poses the head there.
    pub params: HeadParams,
}

/// What a fit starts from. `V` views, `U` texels a side, `S` pixels a side.
pub struct Subject {
    /// The pictures.
    pub views: Vec<View>,
    /// Shape coefficients: the mean over the rows (a tracker gives them all the same).
    pub shape: Vec<f32>,
    /// x_tex `[1, 3, U, U]`: the mean texture where nothing was seen.
    pub texture: Tensor,
    /// x_verts `[1, 3, U, U]` metres.
    pub position: Tensor,
    /// x_exp `[V, 3, U, U]` metres; empty under a rig.
    pub expressions: Tensor,
    /// `[52, 3, U, U]` metres: each ARKit unit at 1, for this shape; empty under a rig.
    pub units: Tensor,
}

/// Which rows of a shard show the person.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Only rows of this identity.
    pub identity: Option<u32>,
    /// Only rows under this light.
    pub light: Option<u32>,
    /// Only these rows.
    pub frames: Vec<u64>,
    /// At most so many, chosen to show different sides and expressions.
    pub views: Option<usize>,
    /// Never these rows.
    pub except: Vec<u64>,
}

/// Most pictures of one person.
pub const MOST_VIEWS: usize = 13;

impl Choice {
    /// Row numbers, in order.
    ///
    /// # Errors
    /// If none is left.
    pub fn rows(&self, dataset: &Dataset) -> Result<Vec<usize>> {
        let fits = |row: &FrameRow| {
            self.identity.is_none_or(|id| row.identity_id == id)
                && self.light.is_none_or(|light| row.light_id == light)
                && (self.frames.is_empty() || self.frames.contains(&row.frame_id))
                && !self.except.contains(&row.frame_id)
        };
        let all: Vec<usize> = (0..dataset.len()).filter(|&i| fits(dataset.labels(i))).collect();
        if all.is_empty() {
            return Err(Failure::bad_data(format!("no row of {:?} matches {self:?}", dataset.path())).into());
        }
        let n = self.views.unwrap_or(all.len()).clamp(1, all.len());
        if n == all.len() {
            return Ok(all);
        }
        let looks: Vec<Look> = all.iter().map(|&i| Look::of(dataset.labels(i))).collect();
        Ok(spread(&looks, n).into_iter().map(|k| all[k]).collect())
    }
}

/// What a picture shows that others may not: from where, and of which face.
#[derive(Clone, Copy)]
struct Look {
    /// Direction of the camera as the head sees it; unit.
    from: Vec3,
    expression: [f32; 52],
}

impl Look {
    fn of(row: &FrameRow) -> Look {
        let turned = |j: usize| glam::Quat::from_scaled_axis(Vec3::from(row.pose[j]));
        let head = turned(0) * turned(1);
        // Row z of the rotation is the camera's z axis in the world, which points at the head.
        let m = row.camera_from_world;
        let ahead = Vec3::new(m[2][0], m[2][1], m[2][2]);
        Look { from: (head.inverse() * -ahead).normalize_or(Vec3::Z), expression: row.expression }
    }

    /// Radians between the directions, plus the distance of the expressions, an open jaw counting twice.
    fn distance(&self, other: &Look) -> f32 {
        const JAW_OPEN: usize = 24;
        let difference = |k: usize| self.expression[k] - other.expression[k];
        let squares: f32 = (0..52).map(|k| difference(k).powi(2)).sum::<f32>() + 3.0 * difference(JAW_OPEN).powi(2);
        self.from.angle_between(other.from) + squares.sqrt()
    }
}

/// `n` of the pictures, in order: the one nearest to a resting face from the front, then always the one farthest from all
/// chosen. Evenly spread rows may all have the mouth shut; then nothing shows its inside.
fn spread(looks: &[Look], n: usize) -> Vec<usize> {
    let front = Look { from: Vec3::Z, expression: [0.0; 52] };
    let mut gaps: Vec<f32> = looks.iter().map(|l| -l.distance(&front)).collect();
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < n.min(looks.len()) {
        let free = (0..looks.len()).filter(|k| !chosen.contains(k));
        let Some(best) = free.max_by(|a, b| gaps[*a].total_cmp(&gaps[*b]).then(b.cmp(a))) else { break };
        if chosen.is_empty() {
            gaps.fill(f32::INFINITY);
        }
        chosen.push(best);
        gaps.iter_mut().zip(looks).for_each(|(gap, look)| *gap = gap.min(look.distance(&looks[best])));
    }
    chosen.sort_unstable();
    chosen
}

impl View {
    /// Decodes a row at `size` pixels a side.
    ///
    /// # Errors
    /// A row without matte, or without shape coefficients anywhere.
    pub fn read(dataset: &Dataset, i: usize, model: &HeadModel, size: usize) -> Result<Self> {
        let row = dataset.frame_with(i, &["image", "alpha", "valid"])?;
        let shape = match (row.shape.is_empty(), dataset.identity(row.identity_id)) {
            (false, _) => row.shape.clone(),
            (true, Some(identity)) => identity.shape.clone(),
            (true, None) => {
                return Err(
                    Failure::bad_data(format!("row {i} of {:?} has no shape coefficients", dataset.path())).into()
                );
            }
        };
        if shape.len() != model.identity.names.len() {
            let text = format!(
                "row {i} of {:?} has {} shape coefficients, the head model has {}",
                dataset.path(),
                shape.len(),
                model.identity.names.len()
            );
            return Err(Failure::bad_data(text).into());
        }
        let params = HeadParams { shape, expression: row.expression, pose: row.pose.map(Vec3::from) };
        let (mut image, mut alpha) = picture(&row, size).with_context(|| format!("row {i} of {:?}", dataset.path()))?;
        if row.samples_per_pixel == 0 {
            alpha.data.iter_mut().for_each(|a| *a = crisp(*a));
            unmix(&mut image, &alpha);
        }
        let scale = [size as f32 / row.width as f32, size as f32 / row.height as f32];
        Ok(View {
            landmarks_2d: row.landmarks_2d.iter().map(|p| [p[0] * scale[0], p[1] * scale[1]]).collect(),
            frame_id: row.frame_id,
            valid: valid(&row, size).with_context(|| format!("row {i} of {:?}", dataset.path()))?,
            image,
            alpha,
            camera: camera_from_head(&row, model, &params).resized(size, size),
            params,
        })
    }

    /// `[1, 3, S, S]` display RGB.
    pub fn image_tensor(&self) -> Tensor {
        let (h, w) = (self.image.height as i64, self.image.width as i64);
        Tensor::from_slice(&self.image.data).view([1, h, w, 3]).permute([0, 3, 1, 2]).contiguous()
    }

    /// `[1, 1, S, S]` 1 at eyes and mouth.
    pub fn focus_tensor(&self) -> Tensor {
        let size = self.image.width;
        Tensor::from_slice(&focus(&self.landmarks_2d, size)).view([1, 1, size as i64, size as i64])
    }

    /// `[1, 1, S, S]` coverage.
    pub fn alpha_tensor(&self) -> Tensor {
        mask_tensor(&self.alpha)
    }

    /// `[1, 1, S, S]` 1 where the picture knows what is there.
    pub fn valid_tensor(&self) -> Tensor {
        mask_tensor(&self.valid)
    }
}

impl Subject {
    /// Reads the chosen rows and makes the first guess of the maps, on the CPU; `mean_texture` `[3, U, U]` shows where no picture does.
    /// The maps of the expressions are made only for an avatar that moves by them.
    ///
    /// # Errors
    /// More than [`MOST_VIEWS`] rows; see [`View::read`].
    pub fn read(
        dataset: &Dataset,
        rows: &[usize],
        model: &HeadModel,
        size: usize,
        mean_texture: &Tensor,
        geometry: Geometry,
    ) -> Result<Self> {
        if rows.len() > MOST_VIEWS {
            let text = format!("{} images of one person; expected 1 to {MOST_VIEWS} (choose with --views)", rows.len());
            return Err(Failure::bad_data(text).into());
        }
        let views: Vec<View> = rows.iter().map(|&i| View::read(dataset, i, model, size)).collect::<Result<_>>()?;
        let n = model.identity.names.len();
        let shape: Vec<f32> =
            (0..n).map(|k| views.iter().map(|v| v.params.shape[k]).sum::<f32>() / views.len() as f32).collect();
        let u = mean_texture.size()[1];
        let space = UvSpace::new(model, u as usize);
        let map = |values: &[Vec3]| Tensor::from_slice(&space.planes(values)).view([1, 3, u, u]);
        let correctives = Correctives::new(model);
        let mut neutral = model.neutral(&shape);
        correctives.rest(model, &mut neutral);
        let offsets = |params: &HeadParams| map(&correctives.offsets(model, &neutral, params));
        let maps = |params: Vec<HeadParams>| match geometry {
            Geometry::Decoded => Tensor::cat(&params.iter().map(offsets).collect::<Vec<_>>(), 0),
            Geometry::Rig => Tensor::zeros([0, 3, u, u], (tch::Kind::Float, Device::Cpu)),
        };
        Ok(Subject {
            texture: unwrap(&views, model, &shape, &space, mean_texture),
            position: map(&neutral),
            expressions: maps(views.iter().map(|v| v.params.clone()).collect()),
            units: maps(unit_params(&shape).collect()),
            views,
            shape,
        })
    }

    /// The same person, the pictures decoded at another size.
    ///
    /// # Errors
    /// See [`View::read`].
    pub fn at_size(&self, dataset: &Dataset, rows: &[usize], model: &HeadModel, size: usize) -> Result<Self> {
        Ok(Subject {
            views: rows.iter().map(|&i| View::read(dataset, i, model, size)).collect::<Result<_>>()?,
            shape: self.shape.clone(),
            texture: self.texture.shallow_clone(),
            position: self.position.shallow_clone(),
            expressions: self.expressions.shallow_clone(),
            units: self.units.shallow_clone(),
        })
    }

    /// Hexadecimal digest of the pictures and of all that the rows say of them: what a fit takes from its data.
    pub fn digest(&self) -> String {
        let mut text = format!("{:?}", self.shape);
        for v in &self.views {
            text += &format!("\n{} {:?} {:?} {:?}", v.frame_id, v.camera, v.params, v.landmarks_2d);
            for picture in [&v.image, &v.alpha, &v.valid] {
                let bytes: Vec<u8> = picture.data.iter().flat_map(|x| x.to_le_bytes()).collect();
                text += &format!(" {}x{} {}", picture.width, picture.height, hex(&sha256(&bytes)));
            }
        }
        hex(&sha256(text.as_bytes()))
    }

    /// The same with its maps on a device; the pictures stay where they were decoded.
    pub fn on(self, device: Device) -> Self {
        Subject {
            texture: self.texture.to_device(device),
            position: self.position.to_device(device),
            expressions: self.expressions.to_device(device),
            units: self.units.to_device(device),
            ..self
        }
    }
}

/// A photo's matte is soft over several pixels; what shines through there would become a halo of the avatar.
fn crisp(alpha: f32) -> f32 {
    ((alpha - 0.5) * 2.5 + 0.5).clamp(0.0, 1.0)
}

fn mask_tensor(mask: &Picture) -> Tensor {
    Tensor::from_slice(&mask.data).view([1, 1, mask.height as i64, mask.width as i64])
}

/// Each unit alone at 1.
fn unit_params(shape: &[f32]) -> impl Iterator<Item = HeadParams> {
    let neutral = HeadParams { shape: shape.to_vec(), ..HeadParams::neutral(shape.len()) };
    (0..52).map(move |k| {
        let mut params = neutral.clone();
        params.expression[k] = 1.0;
        params
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use head::params::unit;

    #[test]
    fn chosen_pictures_show_the_front_a_side_and_an_open_mouth() {
        let look = |yaw: f32, jaw: f32| {
            let mut expression = [0.0; 52];
            expression[unit("jawOpen").unwrap()] = jaw;
            Look { from: Vec3::new(yaw.sin(), 0.0, yaw.cos()), expression }
        };
        let looks = [look(0.1, 0.0), look(0.12, 0.0), look(0.8, 0.0), look(0.05, 0.2), look(0.2, 0.9), look(0.6, 0.05)];
        assert_eq!(spread(&looks, 3), [0, 2, 4]);
        assert_eq!(spread(&looks, 1), [0]);
        assert_eq!(spread(&looks, 9).len(), 6);
    }

    #[test]
    fn a_soft_matte_becomes_crisp_and_keeps_its_middle() {
        assert_eq!([0.0, 0.2, 0.5, 0.8, 1.0].map(crisp), [0.0, 0.0, 0.5, 1.0, 1.0]);
    }
}
