//! One set of features: after `make build` nothing that the Makefile runs compiles a dependency again.
use effigy_tests::folder::read;
use effigy_tests::tool::root;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Features of every package as cargo resolves them for the whole workspace, by package and version.
fn features(edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--workspace", "--locked", "--offline", "--prefix", "none", "-f", "{p}\t{f}", "-e", edges])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((package, features)) = line.split_once('\t') else { continue };
        // A package that was listed before ends with (*).
        let features = features.trim_end_matches("(*)").trim();
        let name: Vec<&str> = package.split_whitespace().take(2).collect();
        found.entry(name.join(" ")).or_default().insert(features.into());
    }
    found
}

#[test]
fn tests_take_the_dependencies_that_the_tools_were_built_with() {
    let (tools, tests) = (features("normal,build"), features("normal,build,dev"));
    assert!(tools.len() > 100 && tests.len() > tools.len(), "{} and {} packages", tools.len(), tests.len());
    for (package, features) in &tools {
        assert_eq!(
            tests.get(package),
            Some(features),
            "{package}: features of the tools' build and, first, the tests'"
        );
    }
}

/// An overflow or a broken assertion ends in a panic, in the tools as in their tests.
#[test]
fn overflow_checks_and_debug_assertions_are_on_in_every_crate() {
    let manifest = |folder: &str| -> toml::Table {
        String::from_utf8(read(&root().join(folder).join("Cargo.toml"))).unwrap().parse().unwrap()
    };
    let workspace = manifest("");
    for member in workspace["workspace"]["members"].as_array().unwrap() {
        let own = manifest(member.as_str().unwrap());
        let name = own["package"]["name"].as_str().unwrap();
        let profile = &workspace["profile"]["release"]["package"][name];
        for check in ["overflow-checks", "debug-assertions"] {
            assert_eq!(profile[check].as_bool(), Some(true), "{name}: {check} of the release profile");
        }
    }
    let overflow = std::panic::catch_unwind(|| std::hint::black_box(u8::MAX) + std::hint::black_box(1));
    assert!(overflow.is_err(), "this test was built without overflow checks");
}

/// `-p` picks the features of some packages alone, and builds what they share once more.
#[test]
fn the_makefile_builds_with_the_features_of_the_workspace() {
    let makefile = String::from_utf8(read(&root().join("Makefile"))).unwrap();
    let commands: Vec<&str> = makefile.lines().filter(|line| line.contains("$(CARGO) ")).collect();
    assert!(commands.len() > 8, "the Makefile calls cargo: {commands:?}");
    for line in commands {
        let builds = ["build", "test", "run", "clippy"].iter().any(|word| line.contains(&format!("$(CARGO) {word}")));
        assert!(!builds || line.contains("--workspace") && !line.contains(" -p "), "{line}");
    }
}
