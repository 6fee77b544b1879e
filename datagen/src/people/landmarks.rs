//! Landmarks on the mesh that is traced.
//!
//! The model places a landmark on one of its own faces, between the corners. Refined, the face bulges, and the place would
//! lie up to half a millimeter under the skin. So each landmark is moved once, on the template, to the nearest point of the
//! refined part that it is on, and stays with that triangle on everybody.
use crate::people::stage::Piece;
use crate::people::surface::Surface;
use glam::Vec3;
use head::HeadModel;

/// `[L]` three vertices of the refined mesh each, and their weights.
#[derive(Clone, Debug)]
pub struct Landmarks(Vec<([u32; 3], Vec3)>);

impl Landmarks {
    /// `refined` are the positions of the refined template, which `pieces` cut into parts.
    pub fn new(model: &HeadModel, pieces: &[Piece], refined: &[Vec3]) -> Self {
        let wanted = model.landmarks_at(refined);
        let mut placed = vec![([0; 3], Vec3::X); wanted.len()];
        for piece in pieces {
            let on_piece = |l: &usize| model.face_parts[model.landmarks[*l].face as usize] == piece.part;
            let of_piece: Vec<usize> = (0..wanted.len()).filter(on_piece).collect();
            let surface = Surface::new(piece.gather(refined), piece.triangles.clone());
            let points: Vec<Vec3> = of_piece.iter().map(|&l| wanted[l]).collect();
            for (l, root) in of_piece.into_iter().zip(surface.nearest(&points)) {
                let corners = piece.triangles[root.triangle as usize].map(|v| piece.vertices[v as usize]);
                let [b, c] = root.bary;
                placed[l] = (corners, Vec3::new(1.0 - b - c, b, c));
            }
        }
        Landmarks(placed)
    }

    /// `[L]` where they lie on a refined mesh (meters).
    pub fn at(&self, refined: &[Vec3]) -> Vec<Vec3> {
        let place = |(corners, w): &([u32; 3], Vec3)| {
            let [a, b, c] = corners.map(|v| refined[v as usize]);
            a * w.x + b * w.y + c * w.z
        };
        self.0.iter().map(place).collect()
    }
}
