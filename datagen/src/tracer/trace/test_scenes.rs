//! Small scenes from formulas, for tests and for the bench.
use crate::tracer::scene::{CurveDesc, HairMaterial, Material, MeshDesc, Paint, SceneDesc};
use glam::{Vec2, Vec3, Vec4};
use std::f32::consts::{PI, TAU};

/// A white diffuse ball about the origin: `2 n` columns, `n` rows.
pub fn ball(radius: f32, n: u32) -> MeshDesc {
    let (columns, rows) = (2 * n, n);
    let at = |x: u32, y: u32| {
        let (theta, phi) = (PI * y as f32 / rows as f32, TAU * x as f32 / columns as f32);
        Vec3::new(theta.sin() * phi.sin(), theta.cos(), theta.sin() * phi.cos())
    };
    let normals: Vec<Vec3> = (0..=rows).flat_map(|y| (0..columns).map(move |x| at(x, y))).collect();
    let positions: Vec<Vec3> = normals.iter().map(|v| *v * radius).collect();
    let (mut triangles, mut uvs) = (Vec::new(), Vec::new());
    for y in 0..rows {
        for x in 0..columns {
            let index = |dx: u32, dy: u32| (y + dy) * columns + (x + dx) % columns;
            let uv =
                |dx: u32, dy: u32| Vec2::new((x + dx) as f32 / columns as f32, 1.0 - (y + dy) as f32 / rows as f32);
            if y > 0 {
                triangles.push([index(0, 0), index(0, 1), index(1, 0)]);
                uvs.push([uv(0, 0), uv(0, 1), uv(1, 0)]);
            }
            if y + 1 < rows {
                triangles.push([index(1, 0), index(0, 1), index(1, 1)]);
                uvs.push([uv(1, 0), uv(0, 1), uv(1, 1)]);
            }
        }
    }
    let t = triangles.len();
    let material = Material::Diffuse(Paint::Flat(Vec3::ONE));
    MeshDesc { positions, normals, triangles, uvs, material, classes: vec![1; t], parts: vec![0; t] }
}

/// Strands over the upper half of a ball about the origin, falling down a little.
pub fn fur(radius: f32, length: f32, strands: u32, thickness: f32) -> CurveDesc {
    let mut curves = CurveDesc::new(HairMaterial::from_melanin(1.3, 0.1), 8, 9);
    for i in 0..strands {
        // Fibonacci points on the upper half
        let (y, phi) = ((i as f32 + 0.5) / strands as f32, i as f32 * 2.399_963);
        let r = (1.0 - y * y).sqrt();
        let root = Vec3::new(r * phi.sin(), y, r * phi.cos());
        let point = |k: u32| {
            let s = k as f32 / 5.0;
            let p = root * (radius + length * s * (1.0 - 0.3 * s)) - Vec3::Y * (0.6 * length * s * s);
            Vec4::from((p, 0.5 * thickness * (1.0 - 0.6 * s)))
        };
        curves.push(&[0, 1, 2, 3, 4, 5].map(point), 0.8 + 0.4 * (i % 7) as f32 / 6.0);
    }
    curves
}

/// A scene of one mesh.
pub fn alone(mesh: MeshDesc) -> SceneDesc {
    SceneDesc { meshes: vec![mesh], curves: Vec::new() }
}
