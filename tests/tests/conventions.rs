//! What all tools share: exit codes, help, completions, manual pages, configuration that tells its origin.
use effigy_tests::folder::{Folder, copy, files};
use effigy_tests::tool::Tool;
use effigy_tests::toy::{config, toy};
use std::path::Path;

const TOOLS: [&str; 7] = ["datagen", "shards", "nets", "track", "prior", "invert", "zero1a"];

/// The codes of every tool, by command lines that lead to them; `{data}` stands for a dataset, `{head}` for its head.
const CODES: [(&str, i32, &str); 38] = [
    ("datagen", 0, "plan --no-sample --out d --set head=analytic"),
    ("datagen", 2, "render"),
    ("datagen", 65, "plan --no-sample --out d --set head=text"),
    ("datagen", 65, "plan --no-sample --out d --set head=analytic --set light.maps=['text']"),
    ("datagen", 66, "plan --no-sample --out d --set head=absent"),
    ("datagen", 73, "head import --source analytic --out /proc/none/head.safetensors"),
    ("datagen", 78, "plan --no-sample --out d --set image.sise=3"),
    ("shards", 0, "ls {data}"),
    ("shards", 1, "verify damaged"),
    ("shards", 2, "ls {data} --where age>"),
    ("shards", 65, "ls text"),
    ("shards", 66, "ls absent"),
    ("shards", 73, "sheet {data} --out /proc/none/sheet.png"),
    ("nets", 0, "--help"),
    ("nets", 2, "train-identity"),
    ("nets", 65, "train-identity --data text --steps 1 --out i.safetensors"),
    ("nets", 66, "train-identity --data absent --steps 1 --out i.safetensors"),
    ("nets", 78, "train-identity --data {data} --out i.safetensors --set stepz=3"),
    ("track", 0, "train --data {data} --steps 1 --out t.safetensors --dry-run"),
    ("track", 2, "fit"),
    ("track", 65, "train --data text --out t.safetensors --steps 1 --head {head}"),
    ("track", 66, "train --data absent --out t.safetensors --steps 1 --head {head}"),
    ("track", 78, "train --data {data} --out t.safetensors --set train.stepz=3"),
    ("prior", 0, "train --data {data} --head {head} --perceptual none --out p.safetensors --dry-run --config {prior}"),
    ("prior", 2, "train"),
    ("prior", 65, "train --data text --head {head} --perceptual none --out p.safetensors"),
    ("prior", 66, "train --data absent --head {head} --perceptual none --out p.safetensors"),
    (
        "prior",
        73,
        "train --data {data} --head {head} --perceptual none --out /proc/none/p.safetensors --config {prior}",
    ),
    ("prior", 78, "train --data {data} --head {head} --perceptual none --out p.safetensors --set train.stepz=3"),
    ("invert", 0, "export --avatar {avatar} --out a.ply"),
    ("invert", 2, "fit"),
    ("invert", 65, "fit --input text --head {head} --out a"),
    ("invert", 66, "export --avatar absent --out a.ply"),
    ("invert", 73, "view --avatar {avatar} --clip photo --out /proc/none/view.html"),
    ("zero1a", 2, "run --wat"),
    ("zero1a", 66, "run --photo absent.png --head {head} --out a"),
    ("zero1a", 78, "run --photo absent.png --head {head} --out a --set stepz=3"),
    ("invert", 78, "fit --input {data} --head {head} --out a --set image_size=3"),
];

