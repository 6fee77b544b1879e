//! What will be made: the resolved config, its hash, and the shards it comes to. Any task may make any of them.
use crate::config::{Config, LightPer};
use crate::labels::FrameKey;
use crate::stream::{Stream, Subject, derive};
use anyhow::Context;
use formats::exit::Failure;
use formats::planned::PlannedShards;
use formats::{Provenance, ShardName, digest};
use head::HeadModel;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// `plan.toml`: everything that decides the bytes of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    tool: String,
    tool_version: String,
    head_sha256: String,
    /// Whose head model it is, which decides the license of the renders.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    head_source: String,
    /// Of `light.maps`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    light_maps_sha256: Vec<String>,
    /// What the config comes to, for whoever does not know it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shards: Vec<PlannedShards>,
    config: Config,
}

/// A dataset to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The resolved config.
    pub config: Config,
    /// Goes into every shard.
    pub provenance: Provenance,
}

/// One file to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardTask {
    /// What is in it.
    pub kind: ShardKind,
    /// Its name.
    pub name: ShardName,
    /// Identities (kind `Identities`) or frames of the split (kind `Frames`), counted within the split.
    pub items: Range<u64>,
}

/// What a shard holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardKind {
    /// Rows of `identities`.
    Identities,
    /// Rows of `frames` of a split.
    Frames(Split),
}

/// Part of the dataset; identities never cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Val,
    /// To judge by.
    Test,
}

impl Split {
    /// In the order of the identities.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// As written.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }
}

impl Plan {
    /// Resolves a config; the head file must be there.
    ///
    /// # Errors
    /// A missing head or light map (66), a light map that cannot be read (65).
    pub fn new(config: Config) -> anyhow::Result<Self> {
        crate::studio::light_map::check(&config)?;
        let file = PlanFile {
            tool: "datagen".into(),
            tool_version: env!("CARGO_PKG_VERSION").into(),
            head_sha256: head_digest(&config.head)?,
            head_source: head_source(&config.head)?,
            light_maps_sha256: map_digests(&config)?,
            shards: planned(&config),
            config,
        };
        let text = formats::config::to_toml(&file)?;
        Ok(Self::of(file, &text))
    }

