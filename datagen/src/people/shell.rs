//! Meshes that code makes: hems, collars, hats, glasses. Grids of points, fans, and what they become when they are worn.
use crate::people::surface::Surface;
use crate::tracer::scene::{Material, MeshDesc};
use glam::{Affine3A, Vec2, Vec3};

/// A mesh without material. Letters: `V` vertices, `T` triangles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shell {
    /// `[V]` meters.
    pub positions: Vec<Vec3>,
    /// `[T]` counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

/// Whether a path comes back to where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// It ends.
    Open,
    /// Its last point is followed by its first.
    Closed,
}

/// What a mesh is to the renderer and the labels.
pub struct Dress {
    /// What it is made of.
    pub material: Material,
    /// Class id of `formats::segmentation`.
    pub class: u8,
    /// Part id in the labels.
    pub part: u8,
}

impl Shell {
    /// Quads between `points`, rows of `columns` each. `rows` and `along` say whether the rows, and the points along each,
    /// come back to where they began. Seen from outside, columns run to the right where rows run upwards.
    pub fn grid(points: Vec<Vec3>, columns: usize, rows: Path, along: Path) -> Self {
        let n = points.len() / columns;
        let joints = |count: usize, path: Path| if path == Path::Closed { count } else { count.saturating_sub(1) };
        let at = |i: usize, k: usize| (i % n * columns + k % columns) as u32;
        let mut triangles = Vec::with_capacity(2 * points.len());
        for i in 0..joints(n, rows) {
            for k in 0..joints(columns, along) {
                let [a, b, c, d] = [at(i, k), at(i, k + 1), at(i + 1, k + 1), at(i + 1, k)];
                triangles.extend([[a, b, c], [a, c, d]]);
            }
        }
        Shell { positions: points, triangles }
    }

    /// Closes the loop of vertices `ring`, counter-clockwise seen from outside, with a fan around `apex`.
    pub fn fan(&mut self, ring: impl ExactSizeIterator<Item = u32> + Clone, apex: Vec3) {
        let (center, n) = (self.positions.len() as u32, ring.len());
        self.positions.push(apex);
        let next = ring.clone().cycle().skip(1);
        self.triangles.extend(ring.zip(next).take(n).map(|(a, b)| [a, b, center]));
    }

    /// Adds another mesh.
    pub fn append(&mut self, other: Shell) {
        let first = self.positions.len() as u32;
        self.positions.extend(other.positions);
        self.triangles.extend(other.triangles.into_iter().map(|t| t.map(|v| v + first)));
    }

    /// The mesh where `world_from_rest` carries it.
    pub fn worn(&self, world_from_rest: Affine3A, dress: Dress) -> MeshDesc {
        let positions: Vec<Vec3> = self.positions.iter().map(|p| world_from_rest.transform_point3(*p)).collect();
        let n = self.triangles.len();
        MeshDesc {
            normals: Surface::new(positions.clone(), self.triangles.clone()).normals,
            positions,
            triangles: self.triangles.clone(),
            uvs: vec![[Vec2::ZERO; 3]; n],
            material: dress.material,
            classes: vec![dress.class; n],
            parts: vec![dress.part; n],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::scene::Paint;

    #[test]
    fn a_grid_faces_outwards_and_a_fan_closes_it() {
        let points = (0..2).flat_map(|y| (0..3).map(move |x| Vec3::new(x as f32, y as f32, 0.0))).collect();
        let sheet = Shell::grid(points, 3, Path::Open, Path::Open);
        assert_eq!(sheet.triangles.len(), 4);
        let mut square =
            Shell { positions: vec![Vec3::ZERO, Vec3::X, Vec3::ONE.with_z(0.0), Vec3::Y], triangles: vec![] };
        square.fan(0..4, Vec3::new(0.5, 0.5, 0.0));
        for shell in [&sheet, &square] {
            for t in &shell.triangles {
                let [a, b, c] = t.map(|v| shell.positions[v as usize]);
                assert!((b - a).cross(c - a).z > 0.1, "{t:?}");
            }
        }
        let dress = Dress { material: Material::Diffuse(Paint::Flat(Vec3::ONE)), class: 3, part: 20 };
        let worn = square.worn(Affine3A::from_translation(Vec3::Z), dress);
        assert_eq!((worn.positions[4], worn.normals[4]), (Vec3::new(0.5, 0.5, 1.0), Vec3::Z));
        assert_eq!((worn.classes, worn.parts), (vec![3; 4], vec![20; 4]));
    }
}
