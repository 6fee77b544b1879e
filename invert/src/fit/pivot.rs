//! Stage A: the network is frozen; the code, or the encoder that makes it, is optimized, and what belongs to each picture.
use super::{Ask, Fit};
use crate::config::PivotVariable;
use crate::maps_avatar::MapsAvatar;
use crate::pictures::{Pictures, Rates};
use anyhow::Result;
use nets::training::optim::{Adam, AdamConfig};
use tch::Kind;

/// Of stage A, times its learning rate.
const RATES: Rates = Rates { expressions: 1.0, cameras: 0.015, colors: 0.1 };

impl Fit<'_> {
    pub(super) fn find_pivot(&self, avatar: &mut MapsAvatar, pictures: &mut Pictures) -> Result<()> {
        let c = &self.config.pivot;
        let first = avatar.pivot.copy();
        let spread = first.std(true).double_value(&[]).max(1e-6);
        let mut optimizer = Adam::new(AdamConfig::default());
        match c.variable {
            PivotVariable::Code => {
                avatar.pivot = first.copy().set_requires_grad(true);
                optimizer.add_group("pivot", spread, vec![("pivot".into(), avatar.pivot.shallow_clone())]);
            }
            PivotVariable::Encoder => {
                optimizer.add_group("encoder", 0.01, self.free(avatar, "encoders.identity"));
            }
        }
        if c.refine_expressions {
            pictures.free(&mut optimizer, &RATES);
        }
        for step in 0..c.steps {
            if c.variable == PivotVariable::Encoder {
                avatar.pivot = avatar.loaded.prior.encode_identity(&self.subject.texture, &self.subject.position);
            }
            let v = step as usize % self.subject.views.len();
            let head = self.head(avatar, pictures, v);
            let mut loss = self.loss(&head, v, step, Ask::Networks)?
                + ((&avatar.pivot - &first) / spread).square().mean(Kind::Float) * c.stay;
            if pictures.are_free() {
                loss += pictures.strayed() * c.trust_expressions + pictures.wandered() * c.trust_cameras;
            }
            optimizer.zero_grad();
            loss.backward();
            optimizer.step(self.config.pivot_lr(step));
            pictures.clamp();
            self.after_step(step, v, &loss, &head)?;
        }
        pictures.freeze();
        avatar.pivot = avatar.pivot.detach().copy();
        avatar.loaded.vars.freeze();
        Ok(())
    }
}
