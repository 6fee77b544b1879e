//! `.splat` and `.spz`: what is written comes back to the format's precision; what is broken is refused.
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use splat::{Colors, Error, Gaussians, files};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("splat-files-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn some(n: usize, kind: Colors) -> Gaussians {
    let number = |i: usize, salt: usize| (((i * 131 + salt) * 2654435761) % 10007) as f32 / 5003.5 - 1.0;
    let numbers = |count: usize, salt, scale: f32| (0..count).map(|i| scale * number(i, salt)).collect::<Vec<f32>>();
    Gaussians {
        means: numbers(3 * n, 1, 2.0),
        quats: numbers(4 * n, 2, 3.0),
        log_scales: numbers(3 * n, 3, 2.0).iter().map(|v| v - 4.0).collect(),
        opacity_logits: numbers(n, 4, 3.0),
        colors: numbers(n * kind.stride(), 5, 0.9),
        kind,
    }
}

/// Greatest difference of two arrays.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Least |cosine| between two arrays of rotations.
fn alike(a: &[f32], b: &[f32]) -> f32 {
    let length = |q: &[f32]| q.iter().map(|v| v * v).sum::<f32>().sqrt();
    let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / length(a) / length(b);
    a.chunks(4).zip(b.chunks(4)).map(|(a, b)| cosine(a, b).abs()).fold(1.0, f32::min)
}

fn through(name: &str, g: &Gaussians) -> Gaussians {
    let path = folder("round").join(name);
    files::write(&path, g.slices()).unwrap();
    files::read(&path).unwrap()
}

#[test]
fn spz_keeps_what_it_says() {
    for degree in 0..=3 {
        let g = some(300, Colors::Sh { degree });
        let back = through(&format!("{degree}.spz"), &g);
        assert_eq!(back.kind, g.kind);
        assert!(apart(&back.means, &g.means) <= 0.5 / 4096.0 + 1e-6);
        assert!(apart(&back.log_scales, &g.log_scales) <= 0.5 / 16.0 + 1e-6);
        assert!(alike(&back.quats, &g.quats) > 1.0 - 1e-5);
        let sigmoid = |v: &[f32]| v.iter().map(|v| 1.0 / (1.0 + (-v).exp())).collect::<Vec<f32>>();
        assert!(apart(&sigmoid(&back.opacity_logits), &sigmoid(&g.opacity_logits)) <= 0.51 / 255.0);
        for (a, b) in back.colors.chunks(g.kind.stride()).zip(g.colors.chunks(g.kind.stride())) {
            assert!(apart(&a[..3], &b[..3]) <= 0.51 / 255.0 / 0.15);
            assert!(apart(&a[3..], &b[3..]) <= 0.5 / 128.0 + 8.0 / 128.0);
        }
        assert_eq!(through("again.spz", &back).colors, back.colors, "a second trip changes nothing");
    }
}

#[test]
fn dotsplat_keeps_what_it_says() {
    let mut g = some(200, Colors::Features { channels: 3 });
    g.colors.iter_mut().for_each(|c| *c = 0.5 + 0.5 * *c);
    // Most visible first is how the file is ordered; so order ours.
    let seen =
        |n: usize| g.log_scales[3 * n..3 * n + 3].iter().sum::<f32>().exp() / (1.0 + (-g.opacity_logits[n]).exp());
    let mut order: Vec<usize> = (0..200).collect();
    order.sort_by(|&a, &b| seen(b).total_cmp(&seen(a)));
    let g = g.select(&order);
    let back = through("a.splat", &g);
    assert_eq!((back.kind, &back.means), (Colors::Sh { degree: 0 }, &g.means));
    assert!(apart(&back.log_scales, &g.log_scales) < 1e-5);
    assert!(alike(&back.quats, &g.quats) > 0.999);
    let shown: Vec<f32> = back.colors.iter().map(|c| 0.5 + 0.282_094_8 * c).collect();
    assert!(apart(&shown, &g.colors) <= 0.51 / 255.0);
}

#[test]
fn the_ending_decides() {
    let g = some(3, Colors::Sh { degree: 1 });
    assert_eq!(through("a.PLY", &g), g);
    for path in ["a.obj", "noending"] {
        assert!(matches!(files::read(Path::new(path)), Err(Error::Format { .. })));
    }
    let features = some(3, Colors::Features { channels: 2 });
    for name in ["b.splat", "b.spz", "b.ply"] {
        let path = folder("shape").join(name);
        assert!(matches!(files::write(&path, features.slices()), Err(Error::Shape { .. })));
        assert!(!path.exists());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// A damaged file is an error or other Gaussians of finite number, never a panic.
    #[test]
    fn damaged_files_never_panic(at in 0usize..2000, bit in 0u32..8, cut in 0usize..2000, spz: bool) {
        let name = if spz { "c.spz" } else { "c.splat" };
        let path = folder("damaged").join(name);
        files::write(&path, some(20, Colors::Sh { degree: 1 }).slices()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let length = bytes.len();
        bytes[at % length] ^= 1 << bit;
        bytes.truncate(length.saturating_sub(cut / 8));
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(read) = files::read(&path) {
            prop_assert!(read.slices().check().is_ok());
        }
    }
}
