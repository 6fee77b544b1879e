//! Bad input: one clear line on stderr, the promised exit code, and nothing half-written.
use effigy_tests::folder::{Folder, contents, copy, files, read};
use effigy_tests::tool::{Run, Tool, root};
use effigy_tests::toy::{config, toy};
use std::path::Path;

/// A command line that cannot work; `{toy}` and `{root}` stand for those folders.
struct Fault {
    what: &'static str,
    tool: &'static str,
    line: &'static str,
    code: i32,
    /// What the message must name.
    says: &'static [&'static str],
}

const fn fault(
    what: &'static str,
    tool: &'static str,
    line: &'static str,
    code: i32,
    says: &'static [&'static str],
) -> Fault {
    Fault { what, tool, line, code, says }
}

const DATAGEN: [Fault; 11] = [
    fault("no command", "datagen", "", 2, &["no command", "plan, render"]),
    fault("unknown flag", "datagen", "render --out d --wat", 2, &["--wat"]),
    fault("no config file", "datagen", "render --out d --config absent.toml", 66, &["absent.toml"]),
    fault("unknown key in a file", "datagen", "render --out d --config unknown.toml", 78, &["sise", "unknown.toml"]),
    fault("a file that is no TOML", "datagen", "render --out d --config text.png", 78, &["text.png"]),
    fault("unknown key", "datagen", "render --out d --set image.sise=3", 78, &["sise"]),
    fault("impossible value", "datagen", "render --out d --set image.size=0", 78, &["image.size"]),
    fault("no plan", "datagen", "render --out empty", 66, &["plan.toml"]),
    fault("no head", "datagen", "render --out d --set head=absent.safetensors", 66, &["absent.safetensors"]),
    fault("a head that is none", "datagen", "render --out d --set head=text.png", 65, &["text.png"]),
    fault("senseless share", "datagen", "render --out {toy}/data --shard 3/2", 2, &["3/2"]),
];

const SHARDS: [Fault; 6] = [
    fault("no dataset", "shards", "stat absent", 66, &["absent"]),
    fault("empty folder", "shards", "stat empty", 66, &["empty"]),
    fault("a picture for a shard", "shards", "show grey.png", 65, &["grey.png"]),
    fault("a shard cut short", "shards", "show cut.parquet", 65, &["cut.parquet"]),
    fault("a newer shard", "shards", "show newer.parquet", 65, &["newer.parquet", "version 9"]),
    fault("no such row", "shards", "show {toy}/data/frames/test-00000-of-00001.parquet --row 99", 2, &["99"]),
];

const PRIOR: [Fault; 10] = [
    fault("no command", "prior", "", 2, &["no command", "train, eval"]),
    fault("no data", "prior", "train --data absent --head {head} --perceptual none --out o/p", 66, &["absent"]),
    fault("empty folder", "prior", "train --data empty --head {head} --perceptual none --out o/p", 66, &["empty"]),
    fault("no head", "prior", "train --data {toy}/data --head absent --perceptual none --out o/p", 66, &["absent"]),
    fault(
        "a shard cut short",
        "prior",
        "train --data cut.parquet --head {head} --perceptual none --out o/p",
        65,
        &["cut.parquet"],
    ),
    fault(
        "unknown key",
        "prior",
        "train --data {toy}/data --head {head} --out o/p --set train.stepz=3",
        78,
        &["stepz"],
    ),
    fault(
        "sizes that do not fit",
        "prior",
        "train --data {toy}/data --head {head} --out o/p --set model.uv_size=33",
        78,
        &["uv_size"],
    ),
    fault(
        "no perceptual net",
        "prior",
        "train --data {toy}/data --head {head} --perceptual absent.safetensors --out o/p",
        78,
        &["absent.safetensors"],
    ),
    fault(
        "weights that are none",
        "prior",
        "eval --data {toy}/data --head {head} --weights text.png --out o/e.json",
        65,
        &["text.png"],
    ),
    fault("no weights", "prior", "sample --weights absent.safetensors --out o/s.png", 66, &["absent.safetensors"]),
];

