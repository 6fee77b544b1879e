//! The person in the reference picture: the picture over the background, its camera, what poses the head.
use anyhow::Result;
use formats::Dataset;
use formats::exit::Failure;
use formats::image::Picture;
use head::model::{HeadModel, HeadParams};
use nets::view::{camera_from_head, composite, picture};
use splat::Camera;
use tch::Tensor;

/// The reference. `R` is its own side in pixels.
pub struct Subject {
    /// Row it came from.
    pub frame_id: u64,
    /// `[R, R, 3]` display RGB.
    pub image: Picture,
    /// `[R, R, 1]` coverage.
    pub alpha: Picture,
    /// Head space → picture.
    pub camera: Camera,
    /// Landmarks in the picture (pixels of `R`).
    pub landmarks_2d: Vec<[f32; 2]>,
    /// What poses the head there.
    pub params: HeadParams,
}

impl Subject {
    /// Row `i` of a tracked or rendered dataset, at its own size or at most `size` pixels a side.
    ///
    /// # Errors
    /// A row without matte, landmarks or shape coefficients, or with those of another head model.
    pub fn read(dataset: &Dataset, i: usize, model: &HeadModel, size: usize) -> Result<Self> {
        let row = dataset.frame_with(i, &["image", "alpha"])?;
        let bad = |what: String| Failure::bad_data(format!("row {i} of {:?} {what}", dataset.path()));
        let of_identity = dataset.identity(row.identity_id).map(|identity| identity.shape.as_slice());
        let shape = if row.shape.is_empty() { of_identity.unwrap_or_default() } else { row.shape.as_slice() };
        if shape.len() != model.identity.len() {
            let (got, expected) = (shape.len(), model.identity.len());
            return Err(bad(format!("has {got} shape coefficients, the head model has {expected}")).into());
        }
        if row.landmarks_2d.len() < crate::landmark_map::LANDMARKS {
            return Err(bad(format!("has {} landmarks, expected 68 at least", row.landmarks_2d.len())).into());
        }
        let params = row.head_params(shape);
        // A multiple of eight: the perceptual net halves three times.
        let size = size.min(row.width as usize) / 8 * 8;
        let (image, alpha) = picture(&row, size)?;
        let scale = [size as f32 / row.width as f32, size as f32 / row.height as f32];
        Ok(Subject {
            frame_id: row.frame_id,
            image,
            alpha,
            camera: camera_from_head(&row, model, &params).resized(size, size),
            landmarks_2d: row.landmarks_2d.iter().map(|p| [p[0] * scale[0], p[1] * scale[1]]).collect(),
            params,
        })
    }

    /// Picture `[1, 3, S, S]` (display RGB) and coverage `[1, 1, S, S]`.
    pub fn layers(&self, size: usize) -> [Tensor; 2] {
        [&self.image, &self.alpha].map(|picture| {
            let (picture, n, c) = (picture.resized(size, size), size as i64, picture.channels as i64);
            Tensor::from_slice(&picture.data).view([1, n, n, c]).permute([0, 3, 1, 2]).contiguous()
        })
    }

    /// `[3, S, S]` display RGB over a background.
    pub fn over(&self, background: [f32; 3], size: usize) -> Tensor {
        let [image, alpha] = self.layers(size);
        composite(&image, &alpha, &[background]).squeeze_dim(0)
    }

    /// The landmarks in a picture of `size` pixels a side.
    pub fn landmarks_at(&self, size: usize) -> Vec<[f32; 2]> {
        let scale = size as f32 / self.image.width as f32;
        self.landmarks_2d.iter().map(|p| p.map(|v| v * scale)).collect()
    }
}

/// Rows of an identity, or of the dataset's first.
///
/// # Errors
/// There are none.
pub fn rows_of(dataset: &Dataset, identity: Option<u32>) -> Result<Vec<usize>> {
    let identity = identity.or_else(|| dataset.all_labels().first().map(|r| r.identity_id));
    let rows: Vec<usize> = (0..dataset.len()).filter(|&i| Some(dataset.labels(i).identity_id) == identity).collect();
    if rows.is_empty() {
        let text = format!("no row of identity {} in {:?}", identity.unwrap_or_default(), dataset.path());
        return Err(Failure::bad_data(text).into());
    }
    Ok(rows)
}

/// The row that shows the face most squarely and most at rest: what one would take a portrait from.
pub fn most_frontal(dataset: &Dataset, rows: &[usize]) -> usize {
    let away = |i: usize| {
        let row = dataset.labels(i);
        let eye = row.camera().eye();
        let face: f32 = row.expression.iter().sum();
        eye.x.atan2(eye.z).abs() + 0.2 * face
    };
    rows.iter().copied().min_by(|&a, &b| away(a).total_cmp(&away(b))).unwrap_or_default()
}
