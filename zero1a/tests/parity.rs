//! The networks of [`zero1a::video::portrait`] and the steps of [`nets::blocks::diffusion`] against their public twins.
//!
//! `golden/make_parity.py` writes small random networks with what they take and give. The committed files are checked here
//! without Python; `make parity-video` makes others (VIDEO_PARITY names their folder) and checks those.
use nets::Checkpoint;
use nets::blocks::diffusion::{Betas, NoiseSchedule, ddim_step, trailing_timesteps};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor, nn};
use zero1a::video::portrait::PortraitVideo;
use zero1a::video::portrait::clip::ClipVision;
use zero1a::video::portrait::config::{ClipConfig, UnetConfig, VaeConfig};
use zero1a::video::portrait::guider::GuiderConfig;
use zero1a::video::portrait::model::{PortraitConfig, PortraitSize};
use zero1a::video::portrait::motion::{Motion, MotionConfig};
use zero1a::video::portrait::transformer::Bank;
use zero1a::video::portrait::unet::{Frames, Role, Unet};
use zero1a::video::portrait::vae::AutoencoderKl;
use zero1a::video::{Condition, VideoModel};

/// Largest difference allowed, for values of about unit size.
const TOLERANCE: f64 = 1e-4;

fn golden(name: &str) -> Checkpoint {
    let here = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = std::env::var_os("VIDEO_PARITY").map_or_else(here, PathBuf::from);
    let path = folder.join(format!("{name}.safetensors"));
    Checkpoint::load(&path).unwrap_or_else(|e| panic!("{e}; make parity-video writes it"))
}

fn tensor(file: &Checkpoint, name: &str) -> Tensor {
    let t = file.get(name).unwrap();
    if t.is_floating_point() && t.kind() != Kind::Double { t.to_kind(Kind::Float) } else { t.shallow_clone() }
}

fn assert_near(what: &str, got: &Tensor, want: &Tensor) {
    assert_eq!(got.size(), want.size(), "{what}");
    let spread = want.std(true).double_value(&[]);
    assert!(spread > 1e-3, "{what}: a golden value that says nothing, spread {spread}");
    let off = (got - want).abs().max().double_value(&[]) / spread.max(1.0);
    assert!(off < TOLERANCE, "{what}: off by {off:.2e} of a spread of {spread:.2}");
    println!("{what}: off by {off:.1e}");
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| w.to_string()).collect()
}

fn clip_config(act: &str, projection_dim: i64) -> ClipConfig {
    ClipConfig {
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        image_size: 28,
        patch_size: 7,
        projection_dim,
        hidden_act: act.into(),
    }
}

#[test]
fn autoencoder() {
    let file = golden("vae");
    let config =
        VaeConfig { block_out_channels: vec![4, 8, 8], layers_per_block: 1, norm_num_groups: 2, ..Default::default() };
    let vars = nn::VarStore::new(Device::Cpu);
    let net = AutoencoderKl::new(vars.root(), &config);
    file.restore_vars("w", &vars).unwrap();
    let z = net.encode(&tensor(&file, "x"));
    assert_near("latents", &z, &tensor(&file, "z"));
    assert_near("pictures", &net.decode(&z), &tensor(&file, "y"));
}

#[test]
fn unet_of_pictures() {
    let file = golden("unet");
    let config = UnetConfig {
        block_out_channels: vec![8, 16],
        cross_attention_dim: 12,
        attention_head_dim: 2,
        norm_num_groups: 4,
        down_block_types: strings(&["CrossAttnDownBlock2D", "DownBlock2D"]),
        ..Default::default()
    };
    let vars = nn::VarStore::new(Device::Cpu);
    let net = Unet::new(vars.root(), &config, Role::Picture);
    file.restore_vars("w", &vars).unwrap();
    let (x, t, context) = (tensor(&file, "x"), tensor(&file, "t"), tensor(&file, "context"));
    let frames = Frames { latents: &x, timesteps: &t, context: &context, maps: &[] };
    assert_near("U-Net", &net.forward(frames, &mut Bank::Closed), &tensor(&file, "y"));
}

