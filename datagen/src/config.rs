//! What a user may set: `config.toml`, then `--set a.b=c`. Unknown keys are refused.
use formats::exit::Failure;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

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

/// How many of what; frames = identities × expressions × cameras.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatasetConfig {
    /// People in all.
    pub identities: u32,
    /// Of these, the last but `test` are `val`.
    pub val: u32,
    /// Of these, the last are `test`.
    pub test: u32,
    /// Per identity; number 0 is neutral. With a sequence: its frames, clip after clip.
    pub expressions: u32,
    /// Per expression.
    pub cameras: u32,
}

/// The picture itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// Width and height in pixels.
    pub size: u32,
    /// Paths a pixel.
    pub samples: u32,
    /// Longest path, in bounces.
    pub bounces: u32,
    /// Skin's way of scattering.
    pub skin: SkinModel,
    /// Denoiser after tracing.
    pub denoise: Denoise,
    /// What stands behind the head.
    pub background: Background,
    /// Noise of a sensor, at most this many electrons' worth of light are collected by a white pixel; 0: none. Drawn per
    /// frame between a quarter of it and all of it.
    pub full_well: f32,
    /// Curve from light to picture.
    pub tone: Tone,
}

/// Curve from light to picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Straight, with a soft shoulder.
    Plain,
    /// Exposure, contrast and white balance drawn per frame, as cameras differ.
    Varied,
}

/// Skin's way of scattering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SkinModel {
    /// Diffuse under two specular lobes: fast.
    Diffuse,
    /// Random walk under the skin: soft, about twice the time.
    Subsurface,
}

/// Denoiser after tracing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Denoise {
    /// None; the noise stays.
    Off,
    /// Open Image Denoise, fast filter.
    Fast,
    /// Open Image Denoise, high quality.
    High,
}

/// What stands behind the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// A plain tone drawn per light, written into the row's light JSON.
    Plain,
    /// Black.
    Black,
    /// White.
    White,
}

/// Optional maps of a row, and maps of an identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MapsConfig {
    /// Coverage.
    pub alpha: bool,
    /// Class ids.
    pub segmentation: bool,
    /// Depth along z.
    pub depth: bool,
    /// World normals.
    pub normal: bool,
    /// Texture coordinates and part.
    pub uv: bool,
    /// Colour without light, of every frame.
    pub frame_albedo: bool,
    /// World positions, of every frame.
    pub frame_position: bool,
    /// Linear layers of every frame, as OpenEXR in shards of their own.
    pub exr: bool,
    /// UV albedo of the identity.
    pub albedo: bool,
    /// UV image of what the identity shows from outside: skin, and hair and cloth before it.
    pub appearance: bool,
    /// UV position map of the identity.
    pub position: bool,
    /// Side of the identity's UV maps, in texels.
    pub uv_size: u32,
}

/// Mesh detail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeshConfig {
    /// Catmull–Clark steps before tracing.
    pub subdivision: u32,
    /// Side of the albedo texture the tracer reads, in texels.
    pub texture_size: u32,
}

/// Strands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HairConfig {
    /// Strands of a full scalp; fewer are drawn thicker.
    pub strands: u32,
}

/// What is worn on the head. Off by default: a prior learns a face's colours by its texture, where frames of glasses have
/// no place, and the shipped one has seen neither glasses nor hats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WearConfig {
    /// Share of people with glasses.
    pub glasses: f32,
    /// Share of people with a cap, a beanie or a headscarf.
    pub headwear: f32,
}

/// Where the cameras stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraConfig {
    /// Distance from the head's centre (metres), lowest and highest.
    pub distance_m: [f32; 2],
    /// Share of the picture's height that the head (chin to crown) fills.
    pub fill: [f32; 2],
    /// Yaw to either side (degrees); denser near the front.
    pub yaw_deg: f32,
    /// Pitch, from below to above (degrees).
    pub pitch_deg: [f32; 2],
    /// Standard deviation of where it looks at (metres).
    pub jitter_m: f32,
}

