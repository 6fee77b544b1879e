//! The image loss and Adam against the CPU's.
use crate::engines;
use crate::images::Memory;
use crate::scene::{Random, cloud};
use splat::adam::{Adam, Rates};
use splat::cuda::{AdamArray, AdamStep, Address, DeviceAdam, DeviceLoss, LossPass, Rate};
use splat::loss::L1Ssim;
use splat::{Colors, Gaussians, Gradients};

/// Sizes that are no multiple of a tile, smaller than the window, of one pixel; two images each.
#[test]
fn loss_is_the_cpus() {
    for (height, width, channels, ssim_weight) in
        [(11, 11, 1, 0.2), (30, 45, 3, 0.2), (30, 45, 3, 0.0), (17, 64, 1, 1.0), (4, 3, 3, 0.5), (1, 1, 1, 0.5)]
    {
        let loss = L1Ssim { width, height, channels, ssim_weight };
        let length = width * height * channels;
        let mut random = Random::new(1);
        let [image, target]: [Vec<f32>; 2] =
            std::array::from_fn(|_| (0..2 * length).map(|_| random.uniform()).collect());
        let cpu = [0, length].map(|at| loss.compare(&image[at..at + length], &target[at..at + length]).unwrap());
        let want =
            [0.5 * (cpu[0].value + cpu[1].value), 0.5 * (cpu[0].l1 + cpu[1].l1), 0.5 * (cpu[0].ssim + cpu[1].ssim)];
        let want_gradient: Vec<f32> = cpu.iter().flat_map(|loss| loss.gradient.iter().map(|g| 0.5 * g)).collect();
        let scale = want_gradient.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (name, engine) in engines() {
            let memory = Memory { engine: &*engine };
            let (image, target) = (memory.of(&image), memory.of(&target));
            let (out, gradient) = (memory.of(&[0.0; 3]), memory.of(&vec![0.0; 2 * length]));
            let device = DeviceLoss::new(engine.clone(), loss, 2);
            // SAFETY: all were made just above with these sizes.
            unsafe { device.run(&LossPass { image, target, loss: out, gradient }).unwrap() };
            for (got, want) in memory.back(out, 3).into_iter().zip(want) {
                assert!((got as f64 - want).abs() < 2e-6, "{name}, {height}x{width}: {got} against {want}");
            }
            for (got, want) in memory.back(gradient, 2 * length).iter().zip(&want_gradient) {
                // A variance is a difference of two means of squares: 1e-7 of those over C2 = 9e-4.
                assert!((got - want).abs() < 3e-4 * scale, "{name}, {height}x{width}: {got} against {want}");
            }
        }
    }
}

fn arrays(g: &Gaussians) -> [&Vec<f32>; 5] {
    [&g.means, &g.quats, &g.log_scales, &g.opacity_logits, &g.colors]
}

/// Three steps of two scenes at once: ten arrays, and one launch takes eight. One gradient is broken.
#[test]
fn adam_is_the_cpus() {
    let kind = Colors::Sh { degree: 2 };
    let rates = Rates { means: 0.01, ..Rates::usual(1.0, 0.0) };
    let start = [cloud(700, kind, 1), cloud(3, kind, 2)];
    let mut gradients: Vec<[Gaussians; 2]> =
        (0..3).map(|i| [cloud(700, kind, 10 + i), cloud(3, kind, 20 + i)]).collect();
    gradients[1][0].means[5] = f32::NAN;
    let mut want = start.clone();
    for (which, want) in want.iter_mut().enumerate() {
        let mut adam = Adam::new(want.len(), kind);
        for g in gradients.iter().map(|g| g[which].clone()) {
            let Gaussians { means, quats, log_scales, opacity_logits, colors, .. } = g;
            let by = Gradients { means, quats, log_scales, opacity_logits, colors, ..Gradients::default() };
            adam.step(want, &by, &rates).unwrap();
        }
    }
    let colors = Rate::Split { stride: kind.stride(), head: 3, rate: rates.colors, tail_rate: rates.harmonics };
    let shape = [rates.means, rates.quats, rates.log_scales, rates.opacity_logits].map(Rate::Same);
    let rates: Vec<Rate> = [&shape[..], &[colors], &shape, &[colors]].concat();
    for (name, engine) in engines() {
        let memory = Memory { engine: &*engine };
        let place = |scenes: &[Gaussians; 2]| -> Vec<Address> {
            scenes.iter().flat_map(arrays).map(|array| memory.of(array)).collect()
        };
        let zeros = || start.iter().flat_map(arrays).map(|array| memory.of(&vec![0.0; array.len()])).collect();
        let (values, mean, square): (_, Vec<_>, Vec<_>) = (place(&start), zeros(), zeros());
        let lengths: Vec<usize> = start.iter().flat_map(arrays).map(Vec::len).collect();
        let adam = DeviceAdam::new(engine.clone());
        for (step, gradients) in gradients.iter().enumerate() {
            let gradient = place(gradients);
            let row = |i: usize| AdamArray {
                values: values[i],
                gradient: gradient[i],
                mean: mean[i],
                square: square[i],
                n: lengths[i],
                rate: rates[i],
            };
            let arrays: Vec<AdamArray> = (0..lengths.len()).map(row).collect();
            // SAFETY: all were made just above with these sizes.
            unsafe { adam.step(&AdamStep { arrays: &arrays, step: step as u32 + 1 }).unwrap() };
        }
        for ((at, want), length) in values.iter().zip(want.iter().flat_map(arrays)).zip(lengths) {
            for (got, want) in memory.back(*at, length).iter().zip(want) {
                assert!((got - want).abs() < 1e-6 * want.abs().max(1.0), "{name}: {got} against {want}");
            }
        }
    }
}
