//! The workspace is layered as ARCHITECTURE.md says: a crate uses any layer below it, never one beside or above it.
use std::path::{Path, PathBuf};

/// (crate, layer), bottom up; also the order of `members` in the root Cargo.toml.
const LAYERS: [(&str, u32); 10] = [
    ("splat", 0),
    ("head", 1),
    ("formats", 2),
    ("datagen", 3),
    ("nets", 3),
    ("track", 4),
    ("prior", 4),
    ("invert", 5),
    ("zero1a", 5),
    ("tests", 6),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace root").to_path_buf()
}

fn manifest(path: &Path) -> toml::Table {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{e}: {path:?}"));
    text.parse().unwrap_or_else(|e| panic!("{e}: {path:?}"))
}

fn dependencies(manifest: &toml::Table) -> Vec<String> {
    ["dependencies", "build-dependencies"]
        .iter()
        .filter_map(|k| manifest.get(*k)?.as_table())
        .flat_map(|t| t.keys().cloned())
        .collect()
}

#[test]
fn members_are_listed_in_layer_order() {
    let members = manifest(&root().join("Cargo.toml"))["workspace"]["members"].as_array().unwrap().clone();
    let members: Vec<&str> = members.iter().map(|m| m.as_str().unwrap()).collect();
    assert_eq!(members, LAYERS.map(|(name, _)| name), "Cargo.toml lists members bottom layer first");
}

#[test]
fn no_crate_uses_its_own_layer_or_one_above() {
    let layer = |name: &str| LAYERS.iter().find(|(n, _)| *n == name).map(|(_, f)| *f);
    for (name, own) in LAYERS {
        for dependency in dependencies(&manifest(&root().join(name).join("Cargo.toml"))) {
            if let Some(below) = layer(&dependency) {
                assert!(below < own, "{name} (layer {own}) depends on {dependency} (layer {below})");
            }
        }
    }
}

#[test]
fn torch_begins_at_nets_and_stays_out_of_the_tool_that_renders() {
    for name in ["splat", "head", "formats", "datagen"] {
        let found = dependencies(&manifest(&root().join(name).join("Cargo.toml")));
        assert!(!found.iter().any(|d| d == "tch" || d == "torch-sys"), "{name} must build without libtorch");
    }
}

#[test]
fn only_datagen_knows_embree() {
    for (name, _) in LAYERS.iter().filter(|(n, _)| *n != "datagen" && *n != "tests") {
        for file in rust_files(&root().join(name).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(!text.contains("rtcNewDevice"), "Embree outside datagen: {file:?}");
        }
    }
}

#[test]
fn neither_tracer_nor_studio_knows_people() {
    let source = root().join("datagen/src");
    for (module, forbidden) in [("tracer", &["people", "studio"][..]), ("studio", &["people"][..])] {
        let files = rust_files(&source.join(module));
        assert!(!files.is_empty(), "no module {module}");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let found = forbidden.iter().find(|s| text.contains(&format!("crate::{s}::")));
            assert!(found.is_none(), "{module} uses {found:?}: {file:?}");
        }
    }
}

#[test]
fn architecture_states_one_invariant_per_crate() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for (name, _) in LAYERS {
        let line = format!("### `{name}`");
        let section = text.split(&line).nth(1).unwrap_or_else(|| panic!("ARCHITECTURE.md has no section {line}"));
        let section = section.split("\n### ").next().unwrap();
        assert_eq!(section.matches("Invariant:").count(), 1, "one Invariant line for {name}");
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}
