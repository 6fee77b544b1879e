//! What a curator does with `shards`: choose, look, export, import.
mod export;
mod import;
mod pack;
mod page;
mod rewritten;
mod set;

use set::{Set, shards, text};

#[test]
fn conditions_choose_rows_of_frames_by_their_people() {
    let set = Set::new("where");
    let rows = |condition: &str| -> u64 {
        let events = set.events(&["ls", "--where", condition]);
        events.iter().map(|e| e["matching"].as_u64().unwrap()).sum()
    };
    // Three people of 20, 50 and 80 years, 8 frames each: 2 expressions x 4 cameras.
    assert_eq!(rows("age > 60"), 8);
    assert_eq!(rows("age > 30 and split = 'train' and expression_id in (1, 7)"), 4);
    assert_eq!(rows("expression.jawOpen > 0.4"), 12, "every second expression opens the jaw");
    assert_eq!(rows("light.kind = 'sky'"), 12);
    assert_eq!(rows("parameters.eyes.color = 'blue' or camera_id = 3"), 8 + 2 * 2);
    assert_eq!(rows("age < 0"), 0);
    let stat = text(&set.run(&["stat", "--where", "identity_id = 1"]).stdout);
    assert!(stat.contains("camera_id") && stat.contains("8 rows of 1 identities"), "{stat}");
    let shown = set.run(&["show", "--where", "camera_id = 2 and identity_id = 2", "--row", "1"]);
    let row: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&row["frame_id"], &row["expression_id"]), (&206.into(), &1.into()));
}

#[test]
fn a_bad_condition_is_a_usage_error_that_names_the_place() {
    let set = Set::new("where-bad");
    for (condition, words) in [
        ("age >", "at character 6"),
        ("aeg > 3", "no column \"aeg\", expected one of frame_id"),
        ("aeg > 3", "age"),
        ("split > 3", "holds text"),
        ("expression > 3", "expected one entry, as expression.browDownLeft"),
        ("expression.smile > 3", "no entry \"smile\""),
        ("image = 'x'", "no scalar"),
    ] {
        let output = set.run(&["stat", "--where", condition]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{condition}: {stderr}");
        assert!(stderr.starts_with("shards: --where: ") && stderr.contains(words), "{condition}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn sheets_draw_layers_and_say_which_are_missing() {
    let set = Set::new("sheet");
    let out = set.beside("sheet.png");
    let sheet = |draw: &str| {
        shards(&["sheet", set.path(), "--out", &out, "--n", "4", "--cell", "32", "--draw", draw, "--captions"])
    };
    assert_eq!(sheet("landmarks,segmentation,gaze").status.code(), Some(0));
    let plain = formats::image::size_of(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(sheet("alpha,depth").status.code(), Some(0));
    let wide = formats::image::size_of(&std::fs::read(&out).unwrap()).unwrap();
    assert!(wide.0 > plain.0 || wide.1 > plain.1, "maps stand beside the image: {plain:?} {wide:?}");
    let missing = sheet("normal");
    assert_eq!(missing.status.code(), Some(65));
    assert!(text(&missing.stderr).contains("--draw normal: none of these frames has it"));
}

#[test]
fn the_card_shows_where_the_images_are() {
    let set = Set::new("card");
    let card = text(&set.run(&["card"]).stdout);
    assert!(
        card.starts_with("---\n") && card.contains("license: cc0-1.0") && card.contains("path: frames/train-*.parquet")
    );
    assert!(
        card.contains("| `landmarks_2d` | f32[72, 2] | px |") && card.contains("| `age` | f32 | years |"),
        "{card}"
    );
    let written = set.run(&["card", "--license", "cc-by-4.0", "--write"]);
    assert_eq!(written.status.code(), Some(0));
    assert!(std::fs::read_to_string(format!("{}/README.md", set.path())).unwrap().contains("license: cc-by-4.0\n"));
}

#[test]
fn lines_are_json_where_asked_and_go_into_a_file_too() {
    let set = Set::new("log");
    let log = set.beside("log.jsonl");
    let done = set.run(&["sheet", "--out", &set.beside("s.png"), "--log-format", "json", "--log-file", &log]);
    assert_eq!(done.status.code(), Some(0));
    let failed = set.run(&["stat", "--where", "x", "--log-format", "json", "--log-file", &log]);
    assert_eq!(failed.status.code(), Some(2));
    let lines = std::fs::read_to_string(&log).unwrap();
    assert_eq!(lines, format!("{}{}", text(&done.stderr), text(&failed.stderr)), "the file has what stderr has");
    let events: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(events.iter().all(|e| e["tool"] == "shards" && e["time"].as_str().unwrap().ends_with('Z')));
    let last = events.last().unwrap();
    assert_eq!((&last["level"], &last["exit_code"]), (&"error".into(), &2.into()));
}

#[test]
fn manual_pages_and_completions_know_every_command() {
    let set = Set::new("man");
    let folder = set.beside("man");
    assert_eq!(shards(&["--man-pages", &folder]).status.code(), Some(0));
    for command in ["ls", "stat", "show", "sheet", "report", "export", "import", "card", "verify", "repair", "merge"] {
        let page = std::fs::read_to_string(format!("{folder}/shards-{command}.1")).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{command}");
    }
    let bash = text(&shards(&["--completions", "bash"]).stdout);
    assert!(bash.contains("shards__subcmd__export") || bash.contains("shards__export"), "{bash:.400}");
}
