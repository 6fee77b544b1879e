//! Every reader of ours as a function of bytes. It may refuse them; it must not panic, hang, take all memory or write
//! anywhere. A sound file to begin with stands beside each.
use formats::filter::Filter;
use formats::verify::{Depth, verify};
use formats::versions::{Commit, Spec};
use formats::{ClipRow, Dataset, FrameRow, IdentityRow, Part, Provenance, Shard, VersionedSet, image};
use std::path::Path;

/// A reader, what it reads, and where a set of its own may be made.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Sound inputs, made in the folder given.
    pub seeds: fn(&Path) -> Vec<Vec<u8>>,
    /// Reads the bytes; the folder is the one of `seeds`.
    pub read: fn(&[u8], &Path),
}

/// All of them.
pub const TARGETS: [Target; 10] = [
    Target { name: "shard", seeds: shard_seeds, read: read_shard },
    Target { name: "set-part", seeds: |at| vec![set_file(at, "data")], read: |bytes, at| read_set(bytes, at, "data") },
    Target {
        name: "set-index",
        seeds: |at| vec![set_file(at, "index")],
        read: |bytes, at| read_set(bytes, at, "index"),
    },
    Target { name: "set-log", seeds: |at| vec![set_file(at, "log")], read: |bytes, at| read_set(bytes, at, "log") },
    Target { name: "set-head", seeds: set_heads, read: read_set_head },
    Target { name: "picture", seeds: pictures, read: read_picture },
    Target { name: "gaussians", seeds: gaussians, read: read_gaussians },
    Target { name: "head", seeds: heads, read: read_head },
    Target { name: "text", seeds: texts, read: read_text },
    Target { name: "plan", seeds: plans, read: read_plan },
];

fn frame(id: u64) -> FrameRow {
    let image = image::png_from_rgb8(3, 2, &[id as u8; 18]).expect("a picture");
    let alpha = Some(image::png_from_gray8(3, 2, &[id as u8; 6]).expect("a picture"));
    FrameRow {
        frame_id: id,
        camera_id: id as u32,
        split: "train".into(),
        width: 3,
        height: 2,
        image,
        alpha,
        landmarks_2d: vec![[1.0, 2.0]; 3],
        landmarks_3d: vec![[1.0, 2.0, 3.0]; 3],
        landmark_visible: vec![1.0; 3],
        shape: vec![0.5; 4],
        light: "{}".into(),
        ..FrameRow::default()
    }
}

fn plan() -> Provenance {
    Provenance::new("fuzz", "1", "a = 1\n", 0)
}

fn shard_seeds(at: &Path) -> Vec<Vec<u8>> {
    let (frames, people) = (at.join("frames.parquet"), at.join("people.parquet"));
    let rows = (0..5).map(|id| Ok::<_, formats::Error>(frame(id)));
    formats::write_frames(&frames, rows, &plan(), formats::Existing::Replace).expect("a shard");
    let rows = (0..3).map(|id| Ok::<_, formats::Error>(IdentityRow { identity_id: id, ..IdentityRow::default() }));
    formats::write_identities(&people, rows, &plan(), formats::Existing::Replace).expect("a shard");
    [frames, people].map(|path| std::fs::read(path).expect("a file")).to_vec()
}

fn read_shard(bytes: &[u8], at: &Path) {
    let path = at.join("mutant.parquet");
    std::fs::write(&path, bytes).expect("room for a file");
    if let Ok(shard) = Shard::open(&path) {
        // Errors are what is expected; each call is made for what it must not do.
        let _ = shard.read::<FrameRow>(Part::All);
        let _ = shard.read::<IdentityRow>(Part::All);
        let _ = shard.read_row::<FrameRow>(1, Part::All);
        let _ = shard.row_batch(0);
        let _ = (shard.column_bytes(), shard.image_digests());
    }
    if let Ok(dataset) = Dataset::open(&path) {
        let _ = dataset.frame(0);
    }
    let _ = verify(&path, Depth::Deep, &mut |_| ());
}

/// A set of two versions in `at/set`, made once; one of its files.
fn set_file(at: &Path, folder: &str) -> Vec<u8> {
    std::fs::read(the_file(at, folder)).expect("a file")
}

/// The file of a folder of the set that mutants replace.
fn the_file(at: &Path, folder: &str) -> std::path::PathBuf {
    let root = at.join("set");
    if !root.exists() {
        let clip = |clip_id: u32| {
            let row = |i: u32| ClipRow { clip_id, frame_in_clip: i, frame: frame(i.into()), ..ClipRow::default() };
            [row(0), row(1)]
        };
        let spec = Spec::of(&clip(0)[0], ClipRow::GROUP, ClipRow::POSITION, plan());
        let set = VersionedSet::create(&root, &spec).expect("a set");
        for clip_id in 0..2 {
            let mut commit = Commit::on(&set.latest().expect("a version"));
            commit.put_rows(clip_id.into(), &clip(clip_id)).expect("rows");
            set.commit(&commit).expect("a commit");
        }
        set.tag("best", 1).expect("a tag");
    }
    let mut files: Vec<_> =
        std::fs::read_dir(root.join(folder)).expect("a folder").flatten().map(|e| e.path()).collect();
    files.sort();
    files.remove(0)
}

fn read_set(bytes: &[u8], at: &Path, folder: &str) {
    let path = the_file(at, folder);
    let whole = std::fs::read(&path).expect("a file");
    std::fs::write(&path, bytes).expect("room for a file");
    use_set(&at.join("set"));
    std::fs::write(&path, whole).expect("room for a file");
}

