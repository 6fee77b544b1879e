//! Draws a head model: views of the shaded mesh with its landmarks, and the texture layout.
//!
//! `cargo run --release -p head --example preview -- analytic|ict:FOLDER|makehuman:WHEEL OUT.png [unit=value …] [shape:K=value] [pose:J.A=value]
//! [level=N] [region=name]`
use glam::{Quat, Vec3};
use head::model::{HeadParams, Part};
use head::{HeadModel, Subdivision, normals};
use std::f32::consts::{FRAC_PI_2, PI};
use std::path::Path;

const SIZE: usize = 480;
const PIXELS_PER_METER: f32 = 1450.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let model = load(&args[0])?;
    model.check()?;
    let (params, level, region) = parse(&model, &args[2..])?;
    let posed = model.evaluate(&params);
    let fine = Subdivision::new(&model.faces, &model.face_uvs, model.n_vertices(), &model.uvs, level);
    let positions = fine.apply(&posed.positions);
    let parts: Vec<Part> = fine.parent.iter().map(|&f| model.face_parts[f as usize]).collect();
    let tint: Vec<f32> = match &region {
        Some(name) => fine.apply_scalars(model.regions.get(name).ok_or("no such region")?),
        None => vec![0.0; positions.len()],
    };
    let surface = Surface { positions: &positions, faces: &fine.faces, parts: &parts, tint: &tint };
    let views = [(0.0, -0.02), (0.75, -0.02), (FRAC_PI_2, -0.02), (PI, -0.02), (0.35, -0.45)];
    let mut sheet = image::RgbImage::from_pixel((SIZE * 3) as u32, (SIZE * 2) as u32, image::Rgb([30, 32, 36]));
    for (i, (yaw, pitch)) in views.into_iter().enumerate() {
        let rotation = Quat::from_rotation_x(-pitch) * Quat::from_rotation_y(-yaw);
        let marks = if i < 2 { model.landmarks_at(&posed.positions) } else { Vec::new() };
        draw(&mut sheet, (i % 3 * SIZE, i / 3 * SIZE), &surface, rotation, &marks);
    }
    draw_layout(&mut sheet, (2 * SIZE, SIZE), &model);
    sheet.save(&args[1])?;
    println!("{} vertices, {} faces, gaze {:?}", model.n_vertices(), model.faces.len(), posed.gaze);
    Ok(())
}

fn load(source: &str) -> Result<HeadModel, Box<dyn std::error::Error>> {
    match source.split_once(':') {
        None if source == "analytic" => Ok(head::analytic::head()),
        Some(("makehuman", wheel)) => Ok(head::makehuman::import(Path::new(wheel), &Default::default())?),
        Some(("ict", folder)) => Ok(head::ict::import(Path::new(folder))?),
        _ => Err(format!("expected analytic, ict:FOLDER or makehuman:WHEEL, got {source}").into()),
    }
}

fn parse(
    model: &HeadModel,
    words: &[String],
) -> Result<(HeadParams, usize, Option<String>), Box<dyn std::error::Error>> {
    let (mut params, mut level, mut region) = (model.params(), 0, None);
    for word in words {
        let (name, value) = word.split_once('=').ok_or("expected name=value")?;
        if name == "level" {
            level = value.parse()?;
        } else if name == "region" {
            region = Some(value.to_string());
        } else if let Some(k) = name.strip_prefix("shape:") {
            let k = model.identity.names.iter().position(|n| n == k).or(k.parse().ok()).ok_or("no such column")?;
            params.shape[k] = value.parse()?;
        } else if let Some(j) = name.strip_prefix("pose:") {
            let (joint, axis) = j.split_once('.').ok_or("expected pose:joint.axis")?;
            params.pose[joint.parse::<usize>()?][axis.parse::<usize>()?] = value.parse()?;
        } else {
            params.expression[head::params::unit(name).ok_or("no such unit")?] = value.parse()?;
        }
    }
    Ok((params, level, region))
}

fn color(part: Part) -> Vec3 {
    match part {
        Part::Skin => Vec3::new(0.80, 0.66, 0.58),
        Part::EyeLeft | Part::EyeRight => Vec3::new(0.92, 0.93, 0.95),
        Part::TeethUpper | Part::TeethLower => Vec3::new(0.95, 0.92, 0.80),
        Part::Gums | Part::Tongue => Vec3::new(0.75, 0.35, 0.35),
        Part::Mouth => Vec3::new(0.35, 0.08, 0.08),
        Part::Lashes => Vec3::new(0.1, 0.1, 0.1),
    }
}

