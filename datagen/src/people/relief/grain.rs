//! Pores and the fine net of lines between them, as a tile that repeats over the skin.
use crate::stream::lattice;
use crate::tracer::scene::Texture;
use glam::Vec2;
use head::HeadModel;
use head::model::Part;

/// Side of the tile in texels, and in cells.
const SIZE: usize = 256;
const CELLS: i32 = 26;
/// Breadth of a cell on the cheek (meters).
const CELL_M: f32 = 8.5e-4;

/// The tile: heights from -1 (the bottom of a pore) to about 0.4, as multiples of a depth.
pub fn tile() -> Texture {
    let texels = (0..SIZE * SIZE).map(|i| {
        let at = Vec2::new((i % SIZE) as f32 + 0.5, (i / SIZE) as f32 + 0.5) * (CELLS as f32 / SIZE as f32);
        [height(at), 0.0, 0.0]
    });
    Texture::new(SIZE, SIZE, texels.collect()).expect("a full tile")
}

/// How often the tile repeats over the atlas so that a cell on the cheek has its size.
pub fn repeats(model: &HeadModel) -> f32 {
    let cheeks = &model.regions["cheeks"];
    let (mut surface, mut texture) = (0.0f64, 0.0f64);
    for ((face, uvs), part) in model.faces.iter().zip(&model.face_uvs).zip(&model.face_parts) {
        if *part != Part::Skin || face.iter().any(|&v| cheeks[v as usize] < 0.5) {
            continue;
        }
        let [a, b, c, d] = uvs.map(|t| model.uvs[t as usize]);
        surface += f64::from(head::normals::face_area_normal(&model.template, face).length());
        texture += f64::from(0.5 * (c - a).perp_dot(d - b).abs());
    }
    let meters_per_unit = if texture > 0.0 { (surface / texture).sqrt() as f32 } else { 0.6 };
    (meters_per_unit / (CELL_M * CELLS as f32)).max(1.0).round()
}

/// Worley's cells on a torus: pits amid some cells, furrows where cells meet.
fn height(at: Vec2) -> f32 {
    let cell = at.floor().as_ivec2();
    let (mut first, mut second, mut owner) = (f32::MAX, f32::MAX, (0, 0));
    for (dx, dy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))) {
        let (x, y) = (cell.x + dx, cell.y + dy);
        let (wx, wy) = (x.rem_euclid(CELLS), y.rem_euclid(CELLS));
        let point = Vec2::new(x as f32 + lattice(61, wx, wy, 0), y as f32 + lattice(62, wx, wy, 0));
        let distance = at.distance(point);
        if distance < first {
            (second, first, owner) = (first, distance, (wx, wy));
        } else {
            second = second.min(distance);
        }
    }
    let furrow = -0.55 * (-((second - first) / 0.13).powi(2)).exp();
    let open = lattice(63, owner.0, owner.1, 0);
    let pit = if open < 0.55 { -(0.35 + open) * (-(first / 0.2).powi(2)).exp() } else { 0.0 };
    0.3 * (1.0 - first) + furrow + pit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tile_has_no_seam_and_no_slant() {
        let tile = tile();
        let step = 1.0 / SIZE as f32;
        let at = |i: usize, k: usize| tile.at(Vec2::new(i as f32 + 0.5, k as f32 + 0.5) * step).x;
        // The steepest step along rows and columns that end at a border, and inside.
        let steepest = |i: usize, j: usize| {
            let jump = |k: usize| (at(i, k) - at(j, k)).abs().max((at(k, i) - at(k, j)).abs());
            (0..SIZE).map(jump).fold(0.0, f32::max)
        };
        let inside = (0..SIZE - 1).map(|i| steepest(i, i + 1)).fold(0.0, f32::max);
        assert!(steepest(0, SIZE - 1) <= inside, "{} over the border, {inside} inside", steepest(0, SIZE - 1));
        let mean = (0..SIZE).map(|i| at(i, 77)).sum::<f32>() / SIZE as f32;
        assert!(mean.abs() < 0.4, "{mean}");
    }
}