const INVERT: [Fault; 23] = [
    fault("no command", "invert", "", 2, &["no command", "fit, drive"]),
    fault("no shard", "invert", "fit --input absent --head {head} --prior {prior} {no_nets} --out a", 66, &["absent"]),
    fault(
        "empty folder",
        "invert",
        "fit --input empty --head {head} --prior {prior} {no_nets} --out a",
        66,
        &["empty"],
    ),
    fault(
        "a newer shard",
        "invert",
        "fit --input newer.parquet --head {head} --prior {prior} {no_nets} --out a",
        65,
        &["version 9"],
    ),
    fault(
        "no prior",
        "invert",
        "fit --input {toy}/data --head {head} --prior absent.safetensors {no_nets} --out a",
        66,
        &["absent.safetensors"],
    ),
    fault(
        "a head for a prior",
        "invert",
        "fit --input {toy}/data --head {head} --prior {head} {no_nets} --out a",
        65,
        &["head.safetensors"],
    ),
    fault(
        "text for a prior",
        "invert",
        "fit --input {toy}/data --head {head} --prior text.png {no_nets} --out a",
        65,
        &["text.png"],
    ),
    fault(
        "nobody by that number",
        "invert",
        "fit --input {toy}/data --head {head} --prior {prior} {no_nets} --identity 77 --out a",
        65,
        &["77"],
    ),
    fault(
        "too many pictures",
        "invert",
        "fit --input {toy}/data --head {head} --prior {prior} {no_nets} --out a",
        65,
        &["13"],
    ),
    fault(
        "unknown key",
        "invert",
        "fit --input {toy}/data --head {head} --prior {prior} {no_nets} --set pivot.stepz=1 --out a",
        78,
        &["stepz"],
    ),
    fault("a folder without a card", "invert", "export --avatar empty --out a.ply", 66, &["card.json"]),
    fault(
        "an unknown expression",
        "invert",
        "export --avatar {toy}/avatar --expression grin=1 --out a.ply",
        2,
        &["grin"],
    ),
    fault(
        "a clip that is none",
        "invert",
        "drive --avatar {toy}/avatar --clip grey.png --out a.webp",
        65,
        &["grey.png"],
    ),
    fault("no recording", "invert", "drive --avatar {toy}/avatar --clip absent.csv --out a.webp", 66, &["absent.csv"]),
    fault(
        "an empty recording",
        "invert",
        "drive --avatar {toy}/avatar --clip empty.csv --out a.webp",
        65,
        &["line 1", "empty.csv"],
    ),
    fault(
        "a recording without a column",
        "invert",
        "drive --avatar {toy}/avatar --clip columns.csv --csv used.csv --out frames",
        65,
        &["line 1", "column EyeLookDownLeft", "columns.csv"],
    ),
    fault(
        "a clip without cameras",
        "invert",
        "drive --avatar {toy}/avatar --pose camera --csv used.csv --out frames",
        2,
        &["--pose camera"],
    ),
    fault("a transparent MP4", "invert", "drive --avatar {toy}/avatar --alpha --out a.mp4", 2, &["--alpha"]),
    fault("no frames a second", "invert", "drive --avatar {toy}/avatar --fps 0 --out a.webp", 2, &["--fps"]),
    fault("nothing to compare with", "invert", "eval --avatar {toy}/avatar --head {head} --out e.json", 2, &["--data"]),
    fault(
        "pictures and a driver",
        "invert",
        "eval --avatar {toy}/avatar --head {head} --data {toy}/data --driver performance --out e.json",
        2,
        &["--data", "--driver"],
    ),
    fault(
        "too few frames for a second difference",
        "invert",
        "eval --avatar {toy}/avatar --head {head} --driver performance --driver-frames 2 --out e.json",
        2,
        &["--driver-frames 2", "at least 3"],
    ),
    fault(
        "no tracker",
        "invert",
        "eval --avatar {toy}/avatar --head {head} --recognizer none --driver performance --tracker absent.safetensors --out e.json",
        66,
        &["absent.safetensors"],
    ),
];

const TRACK: [Fault; 5] = [
    fault("no command", "track", "", 2, &["no command", "fit, train"]),
    fault("no photo", "track", "fit --photos absent.jpg --head {head} --weights text.png --out t", 66, &["absent.jpg"]),
    fault("empty folder", "track", "fit --photos empty --head {head} --weights text.png --out t", 66, &["empty"]),
    fault(
        "no weights",
        "track",
        "fit --photos grey.png --head {head} --weights absent.safetensors --out t",
        66,
        &["absent.safetensors"],
    ),
    fault(
        "weights that are none",
        "track",
        "fit --photos grey.png --head {head} --weights text.png --out t",
        65,
        &["text.png"],
    ),
];

