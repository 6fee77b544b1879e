//! `.ply`: what is written is read back, in the order public viewers expect; what is broken is refused in one line.
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use splat::{Colors, Error, Gaussians, ply};
use std::fs;
use std::path::{Path, PathBuf};

fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("ply-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

fn numbered(n: usize, kind: Colors) -> Gaussians {
    let count = |stride: usize, start: f32| (0..n * stride).map(|i| start + i as f32).collect();
    Gaussians {
        means: count(3, 0.5),
        quats: count(4, 1.0),
        log_scales: count(3, -100.0),
        opacity_logits: count(1, -2.0),
        colors: count(kind.stride(), 1000.0),
        kind,
    }
}

fn read(path: &Path) -> Gaussians {
    let loaded = ply::read(path).unwrap();
    assert_eq!(loaded.dropped, 0);
    loaded.gaussians
}

fn refusal(bytes: &[u8]) -> String {
    let path = file("hostile.ply");
    fs::write(&path, bytes).unwrap();
    let error = ply::read(&path).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains("hostile.ply"), "{text}");
    text
}

#[test]
fn round_trip_of_every_degree() {
    for degree in 0..=3 {
        let (path, gaussians) = (file(&format!("{degree}.ply")), numbered(5, Colors::Sh { degree }));
        ply::write(&path, gaussians.slices()).unwrap();
        assert_eq!(read(&path), gaussians);
    }
    let folder = fs::read_dir(file("").parent().unwrap()).unwrap();
    let parts = folder.filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "part")).count();
    assert_eq!(parts, 0, "no temporary file remains");
}

#[test]
fn rgb_becomes_the_zeroth_harmonic() {
    let (path, mut gaussians) = (file("rgb.ply"), numbered(2, Colors::Features { channels: 3 }));
    gaussians.colors = vec![0.5, 0.0, 1.0, 0.25, 0.75, 0.1];
    ply::write(&path, gaussians.slices()).unwrap();
    let back = read(&path);
    assert_eq!(back.kind, Colors::Sh { degree: 0 });
    for (coefficient, color) in back.colors.iter().zip(&gaussians.colors) {
        assert!((0.5 + 0.282_094_79 * coefficient - color).abs() < 1e-6);
    }
    let wide = numbered(2, Colors::Features { channels: 4 });
    assert!(matches!(ply::write(&path, wide.slices()), Err(Error::Shape { .. })));
}

