//! How much of each pixel is covered, from the shapes themselves.
//!
//! Coverage knows no order of depth: it is the union of everything opaque, projected. So triangles and strands are drawn
//! into a mask of 1,024 or 4,096 places a pixel ([`CoverageGrid`]), tile by tile, until the tile is full. Rays would need
//! some thousand a pixel to know as much, and paths that start at covered places only waste none on what lies behind.
//! Strands are the ribbons that Embree makes of them: four straight pieces a segment, turned towards the viewer.
use super::{Scene, TILE, mask_of};
use crate::tracer::integrator::MASK_OPAQUE;
use crate::tracer::scene::CoverageGrid;
use glam::{Vec2, Vec3, Vec4};
use splat::Camera;

/// Places of a pixel across; down they are the parameter `DOWN`, one of the two below.
const ACROSS: usize = 16;
const DOWN_FAST: usize = 64;
const DOWN_FINE: usize = 256;
/// Straight pieces of a strand's segment, as many as the accelerator is told to make.
const PIECES: usize = 4;
/// What is nearer than that to the camera's plane (meters) cannot be projected.
const NEAR_M: f32 = 0.02;

/// The shapes of a scene as a camera sees them, sorted into tiles.
pub(super) struct Coverage<'a> {
    scene: &'a Scene,
    camera: &'a Camera,
    grid: CoverageGrid,
    eye: Vec3,
    /// `[meshes][V]` pixels.
    places: Vec<Vec<Vec2>>,
    /// `[strands][P]` pixels, and a radius that a strand stays within.
    spans: Vec<Vec<Vec3>>,
    bins: Vec<Bin>,
    /// Tiles in a row.
    across: usize,
}

/// What may lie in a tile.
#[derive(Default)]
struct Bin {
    /// Mesh and triangle.
    triangles: Vec<[u32; 2]>,
    /// Strands and segment.
    segments: Vec<[u32; 2]>,
    /// Whether something clear does: what it mirrors covers too, and only rays know where.
    clear: bool,
}

impl<'a> Coverage<'a> {
    /// `None` where something stands beside or behind the camera.
    pub fn new(scene: &'a Scene, camera: &'a Camera, grid: CoverageGrid) -> Option<Self> {
        let across = camera.width.div_ceil(TILE);
        let mut bins: Vec<Bin> = Vec::new();
        bins.resize_with(across * camera.height.div_ceil(TILE), Bin::default);
        let size = [camera.width, camera.height];
        let mut each = |low: Vec2, high: Vec2, put: &mut dyn FnMut(&mut Bin)| {
            let range = |k: usize| {
                let last = (high[k] / TILE as f32).floor().min((size[k].div_ceil(TILE) - 1) as f32);
                (low[k] / TILE as f32).floor().max(0.0) as usize..(last + 1.0).max(0.0) as usize
            };
            for y in range(1) {
                range(0).for_each(|x| put(&mut bins[y * across + x]));
            }
        };
        let (mut places, mut spans) = (Vec::new(), Vec::new());
        for (m, mesh) in scene.meshes.iter().enumerate() {
            let opaque = mask_of(&mesh.material) & MASK_OPAQUE != 0;
            let seen: Vec<Vec2> = mesh.positions.iter().map(|p| place(camera, *p)).collect::<Option<_>>()?;
            for (t, corners) in mesh.triangles.iter().enumerate() {
                let [a, b, c] = corners.map(|v| seen[v as usize]);
                each(a.min(b).min(c), a.max(b).max(c), &mut |bin: &mut Bin| match opaque {
                    true => bin.triangles.push([m as u32, t as u32]),
                    false => bin.clear = true,
                });
            }
            places.push(seen);
        }
        for (s, set) in scene.strands.iter().enumerate() {
            let span = |p: &Vec4| {
                let depth = camera.camera_from_world.transform_point3(p.truncate()).z;
                Some(place(camera, p.truncate())?.extend(2.0 * camera.fx.max(camera.fy) * p.w / depth))
            };
            let seen: Vec<Vec3> = set.points.iter().map(span).collect::<Option<_>>()?;
            for (k, &first) in set.segments.iter().enumerate() {
                let (low, high) = hull(&seen[first as usize..first as usize + 4]);
                each(low, high, &mut |bin: &mut Bin| bin.segments.push([s as u32, k as u32]));
            }
            spans.push(seen);
        }
        Some(Coverage { scene, camera, grid, eye: camera.eye(), places, spans, bins, across })
    }

    /// The mask of a tile.
    pub fn mask(&self, tile: usize) -> Mask {
        match self.grid {
            CoverageGrid::Fast => self.drawn::<DOWN_FAST>(tile),
            CoverageGrid::Fine => self.drawn::<DOWN_FINE>(tile),
        }
    }