/// Those that need the tracker's weights.
const TRACK_WEIGHTS: [Fault; 2] = [
    fault(
        "text for a photo",
        "track",
        "fit --photos text.png --head {head} --weights {root}/weights/track.safetensors --out t",
        65,
        &["text.png"],
    ),
    fault(
        "nobody there",
        "track",
        "fit --photos grey.png --head {head} --weights {root}/weights/track.safetensors --out t",
        65,
        &["grey.png"],
    ),
];

const NETS: [Fault; 4] = [
    fault("no command", "nets", "", 2, &["no command", "train-perceptual"]),
    fault("no picture", "nets", "compare absent.png grey.png", 66, &["absent.png"]),
    fault("text for a picture", "nets", "compare grey.png text.png", 65, &["text.png"]),
    fault("no data", "nets", "train-identity --steps 1 --data absent --out o/i.safetensors", 66, &["absent"]),
];

#[test]
fn datagen_refuses_clearly() {
    check("faults-datagen", &DATAGEN);
}

#[test]
fn shards_refuses_clearly() {
    check("faults-shards", &SHARDS);
}

#[test]
fn prior_refuses_clearly() {
    check("faults-prior", &PRIOR);
}

#[test]
fn invert_refuses_clearly() {
    check("faults-invert", &INVERT);
}

#[test]
fn track_refuses_clearly() {
    check("faults-track", &TRACK);
    match root().join("weights/track.safetensors").exists() {
        true => check("faults-track-weights", &TRACK_WEIGHTS),
        false => eprintln!("skipped: a photo that is none or shows nobody (no weights/track.safetensors)"),
    }
}

#[test]
fn nets_refuses_clearly() {
    check("faults-nets", &NETS);
}

