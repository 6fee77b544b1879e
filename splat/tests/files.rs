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
    assert_eq!(files::write(&path, g.slices()).unwrap(), 0);
    let files::Loaded { gaussians, dropped } = files::read(&path).unwrap();
    assert_eq!(dropped, 0);
    gaussians
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

/// Rows with NaN or a quaternion of zeros: left out and counted by every writer and every reader.
#[test]
fn what_cannot_be_drawn_is_left_out_and_counted() {
    let mut g = some(4, Colors::Sh { degree: 0 });
    g.means[4] = f32::NAN;
    g.quats[8..12].fill(0.0);
    for name in ["nan.ply", "nan.splat", "nan.spz"] {
        let path = folder("nan").join(name);
        assert_eq!(files::write(&path, g.slices()).unwrap(), 2, "{name}");
        assert_eq!(files::read(&path).unwrap().gaussians.len(), 2, "{name}");
    }
    let broken = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let path = folder("nan").join(name);
        files::write(&path, some(2, Colors::Sh { degree: 0 }).slices()).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        files::read(&path)
    };
    // The last four floats of a `.ply` are the last rotation; the last four bytes of a `.splat` too, 128 for 0.
    let ply = broken("zero.ply", &|bytes| bytes.iter_mut().rev().take(16).for_each(|b| *b = 0)).unwrap();
    assert_eq!((ply.gaussians.len(), ply.dropped), (1, 1));
    let splat = broken("zero.splat", &|bytes| bytes.iter_mut().rev().take(4).for_each(|b| *b = 128)).unwrap();
    assert_eq!((splat.gaussians.len(), splat.dropped), (1, 1));
    let flat = broken("flat.splat", &|bytes| bytes[12..16].fill(0)).unwrap();
    assert!(flat.dropped == 0 && flat.gaussians.log_scales[0] < -13.0, "a scale of 0 is a flat Gaussian");
    let none = broken("none.splat", &|bytes| bytes.iter_mut().for_each(|b| *b = 0xff)).unwrap_err();
    assert!(none.to_string().contains("none of 2 Gaussians"), "{none}");
}

/// An `.spz` of any version from the bytes of its arrays, as the published description lays them out.
fn spz(version: u32, degree: u8, positions: &[u8], rotation: &[u8], harmonics: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for word in [0x5053_474eu32, version, 1] {
        head.extend(word.to_le_bytes());
    }
    let streams = [positions, &[255], &[128, 166, 89], &[0, 96, 240], rotation, harmonics];
    if version < 4 {
        head.extend([degree, 12, 0, 0]);
        let plain: Vec<u8> = head.into_iter().chain(streams.concat()).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, &plain).unwrap();
        return gzip.finish().unwrap();
    }
    let streams = &streams[..if degree == 0 { 5 } else { 6 }];
    // An extension of 8 bytes stands between the header and the table of contents, as flag 2 says.
    head.extend([degree, 12, 2, streams.len() as u8]);
    head.extend(40u32.to_le_bytes());
    head.extend([0; 12]);
    head.extend([7, 0, 0, 0, 0, 0, 0, 0]);
    let packed: Vec<Vec<u8>> = streams.iter().map(|s| zstd::encode_all(*s, 3).unwrap()).collect();
    for (packed, plain) in packed.iter().zip(streams) {
        head.extend((packed.len() as u64).to_le_bytes());
        head.extend((plain.len() as u64).to_le_bytes());
    }
    head.into_iter().chain(packed.concat()).collect()
}

#[test]
fn every_version_of_spz_is_read() {
    let path = folder("versions").join("a.spz");
    let read = |bytes: Vec<u8>| {
        std::fs::write(&path, bytes).unwrap();
        files::read(&path)
    };
    // (1, -0.5, 0.25) as half floats and as 24-bit fixed point; a half turn about x in both forms of rotations.
    let (half, fixed) = ([0x00, 0x3c, 0x00, 0xb8, 0x00, 0x34], [0, 0x10, 0, 0, 0xf8, 0xff, 0, 0x04, 0]);
    let (bytes, smallest) = ([255u8, 128, 128], [0u8, 0, 0, 0]);
    let harmonics = [128, 192, 64, 128, 128, 128, 128, 128, 255];
    for (version, positions, rotation) in
        [(1, &half[..], &bytes[..]), (2, &fixed, &bytes), (3, &fixed, &smallest), (4, &fixed, &smallest)]
    {
        for (degree, harmonics) in [(0, &[][..]), (1, &harmonics[..])] {
            let one = read(spz(version, degree, positions, rotation, harmonics)).unwrap().gaussians;
            assert_eq!(one.means, [1.0, -0.5, 0.25], "version {version}");
            assert_eq!(one.log_scales, [-10.0, -4.0, 5.0], "version {version}");
            assert!(alike(&one.quats, &[0.0, 1.0, 0.0, 0.0]) > 0.999, "version {version}: {:?}", one.quats);
            assert_eq!(one.colors.len(), if degree == 0 { 3 } else { 12 });
            if degree == 1 {
                assert_eq!(one.colors[3..6], [0.0, 0.5, -0.5], "version {version}");
            }
        }
    }
    let words = |bytes: Vec<u8>| read(bytes).unwrap_err().to_string();
    assert!(words(spz(5, 0, &fixed, &smallest, &[])).contains("version 5"));
    assert!(words(spz(3, 4, &fixed, &smallest, &[0; 72])).contains("degree 4"));
    let whole = spz(4, 0, &fixed, &smallest, &[]);
    for length in 4..whole.len() {
        assert!(read(whole[..length].to_vec()).is_err(), "{length} of {} bytes", whole.len());
    }
    let mut other = whole.clone();
    other[40 + 8] = 8; // the plain size of the positions
    assert!(words(other).contains("expected 9"));
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
            prop_assert!(read.gaussians.slices().check().is_ok());
        }
    }
}