    fn drawn<const DOWN: usize>(&self, tile: usize) -> Mask {
        let corner = Vec2::new((tile % self.across * TILE) as f32, (tile / self.across * TILE) as f32);
        let bin = &self.bins[tile];
        let mut mask = Mask::new::<DOWN>(bin.clear);
        for &[m, t] in &bin.triangles {
            let corners = self.scene.meshes[m as usize].triangles[t as usize];
            mask.draw::<DOWN>(&corners.map(|v| self.places[m as usize][v as usize] - corner));
            if mask.open == 0 {
                return mask;
            }
        }
        for &[s, k] in &bin.segments {
            let set = &self.scene.strands[s as usize];
            let first = set.segments[k as usize] as usize;
            let (low, high) = hull(&self.spans[s as usize][first..first + 4]);
            if mask.is_full(low - corner, high - corner) {
                continue;
            }
            self.draw_segment::<DOWN>(&set.points[first..first + 4], corner, &mut mask);
            if mask.open == 0 {
                return mask;
            }
        }
        mask
    }

    fn draw_segment<const DOWN: usize>(&self, p: &[Vec4], corner: Vec2, mask: &mut Mask) {
        let edge = |k: usize| {
            let u = k as f32 / PIECES as f32;
            let (w, u2, u3) = (1.0 - u, u * u, u * u * u);
            let at = (p[0] * (w * w * w)
                + p[1] * (4.0 - 6.0 * u2 + 3.0 * u3)
                + p[2] * (1.0 + 3.0 * (u + u2 - u3))
                + p[3] * u3)
                / 6.0;
            let along = (p[1] - p[0]) * (0.5 * w * w) + (p[2] - p[1]) * (0.5 + u - u2) + (p[3] - p[2]) * (0.5 * u2);
            let to = at.truncate() - self.eye;
            let side = to.cross(along.truncate()).normalize_or_zero() * at.w;
            let seen = |q: Vec3| place(self.camera, q).map(|at| at - corner);
            Some([seen(at.truncate() - side)?, seen(at.truncate() + side)?])
        };
        let mut last = edge(0);
        for k in 1..=PIECES {
            let next = edge(k);
            if let (Some([a, b]), Some([d, c])) = (last, next) {
                mask.draw::<DOWN>(&[a, b, c, d]);
            }
            last = next;
        }
    }
}

/// The box of a spline whose control points are seen there: it lies within their hull.
fn hull(spans: &[Vec3]) -> (Vec2, Vec2) {
    spans
        .iter()
        .fold((Vec2::MAX, Vec2::MIN), |(low, high), s| (low.min(s.truncate() - s.z), high.max(s.truncate() + s.z)))
}

/// Where a point is seen (pixels), if it lies before the camera.
fn place(c: &Camera, point: Vec3) -> Option<Vec2> {
    let p = c.camera_from_world.transform_point3(point);
    (p.z > NEAR_M).then(|| Vec2::new(c.fx * p.x / p.z + c.cx, c.fy * p.y / p.z + c.cy))
}

/// Places of a tile's pixels that are covered.
pub(super) struct Mask {
    /// Rows of places in a pixel: `DOWN` of the methods that draw, which are compiled for each grid.
    down: usize,
    /// `[TILE · down][TILE]` a bit for each place of a row within a pixel.
    words: Vec<u16>,
    /// Words with an uncovered place: of all, and of each pixel.
    open: usize,
    open_in: [u16; TILE * TILE],
    scratch: Scratch,
    /// Whether something clear is in the tile.
    pub clear: bool,
}

/// Where a polygon begins and ends in the rows of a line of pixels. Kept between polygons: a thin one touches few rows, and
/// clearing all of them would take longer than drawing it.
struct Scratch {
    /// Pixels from the tile's corner.
    left: [f32; DOWN_FINE],
    right: [f32; DOWN_FINE],
    /// Places: the first covered, and the first beyond.
    first: [u32; DOWN_FINE],
    end: [u32; DOWN_FINE],
}

impl Mask {
    fn new<const DOWN: usize>(clear: bool) -> Self {
        let words = vec![0; TILE * DOWN * TILE];
        let scratch =
            Scratch { left: [0.0; DOWN_FINE], right: [0.0; DOWN_FINE], first: [0; DOWN_FINE], end: [0; DOWN_FINE] };
        Mask { down: DOWN, open: words.len(), open_in: [DOWN as u16; TILE * TILE], words, scratch, clear }
    }

    /// Whether all pixels of the tile that a box touches are covered.
    fn is_full(&self, low: Vec2, high: Vec2) -> bool {
        let range = |a: f32, b: f32| a.max(0.0) as usize..((b.max(-1.0) + 1.0) as usize).min(TILE);
        range(low.y, high.y).all(|y| range(low.x, high.x).all(|x| self.open_in[y * TILE + x] == 0))
    }