/// A posed head; `tint` is greener where a region lies.
struct Surface<'a> {
    positions: &'a [Vec3],
    faces: &'a [[u32; 4]],
    parts: &'a [Part],
    tint: &'a [f32],
}

fn draw(
    sheet: &mut image::RgbImage,
    (left, top): (usize, usize),
    &Surface { positions, faces, parts, tint }: &Surface,
    rotation: Quat,
    marks: &[Vec3],
) {
    let normals = normals::vertex_normals(positions, faces);
    let center = Vec3::new(0.0, -0.025, -0.06);
    let to_view = |p: Vec3| {
        let q = rotation * (p - center);
        Vec3::new(SIZE as f32 / 2.0 + 0.37 + PIXELS_PER_METER * q.x, SIZE as f32 / 2.0 - PIXELS_PER_METER * q.y, q.z)
    };
    let mut depth = vec![f32::NEG_INFINITY; SIZE * SIZE];
    let cut = normals::triangles(faces);
    for t in 0..cut.indices.len() {
        let ids = cut.indices[t].map(|v| v as usize);
        let [a, b, c] = ids.map(|v| to_view(positions[v]));
        let area2 = (b - a).truncate().perp_dot((c - a).truncate());
        if area2 == 0.0 {
            continue;
        }
        let back = area2 > 0.0; // y points down in the image
        let (low, high) = (a.min(b).min(c).max(Vec3::ZERO), a.max(b).max(c).min(Vec3::splat(SIZE as f32 - 1.0)));
        for y in low.y.ceil() as usize..=high.y.max(0.0) as usize {
            for x in low.x.ceil() as usize..=high.x.max(0.0) as usize {
                let p = glam::Vec2::new(x as f32, y as f32) - a.truncate();
                let wb = p.perp_dot((c - a).truncate()) / area2;
                let wc = (b - a).truncate().perp_dot(p) / area2;
                let wa = 1.0 - wb - wc;
                let z = wa * a.z + wb * b.z + wc * c.z;
                if wa < 0.0 || wb < 0.0 || wc < 0.0 || z <= depth[y * SIZE + x] {
                    continue;
                }
                depth[y * SIZE + x] = z;
                let n = (wa * normals[ids[0]] + wb * normals[ids[1]] + wc * normals[ids[2]]).normalize_or(Vec3::Z);
                let n = rotation * n;
                let light =
                    0.15 + 0.75 * n.dot(Vec3::new(0.4, 0.5, 0.77)).max(0.0) + 0.15 * n.dot(Vec3::NEG_X).max(0.0);
                let shade = if back {
                    Vec3::new(0.1, 0.2, 0.8)
                } else {
                    light
                        * color(parts[cut.face[t] as usize]).lerp(
                            Vec3::new(0.1, 0.7, 0.2),
                            0.7 * (wa * tint[ids[0]] + wb * tint[ids[1]] + wc * tint[ids[2]]),
                        )
                };
                let rgb = shade.to_array().map(|v| (v.clamp(0.0, 1.0).powf(1.0 / 1.6) * 255.0) as u8);
                sheet.put_pixel((left + x) as u32, (top + y) as u32, image::Rgb(rgb));
            }
        }
    }
    for (l, mark) in marks.iter().enumerate() {
        let p = to_view(*mark);
        let color = if l < 68 { image::Rgb([20, 220, 60]) } else { image::Rgb([230, 200, 30]) };
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let (x, y) = (p.x as i32 + dx, p.y as i32 + dy);
            if (0..SIZE as i32).contains(&x) && (0..SIZE as i32).contains(&y) && (l < 68 || dx + dy == 0) {
                sheet.put_pixel((left as i32 + x) as u32, (top as i32 + y) as u32, color);
            }
        }
    }
}

/// Every texel in the color of its part, checkered by face.
fn draw_layout(sheet: &mut image::RgbImage, (left, top): (usize, usize), model: &HeadModel) {
    let atlas = head::UvAtlas::new(model, SIZE);
    for y in 0..SIZE {
        for x in 0..SIZE {
            if let Some(part) = atlas.part(y * SIZE + x) {
                let shade = if atlas.texels[y * SIZE + x].face.is_multiple_of(2) { 0.75 } else { 1.0 };
                let rgb = (shade * color(part)).to_array().map(|v| (v * 255.0) as u8);
                sheet.put_pixel((left + x) as u32, (top + y) as u32, image::Rgb(rgb));
            }
        }
    }
}
