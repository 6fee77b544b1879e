//! What a user may set: `config.toml`, then `--set a.b=c`. Unknown keys are refused. A section a file.
mod camera;
mod dataset;
mod expression;
mod hair;
mod image;
mod light;
mod maps;
mod mesh;
mod sequence;
mod shards;
mod wear;

pub use camera::{CameraConfig, CameraKind};
pub use dataset::DatasetConfig;
pub use expression::ExpressionConfig;
use formats::exit::Failure;
pub use hair::HairConfig;
pub use image::{Background, Coverage, Denoise, ImageConfig, SkinModel, Tone};
pub use light::{LightConfig, LightPer};
pub use maps::MapsConfig;
pub use mesh::MeshConfig;
pub use sequence::{CameraPath, SequenceConfig, SequenceKind};
use serde::{Deserialize, Serialize};
pub use shards::ShardsConfig;
use std::path::{Path, PathBuf};
pub use wear::WearConfig;

/// Everything that decides the pixels, together with the head file's bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seed of the whole dataset.
    pub seed: u64,
    /// Head model: a `.safetensors` file made by `datagen head import`, or `analytic`.
    pub head: PathBuf,
    /// How many of what.
    pub dataset: DatasetConfig,
    /// Size, samples, background.
    pub image: ImageConfig,
    /// Which optional maps are written.
    pub maps: MapsConfig,
    /// Mesh detail.
    pub mesh: MeshConfig,
    /// Strands.
    pub hair: HairConfig,
    /// Glasses and hats.
    pub wear: WearConfig,
    /// Where the cameras stand.
    pub camera: CameraConfig,
    /// Environments.
    pub light: LightConfig,
    /// Faces people make.
    pub expression: ExpressionConfig,
    /// Consecutive frames instead of single faces.
    pub sequence: SequenceConfig,
    /// Files.
    pub shards: ShardsConfig,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            seed: 1,
            head: PathBuf::from("out/head.safetensors"),
            dataset: DatasetConfig::default(),
            image: ImageConfig::default(),
            maps: MapsConfig::default(),
            mesh: MeshConfig::default(),
            hair: HairConfig::default(),
            wear: WearConfig::default(),
            camera: CameraConfig::default(),
            light: LightConfig::default(),
            expression: ExpressionConfig::default(),
            sequence: SequenceConfig::default(),
            shards: ShardsConfig::default(),
        }
    }
}

impl Config {
    /// Reads `path` and lays the `--set key.path=value` pairs over it.
    ///
    /// # Errors
    /// As [`formats::config::load`]; exit code 78 for a value outside what is possible.
    pub fn load(path: Option<&Path>, sets: &[String]) -> anyhow::Result<Self> {
        let config: Config = formats::config::load(path, sets)?;
        config.check()?;
        Ok(config)
    }

    /// # Errors
    /// Exit code 78 for the first value that makes no dataset.
    pub fn check(&self) -> Result<(), Failure> {
        self.dataset.check()?;
        self.image.check()?;
        self.maps.check()?;
        self.mesh.check()?;
        self.hair.check()?;
        self.wear.check()?;
        self.camera.check()?;
        self.light.check()?;
        self.expression.check()?;
        self.sequence.check(self.dataset.expressions)?;
        self.shards.check()
    }

    /// What expression `expression_id` is a part of: its clip, or itself.
    pub fn shot_of(&self, expression_id: u32) -> u32 {
        match self.sequence.kind {
            SequenceKind::Single => expression_id,
            _ => expression_id / self.sequence.frames,
        }
    }
}

fn range(key: &str, got: u32, low: u32, high: u32, expected: &str) -> Result<(), Failure> {
    if (low..=high).contains(&got) {
        return Ok(());
    }
    Err(Failure::config(format!("{key} is {got}; expected {expected}")))
}

fn interval(key: &str, got: [f32; 2], low: f32, high: f32, expected: &str) -> Result<(), Failure> {
    if got[0] >= low && got[0] <= got[1] && got[1] <= high {
        return Ok(());
    }
    Err(Failure::config(format!("{key} is {got:?}; expected {expected}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_reach_nested_keys_and_round_trip() {
        let sets = ["image.size=64", "head=analytic", "camera.fill=[0.5, 0.6]"].map(str::to_owned);
        let c = Config::load(None, &sets).unwrap();
        assert_eq!((c.image.size, c.camera.fill), (64, [0.5, 0.6]));
        assert_eq!(c.head, PathBuf::from("analytic"));
        assert_eq!(toml::from_str::<Config>(&formats::config::to_toml(&c).unwrap()).unwrap(), c);
    }

    /// A plan's text is the provenance of each shard: that of a plan without the key must not change.
    #[test]
    fn coverage_is_fast_and_unwritten_unless_set() {
        let text = |config: &Config| formats::config::to_toml(config).unwrap();
        assert_eq!(Config::default().image.coverage, Coverage::Fast);
        assert!(!text(&Config::default()).contains("coverage"));
        let fine = Config::load(None, &["image.coverage=fine".to_owned()]).unwrap();
        assert_eq!(fine.image.coverage, Coverage::Fine);
        assert_eq!(toml::from_str::<Config>(&text(&fine)).unwrap(), fine);
        let err = Config::load(None, &["image.coverage=finest".to_owned()]).unwrap_err().to_string();
        assert!(err.contains("finest") && err.contains("fine"), "{err}");
    }

    #[test]
    fn unknown_keys_and_impossible_values_are_refused() {
        let refuse = |set: &str| Config::load(None, &[set.to_owned()]).unwrap_err().to_string();
        assert!(refuse("image.sise=64").contains("sise"));
        assert!(refuse("image.size=0").contains("image.size is 0"));
        assert!(refuse("dataset.val=64").contains("fewer than identities"));
        assert!(refuse("camera.fill=[0.9, 0.1]").contains("camera.fill"));
        let sets = ["sequence.kind=blink", "sequence.frames=10"].map(str::to_owned);
        let err = Config::load(None, &sets).unwrap_err().to_string();
        assert!(err.contains("multiple of sequence.frames, which is 10"), "{err}");
    }
}