    /// Covers a convex polygon of three or four corners (pixels from the tile's corner).
    fn draw<const DOWN: usize>(&mut self, corners: &[Vec2]) {
        debug_assert_eq!(self.down, DOWN, "the mask was made for another grid");
        let (low, high) = corners.iter().fold((Vec2::MAX, Vec2::MIN), |(l, h), p| (l.min(*p), h.max(*p)));
        if self.is_full(low, high) {
            return;
        }
        // An edge from above always, so that neighbors agree on the one that they share.
        let mut edges = [Edge::default(); 4];
        for (edge, (i, a)) in edges.iter_mut().zip(corners.iter().enumerate()) {
            *edge = Edge::new::<DOWN>(*a, corners[(i + 1) % corners.len()]);
        }
        let edges = &edges[..corners.len()];
        let (mut from, end) = (row_at::<DOWN>(low.y), row_at::<DOWN>(high.y));
        while from < end {
            // a line of pixels after the other: most are full, or hardly touched
            let line = from / DOWN;
            let to = end.min((line + 1) * DOWN);
            let span = |(low, high): (f32, f32), e: &Edge| {
                let at = |y: f32| e.at(y.clamp(e.top.y, e.bottom));
                let (a, b) = (at(line as f32), at((line + 1) as f32));
                (low.min(a.min(b)), high.max(a.max(b)))
            };
            let touched = |e: &&Edge| e.from < to && from < e.to;
            let (left, right) = edges.iter().filter(touched).fold((f32::MAX, f32::MIN), span);
            if !self.is_full(Vec2::new(left, line as f32), Vec2::new(right, line as f32)) {
                self.draw_rows::<DOWN>(edges, from, to);
            }
            from = to;
        }
    }

    /// Covers what edges enclose in the rows `from..to` of a line of pixels.
    fn draw_rows<const DOWN: usize>(&mut self, edges: &[Edge], from: usize, to: usize) {
        let count = to - from;
        let (left, right) = (&mut self.scratch.left[..count], &mut self.scratch.right[..count]);
        left.fill(f32::MAX);
        right.fill(f32::MIN);
        for e in edges {
            for r in e.from.max(from)..e.to.min(to) {
                let x = e.at((r as f32 + 0.5) / DOWN as f32);
                let (l, h) = (&mut left[r - from], &mut right[r - from]);
                (*l, *h) = (if x < *l { x } else { *l }, if x > *h { x } else { *h });
            }
        }
        // all columns before any is covered: four at a time
        let (first, end) = (&mut self.scratch.first[..count], &mut self.scratch.end[..count]);
        for (i, shift) in SHIFTS[from..to].iter().enumerate() {
            (first[i], end[i]) = (column(left[i], *shift), column(right[i], *shift));
        }
        for (i, row) in (from..to).enumerate() {
            let (first, end) = (self.scratch.first[i] as usize, self.scratch.end[i] as usize);
            if first < end {
                self.cover::<DOWN>(row, first, end);
            }
        }
    }

    /// Covers the places `from..to` of a row.
    fn cover<const DOWN: usize>(&mut self, row: usize, from: usize, to: usize) {
        let mut at = from;
        while at < to {
            let (word, first) = (at / ACROSS, at % ACROSS);
            let count = (to - at).min(ACROSS - first);
            let bits = ((1u32 << count) - 1) << first;
            let old = &mut self.words[row * TILE + word];
            if *old != u16::MAX {
                *old |= bits as u16;
                if *old == u16::MAX {
                    self.open -= 1;
                    self.open_in[row / DOWN * TILE + word] -= 1;
                }
            }
            at += count;
        }
    }

    fn rows(&self, x: usize, y: usize) -> impl Iterator<Item = u16> + '_ {
        (0..self.down).map(move |r| self.words[(y * self.down + r) * TILE + x])
    }

    /// Covered places of a pixel of the tile.
    pub fn count(&self, x: usize, y: usize) -> u32 {
        self.rows(x, y).map(u16::count_ones).sum()
    }

    /// As [`Mask::count`], as a share of all places.
    pub fn share(&self, x: usize, y: usize) -> f32 {
        self.count(x, y) as f32 / (ACROSS * self.down) as f32
    }

    /// One of the covered places of a pixel, from a number in `0..1`: numbers that are well spread give places that are.
    pub fn place(&self, x: usize, y: usize, u: f32) -> Vec2 {
        let count = self.count(x, y);
        let mut left = ((u * count as f32) as u32).min(count.saturating_sub(1));
        for (r, mut word) in self.rows(x, y).enumerate() {
            let here = word.count_ones();
            if left < here {
                (0..left).for_each(|_| word &= word - 1);
                let (column, row) = (word.trailing_zeros() as f32, y * self.down + r);
                return Vec2::new((column + SHIFTS[row]) / ACROSS as f32, (r as f32 + 0.5) / self.down as f32);
            }
            left -= here;
        }
        Vec2::splat(0.5)
    }
}

