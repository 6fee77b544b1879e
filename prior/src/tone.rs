//! The light of a picture as one affine transform of RGB (GEM), in closed form: a head is learned as the studio shows it.
use anyhow::Result;
use nets::view::Drawn;
use tch::{Kind, Tensor};

/// Pixels' worth of belief that nothing changes.
const RIDGE: f64 = 30.0;
/// Coverage from which a pixel tells of the head.
const COVERED: f64 = 0.9;

/// Each drawing in the light of its target: over the pixels that both cover, the affine transform of least squares,
/// which carries no gradient itself. Pictures marked in `keep` `[B]` stay as they are.
///
/// `images` `[B, 3, H, W]` straight display RGB, `alphas` `[B, 1, H, W]`, `backgrounds` `[B]` as the drawings have them.
///
/// # Errors
/// A system that cannot be solved.
pub fn in_light_of(
    drawn: &Drawn,
    images: &Tensor,
    alphas: &Tensor,
    backgrounds: &[[f32; 3]],
    keep: &[bool],
) -> Result<Drawn> {
    let colors: Vec<Tensor> = (0..keep.len())
        .map(|b| {
            let at = |t: &Tensor| t.narrow(0, b as i64, 1);
            if keep[b] {
                return Ok(at(&drawn.color));
            }
            let alpha = at(&drawn.alpha);
            let behind = Tensor::from_slice(&backgrounds[b]).view([1, 3, 1, 1]).to_device(alpha.device());
            let rest = (1.0 - &alpha) * behind;
            let head = at(&drawn.color) - &rest;
            let transform = tch::no_grad(|| fitted(&head, &alpha, &at(images), &at(alphas)))?;
            // Gaussians' colors add up weighted by their share of a pixel: so does what is made of them.
            let linear = Tensor::cat(&[&head, &alpha], 1);
            Ok(linear.conv2d(&transform.view([3, 4, 1, 1]), None::<Tensor>, [1, 1], [0, 0], [1, 1], 1) + rest)
        })
        .collect::<Result<_>>()?;
    Ok(Drawn { color: Tensor::cat(&colors, 0), alpha: drawn.alpha.shallow_clone() })
}

/// `[3, 4]` from premultiplied (r, g, b, alpha) to RGB, nearest to no change where the pixels do not tell.
fn fitted(head: &Tensor, alpha: &Tensor, image: &Tensor, covered: &Tensor) -> Result<Tensor> {
    let weight = (alpha.ge(COVERED) * covered.ge(COVERED)).to_kind(Kind::Float).flatten(0, -1);
    let rows = Tensor::cat(&[head, alpha], 1).view([4, -1]);
    let options = (Kind::Float, head.device());
    let same = Tensor::eye(4, options).narrow(0, 0, 3);
    let belief = Tensor::eye(4, options) * RIDGE;
    let weighted = &rows * &weight;
    let left = weighted.matmul(&rows.transpose(0, 1)) + &belief;
    let right = image.view([3, -1]).matmul(&weighted.transpose(0, 1)) + same.matmul(&belief);
    Ok(Tensor::f_linalg_solve(&left, &right.transpose(0, 1), true)?.transpose(0, 1).contiguous())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nets::view::composite;
    use tch::Device;

    #[test]
    fn a_known_light_is_found_and_the_background_stays() {
        tch::manual_seed(3);
        let head = Tensor::rand([2, 3, 96, 96], (Kind::Float, Device::Cpu));
        let alpha = Tensor::ones([2, 1, 96, 96], (Kind::Float, Device::Cpu));
        _ = alpha.narrow(3, 0, 16).fill_(0.0);
        let backgrounds = [[0.2, 0.4, 0.6]; 2];
        let drawn = Drawn { color: composite(&head, &alpha, &backgrounds), alpha: alpha.shallow_clone() };
        let light = Tensor::from_slice(&[0.8f32, 0.1, 0.0, 0.05, 0.9, 0.0, 0.0, 0.1, 1.1]).view([3, 3, 1, 1]);
        let lit = head.conv2d(&light, None::<Tensor>, [1, 1], [0, 0], [1, 1], 1) + 0.07;
        let made = in_light_of(&drawn, &lit, &alpha, &backgrounds, &[false, true]).unwrap();
        let worst = |a: Tensor, b: Tensor| (a - b).abs().max().double_value(&[]);
        let target = composite(&lit, &alpha, &backgrounds);
        assert!(worst(made.color.get(0), target.get(0)) < 0.05);
        assert!(worst(drawn.color.get(0), target.get(0)) > 0.15, "the light makes a difference");
        assert_eq!(worst(made.color.get(1), drawn.color.get(1)), 0.0);
    }
}