#[test]
fn attention_over_frames() {
    let file = golden("motion");
    let vars = nn::VarStore::new(Device::Cpu);
    let net = Motion::new(vars.root(), 8, 4, MotionConfig { heads: 2, ..Default::default() });
    file.restore_vars("w", &vars).unwrap();
    assert_near("motion", &net.forward(&tensor(&file, "x"), 2), &tensor(&file, "y"));
}

#[test]
fn image_encoder() {
    for act in ["quick_gelu", "gelu"] {
        let file = golden(&format!("clip_{act}"));
        let vars = nn::VarStore::new(Device::Cpu);
        let net = ClipVision::new(vars.root(), &clip_config(act, 12));
        file.restore_vars("w", &vars).unwrap();
        assert_near(act, &net.forward(&tensor(&file, "x")), &tensor(&file, "y"));
    }
}

#[test]
fn ddim_steps_down_and_up() {
    let file = golden("ddim");
    let schedule = NoiseSchedule::new(Betas::Linear, 8.5e-4, 0.012, 1000);
    let plain = NoiseSchedule::new(Betas::ScaledLinear, 8.5e-4, 0.012, 1000);
    let schedule = schedule.with_zero_terminal_snr();
    for (name, s) in [("alphas", &schedule), ("plain_alphas", &plain)] {
        let ours = Tensor::from_slice(s.alphas_cumprod());
        let off = (ours - tensor(&file, name)).abs().max().double_value(&[]);
        assert!(off < 1e-5, "{name}: off by {off:.1e}, theirs are sums in f32");
    }
    let timesteps = trailing_timesteps(1000, 25);
    let theirs = |name: &str| Vec::<i64>::try_from(tensor(&file, name)).unwrap();
    assert_eq!(timesteps, theirs("timesteps"));
    let upwards: Vec<i64> = timesteps.iter().rev().copied().collect();
    assert_eq!(upwards, theirs("inverse_timesteps"));

    let (x, v) = (tensor(&file, "x"), tensor(&file, "v"));
    let angle = |t: Option<&i64>| t.map_or(0.0, |&t| schedule.angle(t));
    let steps = |from_to: &dyn Fn(usize) -> f64| {
        let all: Vec<Tensor> = (0..25).map(|i| ddim_step(&x.get(i), &v.get(i), from_to(i as usize))).collect();
        Tensor::stack(&all, 0)
    };
    let down = steps(&|i| angle(timesteps.get(i + 1)) - angle(timesteps.get(i)));
    assert_near("DDIM", &down, &tensor(&file, "down"));
    let up = steps(&|i| angle(upwards.get(i)) - if i == 0 { 0.0 } else { angle(upwards.get(i - 1)) });
    assert_near("DDIM inversion", &up, &tensor(&file, "up"));
}

#[test]
fn files_of_pytorch() {
    let here = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let folder = std::env::var_os("VIDEO_PARITY").map_or_else(here, PathBuf::from);
    let saved = nets::weights::pth::load(&folder.join("motion.pth")).unwrap();
    let file = golden("motion");
    let mut shared = 0;
    for name in file.names().filter_map(|n| n.strip_prefix("w.")) {
        assert_eq!(*saved.get(name).unwrap(), tensor(&file, &format!("w.{name}")), "{name}");
        shared += 1;
    }
    assert!(shared > 15);
    let want = Tensor::from_slice(&[1f32, 5.0, 9.0, 2.0, 6.0, 10.0, 3.0, 7.0, 11.0]).view([3, 3]);
    assert_eq!(saved.get("turned").unwrap().to_kind(Kind::Float), want);
    assert_eq!(saved.get("parameter").unwrap(), saved.get("temporal_transformer.norm.weight").unwrap());
}