#[test]
fn every_tool_ends_with_the_codes_it_promises() {
    let folder = Folder::new("codes");
    std::fs::write(folder.path().join("text"), "no dataset, no head\n").unwrap();
    copy(&toy().join("data"), &folder.path().join("damaged"));
    std::fs::write(folder.path().join("damaged/frames/test-00000-of-00001.parquet"), "no shard").unwrap();
    let places =
        [("{data}", "data"), ("{head}", "head.safetensors"), ("{avatar}", "avatar")].map(|(p, f)| (p, toy().join(f)));
    let places = [&places[..], &[("{prior}", config("prior"))]].concat();
    let mut wrong = Vec::new();
    for (tool, code, line) in CODES {
        let run = Tool::new(tool, folder.path()).words_with(line, &places).run();
        if run.code != code {
            wrong.push(format!("expected {code}, got {}: {}\n  {}", run.code, run.line, run.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_tool_prints_the_same_table_of_codes() {
    let folder = Folder::new("help");
    for tool in TOOLS {
        let help = Tool::new(tool, folder.path()).words("--help").done().stdout.replace('\n', " ");
        for code in [
            "0 done",
            "1 findings",
            "2 usage",
            "65 bad input",
            "66 missing",
            "70 a defect",
            "73 cannot",
            "74 I/O",
            "75 stopped",
            "78 conf",
        ] {
            let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(code), "{tool}: {code}\n{help}");
        }
        for flag in ["--json", "--quiet", "--progress", "--log-format", "--log-file", "--completions", "--man-pages"] {
            assert!(help.contains(flag), "{tool}: {flag}");
        }
        let none = Tool::new(tool, folder.path()).run();
        assert_eq!((none.code, none.stderr.lines().count()), (2, 1), "{tool}: {}", none.stderr);
    }
}

#[test]
fn manual_pages_say_what_every_flag_is_for() {
    let folder = Folder::new("man");
    for tool in TOOLS {
        Tool::new(tool, folder.path()).words("--man-pages man").done();
        for shell in ["bash", "zsh", "fish"] {
            let script = Tool::new(tool, folder.path()).words("--completions").words(shell).done().stdout;
            assert!(script.contains(tool) && script.contains("log-format"), "{tool}: {shell}");
        }
    }
    let pages = files(&folder.path().join("man"));
    assert!(pages.len() > 30, "{pages:?}");
    let mut bare = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(folder.path().join("man").join(page)).unwrap();
        // A flag is a tagged paragraph; what stands behind its tag is what it is for.
        for flag in text.split(".TP\n").skip(1) {
            let (tag, about) = flag.split_once('\n').unwrap_or((flag, ""));
            if tag.contains("\\-\\-") && about.trim_start_matches(['.', 'S', 'H', '\n']).trim().is_empty() {
                bare.push(format!("{}: {tag}", page.display()));
            }
        }
    }
    assert!(bare.is_empty(), "without a word: {bare:?}");
}

#[test]
fn the_configuration_tells_where_each_value_comes_from() {
    let folder = Folder::new("origins");
    let at = folder.path();
    std::fs::write(at.join("c.toml"), "[image]\nsize = 32\n").unwrap();
    let run = Tool::new("datagen", at)
        .words("render --out d --config c.toml --set head=analytic --set image.samples=3 --seed 5 --print-config")
        .done();
    for line in ["size = 32  # c.toml", "samples = 3  # --set", "seed = 5  # a flag", "bounces = "] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
    assert_eq!(files(at), [Path::new("c.toml")], "nothing is made");
    std::fs::write(at.join("again.toml"), &run.stdout).unwrap();
    let again = Tool::new("datagen", at).words("render --out d --config again.toml --print-config").done();
    let values = |text: &str| text.lines().map(|l| l.split("  # ").next().unwrap().to_string()).collect::<Vec<_>>();
    assert_eq!(values(&again.stdout), values(&run.stdout), "what is printed can be read");
    for (tool, line) in [
        ("nets", "train-identity --data absent --steps 1 --out i.safetensors --print-config"),
        ("track", "train --data absent --out t.safetensors --print-config"),
        ("prior", "train --data absent --head absent --out p.safetensors --perceptual none --print-config"),
        ("invert", "fit --input absent --head absent --out a --print-config"),
        ("zero1a", "train-video --data absent --vae-steps 1 --steps 1 --out v.safetensors --print-config"),
        ("zero1a", "ladder --data absent --identities 0 --head absent --out l --print-config"),
    ] {
        let text = Tool::new(tool, at).words(line).done().stdout;
        assert!(text.parse::<toml::Table>().is_ok() && text.contains("# default"), "{tool}: {text}");
    }
}
