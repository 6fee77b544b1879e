//! A drivable person as maps: the tuned network, the pivot, what moves it, and what the Gaussians add.
use crate::config::Appearance;
use crate::residual::Residual;
use crate::rig::Posed;
use crate::rig_motion::RigMotion;
use anyhow::Result;
use formats::{AvatarCard, AvatarKind};
use head::{Correctives, HeadModel, HeadParams};
use nets::Checkpoint;
use nets::blocks::vq::Mode;
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
    /// What moves the person.
    pub motion: Motion,
    /// What stage C added.
    pub residual: Option<Residual>,
    /// `[N]` 0 where no picture shows a Gaussian, towards 1 where pictures do.
    pub seen: Option<Tensor>,
    /// What people read.
    pub card: AvatarCard,
    /// D_id's maps of the pivot, once the network rests.
    resting: Option<IdentityMaps>,
    /// The Gaussians at rest with their residual, once the network rests, where they are the same for every expression.
    still: Option<HeadGaussians>,
}

/// What moves a person.
pub enum Motion {
    /// The network's decoded expression map. `[52, 3, U, U]` metres: each ARKit unit at 1.
    Decoded(Tensor),
    /// The head model.
    Rig(Box<RigMotion>),
}

impl MapsAvatar {
    /// A network with the pivot it is fitted around.
    pub fn new(loaded: LoadedPrior, pivot: Tensor, motion: Motion) -> Self {
        MapsAvatar {
            loaded,
            pivot,
            motion,
            residual: None,
            seen: None,
            card: AvatarCard::default(),
            resting: None,
            still: None,
        }
    }

    /// The maps for x_exp `[B, 3, U, U]` (metres), differentiable. The network's expression quantiser stays in the
    /// loop, as in training.
    pub fn decode_map(&mut self, offset: &Tensor) -> Decoded {
        (self.resting, self.still) = (None, None); // whoever wants gradients is about to change the network
        let expr = self.expression_code(offset);
        let id = self.pivot.expand([offset.size()[0], -1, -1, -1], false);
        self.loaded.prior.decode(&id, &expr)
    }

    /// The Gaussians of decoded maps: at rest under a rig, posed without one. Without the residual.
    pub fn undressed(&self, maps: &Decoded) -> HeadGaussians {
        match &self.motion {
            Motion::Decoded(_) => self.loaded.prior.gaussians(maps),
            Motion::Rig(motion) => motion.rest(&self.loaded, maps),
        }
    }

    /// The same with the residual.
    fn dressed(&self, maps: &Decoded) -> HeadGaussians {
        let g = self.undressed(maps);
        match &self.residual {
            Some(residual) => residual.add(&g),
            None => g,
        }
    }

    /// The head of decoded maps on a surface of the rig (none: as the maps pose it).
    pub fn on_surface(&self, maps: &Decoded, surface: Option<&Posed>) -> HeadGaussians {
        let g = self.dressed(maps);
        match (&self.motion, surface) {
            (Motion::Rig(motion), Some(surface)) => surface.carry(&g, motion.rig.at_rest()),
            _ => g,
        }
    }

    /// The head as `params` pose it; no gradient. Their shape is not read under a rig.
    pub fn posed(&mut self, model: &HeadModel, params: &HeadParams) -> HeadGaussians {
        match &self.motion {
            Motion::Rig(_) => self.by_rig(params),
            Motion::Decoded(units) => {
                let size = units.size()[2];
                let correctives = Correctives::new(model);
                let mut neutral = model.neutral(&params.shape);
                correctives.rest(model, &mut neutral);
                let offsets = correctives.offsets(model, &neutral, params);
                let map = UvSpace::new(model, size as usize).planes(&offsets);
                tch::no_grad(|| {
                    let map = Tensor::from_slice(&map).view([1, 3, size, size]).to_device(self.pivot.device());
                    let maps = self.decode_map(&map);
                    self.loaded.prior.gaussians(&maps)
                })
            }
        }
    }

    /// The head at 52 ARKit weights, in head space; no gradient.
    pub fn gaussians(&mut self, expression: &[f32]) -> HeadGaussians {
        match &self.motion {
            Motion::Rig(_) => {
                let mut params = HeadParams::neutral(1);
                params.expression.copy_from_slice(expression);
                self.by_rig(&params)
            }
            Motion::Decoded(units) => {
                let size = units.size();
                let weights = Tensor::from_slice(expression).view([1, 52]).to_device(units.device());
                let offset = weights.matmul(&units.view([52, -1])).view([1, size[1], size[2], size[3]]);
                tch::no_grad(|| {
                    let maps = self.decode_resting(&offset);
                    self.loaded.prior.gaussians(&maps)
                })
            }
        }
    }

    fn by_rig(&mut self, params: &HeadParams) -> HeadGaussians {
        let Motion::Rig(motion) = &self.motion else { unreachable!("asked of an avatar with a rig") };
        let (appearance, offset, surface) = (motion.appearance, motion.expression_map(params), motion.rig.pose(params));
        tch::no_grad(|| {
            if appearance == Appearance::Expression || self.still.is_none() {
                let maps = self.decode_resting(&offset);
                self.still = Some(self.dressed(&maps));
            }
            let Motion::Rig(motion) = &self.motion else { unreachable!("it was one above") };
            surface.carry(self.still.as_ref().expect("it was set above"), motion.rig.at_rest())
        })
    }

    /// As [`MapsAvatar::decode_map`], what is the same for every expression asked once.
    fn decode_resting(&mut self, offset: &Tensor) -> Decoded {
        let expr = self.expression_code(offset);
        let prior = &self.loaded.prior;
        let identity = self.resting.get_or_insert_with(|| prior.decode_identity(&self.pivot));
        prior.decode_with(identity, &self.pivot, &expr)
    }

    fn expression_code(&mut self, offset: &Tensor) -> Tensor {
        let z_expr = self.loaded.prior.encode_expression(offset);
        self.loaded.prior.quantize_expression(&z_expr, Mode::Fixed).code
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
            match &self.motion {
                Motion::Decoded(units) => _ = file.put("units", units),
                Motion::Rig(motion) => motion.put(&mut file)?,
            }
            if let Some(residual) = &self.residual {
                residual.put(&mut file);
            }
            if let Some(seen) = &self.seen {
                file.put("seen", seen);
            }
            file.put("pivot", &self.pivot).halve()?.save(path)?;
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
        let loaded = weights::rebuild(&file, "prior", device)?;
        let motion = match RigMotion::take(&file, &loaded)? {
            Some(motion) => Motion::Rig(Box::new(motion)),
            None => Motion::Decoded(floats("units")?),
        };
        let seen = if file.names().any(|name| name == "seen") { Some(floats("seen")?) } else { None };
        let residual = Residual::take(&file, device)?;
        let avatar = MapsAvatar::new(loaded, floats("pivot")?, motion);
        Ok(MapsAvatar { card, residual, seen, ..avatar })
    }
}