fn use_set(root: &Path) {
    let Ok(set) = VersionedSet::open(root) else { return };
    let _ = (set.verify(Depth::Deep, &mut |_| ()), set.tags(), set.resolve("best"));
    for number in 0..3 {
        if let Ok(version) = set.version(number) {
            let _ = version.rows::<ClipRow>(0..version.len(), Part::All);
        }
    }
}

fn set_heads(at: &Path) -> Vec<Vec<u8>> {
    the_file(at, "log");
    HEADS.map(|name| std::fs::read(at.join("set").join(name)).expect("a file")).to_vec()
}

/// Files of a set that are small and many readers' first.
const HEADS: [&str; 4] = ["set.toml", "schema.parquet", "LATEST", "tags/best.json"];

fn read_set_head(bytes: &[u8], at: &Path) {
    the_file(at, "log");
    for name in HEADS {
        let path = at.join("set").join(name);
        let whole = std::fs::read(&path).expect("a file");
        std::fs::write(&path, bytes).expect("room for a file");
        use_set(&at.join("set"));
        std::fs::write(&path, whole).expect("room for a file");
    }
}

fn pictures(_: &Path) -> Vec<Vec<u8>> {
    let rgb: Vec<u8> = (0..16 * 12 * 3).map(|i| (i * 7 % 251) as u8).collect();
    let deep: Vec<u16> = (0..16 * 12).map(|i| i * 301).collect();
    vec![
        image::png_from_rgb8(16, 12, &rgb).expect("a picture"),
        image::png_from_gray16(16, 12, &deep).expect("a picture"),
        image::webp_from_rgb8(16, 12, &rgb).expect("a picture"),
    ]
}

fn read_picture(bytes: &[u8], _: &Path) {
    let _ = image::size_of(bytes);
    let _ = image::rgb8_from_encoded(bytes);
    let _ = image::gray8_from_png(bytes);
    let _ = image::gray16_from_png(bytes);
    let _ = image::rgb16_from_png(bytes);
}

fn gaussians(at: &Path) -> Vec<Vec<u8>> {
    let n = 5;
    let some = |k: usize| (0..n * k).map(|i| i as f32 * 0.1 - 1.0).collect::<Vec<f32>>();
    let all = splat::Gaussians {
        means: some(3),
        quats: some(4),
        log_scales: some(3),
        opacity_logits: some(1),
        colors: some(3),
        kind: splat::Colors::Sh { degree: 0 },
    };
    let written = |name: &str| {
        let path = at.join(name);
        match name {
            "a.ply" => splat::ply::write(&path, all.slices()),
            "a.spz" => splat::spz::write(&path, all.slices()),
            _ => splat::dotsplat::write(&path, all.slices()),
        }
        .expect("a file");
        std::fs::read(path).expect("a file")
    };
    ["a.ply", "a.spz", "a.splat"].map(written).to_vec()
}

fn read_gaussians(bytes: &[u8], at: &Path) {
    for name in ["mutant.ply", "mutant.spz", "mutant.splat"] {
        let path = at.join(name);
        std::fs::write(&path, bytes).expect("room for a file");
        let _ = splat::files::read(&path);
    }
}

fn heads(at: &Path) -> Vec<Vec<u8>> {
    let path = at.join("head.safetensors");
    head::analytic::head().save(&path).expect("a head");
    vec![std::fs::read(path).expect("a file"), b"v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n".to_vec()]
}

fn read_head(bytes: &[u8], _: &Path) {
    let _ = head::file::from_bytes(bytes);
    let _ = head::obj::read(bytes);
}

fn texts(_: &Path) -> Vec<Vec<u8>> {
    vec![
        b"identity_id in (1, 2) and not (split = 'train' or width >= 3.5e2) and light is not null".to_vec(),
        b"{\"file\": \"frames/train-00000-of-00001.parquet\", \"sha256\": \"00\", \"rows\": 1, \"bytes\": 2}".to_vec(),
        b"train-00017-of-00020.parquet".to_vec(),
    ]
}

fn read_text(bytes: &[u8], at: &Path) {
    let text = String::from_utf8_lossy(bytes);
    let _ = Filter::parse(&text);
    let _ = formats::ShardName::parse(Path::new(&*text));
    for (folder, name) in [("meta", "train-00000.json"), ("card", "card.json")] {
        let path = at.join(folder).join(name);
        std::fs::create_dir_all(at.join(folder)).expect("a folder");
        std::fs::write(path, bytes).expect("room for a file");
    }
    let _ = formats::side::read(&at.join("frames/train-00000-of-00001.parquet"));
    let _ = formats::AvatarCard::read(&at.join("card"));
}

fn plans(_: &Path) -> Vec<Vec<u8>> {
    let run = |split: &str| {
        format!("[[shards]]\ntables = [\"frames\", \"exr\"]\nsplit = {split:?}\nrows = 999\nrows_per_shard = 64\n")
    };
    let head = "tool = \"datagen\"\nhead_source = \"makehuman\"\nlight_maps_sha256 = [\"00\"]\n";
    vec![[head.to_string(), run("train"), run("val")].concat().into_bytes()]
}

fn read_plan(bytes: &[u8], at: &Path) {
    std::fs::write(at.join("plan.toml"), bytes).expect("room for a file");
    let _ = formats::planned::read(at);
    let _ = formats::status::Status::of(at);
    let card = formats::dataset_card::DatasetCard {
        provenance: Provenance::new("datagen", "1", &String::from_utf8_lossy(bytes), 0),
        ..Default::default()
    };
    let _ = card.to_markdown();
}
