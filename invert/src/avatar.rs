//! A drivable person, whoever made the folder: `invert` itself or `zero1a`.
use crate::maps_avatar::{MapsAvatar, Motion};
use crate::rig::Rig;
use anyhow::Result;
use formats::{AvatarCard, AvatarKind};
use head::model::{HeadModel, HeadParams};
use nets::{Checkpoint, GaussianTensors, Rigged};
use std::path::Path;
use std::sync::LazyLock;
use tch::{Device, Kind};

/// One person. Poses are of the face: neck and head stay at rest, cameras move instead.
pub enum Avatar {
    /// A network and a code.
    Maps(Box<MapsAvatar>),
    /// Gaussians bound to a mesh, and their card.
    Rigged(Box<Rigged>, Box<AvatarCard>),
}

impl Avatar {
    /// What people read.
    pub fn card(&self) -> &AvatarCard {
        match self {
            Avatar::Maps(avatar) => &avatar.card,
            Avatar::Rigged(_, card) => card,
        }
    }

    /// `[N]` how much of each Gaussian the photos showed, 0..=1; none for avatars that do not know it.
    pub fn seen(&self) -> Option<Vec<f32>> {
        let Avatar::Maps(avatar) = self else { return None };
        let seen = avatar.seen.as_ref()?.to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
        Vec::try_from(seen).ok()
    }

    /// The head model that lies in the folder; none for avatars that are moved otherwise.
    pub fn rig(&self) -> Option<&Rig> {
        match self {
            Avatar::Maps(avatar) => match &avatar.motion {
                Motion::Rig(motion) => Some(&motion.rig),
                Motion::Decoded(_) => None,
            },
            Avatar::Rigged(..) => None,
        }
    }

    /// The head at 52 ARKit weights, in head space (metres, display RGB); no gradient.
    pub fn gaussians(&mut self, expression: &[f32; 52]) -> GaussianTensors {
        match self {
            Avatar::Maps(avatar) => avatar.gaussians(expression).head(0),
            Avatar::Rigged(rigged, _) => tch::no_grad(|| rigged.posed(expression, &Default::default())),
        }
    }

    /// The head as a row poses it, jaw and eyeballs included; no gradient.
    pub fn posed(&mut self, model: &HeadModel, params: &HeadParams) -> GaussianTensors {
        match self {
            Avatar::Maps(avatar) => avatar.posed(model, params).head(0),
            Avatar::Rigged(rigged, _) => tch::no_grad(|| rigged.posed(&params.expression, &params.pose)),
        }
    }

    /// The head as `params` pose it, by the head model that lies in the folder; no gradient. Avatars without one (decoded
    /// expressions) take the expression only, whose `eyeLook*` units move their eyes.
    pub fn moved(&mut self, params: &HeadParams) -> GaussianTensors {
        // An avatar with a rig reads no other model.
        static UNREAD: LazyLock<HeadModel> = LazyLock::new(head::analytic::head);
        match self {
            Avatar::Maps(avatar) if matches!(avatar.motion, Motion::Decoded(_)) => self.gaussians(&params.expression),
            _ => self.posed(&UNREAD, params),
        }
    }

    /// Reads a folder, onto a device.
    ///
    /// # Errors
    /// A folder that is no avatar, or of a newer version.
    pub fn load(folder: &Path, device: Device) -> Result<Self> {
        let (card, weights) = AvatarCard::read(folder)?;
        Ok(match card.kind {
            AvatarKind::Maps => Avatar::Maps(Box::new(MapsAvatar::read(&weights, card, device)?)),
            AvatarKind::Rigged => {
                Avatar::Rigged(Box::new(Rigged::take(&Checkpoint::load(&weights)?, device)?), Box::new(card))
            }
        })
    }
}
