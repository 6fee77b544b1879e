//! The Makefile: what is made of other photos is made again, and nothing that fails is hidden. The tools are stand-ins that write
//! what they are asked for and keep a record.
use effigy_tests::folder::Folder;
use effigy_tests::tool::root;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Notes its command line and writes `--out`.
const STAND_IN: &str = r#"#!/bin/sh
out=
echo "$(basename "$0") $*" >> "$(dirname "$0")/record"
while [ $# -gt 0 ]; do [ "$1" = --out ] && out=$2; shift; done
case $out in
"") ;;
*.*) mkdir -p "$(dirname "$out")" && echo made > "$out" ;;
*) mkdir -p "$out" && echo made > "$out/README.md" && echo '{}' > "$out/card.json" ;;
esac
"#;

/// A folder with stand-ins in `bin`.
fn stage(name: &str) -> Folder {
    let folder = Folder::new(name);
    let bin = folder.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for tool in ["datagen", "shards", "nets", "track", "prior", "invert", "zero1a"] {
        std::fs::write(bin.join(tool), STAND_IN).unwrap();
        std::fs::set_permissions(bin.join(tool), PermissionsExt::from_mode(0o755)).unwrap();
    }
    folder
}

fn put(path: PathBuf, text: &str) -> String {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().into()
}

/// `make` in the checkout with the stand-ins, all outputs going to the folder.
fn make(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new("make");
    command.arg("--no-print-directory").current_dir(root());
    command.arg(format!("OUT={}/out", folder.display())).arg(format!("BIN={}/bin", folder.display()));
    // What an outer make says to its children is not for this one.
    command.args(words).env_remove("MAKEFLAGS").env_remove("MAKELEVEL").output().expect("make starts")
}