/// A side of a polygon, downwards: it counts in the rows from its upper end to above its lower.
#[derive(Clone, Copy, Default)]
struct Edge {
    top: Vec2,
    bottom: f32,
    /// To the right for each pixel down.
    slope: f32,
    /// Its rows.
    from: usize,
    to: usize,
}

impl Edge {
    fn new<const DOWN: usize>(a: Vec2, b: Vec2) -> Self {
        let (top, end) = if a.y < b.y { (a, b) } else { (b, a) };
        let down = end.y - top.y;
        let slope = if down > 0.0 { (end.x - top.x) / down } else { 0.0 };
        Edge { top, bottom: end.y, slope, from: row_at::<DOWN>(top.y), to: row_at::<DOWN>(end.y) }
    }

    /// Where it is at a height.
    #[inline]
    fn at(&self, y: f32) -> f32 {
        self.top.x + (y - self.top.y) * self.slope
    }
}

/// The first row of a tile whose places lie at or below `y`.
#[inline]
fn row_at<const DOWN: usize>(y: f32) -> usize {
    (y * DOWN as f32 + 0.5).clamp(0.0, (TILE * DOWN) as f32) as usize
}

/// The first place at or beyond `x` of a row that is shifted so; a place met exactly falls to either side. Added to 2²³ a
/// number is rounded to a whole one, which plain x86-64 has no quicker way to.
#[inline]
fn column(x: f32, shift: f32) -> u32 {
    const WHOLE: f32 = 8_388_608.0;
    let at = x * ACROSS as f32 - shift;
    let at = if at > 0.0 { at } else { 0.0 };
    let at = if at < (TILE * ACROSS) as f32 { at } else { (TILE * ACROSS) as f32 - 0.5 };
    ((at + 0.5) + WHOLE).to_bits() - WHOLE.to_bits()
}

/// How far the places of each row of a tile stand to the right, so that upright edges meet another place in every row
/// (golden ratio).
static SHIFTS: [f32; TILE * DOWN_FINE] = {
    let (mut shifts, mut row) = ([0.0; TILE * DOWN_FINE], 0);
    while row < TILE * DOWN_FINE {
        shifts[row] = ((row as u32).wrapping_mul(0x9e37_79b9) >> 8) as f32 * (1.0 / (1 << 24) as f32);
        row += 1;
    }
    shifts
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygons_cover_their_area() {
        check_areas::<DOWN_FAST>();
        check_areas::<DOWN_FINE>();
    }

    fn check_areas<const DOWN: usize>() {
        for turn in 0..12 {
            let (sin, cos) = (turn as f32 * 0.26).sin_cos();
            for (length, width) in [(6.0, 3.0), (9.0, 0.11), (0.3, 0.2)] {
                let (along, across) = (0.5 * length * Vec2::new(cos, sin), 0.5 * width * Vec2::new(-sin, cos));
                let middle = Vec2::new(8.03, 7.96);
                let mut mask = Mask::new::<DOWN>(false);
                let corners = [middle - along - across, middle + along - across, middle + along + across];
                mask.draw::<DOWN>(&[corners[0], corners[1], corners[2], middle - along + across]);
                let pixels = (0..TILE * TILE).map(|i| (i % TILE, i / TILE));
                let area: f32 = pixels.map(|(x, y)| mask.share(x, y)).sum();
                let off = (area - length * width).abs();
                assert!(off < 0.003 * length.max(1.0), "{DOWN} rows, {turn}: {length} × {width} covers {area}");
            }
        }
    }

    #[test]
    fn places_are_covered_and_each_is_found() {
        check_places::<DOWN_FAST>(50);
        check_places::<DOWN_FINE>(200);
    }

    fn check_places<const DOWN: usize>(fewest: u32) {
        let mut mask = Mask::new::<DOWN>(false);
        mask.draw::<DOWN>(&[Vec2::new(3.2, 5.1), Vec2::new(3.9, 5.3), Vec2::new(3.4, 5.9)]);
        let count = mask.count(3, 5);
        assert!(count > fewest && mask.count(4, 5) == 0 && mask.open == TILE * DOWN * TILE);
        let mut found: Vec<[u32; 2]> = (0..count)
            .map(|k| mask.place(3, 5, (k as f32 + 0.5) / count as f32).to_array().map(f32::to_bits))
            .collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), count as usize);
        mask.draw::<DOWN>(&[Vec2::ZERO, Vec2::X * 16.0, Vec2::ONE * 16.0, Vec2::Y * 16.0]);
        assert!(mask.open < TILE * DOWN && mask.share(7, 7) == 1.0);
    }
}
