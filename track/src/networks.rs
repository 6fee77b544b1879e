//! Both networks with their weights: one file, `track.safetensors`, half floats.
use crate::Error;
use crate::detect_net::DetectNet;
use crate::face_net::{FaceNet, FaceShape};
use nets::Checkpoint;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// Layout of the weights file; raised when a network changes shape.
pub const LAYOUT: &str = "track-2";

/// Detector and face network.
pub struct Networks {
    /// The variables of both, `detect.*` and `face.*`.
    pub vars: nn::VarStore,
    /// Finds faces.
    pub detect: DetectNet,
    /// Reads them.
    pub face: FaceNet,
}

impl Networks {
    /// Fresh weights; a function of torch's seed.
    pub fn new(device: Device, shape: FaceShape) -> Self {
        let vars = nn::VarStore::new(device);
        let root = vars.root();
        let detect = DetectNet::new(&root / "detect");
        let face = FaceNet::new(&root / "face", shape);
        Networks { vars, detect, face }
    }

    /// Where they compute.
    pub fn device(&self) -> Device {
        self.vars.device()
    }

    /// Reads weights.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Weights`].
    pub fn load(path: &Path, device: Device) -> Result<Self, Error> {
        if !path.is_file() {
            return Err(Error::Missing { what: "tracker weights", path: path.into() });
        }
        let bad = |what: String| Error::Weights { what, path: path.into() };
        let file = Checkpoint::load(path).map_err(|e| bad(format!("not a weights file: {e}")))?;
        let layout = file.notes.get("layout").map_or("none", String::as_str);
        if layout != LAYOUT {
            return Err(bad(format!("weights of layout {layout:?}; this build reads {LAYOUT:?}")));
        }
        let shape = file.notes.get("face").and_then(|note| serde_json::from_str(note).ok());
        let mut networks = Networks::new(device, shape.ok_or_else(|| bad("no note `face` with the shape".into()))?);
        file.restore_vars("", &networks.vars).map_err(|e| bad(e.to_string()))?;
        networks.vars.freeze();
        Ok(networks)
    }

    /// Takes every tensor of a weights file, of whatever layout, that has the name and shape of one of ours; returns how
    /// many those are.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Weights`].
    pub fn take_over(&self, path: &Path) -> Result<usize, Error> {
        if !path.is_file() {
            return Err(Error::Missing { what: "tracker weights", path: path.into() });
        }
        let file = Checkpoint::load(path);
        let file = file.map_err(|e| Error::Weights { what: format!("not a weights file: {e}"), path: path.into() })?;
        let alike = |(name, own): &(String, Tensor)| file.get(name).is_ok_and(|t| t.size() == own.size());
        let pairs: Vec<(String, Tensor)> = self.vars.variables().into_iter().filter(alike).collect();
        tch::no_grad(|| {
            for (name, own) in &pairs {
                own.detach().copy_(file.get(name).expect("it is alike"));
            }
        });
        Ok(pairs.len())
    }

    /// Writes weights atomically as half floats; returns the bytes.
    ///
    /// # Errors
    /// If a weight is not finite, or the disk does not take it.
    pub fn save(&self, path: &Path, step: u64) -> Result<u64, nets::Error> {
        let mut file = Checkpoint::new(step);
        file.note("layout", LAYOUT);
        file.note("face", serde_json::to_string(&self.face.shape).expect("numbers alone"));
        file.put_vars("", &self.vars).halve()?;
        file.save(path)
    }
}

/// A tensor's values in row-major order.
pub(crate) fn flat(t: &Tensor) -> Vec<f32> {
    let t = t.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().flatten(0, -1);
    Vec::try_from(t).expect("a flat float tensor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_come_back_as_half_floats_and_fit_into_ten_megabytes() {
        let folder = std::env::temp_dir().join(format!("track-weights-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("track.safetensors");
        tch::manual_seed(1);
        let networks = Networks::new(Device::Cpu, crate::face_net::tests::shape_of(482, 80));
        let bytes = networks.save(&path, 7).unwrap();
        assert!(bytes < 10_000_000, "{bytes} bytes");
        let back = Networks::load(&path, Device::Cpu).unwrap();
        let x = Tensor::rand([1, 3, 192, 192], (Kind::Float, Device::Cpu));
        let (a, b) = (networks.face.forward(&x, false), back.face.forward(&x, false));
        let worst = (a.points - b.points).abs().max().double_value(&[]);
        assert_eq!(networks.take_over(&path).unwrap(), networks.vars.len());
        assert!(worst < 0.5, "half floats move landmarks by {worst} px of 192");
        std::fs::write(&path, b"no weights").unwrap();
        assert!(matches!(Networks::load(&path, Device::Cpu), Err(Error::Weights { .. })));
        assert!(matches!(Networks::load(&folder.join("none"), Device::Cpu), Err(Error::Missing { .. })));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
