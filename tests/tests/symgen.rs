//! SymGEN through its command line: an avatar from one picture, killed at random moments, then driven by the other tools.
use effigy_tests::fault::Rng;
use effigy_tests::folder::{Folder, copy, files, json};
use effigy_tests::interrupt::{Ended, after, interrupt};
use effigy_tests::tool::{Run, Tool, root};
use effigy_tests::toy::{config, toy};
use std::path::Path;
use std::time::Duration;

/// A folder with the toy's head, data and a video model of a few steps.
fn stage(name: &str) -> Folder {
    let folder = Folder::new(name);
    copy(&toy().join("data"), &folder.path().join("data"));
    std::fs::copy(toy().join("head.safetensors"), folder.path().join("head.safetensors")).unwrap();
    Tool::new("zero1a", folder.path())
        .words("train-video --quiet --threads 1 --data data --out video.safetensors --config")
        .path(config("video"))
        .done();
    folder
}

fn symgen(at: &Path, out: &str) -> Tool {
    Tool::new("zero1a", at)
        .words("run --json --threads 1 --input data --row 16 --head head.safetensors --video video.safetensors")
        .words("--perceptual random --recognizer none --tracker")
        .path(root().join("weights/track.safetensors"))
        .words(&format!("--out {out} --config"))
        .path(config("zero1a"))
}

/// Digests of avatar and set.
fn digests(run: &Run) -> (String, String) {
    let events = run.events();
    let end = events.iter().find(|e| e["event"] == "run").unwrap_or_else(|| panic!("no end: {}", run.stdout));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    (text(&end["weights_sha256"]), text(&end["versions"]["digest"]))
}

/// `EFFIGY_KILLS` of them instead of a few: the acceptance run.
fn kills() -> u64 {
    std::env::var("EFFIGY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3)
}

#[test]
fn a_run_killed_at_random_moments_ends_in_the_same_bytes() {
    let folder = stage("symgen-killed");
    let at = folder.path();
    let whole = symgen(at, "whole").done();
    let expected = digests(&whole);
    assert_eq!(expected.0.len(), 64);
    let (mut rng, mut killed, mut group) = (Rng(12345), 0, 0);
    while killed < kills() {
        // A few kills share one run, which gets further each time; then it is left to end. One that ended before its
        // moment came does not count.
        let out = format!("killed-{group}");
        for _ in 0..4 {
            let moment = Duration::from_millis(whole.took.as_millis() as u64 * (10 + rng.below(80)) / 100);
            let ended = interrupt(symgen(at, &out), "KILL", after(moment));
            killed += u64::from(ended == Ended::Killed);
            if ended == Ended::Finished || killed == kills() {
                break;
            }
        }
        assert_eq!(digests(&symgen(at, &out).done()), expected, "{out}");
        group += 1;
    }
    println!("killed {killed} times over {group} runs: the same bytes");
    // A set that was compacted half-way resumes too: with one version more, to the same avatar.
    let third = at.join("compacted/set/log/v000003.json");
    let ended = interrupt(symgen(at, "compacted"), "KILL", || third.exists());
    assert_eq!(ended, Ended::Killed, "after its third version");
    Tool::new("shards", at).words("compact --quiet compacted/set").done();
    assert_eq!(digests(&symgen(at, "compacted").done()).0, expected.0, "after compact");
    let again = symgen(at, "whole").done();
    assert_eq!(digests(&again), expected);
    assert!(again.took < whole.took / 2, "what is done is not done again");
}

#[test]
fn the_avatar_is_driven_measured_and_shown_by_the_other_tools() {
    let folder = stage("symgen-avatar");
    let at = folder.path();
    symgen(at, "run").done();
    assert_eq!(json(&at.join("run/avatar/card.json"))["kind"], "rigged");
    let invert = |line: &str| Tool::new("invert", at).words(line).words("--avatar run/avatar").done();
    invert("drive --quiet --clip photo --fps 2 --size 32 --out frames");
    assert_eq!(files(&at.join("frames")).len(), 12);
    invert("export --quiet --expression jawOpen=0.5 --out head.ply");
    invert("view --quiet --out viewer.html");
    invert("sheet --quiet --size 32 --out sheet.png");
    let models = "--head head.safetensors --perceptual random --recognizer none";
    invert(&format!("eval --quiet --data data --identity 4 --size 32 {models} --out invert.json"));
    Tool::new("zero1a", at)
        .words(&format!("eval --quiet --avatar run/avatar --data data --identity 4 --size 32 {models} --out own.json"))
        .words("--tracker")
        .path(root().join("weights/track.safetensors"))
        .done();
    for name in ["own", "invert"] {
        let told = json(&at.join(name).with_extension("json"))["psnr_db"].as_f64().unwrap();
        let shown = psnr_of_sheet(&at.join(name).with_extension("png"), 32);
        assert!((told - shown).abs() < 0.5, "{name}: {told} dB, the pictures beside it have {shown} dB");
    }
    Tool::new("zero1a", at).words("report --quiet --run run --out report.html").done();
    let page = std::fs::read_to_string(at.join("report.html")).unwrap();
    assert!(page.contains("data:image/png;base64,") && !page.contains("{{") && !page.contains("http"));
}

/// Mean PSNR (dB) of the columns of a contact sheet: truth, avatar, and their difference one below the other.
fn psnr_of_sheet(path: &Path, side: u32) -> f64 {
    let sheet = image::open(path).unwrap_or_else(|e| panic!("{e}: {path:?}")).to_rgb8();
    assert_eq!((sheet.width() % side, sheet.height()), (0, 3 * side), "{path:?}");
    let n = sheet.width() / side;
    let psnr = |column: u32| {
        let cell = |row: u32| image::imageops::crop_imm(&sheet, column * side, row * side, side, side).to_image();
        let (truth, made) = (cell(0), cell(1));
        let squares =
            truth.as_raw().iter().zip(made.as_raw()).map(|(a, b)| (f64::from(a.abs_diff(*b)) / 255.0).powi(2));
        -10.0 * (squares.sum::<f64>() / truth.as_raw().len() as f64).log10()
    };
    (0..n).map(psnr).sum::<f64>() / f64::from(n)
}

#[test]
fn another_configuration_does_not_resume_in_the_same_folder() {
    let folder = stage("symgen-other");
    let at = folder.path();
    symgen(at, "run").done();
    let other = symgen(at, "run").words("--seed 9").run();
    assert_eq!(other.code, 78, "{}", other.stderr);
    assert!(other.stderr.contains("another configuration"), "{}", other.stderr);
    let missing =
        Tool::new("zero1a", at).words("run --photo none.png --head head.safetensors --out x --video no").run();
    assert_eq!(missing.code, 66, "{}", missing.stderr);
}