/// Runs every fault in one folder of bad inputs; all complaints are gathered, so that one run shows them all.
fn check(name: &str, faults: &[Fault]) {
    let folder = Folder::new(name);
    bad_inputs(folder.path());
    let before = (contents(folder.path()), files(&toy().join("data")));
    let mut complaints = Vec::new();
    for fault in faults {
        let run = filled(Tool::new(fault.tool, folder.path()), fault.line).run();
        complaints.extend(complaint(fault, &run));
        if (contents(folder.path()), files(&toy().join("data"))) != before {
            complaints.push(format!("{}: left something behind: {:?}", fault.what, files(folder.path())));
            clean(folder.path());
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn complaint(fault: &Fault, run: &Run) -> Option<String> {
    // clap shows the usage below its line.
    let one_line = run.code == 2 || run.stderr.lines().count() == 1;
    let named = fault.says.iter().all(|word| run.stderr.contains(word));
    let from = run.stderr.starts_with(&format!("{}: ", fault.tool)) || run.stderr.starts_with("error: ");
    let right = run.code == fault.code && one_line && named && from;
    (!right).then(|| {
        let Fault { what, code, says, .. } = fault;
        format!("{what}: expected {code} and one line with {says:?}, got {}: {}\n  {}", run.code, run.line, run.stderr)
    })
}

/// Adds the words of a line whose places in braces are filled: split first, so that a path with blanks stays one word.
fn filled(tool: Tool, line: &str) -> Tool {
    let toy = toy().to_str().expect("a path of letters");
    let place = |word: &str| {
        word.replace("{head}", &format!("{toy}/head.safetensors"))
            .replace("{prior}", &format!("{toy}/prior.safetensors"))
            .replace("{toy}", toy)
            .replace("{root}", root().to_str().expect("a path of letters"))
    };
    let line = line.replace("{no_nets}", "--perceptual none --recognizer none");
    line.split_whitespace().fold(tool, |tool, word| tool.path(place(word)))
}

fn bad_inputs(at: &Path) {
    std::fs::create_dir_all(at.join("empty")).unwrap();
    std::fs::write(at.join("text.png"), "This is no picture, no weights and no TOML.\n").unwrap();
    std::fs::write(at.join("empty.csv"), "").unwrap();
    std::fs::write(at.join("columns.csv"), "Timecode,BlendShapeCount,EyeBlinkLeft\n14:24:08:33.643,61,0.5\n").unwrap();
    std::fs::write(at.join("unknown.toml"), "[image]\nsise = 3\n").unwrap();
    image::RgbImage::from_pixel(160, 120, image::Rgb([128; 3])).save(at.join("grey.png")).unwrap();
    let shard = read(&toy().join("data/frames/test-00000-of-00001.parquet"));
    std::fs::write(at.join("cut.parquet"), &shard[..shard.len() / 2]).unwrap();
    std::fs::write(at.join("newer.parquet"), newer(shard)).unwrap();
}

/// The shard with `schema_version` 9: the value follows its key in the footer, after a type and a length of one byte.
fn newer(mut shard: Vec<u8>) -> Vec<u8> {
    let key = b"schema_version";
    let at = shard.windows(key.len()).rposition(|w| w == key).expect("the footer names the version") + key.len() + 2;
    assert!(shard[at].is_ascii_digit() && shard[at - 1] == 1, "one digit stands after the key");
    shard[at] = b'9';
    shard
}

/// Back to the bad inputs alone.
fn clean(at: &Path) {
    std::fs::remove_dir_all(at).unwrap();
    std::fs::create_dir_all(at).unwrap();
    bad_inputs(at);
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let folder = Folder::new("full");
    let at = folder.path();
    let render =
        Tool::with_room_for("datagen", at, 20).words("render --quiet --out data --config").path(config("datagen"));
    refused(&render.words("--set head=analytic").run(), at, &["data/plan.toml"]);
    let train = filled(
        Tool::with_room_for("prior", at, 200),
        "train --quiet --threads 1 --data {toy}/data --head {head} --perceptual none --out p/prior.safetensors",
    );
    let train = train.words("--set train.steps=2 --config").path(config("prior"));
    refused(&train.run(), at, &["p/prior.000002.png", "p/prior.toml"]);
    let fit = filled(
        Tool::with_room_for("invert", at, 200),
        "fit --quiet --threads 1 --input {toy}/data --identity 5 --views 3 --head {head} --prior {prior} {no_nets}",
    );
    let fit = fit.words("--set pivot.steps=1 --set tuning.steps=1 --set image_size=32 --out avatar");
    refused(&fit.run(), at, &[]);
    let head = Tool::with_room_for("datagen", at, 20).words("head import --source analytic --out head.safetensors");
    refused(&head.run(), at, &[]);
    let ply = filled(Tool::with_room_for("invert", at, 4), "export --avatar {toy}/avatar --out a.ply");
    refused(&ply.run(), at, &[]);
}

/// It ended with 74 and one line; of its output only the small files that are `whole` remain.
fn refused(run: &Run, at: &Path, whole: &[&str]) {
    assert_eq!(run.code, 74, "{}\n{}", run.line, run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}\n{}", run.line, run.stderr);
    assert_eq!(files(at), whole.iter().map(Path::new).collect::<Vec<_>>(), "{}\n{}", run.line, run.stderr);
    std::fs::remove_dir_all(at).unwrap();
    std::fs::create_dir_all(at).unwrap();
}

#[test]
fn an_avatar_whose_weights_are_not_its_own_is_refused() {
    let folder = Folder::new("bent-avatar");
    copy(&toy().join("avatar"), folder.path());
    let weights = folder.path().join("avatar.safetensors");
    let mut bent = read(&weights);
    *bent.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bent).unwrap();
    let run = Tool::new("invert", folder.path()).words("export --avatar . --out a.ply").run();
    assert_eq!(run.code, 65, "{}", run.stderr);
    assert!(run.stderr.contains("sha256") && !folder.path().join("a.ply").exists(), "{}", run.stderr);
}

#[test]
fn verify_finds_what_is_damaged_and_repair_puts_it_aside() {
    let folder = Folder::new("damaged");
    copy(&toy().join("data"), folder.path());
    let shard = folder.path().join("frames/train-00001-of-00002.parquet");
    let whole = read(&shard);
    let mut bent = whole.clone();
    let middle = bent.len() / 2;
    bent[middle] ^= 0x40;
    std::fs::write(&shard, &bent).unwrap();
    let verify = || Tool::new("shards", folder.path()).words("verify --deep .").run();
    let found = verify();
    assert_eq!(found.code, 1, "one flipped bit is a finding: {}{}", found.stdout, found.stderr);
    assert!((found.stdout + &found.stderr).contains("train-00001"), "the finding names the shard");
    Tool::new("shards", folder.path()).words("repair .").run();
    assert!(!shard.exists(), "repair puts the bad shard aside");
    std::fs::write(&shard, &whole).unwrap();
    let again = verify();
    let found = again.stdout + &again.stderr;
    assert_eq!(again.code, 1, "{found}");
    assert!(
        found.contains("no side file in meta/") && found.contains("1 findings"),
        "the sound shard is back: {found}"
    );
}
