//! What a core of this machine does in a fixed loop, measured in the same run: thresholds are multiples of it, so that they mean
//! the same on another machine.
use std::hint::black_box;
use std::time::Instant;

/// Floats that the loop goes over: they stay in the first cache.
const FLOATS: usize = 4096;
/// Passes over them.
const PASSES: usize = 4000;

/// Milliseconds of 16 million multiply-adds on one core, the best of nine tries.
pub fn loop_ms() -> f64 {
    (0..9).map(|_| once_ms(PASSES)).fold(f64::MAX, f64::min)
}

/// How much more two threads do than one: near 2 where they are two real cores that nobody else uses.
pub fn two_threads() -> f64 {
    let (mut alone, mut both) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        alone = alone.min(once_ms(10 * PASSES));
        let clock = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| once_ms(10 * PASSES));
            }
        });
        both = both.min(clock.elapsed().as_secs_f64() * 1e3);
    }
    2.0 * alone / both
}

/// The loop: each float is multiplied and added to, in the instructions of the compiler's default target.
fn once_ms(passes: usize) -> f64 {
    let mut floats = vec![1.0f32; FLOATS];
    let clock = Instant::now();
    for _ in 0..passes {
        for value in black_box(&mut floats).iter_mut() {
            *value = *value * 0.999 + 1e-3;
        }
    }
    black_box(&floats);
    clock.elapsed().as_secs_f64() * 1e3
}