/// Environments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LightConfig {
    /// How many different environments the dataset holds.
    pub count: u32,
    /// What shares one environment.
    pub per: LightPer,
    /// Share of the draws that give light 0, a neutral studio that is the same in every dataset: what a prior that
    /// bakes the light into its colours learns from (SynShot uses one environment for all).
    pub studio_share: f32,
    /// Width of the latitude-longitude map (its height is half of it).
    pub width: u32,
    /// Files (`.exr`, `.hdr`; latitude-longitude, the zenith on top, what the head faces in the middle) that are the last of
    /// the `count` environments.
    pub maps: Vec<PathBuf>,
}

/// What shares one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LightPer {
    /// Every frame of an identity.
    Identity,
    /// Every camera of an expression (in a sequence: of a clip).
    Expression,
    /// Nothing: each frame draws its own (in a sequence each clip of each camera).
    Frame,
}

/// Faces people make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpressionConfig {
    /// Scales every drawn unit.
    pub intensity: f32,
    /// Standard deviation of head and neck turns (degrees).
    pub pose_deg: f32,
}

/// Clips: expressions `k · frames ..` of an identity are consecutive frames of clip `k`, under one light, each camera on a
/// path of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SequenceConfig {
    /// What happens in a clip.
    pub kind: SequenceKind,
    /// Frames a clip; `dataset.expressions` is a multiple of it.
    pub frames: u32,
    /// Frames a second.
    pub fps: f32,
    /// How the cameras move.
    pub camera: CameraPath,
}

/// What happens in a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SequenceKind {
    /// No clips: every expression is a draw of its own.
    Single,
    /// Lids close and open again.
    Blink,
    /// Mouth shapes of speech.
    Speech,
    /// Eyes rest and jump.
    Gaze,
    /// Speech, eyes, lids and a mood at once.
    Mixed,
    /// Strong, fast changing faces.
    Exaggerated,
    /// One of these, drawn clip by clip.
    Any,
}

/// How a camera moves during a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraPath {
    /// Not at all.
    Still,
    /// Around the head, from the front to a side within `camera.yaw_deg`.
    Orbit,
}

/// Files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardsConfig {
    /// Frames a shard.
    pub frames: u32,
    /// Identities a shard.
    pub identities: u32,
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

impl Default for DatasetConfig {
    fn default() -> Self {
        DatasetConfig { identities: 64, val: 4, test: 4, expressions: 8, cameras: 3 }
    }
}

impl Default for ImageConfig {
    fn default() -> Self {
        ImageConfig {
            size: 256,
            samples: 16,
            bounces: 4,
            skin: SkinModel::Diffuse,
            denoise: Denoise::Fast,
            background: Background::Plain,
            full_well: 0.0,
            tone: Tone::Plain,
        }
    }
}

impl Default for MapsConfig {
    fn default() -> Self {
        MapsConfig {
            alpha: true,
            segmentation: true,
            depth: true,
            normal: true,
            uv: true,
            frame_albedo: false,
            frame_position: false,
            exr: false,
            albedo: true,
            appearance: true,
            position: true,
            uv_size: 256,
        }
    }
}

impl Default for MeshConfig {
    fn default() -> Self {
        MeshConfig { subdivision: 1, texture_size: 1024 }
    }
}

impl Default for HairConfig {
    fn default() -> Self {
        HairConfig { strands: 12_000 }
    }
}

impl Default for CameraConfig {
    fn default() -> Self {
        CameraConfig {
            distance_m: [0.5, 1.2],
            fill: [0.6, 0.85],
            yaw_deg: 90.0,
            pitch_deg: [-20.0, 35.0],
            jitter_m: 0.006,
        }
    }
}

impl Default for LightConfig {
    fn default() -> Self {
        LightConfig { count: 256, per: LightPer::Frame, studio_share: 0.5, width: 256, maps: Vec::new() }
    }
}

impl Default for ExpressionConfig {
    fn default() -> Self {
        ExpressionConfig { intensity: 1.0, pose_deg: 5.0 }
    }
}

