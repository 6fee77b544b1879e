//! A contact sheet of training examples with their labels: what the networks are shown, for people.
use crate::detect_net::SIZES;
use crate::face_net::SIDE;
use crate::picture::Canvas;
use crate::train::compose::Material;
use image::{Rgb, RgbImage};

/// Examples a row, rows of crops, rows of patches.
const COLUMNS: u32 = 8;
const ROWS: u32 = 3;

/// Crops with landmarks and, beneath each row, their coverage; then detector patches with their faces.
pub fn draw(material: &Material) -> RgbImage {
    let side = SIDE as u32;
    let mut sheet = RgbImage::new(COLUMNS * side, 3 * ROWS * side);
    for i in 0..COLUMNS * ROWS {
        let (x, y) = (i % COLUMNS * side, i / COLUMNS * side);
        let crop = material.crop(i as u64);
        let mut picture = crop.canvas.to_rgb8();
        if let Some(labels) = &crop.labels {
            let seen = |l: usize| if labels.visible[l] > 0.5 { [0, 255, 0] } else { [255, 60, 0] };
            labels.points.iter().enumerate().for_each(|(l, p)| dot(&mut picture, *p, seen(l)));
        }
        image::imageops::replace(&mut sheet, &picture, x as i64, 2 * y as i64);
        let alpha = &crop.canvas.planes[3];
        let grey = Canvas { planes: [alpha.clone(), alpha.clone(), alpha.clone(), Vec::new()], ..crop.canvas };
        image::imageops::replace(&mut sheet, &grey.to_rgb8(), x as i64, 2 * y as i64 + side as i64);
        let patch = material.patch(i as u64, SIDE, SIZES);
        let mut picture = patch.canvas.to_rgb8();
        for face in &patch.faces {
            let wanted = (SIZES[0]..=SIZES[1]).contains(&face.size);
            let tint = if wanted { [0, 255, 0] } else { [255, 160, 0] };
            for k in 0..40 {
                let turn = k as f32 / 40.0 * std::f32::consts::TAU;
                let (dx, dy) = (0.5 * face.size * turn.cos(), 0.5 * face.size * turn.sin());
                dot(&mut picture, [face.centre[0] + dx, face.centre[1] + dy], tint);
            }
        }
        image::imageops::replace(&mut sheet, &picture, x as i64, (2 * ROWS * side + y) as i64);
    }
    sheet
}

fn dot(picture: &mut RgbImage, at: [f32; 2], tint: [u8; 3]) {
    let (x, y) = (at[0].floor(), at[1].floor());
    if x >= 0.0 && y >= 0.0 && (x as u32) < picture.width() && (y as u32) < picture.height() {
        picture.put_pixel(x as u32, y as u32, Rgb(tint));
    }
}