    /// Reads `folder/plan.toml`.
    ///
    /// # Errors
    /// No plan there (66), a plan that this build cannot read (78), a head that is not the planned one (65).
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("plan.toml");
        let text = std::fs::read_to_string(&path).map_err(|e| {
            Failure::missing(format!("no plan here ({e}); create one with `datagen plan --out DIR`: {path:?}"))
        })?;
        let file: PlanFile = formats::config::load(Some(&path), &[])?;
        file.config.check()?;
        let head = head_digest(&file.config.head)?;
        if head != file.head_sha256 {
            let (planned, path) = (&file.head_sha256[..12.min(file.head_sha256.len())], &file.config.head);
            let what = format!(
                "head model changed since the plan was made (planned sha256 {planned}…, now {}…): {path:?}",
                &head[..12]
            );
            return Err(Failure::bad_data(what).into());
        }
        if map_digests(&file.config)? != file.light_maps_sha256 {
            return Err(
                Failure::bad_data(format!("a file of light.maps changed since the plan was made: {path:?}")).into()
            );
        }
        if !file.shards.is_empty() && file.shards != planned(&file.config) {
            let what = "the list of shards does not match the configuration; write the plan again with `datagen plan`";
            return Err(Failure::bad_data(format!("{what}: {path:?}")).into());
        }
        Ok(Self::of(file, &text))
    }

    fn of(file: PlanFile, text: &str) -> Self {
        let mut provenance = Provenance::new("datagen", &file.tool_version, text, file.config.seed);
        provenance.inputs.push(("head".into(), file.head_sha256));
        Plan { config: file.config, provenance }
    }

    /// Writes `folder/plan.toml`; the same plan may be written again, another may not.
    ///
    /// # Errors
    /// Another plan is there already (65), or the folder cannot be written (73, 74).
    pub fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        let path = folder.join("plan.toml");
        match std::fs::read_to_string(&path) {
            Ok(text) if text == self.provenance.config_toml => {}
            Ok(_) => {
                let what = "another plan is here already; choose another folder, or remove the dataset to start over";
                return Err(Failure::bad_data(format!("{what}: {path:?}")).into());
            }
            Err(_) => formats::publish::write_atomically(&path, self.provenance.config_toml.as_bytes())
                .with_context(|| "cannot save the plan")?,
        }
        Ok(path)
    }

    /// Frames of one identity.
    pub fn frames_per_identity(&self) -> u64 {
        frames_per_identity(&self.config)
    }

    /// Identities of a split, by id.
    pub fn identities(&self, split: Split) -> Range<u32> {
        identities(&self.config, split)
    }

    /// Split of an identity.
    pub fn split_of(&self, identity_id: u32) -> Split {
        Split::ALL.into_iter().find(|s| self.identities(*s).contains(&identity_id)).unwrap_or(Split::Train)
    }

    /// All files: identities first, then the frames of each split.
    pub fn shards(&self) -> Vec<ShardTask> {
        let list = planned(&self.config);
        let kind = |run: &PlannedShards| match Split::ALL.into_iter().find(|split| split.name() == run.split) {
            Some(split) => ShardKind::Frames(split),
            None => ShardKind::Identities,
        };
        let tasks = |run: &PlannedShards| {
            let kind = kind(run);
            run.shards().map(|(name, items)| ShardTask { kind, name, items }).collect::<Vec<_>>()
        };
        list.iter().flat_map(tasks).collect()
    }

    /// Order in which shards are made, so that a render that is cut short is of use: people with everything that belongs to
    /// them, those to validate and test on before those to learn from.
    pub fn first_identity_rank(&self, shard: &ShardTask) -> (u32, bool) {
        let d = &self.config.dataset;
        let [first, last] = match shard.kind {
            ShardKind::Identities => [shard.items.start as u32, shard.items.end as u32 - 1],
            ShardKind::Frames(split) => [self.frame(split, shard.items.end - 1).identity_id; 2],
        };
        let learned = d.identities - d.val - d.test;
        let rank = if last >= learned { 0 } else { first + 1 };
        (rank, !matches!(shard.kind, ShardKind::Identities))
    }

    /// Frame `item` of a split.
    pub fn frame(&self, split: Split, item: u64) -> FrameKey {
        let d = &self.config.dataset;
        let identity_id = self.identities(split).start + (item / self.frames_per_identity()) as u32;
        let within = (item % self.frames_per_identity()) as u32;
        let (expression_id, camera_id) = (within / d.cameras, within % d.cameras);
        let seed = self.config.seed;
        let words = [identity_id as u64, expression_id as u64, camera_id as u64];
        let shot = [words[0], self.config.shot_of(expression_id) as u64, words[2]];
        let light_words = match self.config.light.per {
            LightPer::Identity => &shot[..1],
            LightPer::Expression => &shot[..2],
            LightPer::Frame => &shot[..3],
        };
        let mut draw = Stream::new(seed, Subject::LightChoice, light_words);
        let others = self.config.light.count - 1;
        let light_id = match draw.uniform(0.0, 1.0) < self.config.light.studio_share || others == 0 {
            true => 0,
            false => 1 + ((draw.uniform(0.0, 1.0) * others as f32) as u32).min(others - 1),
        };
        FrameKey {
            identity_id,
            expression_id,
            camera_id,
            light_id,
            split: split.name(),
            seed: derive(seed, Subject::Render, &words),
        }
    }
}

impl ShardTask {
    /// Where it lies.
    pub fn path(&self, folder: &Path) -> PathBuf {
        let table = match self.kind {
            ShardKind::Identities => "identities",
            ShardKind::Frames(_) => "frames",
        };
        folder.join(table).join(self.name.file_name())
    }

    /// Where its linear layers lie, if the config asks for them.
    pub fn exr_path(&self, folder: &Path) -> PathBuf {
        folder.join("exr").join(self.name.file_name())
    }

    /// Rows.
    pub fn len(&self) -> u64 {
        self.items.end - self.items.start
    }

