//! A whole chain in small: head, data, prior and avatar, made once by the tools and read by many tests.
use crate::folder::scratch;
use crate::tool::{Tool, executable, root};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder with `head.safetensors`, `data/`, `prior.safetensors` and `avatar/`; nobody writes to it.
///
/// It is kept under `target/tmp` for as long as the tools and the configurations stay the same.
///
/// # Panics
/// If a tool fails.
pub fn toy() -> &'static Path {
    static TOY: OnceLock<PathBuf> = OnceLock::new();
    TOY.get_or_init(|| {
        let target = scratch().join(format!("toy-{:016x}", stamp()));
        if target.exists() {
            return target;
        }
        forget_old();
        let at = scratch().join(format!("toy-making-{}", std::process::id()));
        std::fs::create_dir_all(&at).unwrap_or_else(|e| panic!("{e}: {at:?}"));
        import_head(&at);
        render(&at, 2).done();
        train(&at).done();
        fit(&at).done();
        // Another process may have been faster; its toy is as good.
        if std::fs::rename(&at, &target).is_err() {
            std::fs::remove_dir_all(&at).ok();
        }
        target
    })
}

/// A configuration file of the toy: `datagen`, `prior` or `invert`.
pub fn config(name: &str) -> PathBuf {
    root().join(format!("tests/toy/{name}.toml"))
}

/// Makes `head.safetensors` in `at`, from formulas.
///
/// # Panics
/// If the tool fails.
pub fn import_head(at: &Path) {
    Tool::new("datagen", at).words("head import --source analytic --out head.safetensors").done();
}

/// Renders `data/` in `at` with the head there.
pub fn render(at: &Path, threads: u32) -> Tool {
    Tool::new("datagen", at)
        .words("render --quiet --out data --set head=head.safetensors --config")
        .path(config("datagen"))
        .words(&format!("--threads {threads}"))
}

/// Trains `prior.safetensors` in `at` on the toy's head and data, which lie there too.
pub fn train(at: &Path) -> Tool {
    Tool::new("prior", at)
        .words("train --quiet --threads 1 --data data --head head.safetensors --perceptual random")
        .words("--out prior.safetensors --config")
        .path(config("prior"))
}

/// Fits `avatar/` in `at` to three pictures of the identity that the prior never saw.
pub fn fit(at: &Path) -> Tool {
    Tool::new("invert", at)
        .words("fit --quiet --threads 1 --input data --head head.safetensors --prior prior.safetensors")
        .words("--identity 5 --views 3 --perceptual random --recognizer none --name Toy --out avatar --config")
        .path(config("invert"))
}

/// Removes toys of other builds, an hour after they were made.
fn forget_old() {
    for entry in std::fs::read_dir(scratch()).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
        let is_toy = entry.file_name().to_string_lossy().starts_with("toy-");
        if is_toy && age.is_some_and(|age| age.as_secs() > 3600) {
            // What another process is removing too is gone either way.
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Changes when a tool or a configuration does.
fn stamp() -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in ["datagen", "prior", "invert"] {
        for path in [executable(name), config(name)] {
            let meta = path.metadata().unwrap_or_else(|e| panic!("{e}: {path:?}"));
            (meta.len(), meta.modified().ok()).hash(&mut hasher);
        }
    }
    hasher.finish()
}
