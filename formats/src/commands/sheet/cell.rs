//! One frame as it stands on a sheet: the image with overlays, its maps beside it.
use super::Look;
use super::grid::strip;
use formats::Error;
use formats::frame::FrameRow;
use formats::image::{self, Decoded, Picture, linear_from_srgb};
use formats::segmentation::Class;
use glam::Vec3;
use head::ibug;

/// A layer. Landmarks, segmentation and gaze are drawn on the image, the others beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Draw {
    /// Green if visible, red if occluded
    Landmarks,
    /// One tint per class
    Segmentation,
    /// A 4 cm line along the gaze of each eye
    Gaze,
    /// Alpha (coverage)
    Alpha,
    /// Depth, near is bright
    Depth,
    /// World-space normals
    Normal,
    /// Texture coordinates
    Uv,
}

impl std::fmt::Display for Draw {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(clap::ValueEnum::to_possible_value(self).as_ref().map_or("", |v| v.get_name()))
    }
}

impl Draw {
    /// Has the frame got it?
    pub fn is_in(self, frame: &FrameRow) -> bool {
        match self {
            Draw::Landmarks => !frame.landmarks_2d.is_empty(),
            Draw::Gaze => frame.landmarks_3d.len() >= ibug::EYES.end,
            Draw::Segmentation => frame.segmentation.is_some(),
            Draw::Alpha => frame.alpha.is_some(),
            Draw::Depth => frame.depth.is_some(),
            Draw::Normal => frame.normal.is_some(),
            Draw::Uv => frame.uv.is_some(),
        }
    }
}

/// The frame scaled to fit `look.cell`, sRGB; wider when maps stand beside it.
pub fn of_frame(frame: &FrameRow, look: &Look) -> Result<Decoded<u8>, Error> {
    let decoded = image::rgb8_from_encoded(&frame.image)?;
    let scale = look.cell as f32 / decoded.width.max(decoded.height) as f32;
    let side = |pixels: usize| ((pixels as f32 * scale).round() as usize).clamp(1, look.cell);
    let (width, height) = (side(decoded.width), side(decoded.height));
    let mut picture = Picture::linear_from_rgb8(&decoded);
    if let Some(classes) = frame.segmentation.as_ref().filter(|_| look.draw.contains(&Draw::Segmentation)) {
        tint(&mut picture, &image::gray8_from_png(classes)?);
    }
    let mut small = picture.resized(width, height);
    if look.draw.contains(&Draw::Landmarks) {
        landmarks(&mut small, frame, scale, look.cell);
    }
    if look.draw.contains(&Draw::Gaze) {
        gaze(&mut small, frame, scale);
    }
    let mut tiles = vec![Decoded { width, height, channels: 3, data: small.srgb8() }];
    for layer in &look.draw {
        if let Some(map) = map_of(frame, *layer)? {
            let resized = map.resized(width, height);
            tiles.push(Decoded { width, height, channels: 3, data: resized.raw8() });
        }
    }
    let FrameRow { identity_id, expression_id, camera_id, light_id, .. } = frame;
    let caption = look.captions.then(|| format!("i{identity_id} e{expression_id} c{camera_id} l{light_id}"));
    Ok(strip(&tiles, caption.as_deref()))
}

/// A map as RGB in 0..=1 for the eye; none for a layer that is drawn on the image, or that the frame lacks.
fn map_of(frame: &FrameRow, layer: Draw) -> Result<Option<Picture>, Error> {
    let rgb = |bytes: &Vec<u8>| Ok(Picture::raw_from_8bit(&image::rgb8_from_encoded(bytes)?));
    match layer {
        Draw::Alpha => frame.alpha.as_ref().map(rgb).transpose(),
        Draw::Normal => frame.normal.as_ref().map(rgb).transpose(),
        Draw::Depth => frame.depth.as_ref().map(|bytes| Ok(depth(&image::gray16_from_png(bytes)?))).transpose(),
        Draw::Uv => frame.uv.as_ref().map(|bytes| Ok(uv(&image::rgb16_from_png(bytes)?))).transpose(),
        Draw::Landmarks | Draw::Segmentation | Draw::Gaze => Ok(None),
    }
}

