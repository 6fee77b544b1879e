//! The head's own colors at its rim, where a photo's pixels are mixed with the background: a head that keeps the mixture has a
//! halo, and streaks of it wherever the rim turns to the front.
use formats::image::Picture;
use tch::{Kind, Tensor};

/// Pixels this near to the background may be mixed with it, over the picture's side.
const MIXED: f64 = 0.008;
/// Radius of the windows that a mixed pixel takes its color from, over the picture's side; the first that holds enough.
const WINDOWS: [f64; 2] = [0.016, 0.06];
/// Coverage from which a pixel is more head than background.
const HEAD: f64 = 0.5;
/// Share of a window that must be the head's alone.
const ENOUGH: f64 = 0.02;

/// Replaces the colors of `image` `[S, S, 3]` beside the edge of `alpha` `[S, S, 1]` and outside by the mean of the head's
/// colors nearby; far outside they stay.
pub fn unmix(image: &mut Picture, alpha: &Picture) {
    let (h, w) = (image.height as i64, image.width as i64);
    let colors = Tensor::from_slice(&image.data).view([1, h, w, 3]).permute([0, 3, 1, 2]);
    let alpha = Tensor::from_slice(&alpha.data).view([1, 1, h, w]);
    let pixels = |share: f64| ((w as f64 * share).round() as i64).max(1);
    let outside = alpha.lt(HEAD).to_kind(Kind::Float);
    let reach = pixels(MIXED);
    let mut mixed = outside.max_pool2d([2 * reach + 1; 2], [1; 2], [reach; 2], [1; 2], false);
    let whole: Tensor = 1.0 - &mixed;
    let mut made = colors.shallow_clone();
    for window in WINDOWS {
        let r = pixels(window);
        let mean = |t: &Tensor| t.avg_pool2d([2 * r + 1; 2], [1; 2], [r; 2], false, true, None::<i64>);
        let weight = mean(&whole);
        let enough = weight.gt(ENOUGH).to_kind(Kind::Float) * &mixed;
        let color = mean(&(&colors * &whole)) / weight.clamp_min(ENOUGH);
        made = &made + (color - &made) * &enough;
        mixed = &mixed * (1.0 - enough);
    }
    let made = made.permute([0, 2, 3, 1]).contiguous().view([-1]);
    image.data = Vec::try_from(made).expect("a picture of floats");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rim_loses_the_background() {
        // A dark head left of column 32 of 64, before white; a column of mixture.
        let cover = |x: usize| ((33.0 - x as f32) / 2.0).clamp(0.0, 1.0);
        let alpha = Picture { width: 64, height: 64, channels: 1, data: (0..4096).map(|i| cover(i % 64)).collect() };
        let mixed = |i: usize| 1.0 - 0.8 * cover(i / 3 % 64);
        let mut image = Picture { width: 64, height: 64, channels: 3, data: (0..3 * 4096).map(mixed).collect() };
        let before = image.data.clone();
        unmix(&mut image, &alpha);
        let at = |x: usize| image.data[(20 * 64 + x) * 3];
        assert!((28..34).all(|x| (at(x) - 0.2).abs() < 1e-4), "{:?}", (28..34).map(at).collect::<Vec<_>>());
        assert_eq!(image.data[..60], before[..60], "inside");
        assert_eq!(at(60), 1.0, "far outside");
    }
}
