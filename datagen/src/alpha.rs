//! Coverage to go with a denoised picture.
use crate::film::Film;

/// Smooths partial coverage by a 3 × 3 binomial filter.
///
/// The denoiser gives the mean of colour times coverage; the few samples' own coverage scatters around its mean, and
/// dividing the two shows as specks in thin hair. Full and empty pixels stay as they are.
pub fn smooth_partial(film: &mut Film) {
    let (w, h) = (film.width, film.height);
    let old = film.alpha.clone();
    for y in 0..h {
        for x in 0..w {
            let here = old[y * w + x];
            if !(0.02..0.98).contains(&here) {
                continue;
            }
            let (mut sum, mut weights) = (0.0, 0.0);
            for (dy, wy) in [(-1, 1.0), (0, 2.0), (1, 1.0)] {
                for (dx, wx) in [(-1, 1.0), (0, 2.0), (1, 1.0)] {
                    let (nx, ny) = (x as i64 + dx, y as i64 + dy);
                    if (0..w as i64).contains(&nx) && (0..h as i64).contains(&ny) {
                        sum += wx * wy * old[ny as usize * w + nx as usize];
                        weights += wx * wy;
                    }
                }
            }
            film.alpha[y * w + x] = sum / weights;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_full_coverage_stay() {
        let mut film = Film::new(4, 1);
        film.alpha = vec![0.0, 0.5, 1.0, 1.0];
        smooth_partial(&mut film);
        assert_eq!(film.alpha, vec![0.0, 0.5, 1.0, 1.0]);
        film.alpha = vec![1.0, 0.4, 1.0, 1.0];
        smooth_partial(&mut film);
        assert!(film.alpha[1] > 0.65);
    }
}