/// Depth over its own range, near bright (colors of Smith and van der Walt's viridis, five points of it).
fn depth(map: &Decoded<u16>) -> Picture {
    const VIRIDIS: [[f32; 3]; 5] = [
        [0.267, 0.005, 0.329],
        [0.230, 0.322, 0.546],
        [0.128, 0.567, 0.551],
        [0.369, 0.789, 0.383],
        [0.993, 0.906, 0.144],
    ];
    let hit = || map.data.iter().copied().filter(|&d| d > 0);
    let (near, far) = (hit().min().unwrap_or(0), hit().max().unwrap_or(0));
    let color = |d: u16| -> [f32; 3] {
        if d == 0 {
            return [0.1; 3];
        }
        let t = f32::from(far - d) / f32::from(far - near).max(1.0) * 4.0;
        let (low, part) = ((t as usize).min(3), t - (t as usize).min(3) as f32);
        std::array::from_fn(|k| VIRIDIS[low][k] + part * (VIRIDIS[low + 1][k] - VIRIDIS[low][k]))
    };
    let data = map.data.iter().flat_map(|&d| color(d)).collect();
    Picture { width: map.width, height: map.height, channels: 3, data }
}

/// u red, v green, and the part as blue.
fn uv(map: &Decoded<u16>) -> Picture {
    let texel = |t: &[u16]| [f32::from(t[0]) / 65535.0, f32::from(t[1]) / 65535.0, (f32::from(t[2]) * 0.31) % 1.0];
    let data = map.data.chunks_exact(3).flat_map(texel).collect();
    Picture { width: map.width, height: map.height, channels: 3, data }
}

/// Mixes the color of its class into each pixel; the background stays.
fn tint(picture: &mut Picture, classes: &Decoded<u8>) {
    if (classes.width, classes.height) != (picture.width, picture.height) {
        return;
    }
    for (pixel, &class) in picture.data.chunks_exact_mut(3).zip(&classes.data) {
        if class > 0 {
            let color = class_color(class).map(linear_from_srgb);
            for k in 0..3 {
                pixel[k] = 0.45 * pixel[k] + 0.55 * color[k];
            }
        }
    }
}

/// sRGB of a class: hues far apart for neighboring ids.
pub fn class_color(class: u8) -> [f32; 3] {
    let hue = f32::from(class) * 0.618_034 % 1.0 * 6.0;
    let value = if Class::from_id(class).is_some() { 0.9 } else { 0.3 };
    [0.0, 4.0, 2.0].map(|offset| {
        let distance = ((hue + offset) % 6.0 - 3.0).abs() - 1.0;
        value * (0.25 + 0.75 * distance.clamp(0.0, 1.0))
    })
}

fn landmarks(picture: &mut Picture, frame: &FrameRow, scale: f32, cell: usize) {
    for (i, [x, y]) in frame.landmarks_2d.iter().enumerate() {
        let seen = frame.landmark_visible.get(i).copied().unwrap_or(1.0).clamp(0.0, 1.0);
        // The dense ones, several hundred, must not hide the face.
        let radius = if i < ibug::COUNT { 1.0 } else { 0.35 } * cell as f32 / 160.0;
        dot(picture, x * scale, y * scale, [1.0 - seen, 0.1 + 0.9 * seen, 0.1], radius);
    }
}

/// From the middle of each eye's landmarks (the person's left eye first).
fn gaze(picture: &mut Picture, frame: &FrameRow, scale: f32) {
    const LENGTH_M: f32 = 0.04;
    let camera = frame.camera();
    for (direction, landmarks) in frame.gaze.iter().zip([ibug::LEFT_EYE, ibug::RIGHT_EYE]) {
        let Some(points) = frame.landmarks_3d.get(landmarks) else { return };
        let eye = points.iter().map(|p| Vec3::from_array(*p)).sum::<Vec3>() / points.len() as f32;
        for step in 0..=24 {
            let point = eye + Vec3::from_array(*direction) * LENGTH_M * step as f32 / 24.0;
            let in_camera = camera.camera_from_world.transform_point3(point);
            if in_camera.z > 0.0 {
                let x = camera.fx * in_camera.x / in_camera.z + camera.cx;
                let y = camera.fy * in_camera.y / in_camera.z + camera.cy;
                dot(picture, x * scale, y * scale, [0.1, 0.6, 1.0], 0.5);
            }
        }
    }
}

/// A soft dot of about `radius` pixels at a pixel position.
fn dot(picture: &mut Picture, x: f32, y: f32, color: [f32; 3], radius: f32) {
    if !(x.is_finite() && y.is_finite()) {
        return;
    }
    let reach = radius + 1.0;
    let range = |center: f32, size: usize| {
        (center - reach).max(0.0) as usize..((center + reach).max(0.0) as usize + 1).min(size)
    };
    for row in range(y, picture.height) {
        for column in range(x, picture.width) {
            let distance = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
            let cover = (radius + 0.5 - distance).clamp(0.0, 1.0);
            let at = (row * picture.width + column) * 3;
            for k in 0..3 {
                picture.data[at + k] += cover * (color[k] - picture.data[at + k]);
            }
        }
    }
}
