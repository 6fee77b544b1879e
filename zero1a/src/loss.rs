//! What an avatar learns from: pictures, and two rules that keep Gaussians with their triangles.
//!
//! `L = 10 L1 + 10 LPIPS + 0.1 L_pos + 10 L_s` (Zero-1-to-A; forms of L_pos and L_s as in Qian et al. 2024,
//! "GaussianAvatars"). The perceptual net is this project's own.
use splat::Camera;
use tch::{Kind, Tensor};

/// Distance from its place at the start, in triangle units, up to which a Gaussian is free.
pub const NEAR: f64 = 1.0;
/// Scale, in triangle units, up to which it is free.
pub const SMALL: f64 = 0.6;

/// Opacity from which a surface counts as closed.
pub const OPAQUE: f64 = 0.9;
/// Height over the triangle, in its units, up to which a Gaussian lies on the surface.
const ON_SURFACE: f64 = 1e-3;

/// `mean ReLU(|μ − μ₀| − 1)` over the visible, μ `[N, 3]` in triangle units.
///
/// μ₀ is where it began: 0 for what lies on the surface, as in the source; the height of its shell for hair, which
/// Adam would else pull to the scalp wherever no picture shows it.
pub fn position(means: &Tensor, began: &Tensor, visible: &Tensor) -> Tensor {
    let away = (means - began).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    // The summand keeps the gradient finite where nothing has moved yet.
    mean_of(&((away + 1e-12).sqrt() - NEAR).relu(), visible)
}

/// `mean ‖ReLU(exp s − 0.6)‖₂` over the visible, s `[N, 3]` log scales in triangle units.
pub fn scale(log_scales: &Tensor, visible: &Tensor) -> Tensor {
    let over = (log_scales.exp() - SMALL).relu().square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    // √ has no gradient at 0, where most are; they are left out of it rather than bent.
    let large = over.gt(0.0);
    let length = over.where_self(&large, &over.ones_like()).sqrt() * large.to_kind(Kind::Float);
    mean_of(&length, visible)
}

/// `mean ReLU(0.9 − opacity)` over the visible that began on the surface, logits `[N]`, `began` `[N, 3]` in triangle units:
/// skin that few pictures show shall not open on what lies behind it.
pub fn cover(opacity_logits: &Tensor, began: &Tensor, visible: &Tensor) -> Tensor {
    let on_surface = began.select(1, 1).abs().lt(ON_SURFACE).logical_and(visible);
    mean_of(&(OPAQUE - opacity_logits.sigmoid()).relu(), &on_surface)
}

fn mean_of(values: &Tensor, visible: &Tensor) -> Tensor {
    let weight = visible.to_kind(Kind::Float);
    (values * &weight).sum(Kind::Float) / weight.sum(Kind::Float).clamp_min(1.0)
}

/// `[N]` whether a mean (head space, `[N, 3]`) is in front of the camera and within its picture: the rasterizer's own
/// test, but for how far a Gaussian reaches beyond its mean.
pub fn visible(means: &Tensor, camera: &Camera) -> Tensor {
    tch::no_grad(|| {
        let m = camera.camera_from_world;
        let rows = m.transpose().to_cols_array_2d();
        let flat: Vec<f32> = rows[..3].iter().flat_map(|row| row[..3].to_vec()).collect();
        let turn = Tensor::from_slice(&flat).view([3, 3]).to_device(means.device());
        let shift =
            Tensor::from_slice(&rows[..3].iter().map(|row| row[3]).collect::<Vec<f32>>()).to_device(means.device());
        let p = means.detach().matmul(&turn.tr()) + shift;
        let (x, y, z) = (p.select(1, 0), p.select(1, 1), p.select(1, 2));
        let within = |v: Tensor, focal: f32, centre: f32, side: usize| {
            let pixel: Tensor = v / z.clamp_min(1e-6) * f64::from(focal) + f64::from(centre);
            pixel.ge(0.0).logical_and(&pixel.le(side as f64))
        };
        let inside =
            within(x, camera.fx, camera.cx, camera.width).logical_and(&within(y, camera.fy, camera.cy, camera.height));
        inside.logical_and(&z.gt(0.01))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Vec3;

    fn rows(values: &[f32]) -> Tensor {
        Tensor::from_slice(values).view([-1, 3])
    }

    #[test]
    fn position_is_what_it_says() {
        let means = rows(&[3.0, 4.0, 0.0, 0.5, 0.0, 0.0, 0.0, 3.0, 0.0, 9.0, 9.0, 9.0]);
        let began = rows(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let visible = Tensor::from_slice(&[true, true, true, false]);
        // |(3, 4, 0)| − 1 = 4; 0 inside; |2| − 1 = 1; the last is not seen.
        let got = position(&means, &began, &visible).double_value(&[]);
        assert!((got - 5.0 / 3.0).abs() < 1e-6, "{got}");
    }

    #[test]
    fn scale_is_what_it_says() {
        let log_scales = rows(&[0.9f32.ln(), 1.0f32.ln(), -3.0, -1.0, -1.0, -1.0]).set_requires_grad(true);
        let visible = Tensor::from_slice(&[true, true]);
        let loss = scale(&log_scales, &visible);
        // ‖(0.3, 0.4, 0)‖ = 0.5, and nothing of the second.
        assert!((loss.double_value(&[]) - 0.25).abs() < 1e-6);
        loss.backward();
        let by = log_scales.grad();
        assert_eq!(by.isfinite().all().int64_value(&[]), 1);
        // d/ds ½·‖·‖ = ½ · 0.3 / 0.5 · exp s
        assert!((by.double_value(&[0, 0]) - 0.5 * 0.6 * 0.9).abs() < 1e-6);
        assert_eq!(by.get(1).abs().sum(Kind::Float).double_value(&[]), 0.0);
    }

    #[test]
    fn cover_is_what_it_says() {
        let logits = Tensor::from_slice(&[0f32, 9.0, 0.0, 0.0]);
        let began = rows(&[0.3, 0.0, 0.1, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0]);
        let visible = Tensor::from_slice(&[true, true, true, false]);
        // 0.9 − 0.5 of the first, nothing of the second; the third is hair, the last is not seen.
        let got = cover(&logits, &began, &visible).double_value(&[]);
        assert!((got - 0.2).abs() < 1e-6, "{got}");
    }

    #[test]
    fn what_the_camera_does_not_see_is_not_visible() {
        let camera = Camera::look_at(Vec3::new(0.3, 0.1, 1.0), Vec3::new(0.0, 0.05, 0.0), Vec3::Y, 100.0, 64, 64);
        let points =
            [Vec3::new(0.0, 0.05, 0.0), Vec3::new(0.1, 0.0, 0.0), Vec3::new(2.0, 0.0, 0.0), Vec3::new(0.6, 0.15, 2.0)];
        let flat: Vec<f32> = points.iter().flat_map(|p| p.to_array()).collect();
        let got: Vec<bool> = Vec::try_from(visible(&rows(&flat), &camera)).unwrap();
        let want = points.map(|p| {
            let (pixel, z) = camera.project(p);
            z > 0.01 && pixel.cmpge(glam::Vec2::ZERO).all() && pixel.cmple(glam::Vec2::splat(64.0)).all()
        });
        assert_eq!(got, want);
        assert!(got[0] && !got[2] && !got[3]);
    }
}
