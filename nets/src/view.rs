//! One view of a head: the picture and camera of a row, and the picture that Gaussians give through that camera.
//!
//! What every fit compares: [`picture`], [`valid`], [`focus`] and [`camera_from_head`] of a row with [`draw_one`]. `S` is a
//! square picture's side in pixels; colors are display RGB (sRGB) in 0..=1.
use crate::bridge::render::{GaussianTensors, Settings, render};
use crate::pictures::data::rgb8_from_tensor;
use anyhow::{Context, Result};
use formats::FrameRow;
use formats::image::{Picture, gray8_from_png, rgb8_from_encoded};
use glam::Vec2;
use head::HeadModel;
use head::evaluate::Posed;
use head::ibug;
use head::model::HeadParams;
use splat::Camera;
use tch::Tensor;

/// The camera in head space: the rigid motion of the skull is folded into it, so that Gaussians stay at rest.
pub fn camera_from_head(row: &FrameRow, model: &HeadModel, params: &HeadParams) -> Camera {
    camera_of_posed(row, &model.evaluate(params))
}

/// The same, of a head that is posed already.
pub fn camera_of_posed(row: &FrameRow, posed: &Posed) -> Camera {
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
    if landmarks.len() < ibug::COUNT {
        return map;
    }
    for (points, margin) in [(ibug::RIGHT_EYE, 0.35), (ibug::LEFT_EYE, 0.35), (ibug::MOUTH, 0.2)] {
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

/// `B` pictures.
pub struct Drawn {
    /// `[B, 3, H, W]` display RGB over the background.
    pub color: Tensor,
    /// `[B, 1, H, W]`
    pub alpha: Tensor,
}

/// One head through one camera, `B` = 1.
///
/// # Errors
/// A camera no picture can be made with.
pub fn draw_one(head: &GaussianTensors, camera: &Camera, background: [f32; 3]) -> Result<Drawn> {
    let settings = Settings { background: background.to_vec(), ..Default::default() };
    let picture = render(head, std::slice::from_ref(camera), &settings)?;
    Ok(Drawn { color: picture.color_chw(), alpha: picture.alpha.unsqueeze(1) })
}

/// Straight pictures `[B, 3, H, W]` over their backgrounds.
pub fn composite(images: &Tensor, alphas: &Tensor, backgrounds: &[[f32; 3]]) -> Tensor {
    let flat: Vec<f32> = backgrounds.iter().flatten().copied().collect();
    let behind = Tensor::from_slice(&flat).view([backgrounds.len() as i64, 3, 1, 1]).to_device(images.device());
    images * alphas + behind * (1.0 - alphas)
}

/// A sheet of pictures: each row of `columns` side by side, 8-bit RGB, as PNG.
///
/// # Errors
/// Encoding.
pub fn sheet_png(rows: &[Vec<Tensor>]) -> Result<Vec<u8>> {
    let lines: Vec<Tensor> = rows.iter().map(|row| Tensor::cat(row, 2)).collect();
    let sheet = rgb8_from_tensor(&Tensor::cat(&lines, 1));
    Ok(formats::image::png_from_rgb8(sheet.width, sheet.height, &sheet.data)?)
}

/// Turns `α·head + (1 − α)·tone` into the head's own color where enough of it shows.
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