impl Default for SequenceConfig {
    fn default() -> Self {
        SequenceConfig { kind: SequenceKind::Single, frames: 16, fps: 25.0, camera: CameraPath::Still }
    }
}

impl Default for ShardsConfig {
    fn default() -> Self {
        ShardsConfig { frames: 1024, identities: 100 }
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
        let d = &self.dataset;
        range("dataset.identities", d.identities, 1, 1 << 23, "1 to 8388608")?;
        range("dataset.expressions", d.expressions, 1, 1 << 14, "1 to 16384")?;
        range("dataset.cameras", d.cameras, 1, 1 << 10, "1 to 1024")?;
        range("light.count", self.light.count, 1, 1 << 15, "1 to 32768")?;
        range("light.width", self.light.width, 16, 4096, "16 to 4096")?;
        range("image.size", self.image.size, 8, 4096, "8 to 4096 pixels")?;
        range("image.samples", self.image.samples, 1, 1 << 16, "1 to 65536")?;
        interval("image.full_well", [0.0, self.image.full_well], 0.0, 1e6, "0 to 1000000 electrons")?;
        range("image.bounces", self.image.bounces, 1, 32, "1 to 32")?;
        range("mesh.subdivision", self.mesh.subdivision, 0, 4, "0 to 4")?;
        range("mesh.texture_size", self.mesh.texture_size, 16, 8192, "16 to 8192 texels")?;
        range("maps.uv_size", self.maps.uv_size, 8, 4096, "8 to 4096 texels")?;
        range("hair.strands", self.hair.strands, 0, 1_000_000, "0 to 1000000")?;
        range("shards.frames", self.shards.frames, 1, 1 << 16, "1 to 65536")?;
        range("shards.identities", self.shards.identities, 1, 1 << 16, "1 to 65536")?;
        if self.light.maps.len() as u32 >= self.light.count {
            let (maps, count) = (self.light.maps.len(), self.light.count);
            return Err(Failure::config(format!(
                "light.maps has {maps} files; expected fewer than light.count, {count}"
            )));
        }
        self.check_sequence()?;
        if d.val as u64 + d.test as u64 >= d.identities as u64 {
            let got = format!("{} + {} of {} identities", d.val, d.test, d.identities);
            return Err(Failure::config(format!(
                "dataset.val + dataset.test is {got}; expected fewer than identities"
            )));
        }
        let c = &self.camera;
        interval("camera.distance_m", c.distance_m, 0.25, 20.0, "[low, high] within 0.25 to 20")?;
        interval("camera.fill", c.fill, 0.05, 2.0, "[low, high] within 0.05 to 2")?;
        interval("camera.pitch_deg", c.pitch_deg, -85.0, 85.0, "[low, high] within -85 to 85")?;
        interval("camera.yaw_deg", [0.0, c.yaw_deg], 0.0, 180.0, "0 to 180")?;
        interval("camera.jitter_m", [0.0, c.jitter_m], 0.0, 0.1, "0 to 0.1")?;
        interval("wear.glasses", [0.0, self.wear.glasses], 0.0, 1.0, "0 to 1")?;
        interval("wear.headwear", [0.0, self.wear.headwear], 0.0, 1.0, "0 to 1")?;
        interval("expression.intensity", [0.0, self.expression.intensity], 0.0, 2.0, "0 to 2")?;
        interval("expression.pose_deg", [0.0, self.expression.pose_deg], 0.0, 45.0, "0 to 45")
    }

    fn check_sequence(&self) -> Result<(), Failure> {
        let (q, expressions) = (&self.sequence, self.dataset.expressions);
        range("sequence.frames", q.frames, 8, 1 << 14, "8 to 16384")?;
        interval("sequence.fps", [q.fps, q.fps], 10.0, 240.0, "10 to 240")?;
        if q.kind != SequenceKind::Single && !expressions.is_multiple_of(q.frames) {
            let frames = q.frames;
            return Err(Failure::config(format!(
                "dataset.expressions is {expressions}; expected a multiple of sequence.frames, which is {frames}"
            )));
        }
        Ok(())
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
