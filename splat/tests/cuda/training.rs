//! The image loss and Adam against the CPU's.
use crate::engines;
use crate::images::Memory;
use crate::scene::Random;
use splat::adam::Momentum;
use splat::cuda::{Adam, AdamArray, AdamStep, DeviceLoss, LossPass};
use splat::loss::{Stack, l1_ssim};

fn images(stack: Stack, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..stack.len()).map(|_| random.uniform()).collect()
}

/// Sizes that are no multiple of a tile, the smallest there is among them.
#[test]
fn loss_is_the_cpus() {
    for (height, width, channels) in [(11, 11, 1), (30, 45, 3), (17, 64, 1)] {
        let stack = Stack { images: 2, height, width, channels };
        let (image, target) = (images(stack, 1), images(stack, 2));
        for lambda in [0.0, 0.2, 1.0] {
            let (want, want_gradient) = l1_ssim(&image, &target, stack, lambda).unwrap();
            for (name, engine) in engines() {
                let memory = Memory { engine: &*engine };
                let (image, target) = (memory.of(&image), memory.of(&target));
                let (loss, gradient) = (memory.of(&[0.0]), memory.of(&vec![0.0; stack.len()]));
                let on_device = DeviceLoss::new(engine.clone(), stack, lambda).unwrap();
                // SAFETY: all were made just above with these sizes.
                unsafe { on_device.run(&LossPass { image, target, loss, gradient }).unwrap() };
                let got = memory.back(loss, 1)[0];
                assert!((got - want).abs() < 1e-6, "{name}, {height}x{width}, λ {lambda}: {got} against {want}");
                let scale = want_gradient.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                for (got, want) in memory.back(gradient, stack.len()).iter().zip(&want_gradient) {
                    // A variance is a difference of two means of squares: 1e-7 of those over C2 = 9e-4.
                    assert!((got - want).abs() < 1e-4 * scale, "{name}, λ {lambda}: {got} against {want}");
                }
            }
        }
    }
}

/// Nine arrays of unlike sizes: one launch takes eight.
#[test]
fn adam_is_the_cpus() {
    let mut random = Random::new(3);
    let momentum = Momentum { epsilon: 1e-8, ..Momentum::default() };
    let sizes = [1, 1023, 1024, 1025, 3, 5000, 32, 7, 2049];
    let mut cpu: Vec<[Vec<f32>; 3]> =
        sizes.iter().map(|&n| [random.normals(n, 1.0), vec![0.0; n], vec![0.0; n]]).collect();
    let gradients: Vec<Vec<Vec<f32>>> =
        (0..3).map(|_| sizes.iter().map(|&n| random.normals(n, 0.3)).collect()).collect();
    let start = cpu.clone();
    for (step, gradients) in gradients.iter().enumerate() {
        for (i, ([values, mean, square], gradient)) in cpu.iter_mut().zip(gradients).enumerate() {
            momentum.step(values, gradient, [mean, square], 0.01 * (i + 1) as f32, step as u32 + 1);
        }
    }
    for (name, engine) in engines() {
        let memory = Memory { engine: &*engine };
        let adam = Adam::new(engine.clone(), momentum);
        let arrays: Vec<_> = start.iter().map(|arrays| arrays.each_ref().map(|array| memory.of(array))).collect();
        for (step, gradients) in gradients.iter().enumerate() {
            let arrays: Vec<AdamArray> = arrays
                .iter()
                .zip(gradients)
                .enumerate()
                .map(|(i, ([values, mean, square], gradient))| AdamArray {
                    values: *values,
                    gradient: memory.of(gradient),
                    mean: *mean,
                    square: *square,
                    n: gradient.len(),
                    rate: 0.01 * (i + 1) as f32,
                })
                .collect();
            // SAFETY: all were made just above with these sizes.
            unsafe { adam.step(&AdamStep { arrays: &arrays, step: step as u32 + 1 }).unwrap() };
        }
        for (array, want) in arrays.iter().zip(&cpu) {
            for (got, want) in memory.back(array[0], want[0].len()).iter().zip(&want[0]) {
                assert!((got - want).abs() < 1e-6, "{name}: {got} against {want}");
            }
        }
    }
}
