//! Does a distance rank distortions as people do? Two questions with known answers, asked of any distance.
use crate::Error;
use crate::pictures::augment::{blur, jpeg, noise};
use crate::pictures::data::{rgb8_from_tensor, tensor_from_decoded};
use crate::rng::Rng;
use formats::image::Picture;
use tch::Tensor;

/// Shares of right answers, each in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Ordering {
    /// A stronger distortion of the same kind (blur, JPEG, noise; three strengths) is farther.
    pub stronger_is_farther: f64,
    /// A shift by one pixel, which nobody sees, is nearer than a blur of 1.5 pixels, which anyone sees.
    pub shift_nearer_than_blur: f64,
}

/// Asks `distance` (of two `[1, 3, H, W]`) about every picture (`[3, H, W]` sRGB in 0..=1).
///
/// # Errors
/// [`Error::Data`] if there is no picture.
pub fn ordering(pictures: &[Tensor], distance: &dyn Fn(&Tensor, &Tensor) -> f64) -> Result<Ordering, Error> {
    if pictures.is_empty() {
        return Err(Error::Data("no image to rank distortions of".into()));
    }
    let (mut stronger, mut asked, mut shift) = (0, 0, 0);
    for (i, picture) in pictures.iter().enumerate() {
        let plain = Picture::raw_from_8bit(&rgb8_from_tensor(picture));
        let to = |p: &Picture| distance(&tensor(p), &tensor(&plain));
        for kind in 0..3 {
            let found: Vec<f64> =
                (0..3).map(|k| Ok(to(&distorted(&plain, kind, k, i)?))).collect::<Result<_, Error>>()?;
            stronger += usize::from(found[1] > found[0]) + usize::from(found[2] > found[1]);
            asked += 2;
        }
        shift += usize::from(to(&shifted(&plain)) < to(&blur(&plain, 1.5)));
    }
    Ok(Ordering {
        stronger_is_farther: stronger as f64 / asked as f64,
        shift_nearer_than_blur: shift as f64 / pictures.len() as f64,
    })
}

fn distorted(plain: &Picture, kind: usize, strength: usize, index: usize) -> Result<Picture, Error> {
    let mut p = plain.clone();
    match kind {
        0 => p = blur(plain, [0.5, 1.0, 2.0][strength]),
        1 => jpeg(&mut p, [80, 40, 15][strength])?,
        _ => noise(&mut p, [0.02, 0.05, 0.1][strength], 0.0, &mut Rng::new(&[0x0de5, index as u64])),
    }
    Ok(p)
}

/// One pixel to the right; the edge repeats.
fn shifted(p: &Picture) -> Picture {
    let mut out = p.clone();
    let row = p.width * 3;
    for (to, from) in out.data.chunks_exact_mut(row).zip(p.data.chunks_exact(row)) {
        to[3..].copy_from_slice(&from[..row - 3]);
    }
    out
}

fn tensor(p: &Picture) -> Tensor {
    let image = formats::image::Decoded { width: p.width, height: p.height, channels: 3, data: p.raw8() };
    tensor_from_decoded(&image).unsqueeze(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn pixel_error_is_fooled_by_a_shift() {
        tch::manual_seed(2);
        let fine = Tensor::rand([3, 48, 48], (Kind::Float, Device::Cpu));
        let l2 = |a: &Tensor, b: &Tensor| (a - b).square().mean(Kind::Float).double_value(&[]);
        let got = ordering(&[fine], &l2).unwrap();
        assert_eq!(got.stronger_is_farther, 1.0);
        assert_eq!(got.shift_nearer_than_blur, 0.0, "noise shifted by a pixel is another noise to it");
        assert!(ordering(&[], &l2).is_err());
    }
}
