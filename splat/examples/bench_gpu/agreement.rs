//! Images and gradients against the CPU's, and run against run.
use crate::Result;
use crate::report::{Report, Threshold};
use crate::scenes::{around, cloud, shell};
use splat::cuda::{Gpu, Rasterizer};
use splat::{Camera, Cutoff, Gaussians, Gradients, Rendered, Settings, Upstream};

/// Twenty clouds from two cameras each. A smooth cutoff, so that rounding at the cut moves no pixel by 1/255; tolerances as
/// in the tests: what `f32` leaves of sums in another order.
pub fn with_the_cpu(gpu: &Gpu, report: &mut Report) -> Result<()> {
    let settings = Settings { cutoff: Cutoff::Smooth { width: 4e-3 }, ..Settings::default() };
    let mut rasterizer = Rasterizer::new(gpu.clone());
    let (mut of_images, mut of_gradients) = (0.0f64, 0.0f64);
    for seed in 0..20 {
        let (scene, cameras) = (cloud(4000, seed), around(2, 150 + 7 * seed as usize));
        let (want, saved) = splat::forward(scene.slices(), &cameras, &settings)?;
        let weights = weights(&want);
        let gradients = splat::backward(scene.slices(), &cameras, &settings, &saved, &upstream(&weights))?;
        let (got, got_gradients) = both(&mut rasterizer, &scene, &cameras, &settings, &weights)?;
        for (got, want) in got.iter().zip(&want) {
            of_images = of_images.max(apart(&got.color, &want.color)).max(apart(&got.alpha, &want.alpha));
        }
        for (got, want) in arrays(&got_gradients).iter().zip(&arrays(&gradients)) {
            let greatest = want.iter().fold(1e-6f64, |m, v| m.max(v.abs() as f64));
            of_gradients = of_gradients.max(apart(got, want) / greatest);
        }
    }
    report.check(
        "20 random scenes: greatest distance of a pixel from the CPU's",
        of_images,
        "",
        Threshold::AtMost(3e-6),
    );
    let name = "20 random scenes: gradients, greatest distance over greatest gradient";
    report.check(name, of_gradients, "", Threshold::AtMost(3e-5));
    Ok(())
}

/// Ten runs of both passes.
pub fn with_itself(gpu: &Gpu, report: &mut Report) -> Result<()> {
    let (scene, cameras, settings) = (shell(100_000), around(2, 512), Settings::default());
    let mut rasterizer = Rasterizer::new(gpu.clone());
    let weights = weights(&splat::forward(scene.slices(), &cameras, &settings)?.0);
    let mut runs = Vec::new();
    for _ in 0..10 {
        let (images, gradients) = both(&mut rasterizer, &scene, &cameras, &settings, &weights)?;
        let images = images.into_iter().flat_map(|image| [image.color, image.alpha, image.depth]).flatten();
        runs.push(images.chain(arrays(&gradients).concat()).map(f32::to_bits).collect::<Vec<u32>>());
    }
    let alike = runs.iter().filter(|run| **run == runs[0]).count();
    report.check(
        "runs of ten whose images and gradients have the same bits",
        alike as f64,
        "",
        Threshold::AtLeast(10.0),
    );
    Ok(())
}

fn both(
    rasterizer: &mut Rasterizer,
    scene: &Gaussians,
    cameras: &[Camera],
    settings: &Settings,
    weights: &[Vec<f32>],
) -> Result<(Vec<Rendered>, Gradients)> {
    let (images, saved) = rasterizer.forward_slices(scene.slices(), cameras, settings)?;
    let gradients = rasterizer.backward_slices(&saved, &upstream(weights))?;
    Ok((images, gradients))
}

/// Of a loss, by every channel of every image: of both signs and of no pattern.
fn weights(images: &[Rendered]) -> Vec<Vec<f32>> {
    let weight = |i: usize| (i * 7919 % 2003) as f32 / 1001.0 - 1.0;
    images.iter().map(|image| (0..image.color.len()).map(weight).collect()).collect()
}

fn upstream(weights: &[Vec<f32>]) -> Vec<Upstream<'_>> {
    weights.iter().map(|color| Upstream { color, alpha: None, depth: None }).collect()
}

fn arrays(g: &Gradients) -> [Vec<f32>; 7] {
    let cameras = g.camera_pose.iter().flatten().chain(g.intrinsics.iter().flatten());
    let [means, quats, log_scales] = [&g.means, &g.quats, &g.log_scales].map(Clone::clone);
    [
        means,
        quats,
        log_scales,
        g.opacity_logits.clone(),
        g.colors.clone(),
        g.background.clone(),
        cameras.copied().collect(),
    ]
}

fn apart(got: &[f32], want: &[f32]) -> f64 {
    got.iter().zip(want).map(|(g, w)| (g - w).abs() as f64).fold(0.0, f64::max)
}