    /// Never, in a plan.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

fn frames_per_identity(config: &Config) -> u64 {
    config.dataset.expressions as u64 * config.dataset.cameras as u64
}

fn identities(config: &Config, split: Split) -> Range<u32> {
    let d = &config.dataset;
    let (val, test) = (d.identities - d.val - d.test, d.identities - d.test);
    match split {
        Split::Train => 0..val,
        Split::Val => val..test,
        Split::Test => test..d.identities,
    }
}

/// The shards that a config comes to: identities first, then the frames of each split.
fn planned(config: &Config) -> Vec<PlannedShards> {
    let run = |tables: &[&str], split: &str, rows: u64, size: u32| PlannedShards {
        tables: tables.iter().map(|table| table.to_string()).collect(),
        split: split.into(),
        rows,
        rows_per_shard: size.into(),
    };
    let tables: &[&str] = if config.maps.exr { &["frames", "exr"] } else { &["frames"] };
    let mut list = vec![run(&["identities"], "part", config.dataset.identities.into(), config.shards.identities)];
    for split in Split::ALL {
        let frames = identities(config, split).len() as u64 * frames_per_identity(config);
        list.push(run(tables, split.name(), frames, config.shards.frames));
    }
    list.retain(|run| !run.is_empty());
    list
}

/// Where a head model comes from: `makehuman`, `ict`, `analytic`.
fn head_source(head: &Path) -> anyhow::Result<String> {
    match head == Path::new("analytic") {
        true => Ok("analytic".into()),
        false => Ok(HeadModel::source_of(head).map_err(crate::head_file::failure)?),
    }
}

/// Digests of the environment files.
fn map_digests(config: &Config) -> anyhow::Result<Vec<String>> {
    let one = |path: &PathBuf| {
        digest::sha256_of_file(path).map_err(|e| Failure::new(e.exit_code(), format!("environment map: {e}")).into())
    };
    config.light.maps.iter().map(one).collect()
}

/// Digest of the head file; the analytic head is part of the program.
fn head_digest(head: &Path) -> anyhow::Result<String> {
    if head == Path::new("analytic") {
        return Ok("analytic".into());
    }
    digest::sha256_of_file(head).map_err(|e| {
        Failure::new(e.exit_code(), format!("head model: {e}; create one with `datagen head import`")).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let sets = ["head=analytic", "dataset.identities=10", "dataset.val=1", "dataset.test=2", "shards.frames=30"];
        Plan::new(Config::load(None, &sets.map(str::to_owned)).unwrap()).unwrap()
    }

    #[test]
    fn shards_cover_every_frame_once() {
        let plan = plan();
        let mut ids: Vec<u64> = Vec::new();
        for shard in plan.shards() {
            if let ShardKind::Frames(split) = shard.kind {
                ids.extend(shard.items.clone().map(|i| plan.frame(split, i).frame_id()));
            }
        }
        assert_eq!(ids.len(), 10 * 24);
        assert!(ids.windows(2).all(|w| w[0] < w[1]), "ascending and unique");
        assert_eq!(plan.split_of(6), Split::Train);
        assert_eq!((plan.split_of(7), plan.split_of(9)), (Split::Val, Split::Test));
    }

    #[test]
    fn a_render_that_is_cut_short_holds_people_whole() {
        let mut plan = plan();
        plan.config.shards.identities = 4;
        let mut shards = plan.shards();
        shards.sort_by_key(|shard| plan.first_identity_rank(shard));
        let (mut rows, mut splits) = (std::collections::BTreeSet::new(), Vec::new());
        for shard in shards {
            match shard.kind {
                ShardKind::Identities => rows.extend(shard.items.clone().map(|i| i as u32)),
                ShardKind::Frames(split) => {
                    splits.push(split);
                    let ids = shard.items.clone().map(|i| plan.frame(split, i).identity_id);
                    assert!(ids.clone().all(|id| rows.contains(&id)), "{:?}: {rows:?}", ids.collect::<Vec<_>>());
                }
            }
        }
        splits.dedup();
        assert_eq!(splits, [Split::Val, Split::Test, Split::Train]);
    }

    #[test]
    fn a_frame_does_not_depend_on_the_shard_layout() {
        let (a, mut b) = (plan(), plan());
        b.config.shards.frames = 7;
        assert_eq!(a.frame(Split::Train, 55), b.frame(Split::Train, 55));
    }
}
