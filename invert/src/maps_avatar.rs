//! A drivable person as maps: the tuned network, the pivot, and what the units do to this face.
use anyhow::Result;
use formats::{AvatarCard, AvatarKind};
use head::{HeadModel, HeadParams};
use nets::Checkpoint;
use nets::vq::Mode;
use prior::maps::UvSpace;
use prior::model::{Decoded, HeadGaussians, IdentityMaps};
use prior::weights::{self, LoadedPrior};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// One person.
pub struct MapsAvatar {
    /// The network, tuned around the pivot.
    pub loaded: LoadedPrior,
    /// z_id `[1, D, g, g]`.
    pub pivot: Tensor,
    /// `[52, 3, U, U]` metres: each ARKit unit at 1.
    pub units: Tensor,
    /// What people read.
    pub card: AvatarCard,
    /// D_id's maps of the pivot, once the network rests.
    resting: Option<IdentityMaps>,
}

impl MapsAvatar {
    /// A network with the pivot it is fitted around.
    pub fn new(loaded: LoadedPrior, pivot: Tensor, units: Tensor) -> Self {
        MapsAvatar { loaded, pivot, units, card: AvatarCard::default(), resting: None }
    }

    /// The maps for x_exp `[B, 3, U, U]` (metres), differentiable. The network's expression quantiser stays in the
    /// loop, as in training.
    pub fn decode_map(&mut self, offset: &Tensor) -> Decoded {
        self.resting = None; // whoever wants gradients is about to change the network
        let expr = self.expression_code(offset);
        let id = self.pivot.expand([offset.size()[0], -1, -1, -1], false);
        self.loaded.prior.decode(&id, &expr)
    }

    /// The head as `params` pose it, by the offsets of its expression; no gradient.
    pub fn posed(&mut self, model: &HeadModel, params: &HeadParams) -> HeadGaussians {
        let size = self.units.size()[2];
        let map = UvSpace::new(model, size as usize).planes(&model.expression_offsets(params));
        tch::no_grad(|| {
            let map = Tensor::from_slice(&map).view([1, 3, size, size]).to_device(self.units.device());
            let maps = self.decode_map(&map);
            self.loaded.prior.gaussians(&maps)
        })
    }

    /// The head at 52 ARKit weights, in head space; no gradient.
    pub fn gaussians(&mut self, expression: &[f32]) -> HeadGaussians {
        tch::no_grad(|| {
            let size = self.units.size();
            let weights = Tensor::from_slice(expression).view([1, 52]).to_device(self.units.device());
            let offset = weights.matmul(&self.units.view([52, -1])).view([1, size[1], size[2], size[3]]);
            let expr = self.expression_code(&offset);
            let prior = &self.loaded.prior;
            let identity = self.resting.get_or_insert_with(|| prior.decode_identity(&self.pivot));
            let maps = prior.decode_with(identity, &self.pivot, &expr);
            prior.gaussians(&maps)
        })
    }

    fn expression_code(&mut self, offset: &Tensor) -> Tensor {
        let z_expr = self.loaded.prior.encode_expression(offset);
        self.loaded.prior.quantise_expression(&z_expr, Mode::Fixed).code
    }

    /// Writes the folder, see [`AvatarCard::write`].
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let card = AvatarCard { kind: AvatarKind::Maps, ..self.card.clone() };
        card.write(folder, |path| {
            let mut file = Checkpoint::new(self.loaded.steps);
            file.put_vars("prior", &self.loaded.vars);
            weights::describe(&mut file, &self.loaded)?;
            file.put("units", &self.units).put("pivot", &self.pivot).halve()?.save(path)?;
            Ok(())
        })
    }

    /// Of a folder's weights and card, on a device.
    ///
    /// # Errors
    /// Weights of something else, or of a newer layout.
    pub fn read(path: &Path, card: AvatarCard, device: Device) -> Result<Self> {
        let file = Checkpoint::load(path)?;
        let floats = |name: &str| Ok::<_, anyhow::Error>(file.get(name)?.to_kind(Kind::Float).to_device(device));
        let avatar = MapsAvatar::new(weights::rebuild(&file, "prior", device)?, floats("pivot")?, floats("units")?);
        Ok(MapsAvatar { card, ..avatar })
    }
}
