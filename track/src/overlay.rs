//! A picture for people: the frame with its landmarks, the fitted head drawn upon it, and the matte.
use crate::frame::Frame;
use crate::matte::Square;
use crate::mesh_view;
use crate::picture::{Canvas, Mips};
use glam::Vec3;
use head::HeadModel;
use head::model::Part;

/// Pixels a side of each of the three panels.
const PANEL: usize = 400;

/// What the picture shows.
pub struct Overlay<'a> {
    /// The frame, matted.
    pub frame: &'a Frame,
    /// The photo that it was cut from.
    pub photo: &'a Mips,
    /// `[L]` landmarks that were seen, pixels of the frame.
    pub points: &'a [[f32; 2]],
    /// `[L]` 0..=1, of each of them.
    pub confidence: &'a [f32],
    /// The head model.
    pub model: &'a HeadModel,
    /// `[V]` the fitted head, metres.
    pub posed: &'a [Vec3],
}

/// Three panels side by side: landmarks (green sure, red unsure; white: the fitted head's), fitted head, matte.
pub fn draw(overlay: &Overlay) -> image::RgbImage {
    let Overlay { frame, photo, points, confidence, model, posed } = *overlay;
    let colours = frame.colours_at(photo, PANEL);
    let zoom = PANEL as f32 / frame.camera.width as f32;
    let camera = frame.camera.resized(PANEL, PANEL);
    let mut landmarks = colours.clone();
    for p in model.landmarks_at(posed).iter().take(points.len()) {
        let at = camera.project(*p).0;
        disc(&mut landmarks, [at.x, at.y], 1.3, [1.0, 1.0, 1.0]);
    }
    for (p, c) in points.iter().zip(confidence) {
        disc(&mut landmarks, p.map(|v| v * zoom), 2.2, [1.0 - c, *c, 0.1]);
    }
    let mut fitted = colours.clone();
    shade(&mut fitted, &mesh_view::draw(model, posed, &camera));
    let mut matted = colours;
    let coverage = Square { values: &frame.canvas.planes[3], side: frame.canvas.width };
    let place = |i: usize| [(i % PANEL) as f32 + 0.5, (i / PANEL) as f32 + 0.5].map(|v| v / PANEL as f32);
    let alpha: Vec<f32> = (0..PANEL * PANEL).map(|i| coverage.sample(place(i))).collect();
    for i in 0..PANEL * PANEL {
        let checker = if (i % PANEL / 20 + i / PANEL / 20).is_multiple_of(2) { 0.35 } else { 0.5 };
        for c in 0..3 {
            matted.planes[c][i] = checker + alpha[i] * (matted.planes[c][i] - checker);
        }
    }
    let mut sheet = image::RgbImage::new(3 * PANEL as u32, PANEL as u32);
    for (k, panel) in [landmarks, fitted, matted].iter().enumerate() {
        image::imageops::replace(&mut sheet, &panel.to_rgb8(), (k * PANEL) as i64, 0);
    }
    sheet
}

/// A filled, soft-edged disc.
fn disc(canvas: &mut Canvas, at: [f32; 2], radius: f32, tint: [f32; 3]) {
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let low = |v: f32| (v - radius - 1.0).max(0.0) as usize;
    for y in low(at[1])..(at[1] + radius + 2.0).clamp(0.0, h) as usize {
        for x in low(at[0])..(at[0] + radius + 2.0).clamp(0.0, w) as usize {
            let a = (radius + 0.5 - (x as f32 + 0.5 - at[0]).hypot(y as f32 + 0.5 - at[1])).clamp(0.0, 1.0);
            let i = y * canvas.width + x;
            for c in 0..3 {
                canvas.planes[c][i] += a * (tint[c] - canvas.planes[c][i]);
            }
        }
    }
}

/// Lays the drawn head over the picture, half transparent.
fn shade(canvas: &mut Canvas, view: &mesh_view::MeshView) {
    for i in 0..view.shade.len() {
        let Some(part) = view.part[i] else { continue };
        let tint = match part {
            Part::Skin => [0.75, 0.82, 0.95],
            Part::EyeLeft | Part::EyeRight => [1.0, 1.0, 1.0],
            _ => [0.95, 0.75, 0.75],
        };
        for c in 0..3 {
            let v = &mut canvas.planes[c][i];
            *v += 0.6 * (tint[c] * view.shade[i] - *v);
        }
    }
}
