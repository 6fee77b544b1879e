//! Gaussians fitted to photos: L1 and SSIM, Adam, and MCMC to place them (Kheradmand et al. 2024).
use crate::view::View;
use glam::{Mat3, Vec3};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use splat::adam::{Adam, Rates};
use splat::densify::Mcmc;
use splat::loss::L1Ssim;
use splat::rasterize::Pool;
use splat::{Camera, Colors, Error, Gaussians, Settings, Upstream};

/// What to do.
pub struct Plan {
    pub steps: usize,
    /// Number of Gaussians at the end; a third of them at the start.
    pub gaussians: usize,
    /// Of the harmonics, 0 to 3.
    pub degree: usize,
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Plan { steps: 3000, gaussians: 30_000, degree: 2, seed: 0 }
    }
}

/// After a step.
pub struct Progress {
    /// From 1.
    pub step: usize,
    pub loss: f64,
    pub gaussians: usize,
}

/// Fits `views` (at least one).
pub fn fit(views: &[View], plan: &Plan, tell: &mut dyn FnMut(Progress)) -> Result<Gaussians, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let (middle, reach) = region(views);
    let mut gaussians = start(plan, middle, reach, &mut rng);
    let mut adam = Adam::new(gaussians.len(), gaussians.kind);
    let mcmc = Mcmc { most: plan.gaussians, seed: plan.seed, ..Mcmc::default() };
    let (pool, transparent) = (Pool::default(), views.iter().any(View::has_alpha));
    let mut order: Vec<usize> = Vec::new();
    for step in 1..=plan.steps {
        if order.is_empty() {
            order = (0..views.len()).collect();
            order.shuffle(&mut rng);
        }
        let view = &views[order.pop().unwrap_or(0)];
        // A new color each step behind what is transparent, on both sides, so that opacity matters.
        let background: [f32; 3] = if transparent { std::array::from_fn(|_| rng.random()) } else { [0.0; 3] };
        let settings = Settings { background: background.to_vec(), ..Settings::default() };
        let camera = std::slice::from_ref(&view.camera);
        let (images, saved) = pool.forward(gaussians.slices(), camera, &settings)?;
        let (width, height) = (view.camera.width, view.camera.height);
        let loss = L1Ssim { width, height, channels: 3, ssim_weight: 0.2 };
        let loss = loss.compare(&images[0].color, &view.over(background))?;
        let upstream = [Upstream { color: &loss.gradient, alpha: None, depth: None }];
        let mut gradients = splat::backward(gaussians.slices(), camera, &settings, &saved, &upstream)?;
        mcmc.regularize(&gaussians, &mut gradients);
        let rates = Rates::usual(reach, step as f32 / plan.steps as f32);
        adam.step(&mut gaussians, &gradients, &rates)?;
        pool.take_back(images, gradients);
        mcmc.stir(&mut gaussians, rates.means, step as u64);
        if step % 100 == 0 && step >= 200 && step * 10 < plan.steps * 9 {
            adam.follow(&mcmc.relocate(&mut gaussians, step as u64));
        }
        tell(Progress { step, loss: loss.value, gaussians: gaussians.len() });
    }
    Ok(gaussians)
}

/// The picture that `view` should be, before black.
pub fn draw(gaussians: &Gaussians, view: &View) -> Result<Vec<f32>, Error> {
    let (mut images, _) = splat::forward(gaussians.slices(), &[view.camera], &Settings::default())?;
    Ok(images.remove(0).color)
}

/// Decibels, of values from 0 to 1.
pub fn psnr(a: &[f32], b: &[f32]) -> f64 {
    let sum: f64 = a.iter().zip(b).map(|(a, b)| (a.clamp(0.0, 1.0) - b) as f64).map(|d| d * d).sum();
    -10.0 * (sum / a.len() as f64).log10()
}

/// The point nearest to all lines of sight, and half the mean distance of the cameras from it.
fn region(views: &[View]) -> (Vec3, f32) {
    let sight = |c: &Camera| c.ray(glam::Vec2::new(c.width as f32 / 2.0, c.height as f32 / 2.0));
    // Σ (I − d dᵀ) p = Σ (I − d dᵀ) o; a little of the identity keeps parallel lines solvable.
    let (mut matrix, mut right) = (Mat3::from_diagonal(Vec3::splat(1e-4)), Vec3::ZERO);
    for (origin, direction) in views.iter().map(|v| sight(&v.camera)) {
        let across =
            Mat3::IDENTITY - Mat3::from_cols(direction * direction.x, direction * direction.y, direction * direction.z);
        matrix += across;
        right += across * origin;
    }
    let middle = matrix.inverse() * right;
    let distance = views.iter().map(|v| (v.camera.eye() - middle).length()).sum::<f32>() / views.len().max(1) as f32;
    (middle, 0.5 * distance.max(1e-3))
}

/// Gray Gaussians all over a ball.
fn start(plan: &Plan, middle: Vec3, reach: f32, rng: &mut ChaCha8Rng) -> Gaussians {
    let n = (plan.gaussians / 3).max(1);
    let kind = Colors::Sh { degree: plan.degree };
    let mut out = Gaussians::empty(kind);
    while out.len() < n {
        let p: [f32; 3] = std::array::from_fn(|_| 2.0 * rng.random::<f32>() - 1.0);
        if Vec3::from(p).length() <= 1.0 {
            out.means.extend((middle + reach * Vec3::from(p)).to_array());
            out.quats.extend([1.0, 0.0, 0.0, 0.0]);
            out.log_scales.extend([(0.5 * reach / (n as f32).cbrt()).ln(); 3]);
            out.opacity_logits.push(0.0);
            out.colors.extend((0..kind.stride()).map(|_| 0.0));
        }
    }
    out
}
