//! Cells of one size side by side, and the small type under them.
use formats::image::Decoded;

/// Pixels between cells.
const GAP: usize = 4;
/// Behind and between the cells, sRGB.
pub const BACKGROUND: [u8; 3] = [38, 38, 42];
/// Of captions.
const INK: [u8; 3] = [170, 166, 160];
/// Height of a caption line, the room around it included.
pub const CAPTION: usize = 14;

/// Where cells lie.
pub struct Grid {
    columns: usize,
    rows: usize,
    cell: [usize; 2],
}

impl Grid {
    /// About square on the whole.
    pub fn fitting(cells: &[Decoded<u8>]) -> Self {
        let side = |of: fn(&Decoded<u8>) -> usize| cells.iter().map(of).max().unwrap_or(1);
        let (width, height) = (side(|c| c.width), side(|c| c.height));
        let ideal = (cells.len() as f64 * (height + GAP) as f64 / (width + GAP) as f64).sqrt();
        // Of the numbers near it the one that leaves the fewest places empty.
        let near = (ideal.floor() as usize).max(1)..=ideal.ceil() as usize + 1;
        let empty = |columns: &usize| cells.len().next_multiple_of(*columns) - cells.len();
        let columns = near.min_by_key(empty).unwrap_or(1).clamp(1, cells.len().max(1));
        Self::with_columns(cells, columns)
    }

    /// With so many cells a line.
    pub fn with_columns(cells: &[Decoded<u8>], columns: usize) -> Self {
        let side = |of: fn(&Decoded<u8>) -> usize| cells.iter().map(of).max().unwrap_or(1);
        Grid { columns, rows: cells.len().div_ceil(columns), cell: [side(|c| c.width), side(|c| c.height)] }
    }

    /// The sheet: each cell in the middle of its place.
    pub fn drawn(&self, cells: &[Decoded<u8>]) -> Decoded<u8> {
        let [cell_width, cell_height] = self.cell;
        let mut sheet =
            blank(GAP + self.columns * (cell_width + GAP), GAP + self.rows * (cell_height + GAP), BACKGROUND);
        for (k, cell) in cells.iter().enumerate() {
            let left = GAP + k % self.columns * (cell_width + GAP) + (cell_width - cell.width) / 2;
            let top = GAP + k / self.columns * (cell_height + GAP) + (cell_height - cell.height) / 2;
            paste(&mut sheet, cell, left, top);
        }
        sheet
    }
}

/// A picture of one color.
pub fn blank(width: usize, height: usize, color: [u8; 3]) -> Decoded<u8> {
    Decoded { width, height, channels: 3, data: color.repeat(width * height) }
}

/// Copies a picture into a larger one.
pub fn paste(into: &mut Decoded<u8>, picture: &Decoded<u8>, left: usize, top: usize) {
    for (y, line) in picture.data.chunks_exact(picture.width * 3).enumerate() {
        let at = ((top + y) * into.width + left) * 3;
        into.data[at..at + line.len()].copy_from_slice(line);
    }
}

/// Pictures in a row, with a line of type under them.
pub fn strip(tiles: &[Decoded<u8>], caption: Option<&str>) -> Decoded<u8> {
    let height = tiles.iter().map(|t| t.height).max().unwrap_or(1);
    let width = tiles.iter().map(|t| t.width + 1).sum::<usize>().saturating_sub(1).max(1);
    let mut strip = blank(width, height + if caption.is_some() { CAPTION } else { 0 }, BACKGROUND);
    let mut left = 0;
    for tile in tiles {
        paste(&mut strip, tile, left, (height - tile.height) / 2);
        left += tile.width + 1;
    }
    if let Some(text) = caption {
        write(&mut strip, text, 2, height + 2);
    }
    strip
}

/// Writes small type; characters that have no glyph are left blank, what does not fit is cut.
fn write(into: &mut Decoded<u8>, text: &str, left: usize, top: usize) {
    const SCALE: usize = 2;
    for (k, c) in text.chars().enumerate() {
        let bits = glyph(c);
        for (y, x) in (0..5 * SCALE).flat_map(|y| (0..3 * SCALE).map(move |x| (y, x))) {
            let bit = 14 - (y / SCALE * 3 + x / SCALE);
            let column = left + k * 4 * SCALE + x;
            if bits >> bit & 1 == 1 && column < into.width {
                let at = ((top + y) * into.width + column) * 3;
                into.data[at..at + 3].copy_from_slice(&INK);
            }
        }
    }
}

/// Three by five pixels, top left first in the highest of fifteen bits.
fn glyph(c: char) -> u16 {
    match c {
        '0' => 0b111_101_101_101_111,
        '1' => 0b010_110_010_010_111,
        '2' => 0b111_001_111_100_111,
        '3' => 0b111_001_111_001_111,
        '4' => 0b101_101_111_001_001,
        '5' => 0b111_100_111_001_111,
        '6' => 0b111_100_111_101_111,
        '7' => 0b111_001_010_010_010,
        '8' => 0b111_101_111_101_111,
        '9' => 0b111_101_111_001_111,
        'c' => 0b000_111_100_100_111,
        'e' => 0b111_101_111_100_111,
        'i' => 0b010_000_010_010_010,
        'l' => 0b010_010_010_010_011,
        _ => 0,
    }
}
