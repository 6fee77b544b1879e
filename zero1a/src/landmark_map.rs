//! Landmark maps: what tells the video model where the face is and what it does.
//!
//! Lines in colours on black, no points, no irises, the face's outline without the forehead: the drawing style of
//! AniPortrait (Wei et al. 2024), whose colours these are, on the 68 landmarks of iBUG instead of MediaPipe's 468.
use tch::Tensor;

/// Landmarks that a map is drawn from: the 68 of iBUG.
pub const LANDMARKS: usize = 68;

/// Thickness of a line at 512 pixels a side; lines never get thinner than [`THINNEST_PX`].
const THICKNESS_AT_512_PX: f32 = 2.0;
const THINNEST_PX: f32 = 1.0;

/// A chain of landmarks in one colour (RGB, 0..=255).
struct Stroke {
    points: &'static [usize],
    color: [u8; 3],
}

/// In drawing order; later strokes lie above. Left and right are the person's.
const STROKES: [Stroke; 13] = [
    Stroke { points: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], color: [10, 200, 10] },
    Stroke { points: &[36, 37, 38, 39, 40, 41, 36], color: [10, 200, 180] },
    Stroke { points: &[17, 18, 19, 20, 21], color: [10, 220, 180] },
    Stroke { points: &[42, 43, 44, 45, 46, 47, 42], color: [180, 200, 10] },
    Stroke { points: &[22, 23, 24, 25, 26], color: [180, 220, 10] },
    Stroke { points: &[57, 56, 55, 54], color: [10, 180, 20] }, // outer lip, below, left
    Stroke { points: &[57, 58, 59, 48], color: [20, 10, 180] },
    Stroke { points: &[66, 65, 64], color: [100, 100, 30] }, // inner lip, below, left
    Stroke { points: &[66, 67, 60], color: [100, 150, 50] },
    Stroke { points: &[51, 52, 53, 54], color: [20, 80, 100] }, // outer lip, above, left
    Stroke { points: &[51, 50, 49, 48], color: [80, 100, 20] },
    Stroke { points: &[62, 63, 64], color: [120, 100, 200] }, // inner lip, above, left
    Stroke { points: &[62, 61, 60], color: [150, 120, 100] },
];

/// The map of one face: `points` are at least [`LANDMARKS`] landmarks in pixels of a square picture of `size` pixels a
/// side (origin top left, pixel centres at +0.5). `[3, S, S]` in 0..=1, on the CPU.
///
/// Points that are not finite leave their lines out.
///
/// # Panics
/// If there are fewer points.
pub fn draw(points: &[[f32; 2]], size: usize) -> Tensor {
    assert!(points.len() >= LANDMARKS, "{} landmarks, expected at least {LANDMARKS}", points.len());
    let half_px = (THICKNESS_AT_512_PX * size as f32 / 512.0).max(THINNEST_PX) / 2.0;
    let mut map = vec![0f32; 3 * size * size];
    for stroke in &STROKES {
        let mut cover = vec![0f32; size * size];
        for ends in stroke.points.windows(2) {
            line(&mut cover, size, points[ends[0]], points[ends[1]], half_px);
        }
        for (pixel, &a) in cover.iter().enumerate().filter(|(_, a)| **a > 0.0) {
            for c in 0..3 {
                let value = &mut map[c * size * size + pixel];
                *value += a * (stroke.color[c] as f32 / 255.0 - *value);
            }
        }
    }
    Tensor::from_slice(&map).view([3, size as i64, size as i64])
}

/// Maps of several faces, `[F, 3, S, S]`.
pub fn draw_all(faces: &[Vec<[f32; 2]>], size: usize) -> Tensor {
    Tensor::stack(&faces.iter().map(|points| draw(points, size)).collect::<Vec<_>>(), 0)
}

/// Raises `cover` to the share of each pixel that a line with round ends takes: 1 within `half_px` of it less half a
/// pixel, 0 beyond half a pixel more.
fn line(cover: &mut [f32], size: usize, a: [f32; 2], b: [f32; 2], half_px: f32) {
    if !a.iter().chain(&b).all(|v| v.is_finite()) {
        return;
    }
    let reach = half_px + 1.0;
    let bound = |v: f32| v.clamp(0.0, size as f32) as usize;
    let span = |k: usize| bound(a[k].min(b[k]) - reach)..bound((a[k].max(b[k]) + reach).ceil());
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length2 = (dx * dx + dy * dy).max(1e-12);
    for y in span(1) {
        for x in span(0) {
            let (px, py) = (x as f32 + 0.5 - a[0], y as f32 + 0.5 - a[1]);
            let along = ((px * dx + py * dy) / length2).clamp(0.0, 1.0);
            let distance = (px - along * dx).hypot(py - along * dy);
            let pixel = &mut cover[y * size + x];
            *pixel = pixel.max((half_px + 0.5 - distance).clamp(0.0, 1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Landmarks on a circle, far from one another.
    fn circle(size: f32) -> Vec<[f32; 2]> {
        let at = |i: usize| std::f32::consts::TAU * i as f32 / LANDMARKS as f32;
        (0..LANDMARKS).map(|i| [size * (0.5 + 0.4 * at(i).cos()), size * (0.5 + 0.4 * at(i).sin())]).collect()
    }

    fn at(map: &Tensor, x: i64, y: i64) -> [f64; 3] {
        [0, 1, 2].map(|c| map.double_value(&[c, y, x]))
    }

    #[test]
    fn the_outline_is_drawn_in_its_colour() {
        let mut points = vec![[f32::NAN; 2]; LANDMARKS];
        for (i, p) in points.iter_mut().enumerate().take(17) {
            *p = [4.0 + 2.0 * i as f32, 20.5];
        }
        let map = draw(&points, 64);
        assert_eq!(map.size(), [3, 64, 64]);
        let color = at(&map, 12, 20);
        assert!(
            color.iter().zip([10.0, 200.0, 10.0]).all(|(got, want)| (got * 255.0 - want).abs() < 0.01),
            "{color:?}"
        );
        assert_eq!(at(&map, 12, 23), [0.0; 3], "a line of one pixel");
        assert_eq!(at(&map, 60, 20), [0.0; 3], "lines to points that are not there are left out");
    }

    #[test]
    fn a_line_covers_its_length_times_its_thickness() {
        let mut cover = vec![0f32; 64 * 64];
        line(&mut cover, 64, [10.3, 12.7], [50.1, 40.2], 1.0);
        let (area, length) = (cover.iter().sum::<f32>(), (39.8f32).hypot(27.5));
        assert!((area / (2.0 * length) - 1.0).abs() < 0.06, "{area} of {length}");
    }

    #[test]
    fn every_landmark_but_the_nose_is_drawn() {
        let drawn: std::collections::BTreeSet<usize> = STROKES.iter().flat_map(|s| s.points).copied().collect();
        assert_eq!(drawn, (0..27).chain(36..68).collect());
        let map = draw(&circle(128.0), 128);
        assert!(map.max().double_value(&[]) < 0.87 && map.min().double_value(&[]) == 0.0);
        assert!(map.equal(&draw_all(&[circle(128.0)], 128).get(0)));
    }
}
