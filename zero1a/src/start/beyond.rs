//! What the reference shows beyond the mesh: shoulders, long hair. It is stood up like scenery, at the depth of the mesh's
//! nearest edge, and bound to the triangle there.
use crate::subject::Subject;
use glam::{Vec2, Vec3};
use splat::Camera;
use track::mesh_view::MeshView;

/// Depth over width of a piece: seen from the side it shall not vanish.
pub const DEEP: f32 = 1.5;
/// Cosine between normal and view under which a vertex lies at the edge of what is seen of the mesh.
const EDGE: f32 = 0.5;
/// Coverage from which a pixel is taken.
const COVERED: f32 = 0.85;

/// A piece of scenery; head space as posed in the reference.
pub struct Piece {
    /// Metres.
    pub place: Vec3,
    /// Towards the camera.
    pub facing: Vec3,
    /// Distance to the next (metres).
    pub spacing: f32,
    /// Vertex of the mesh that it goes with.
    pub vertex: usize,
    /// Where it is seen, pixels of the reference.
    pub pixel: Vec2,
}

/// Pieces about `spacing_m` apart where the matte covers what the mesh does not reach.
pub fn pieces(subject: &Subject, view: &MeshView, positions: &[Vec3], normals: &[Vec3], spacing_m: f32) -> Vec<Piece> {
    let camera = &subject.camera;
    let edge = edge(camera, positions, normals);
    let Some(distance) = mean(edge.iter().map(|e| e.depth)) else { return Vec::new() };
    let step = (spacing_m * camera.fx / distance).max(1.0);
    let eye = camera.eye();
    let (columns, rows) = ((camera.width as f32 / step) as usize, (camera.height as f32 / step) as usize);
    let mut pieces = Vec::new();
    for i in 0..columns * rows {
        let pixel = Vec2::new((i % columns) as f32 + 0.5, (i / columns) as f32 + 0.5) * step;
        if view.depth_at(pixel).is_finite() || super::bilinear(&subject.alpha, pixel).x < COVERED {
            continue;
        }
        let apart = |e: &&Edge| e.pixel.distance_squared(pixel);
        let nearest = edge.iter().min_by(|a, b| apart(a).total_cmp(&apart(b))).expect("an edge has a mean");
        let place = unprojected(camera, pixel, nearest.depth);
        let facing = (eye - place).normalize_or(Vec3::Z);
        let spacing = step * nearest.depth / camera.fx;
        pieces.push(Piece { place, facing, spacing, vertex: nearest.vertex, pixel });
    }
    pieces
}

struct Edge {
    vertex: usize,
    pixel: Vec2,
    depth: f32,
}

fn edge(camera: &Camera, positions: &[Vec3], normals: &[Vec3]) -> Vec<Edge> {
    let eye = camera.eye();
    (0..positions.len())
        .filter(|&v| (eye - positions[v]).normalize_or_zero().dot(normals[v]).abs() < EDGE)
        .map(|vertex| {
            let (pixel, depth) = camera.project(positions[vertex]);
            Edge { vertex, pixel, depth }
        })
        .collect()
}

/// Head space from a pixel and a depth along the camera's z (metres).
fn unprojected(camera: &Camera, pixel: Vec2, depth: f32) -> Vec3 {
    let ray = Vec3::new((pixel.x - camera.cx) / camera.fx, (pixel.y - camera.cy) / camera.fy, 1.0);
    camera.camera_from_world.inverse().transform_point3(ray * depth)
}

fn mean(values: impl Iterator<Item = f32>) -> Option<f32> {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), v| (sum + v, n + 1));
    (n > 0).then(|| sum / n as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::tests::subject;
    use head::normals::vertex_normals;
    use track::mesh_view;

    #[test]
    fn scenery_stands_where_matte_is_and_mesh_is_not() {
        let (model, mut subject) = subject();
        let positions = model.neutral(&subject.params.shape);
        let normals = vertex_normals(&positions, &model.faces);
        let view = mesh_view::draw(&model, &positions, &subject.camera);
        let of = |subject: &Subject| pieces(subject, &view, &positions, &normals, 0.008);
        let all = of(&subject);
        assert!(all.len() > 100);
        for piece in &all {
            let (pixel, depth) = subject.camera.project(piece.place);
            assert!(pixel.distance(piece.pixel) < 0.01 && !view.depth_at(pixel).is_finite());
            assert!((depth - 0.9).abs() < 0.15, "as far as the head: {depth}");
        }
        subject.alpha.data.fill(0.0);
        assert!(of(&subject).is_empty());
    }
}