/// Degree 1: 26 floats a vertex, and `f_rest` goes channel by channel.
#[test]
fn layout_is_the_viewers() {
    let (path, gaussians) = (file("layout.ply"), numbered(1, Colors::Sh { degree: 1 }));
    ply::write(&path, gaussians.slices()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let floats: Vec<f32> =
        bytes[bytes.len() - 26 * 4..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(floats[..9], [0.5, 1.5, 2.5, 0.0, 0.0, 0.0, 1000.0, 1001.0, 1002.0]);
    assert_eq!(floats[9..18], [1003.0, 1006.0, 1009.0, 1004.0, 1007.0, 1010.0, 1005.0, 1008.0, 1011.0]);
    assert_eq!(floats[18..], [-2.0, -100.0, -99.0, -98.0, 1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn other_properties_types_and_line_ends_are_read_past() {
    let (path, gaussians) = (file("extra.ply"), numbered(2, Colors::Sh { degree: 0 }));
    ply::write(&path, gaussians.slices()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let end = bytes.windows(11).position(|w| w == b"end_header\n").unwrap();
    let header = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let header = header.replace("property float x\n", "comment made by hand\nproperty uchar tag\nproperty double x\n");
    let mut wide = format!("{header}end_header\n").replace('\n', "\r\n").into_bytes();
    for record in bytes[end + 11..].chunks(17 * 4) {
        wide.push(7);
        wide.extend((f32::from_le_bytes(record[..4].try_into().unwrap()) as f64).to_le_bytes());
        wide.extend(&record[4..]);
    }
    fs::write(&path, wide).unwrap();
    assert_eq!(read(&path), gaussians);
}

/// The same rows as ASCII and as big-endian binary.
#[test]
fn every_encoding_is_read() {
    let (path, gaussians) = (file("encodings.ply"), numbered(3, Colors::Sh { degree: 1 }));
    ply::write(&path, gaussians.slices()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let end = bytes.windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
    let header = |encoding: &str| {
        let text = std::str::from_utf8(&bytes[..end]).unwrap();
        text.replace("binary_little_endian", encoding).into_bytes()
    };
    let floats: Vec<f32> = bytes[end..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let big = floats.iter().flat_map(|v| v.to_be_bytes());
    fs::write(&path, header("binary_big_endian").into_iter().chain(big).collect::<Vec<u8>>()).unwrap();
    assert_eq!(read(&path), gaussians);
    let rows: Vec<String> = floats.chunks(26).map(|row| row.iter().map(|v| format!("{v} ")).collect()).collect();
    let ascii = |rows: &[String]| [header("ascii"), rows.join("\r\n").into_bytes()].concat();
    fs::write(&path, ascii(&rows)).unwrap();
    assert_eq!(read(&path), gaussians);
    assert!(refusal(&ascii(&rows[..2])).contains("3 vertices in the header, the file holds 2"));
    let first = |x: &str| ascii(&[&[rows[0].replacen("0.5", x, 1)], &rows[1..]].concat());
    assert!(refusal(&first("half")).contains("expected a number"));
    fs::write(&path, first("nan")).unwrap();
    assert_eq!(ply::read(&path).unwrap().dropped, 1);
}

/// 2D Gaussians have two scales: the third is flat.
#[test]
fn surfels_are_read_as_flat_gaussians() {
    let (path, gaussians) = (file("surfels.ply"), numbered(2, Colors::Sh { degree: 0 }));
    ply::write(&path, gaussians.slices()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let end = bytes.windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
    let mut two = String::from_utf8_lossy(&bytes[..end]).replace("property float scale_2\n", "").into_bytes();
    for record in bytes[end..].chunks(17 * 4) {
        two.extend_from_slice(&record[..12 * 4]);
        two.extend_from_slice(&record[13 * 4..]);
    }
    fs::write(&path, two).unwrap();
    let back = read(&path);
    assert_eq!((&back.quats, &back.log_scales[..2]), (&gaussians.quats, &gaussians.log_scales[..2]));
    assert!((back.log_scales[2].exp() - 1e-6).abs() < 1e-9);
}

#[test]
fn hostile_files_are_refused() {
    let path = file("good.ply");
    ply::write(&path, numbered(3, Colors::Sh { degree: 1 }).slices()).unwrap();
    let good = fs::read(&path).unwrap();
    let end = good.windows(11).position(|w| w == b"end_header\n").unwrap();
    let changed = |from: &str, to: &str| {
        let header = String::from_utf8(good[..end].to_vec()).unwrap();
        assert!(header.contains(from), "{from}");
        [header.replace(from, to).as_bytes(), &good[end..]].concat()
    };
    assert!(refusal(b"").contains("not a .ply"));
    assert!(refusal(b"ply\nformat ascii 1.0\nend_header\n").contains("no element vertex"));
    assert!(refusal(b"ply\nformat text 1.0\nend_header\n").contains("binary_little_endian"));
    assert!(refusal(b"ply\nformat ascii 2.0\nend_header\n").contains("version 1.0"));
    assert!(refusal(&changed("vertex 3", "vertex 4")).contains("the file holds"));
    assert!(refusal(&changed("vertex 3", "vertex 18446744073709551615")).contains("overflows"));
    assert!(refusal(&changed("vertex 3", "vertex -1")).contains("number of vertices"));
    assert!(
        refusal(&changed("element vertex 3", "element chunk 1\nelement vertex 3"))
            .contains("compressed .ply of SuperSplat")
    );
    assert!(refusal(&changed("float nx", "float x")).contains("twice"));
    assert!(refusal(&changed("float opacity", "uchar opacity")).contains("expected float or double"));
    assert!(refusal(&changed("property float f_rest_8\n", "")).contains("8 properties f_rest"));
    assert!(refusal(&changed("property float rot_3\n", "")).contains("no property rot_3"));
    assert!(refusal(&changed("property float nx", "property list uchar int nx")).contains("lists"));
    assert!(refusal(&changed("float nx", "quadruple nx")).contains("unknown type"));
    assert!(refusal(&changed("property float nx", "what is this")).contains("not understood"));
    assert!(refusal(&good[..end]).contains("no end_header"));
    assert!(refusal(&[b"ply\n".as_slice(), &vec![b' '; 1 << 20]].concat()).contains("no end_header"));
    assert!(matches!(ply::read(&file("absent.ply")), Err(Error::Io { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_never_panic(at in 0usize..700, byte: u8, cut in 0usize..900) {
        let path = file(&format!("fuzz-{at}-{cut}.ply"));
        ply::write(&path, numbered(2, Colors::Sh { degree: 0 }).slices()).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes.truncate(cut.max(1));
        fs::write(&path, bytes).unwrap();
        let result = ply::read(&path);
        fs::remove_file(&path).unwrap();
        let told = matches!(result, Ok(_) | Err(Error::Format { .. }));
        prop_assert!(told);
    }
}