#[test]
fn other_photos_are_followed_anew() {
    let folder = stage("makefile-photos");
    let at = folder.path();
    put(at.join("my photos/a 1.jpg"), "one");
    put(at.join("others/b.jpg"), "two");
    let avatar = format!("{}/out/demo/avatar/card.json", at.display());
    let fits = |photos: &str| {
        let output = make(at, &[&format!("PHOTOS={}/{photos}", at.display()), &avatar]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let record = std::fs::read_to_string(at.join("bin/record")).unwrap();
        record.lines().filter(|line| line.starts_with("track fit")).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = fits("my photos");
    assert!(first.len() == 1 && first[0].contains("my photos"), "{first:?}");
    assert_eq!(fits("my photos").len(), 1, "the same photos: nothing to do");
    std::fs::write(at.join("out/demo/avatar/left-over"), "of the first person").unwrap();
    let second = fits("others");
    assert!(second.len() == 2 && second[1].contains("others"), "{second:?}");
    assert!(!at.join("out/demo/avatar/left-over").exists());
    put(at.join("others/c.jpg"), "three");
    assert_eq!(fits("others").len(), 3, "one photo more");
    let missing = make(at, &["PHOTOS=absent", &avatar]);
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no photo here: PHOTOS=absent"));
}

#[test]
fn a_fast_demo_is_asked_for_by_name() {
    let folder = stage("makefile-fast");
    let at = folder.path();
    let photos = format!("PHOTOS={}", put(at.join("a.jpg"), "one"));
    let avatar = format!("{}/out/demo/avatar/card.json", at.display());
    let fit = |words: &[&str]| {
        let output = make(at, &[&["-n", photos.as_str()][..], words, &[avatar.as_str()]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find(|line| line.contains("invert fit")).unwrap_or_else(|| panic!("{text}")).to_string()
    };
    assert!(fit(&["FAST=1"]).contains("--fast") && !fit(&[]).contains("--fast"));
}

#[test]
fn every_photo_has_a_folder_of_its_own() {
    let folder = stage("makefile-zero1a");
    let at = folder.path();
    let out = |photo: &str| {
        let output = make(at, &["-n", "-o", "build", &format!("PHOTO={photo}"), "zero1a"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let line = text.lines().find(|line| line.contains("zero1a run")).unwrap_or_else(|| panic!("{text}"));
        assert!(line.contains(&format!("--photo \"{photo}\"")), "{line}");
        line.rsplit_once("--out \"").unwrap().1.trim_end_matches('"').to_string()
    };
    let one = out(&put(at.join("p1/me.jpg"), "one"));
    let two = out(&put(at.join("p2/me.png"), "two"));
    let spaced = out(&put(at.join("p 3/me & my.jpg"), "three"));
    assert!(one.contains("/zero1a/me-") && two.contains("/zero1a/me-") && one != two, "{one} {two}");
    assert!(spaced.contains("/zero1a/me___my-"), "{spaced}");
    assert_eq!(out(&format!("{}/p1/me.jpg", at.display())), one, "the same photo goes on in its folder");
}

/// A loop over tools ends with the first failure, not with the last command's success.
#[test]
fn a_loop_fails_when_a_tool_fails() {
    let folder = stage("makefile-loops");
    let at = folder.path();
    std::fs::write(at.join("bin/track"), "#!/bin/sh\nexit 70\n").unwrap();
    for target in ["man", "completions"] {
        let output = make(at, &["-o", "build", target]);
        assert!(!output.status.success(), "make {target}: {}", String::from_utf8_lossy(&output.stdout));
    }
    std::fs::write(at.join("bin/track"), STAND_IN).unwrap();
    let output = make(at, &["-o", "build", "completions"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("21 scripts"), "seven tools, three shells");
}

/// Nothing in a recipe makes a success of a failure.
#[test]
fn no_recipe_hides_a_failure() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap().replace("\\\n", " ");
    for recipe in makefile.lines().filter_map(|line| line.strip_prefix('\t')) {
        let hiding = ["; true", "|| true", "|| :", "| wc -l"].into_iter().find(|words| recipe.contains(words));
        assert_eq!(hiding, None, "{recipe}");
        assert!(!recipe.trim_start_matches('@').starts_with('-'), "make ignores the code of: {recipe}");
        assert!(!recipe.contains("; do ") || recipe.contains("|| exit"), "the last round decides alone: {recipe}");
    }
}

/// Tasks that fail do not keep the others' work from being merged; what is missing is told by the code.
#[test]
fn an_array_merges_and_ends_with_a_documented_code() {
    let folder = stage("makefile-array");
    let at = folder.path();
    put(at.join("data/plan.toml"), "");
    let stub =
        |name: &str, text: &str| std::fs::write(at.join("bin").join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
    let array = || {
        let mut command = Command::new("bash");
        // Nothing of Slurm on the path.
        command.arg(root().join("hpc/array.sh")).arg(at.join("data")).args(["3", "1"]).env("PATH", "/usr/bin:/bin");
        command.env("DATAGEN", at.join("bin/datagen")).env("SHARDS", at.join("bin/shards"));
        command.output().expect("bash starts").status.code()
    };
    let merges =
        r#"case $1 in missing) echo 0-2; exit 1 ;; merge) echo merged >> "$(dirname "$0")/merged"; exit CODE ;; esac"#;
    stub("datagen", "exit 0");
    stub("shards", &merges.replace("CODE", "0"));
    assert_eq!(array(), Some(0));
    stub("datagen", r#"case "$*" in *1/3) exit 74 ;; esac"#);
    assert_eq!(array(), Some(0), "a task failed after its shards were there");
    stub("shards", &merges.replace("CODE", "65"));
    assert_eq!(array(), Some(75), "a task failed and a shard is missing: run it again");
    stub("datagen", "exit 0");
    assert_eq!(array(), Some(65), "what merge says");
    assert_eq!(std::fs::read_to_string(at.join("bin/merged")).unwrap().lines().count(), 4, "merge is always tried");
}

/// Skipped is neither passed nor failed, and a fault of which no test spoke has failed.
#[test]
fn the_fault_report_has_three_states() {
    let folder = Folder::new("fault-report");
    let at = folder.path();
    let row = |name: &str, state: &str| format!("{{\"name\": \"{name}\", \"state\": \"{state}\", \"what\": \"w\"}}\n");
    let all = |state_of: &dyn Fn(u32) -> &'static str| {
        (1..=20).map(|n| row(&format!("R{n}"), state_of(n))).collect::<String>()
    };
    let report = |rows: String| {
        put(at.join("rows.jsonl"), &rows);
        let output = Command::new("python3")
            .arg(root().join("tests/faults/report.py"))
            .args(["rows.jsonl", "bench.json", "out.json", "a machine", "a commit"])
            .current_dir(at)
            .output()
            .expect("python3 starts");
        let file: serde_json::Value =
            serde_json::from_slice(&std::fs::read(at.join("out.json")).unwrap()).expect("a report");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), file)
    };
    let (code, text, file) = report(all(&|n| if n == 5 { "skipped" } else { "passed" }));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("19 passed, 1 skipped, 0 failed"), "{text}");
    assert_eq!((file["rows"].as_array().map(Vec::len), file["skipped"].as_array().map(Vec::len)), (Some(19), Some(1)));
    let (code, text, _) = report(all(&|_| "passed").replace(&row("R7", "passed"), ""));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("R7   failed   no test of it came to its end"), "{text}");
    let (code, text, _) = report(all(&|_| "passed") + &row("R2b", "failed"));
    assert!(code == Some(1) && text.contains("19 passed, 0 skipped, 1 failed"), "{text}");
}

/// Trains like `track`: events, weights and a card.
const TRACK_STAND_IN: &str = r#"#!/bin/sh
[ "$1" = train ] || exit 0
while [ $# -gt 0 ]; do [ "$1" = --out ] && out=$2; shift; done
echo '{"event":"train","step":1}'
echo weights > "$out" && echo '{}' > "${out%.safetensors}.json"
"#;

#[test]
fn the_rehearsal_of_gpu_training_asks_for_every_result() {
    let folder = stage("makefile-gpu-train");
    let at = folder.path();
    let rehearse = || make(at, &["-o", "build", "gpu-train", "DEVICE=cpu", "MINUTES=1"]);
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let missing = rehearse();
    assert!(!missing.status.success() && said(&missing).contains("gpu-train: no dataset"), "{}", said(&missing));
    put(at.join("out/data/heads/frames/train-00000-of-00001.parquet"), "rows");
    // The stand-in of `track` writes weights, but neither card nor events.
    let failed = rehearse();
    assert!(!failed.status.success(), "{}", said(&failed));
    assert!(
        said(&failed).contains("track: no json") && said(&failed).contains("track: no curve.jsonl"),
        "{}",
        said(&failed)
    );
    let record = std::fs::read_to_string(at.join("bin/record")).unwrap();
    assert!(
        record.lines().any(|line| line.starts_with("shards pack") && line.contains("--columns image,alpha")),
        "{record}"
    );
    std::fs::write(at.join("bin/track"), TRACK_STAND_IN).unwrap();
    let done = rehearse();
    assert!(done.status.success(), "{}", said(&done));
    for name in ["track.safetensors", "track.json", "track.curve.jsonl", "track.log"] {
        assert!(at.join("out/gpu-train/results").join(name).is_file(), "{name}");
    }
    assert!(at.join("out/gpu-train/tools.tar.xz").is_file());
}