/// The tiny portrait model's sizes.
fn portrait_config() -> PortraitConfig {
    PortraitConfig {
        vae: VaeConfig {
            block_out_channels: vec![4; 4],
            layers_per_block: 1,
            norm_num_groups: 2,
            ..Default::default()
        },
        unet: UnetConfig {
            block_out_channels: vec![4, 8, 16, 16],
            layers_per_block: 1,
            cross_attention_dim: 8,
            attention_head_dim: 2,
            norm_num_groups: 2,
            ..Default::default()
        },
        clip: clip_config("quick_gelu", 8),
        motion: MotionConfig { heads: 2, ..Default::default() },
        guider: GuiderConfig { heads: 2, head_width: 6, groups: 2 },
        size: PortraitSize { side: 64, window: 4 },
    }
}

/// Lays the golden networks out as the public folder has them.
fn public_folder(file: &Checkpoint, folder: &Path) {
    let write_json = |name: &str, config: serde_json::Value| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, config.to_string()).unwrap();
    };
    let config = portrait_config();
    write_json("sd-vae-ft-mse/config.json", serde_json::json!(config.vae));
    write_json("stable-diffusion-v1-5/unet/config.json", serde_json::json!(config.unet));
    write_json("image_encoder/config.json", serde_json::json!(config.clip));
    let part = |prefix: &str, keep: &dyn Fn(&str) -> bool| {
        let mut out = Checkpoint::new(0);
        for name in file.names().filter(|n| n.starts_with(prefix)) {
            let own = &name[prefix.len()..];
            // The autoencoder's attention under the names of older files.
            let own = if prefix == "vae." { own.replace(".to_q.", ".query.") } else { own.into() };
            if keep(&own) {
                out.put(&own, file.get(name).unwrap());
            }
        }
        out
    };
    let all = |_: &str| true;
    for (prefix, name) in [
        ("vae.", "sd-vae-ft-mse/diffusion_pytorch_model"),
        ("clip.", "image_encoder/model"),
        ("reference.", "reference_unet"),
        ("guider.", "pose_guider"),
    ] {
        part(prefix, &all).save(&folder.join(format!("{name}.safetensors"))).unwrap();
    }
    let moves = |name: &str| name.contains("motion_modules");
    part("denoise.", &|n| !moves(n)).save(&folder.join("denoising_unet.safetensors")).unwrap();
    part("denoise.", &moves).save(&folder.join("motion_module.safetensors")).unwrap();
}

#[test]
fn portrait_assembly() {
    let file = golden("portrait");
    let folder = std::env::temp_dir().join(format!("effigy-portrait-{}", std::process::id()));
    public_folder(&file, &folder);
    let net = PortraitVideo::load(&folder, portrait_config(), Device::Cpu).unwrap();
    std::fs::remove_file(folder.join("motion_module.safetensors")).unwrap();
    let error = PortraitVideo::load(&folder, portrait_config(), Device::Cpu).unwrap_err();
    assert!(format!("{error:#}").contains("no motion_module (.safetensors"), "{error:#}");
    std::fs::remove_dir_all(folder).unwrap();
    let maps = tensor(&file, "maps");
    let condition = Condition {
        reference: tensor(&file, "picture"),
        reference_map: maps.get(0),
        moved: maps.zeros_like(),
        maps: maps.shallow_clone(),
    };
    for (i, map) in net.landmark_features(&maps).iter().enumerate() {
        assert_near(&format!("pose guider, level {i}"), map, &tensor(&file, &format!("map{i}")));
    }
    // The embedding at the encoder's own size; how a picture gets there is not a network's business.
    net.meet_as(&condition.reference, &net.embed(&tensor(&file, "small"))).unwrap();
    let (latents, timestep) = (tensor(&file, "latents"), tensor(&file, "timestep").int64_value(&[]));
    let v = |guidance: f64| net.velocity(&latents, timestep, &condition, guidance).unwrap();
    assert_near("v", &v(1.0), &tensor(&file, "v"));
    assert_near("guided v", &v(3.5), &tensor(&file, "guided"));
}
