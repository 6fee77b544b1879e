//! Progress of a running fit (stage, loss, PSNR, remaining time) and its preview image.
use super::costs::Costs;
use super::{Fit, GREY};
use crate::config::FitConfig;
use crate::maps_avatar::MapsAvatar;
use crate::pictures::{CENTER, Pictures};
use anyhow::Result;
use formats::progress::{Progress, Talk, clock};
use formats::publish::write_atomically;
use glam::{Mat4, Vec3};
use nets::view::{composite, sheet_png};
use prior::model::HeadGaussians;
use prior::picture::draw;
use serde_json::json;
use splat::Camera;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tch::Tensor;

/// Between two previews.
const PREVIEWS: Duration = Duration::from_secs(20);
/// Where the second view of a preview is taken from, to the person's left.
const PREVIEW_YAW_DEG: f32 = 30.0;

/// Measures time and reports progress.
pub(super) struct Monitor {
    pub(super) costs: Costs,
    talk: Talk,
    preview: PathBuf,
    bar: Option<Progress>,
    /// Steps of the running stage.
    steps: u64,
    /// When the first step of the running stage began.
    began: Instant,
    /// When the previous stage ended: the setup of a stage counts towards it.
    ended: Instant,
    shown: Instant,
    /// PSNR (dB) of the first image in the last preview.
    first_psnr: Option<f64>,
}

impl Monitor {
    /// Starts the clock; `preview` is the image file to write.
    pub(super) fn new(config: &FitConfig, preview: PathBuf, talk: Talk) -> Self {
        let now = Instant::now();
        Monitor {
            costs: Costs::new(config),
            talk,
            preview,
            bar: None,
            steps: 0,
            began: now,
            ended: now,
            shown: now,
            first_psnr: None,
        }
    }

    /// A line for people, an event for programs.
    pub(super) fn say(&self, line: &str) {
        self.talk.say(&format!("invert: {line}"));
        self.talk.event("fit", json!({ "line": line }));
    }

    /// The steps of the next stage begin.
    pub(super) fn begin(&mut self) {
        let (stage, steps) = self.costs.stage();
        self.bar = Some(Progress::new(stage, steps, "steps", self.talk));
        (self.steps, self.began) = (0, Instant::now());
    }

    /// The running stage is done; its seconds.
    pub(super) fn end(&mut self) -> f64 {
        self.bar = None;
        let seconds = self.ended.elapsed().as_secs_f64();
        self.ended = Instant::now();
        self.costs.seconds.push(seconds);
        seconds
    }

    fn step(&mut self, loss: f64) {
        self.steps += 1;
        let Some(bar) = &self.bar else { return };
        let psnr = self.first_psnr.map_or(String::new(), |db| format!(", PSNR of image 1 {db:.1} dB"));
        let left = self.left().map_or(String::new(), |secs| format!(", {} left in all", clock(secs)));
        bar.note(&format!("loss {loss:.4}{psnr}{left}"));
        bar.add(1);
        if self.steps >= self.costs.stage().1 {
            self.bar = None; // messages after the last step would break the bar
        }
    }

    fn left(&self) -> Option<f64> {
        self.costs.left(self.steps, self.began.elapsed().as_secs_f64())
    }

    fn show(&mut self, png: &[u8], psnr: f64, loss: Option<f64>) -> Result<()> {
        write_atomically(&self.preview, png)?;
        (self.shown, self.first_psnr) = (Instant::now(), Some(psnr));
        let (stage, steps) = self.costs.stage();
        let event = json!({ "stage": stage, "step": self.steps, "steps": steps, "loss": loss, "first_image_psnr_db": psnr,
            "left_secs": self.left(), "preview": self.preview });
        self.talk.event("preview", event);
        Ok(())
    }
}

impl Fit<'_> {
    /// After each optimizer step of each stage, `head` being that of picture `v` before it.
    ///
    /// # Errors
    /// A loss that is no number; a preview that cannot be written.
    pub(super) fn after_step(&self, step: u64, v: usize, loss: &Tensor, head: &HeadGaussians) -> Result<()> {
        let loss = loss.double_value(&[]);
        if !loss.is_finite() {
            return Err(nets::Error::NotFinite { what: "the loss of the fit".into(), step }.into());
        }
        let mut monitor = self.monitor.borrow_mut();
        monitor.step(loss);
        if v == 0 && monitor.shown.elapsed() > PREVIEWS {
            let (png, psnr) = self.preview(head)?;
            monitor.show(&png, psnr, Some(loss))?;
        }
        Ok(())
    }

    /// Draws the preview at the end of a stage.
    ///
    /// # Errors
    /// A preview that cannot be written.
    pub(super) fn show(&self, avatar: &mut MapsAvatar, pictures: &Pictures) -> Result<()> {
        let head = tch::no_grad(|| self.head(avatar, pictures, 0));
        let (png, psnr) = self.preview(&head)?;
        self.monitor.borrow_mut().show(&png, psnr, None)
    }

    /// The first picture, the avatar in its place, and the avatar from the side, as PNG; PSNR (dB) of the second against the
    /// first, over valid pixels before mid grey.
    fn preview(&self, head: &HeadGaussians) -> Result<(Vec<u8>, f64)> {
        tch::no_grad(|| {
            let camera = self.subject.views[0].camera;
            let truth = composite(&self.targets.images[0], &self.targets.alphas[0], &GREY);
            let made = draw(head, &[camera], &GREY)?.color;
            let aside = draw(head, &[turned(&camera, PREVIEW_YAW_DEG.to_radians())], &GREY)?.color;
            let psnr = nets::losses::metric::psnr_masked(&made, &truth, &self.targets.valid[0]).double_value(&[0]);
            let row = [truth, made, aside].map(|picture| picture.select(0, 0));
            Ok((sheet_png(&[Vec::from(row)])?, psnr))
        })
    }
}

/// A camera (head space → picture) that has gone `yaw` radians around the head, to the person's left.
fn turned(camera: &Camera, yaw: f32) -> Camera {
    let center = Vec3::from(CENTER);
    let turn = Mat4::from_translation(center) * Mat4::from_rotation_y(-yaw) * Mat4::from_translation(-center);
    Camera { camera_from_world: camera.camera_from_world * turn, ..*camera }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_view_is_from_the_persons_left() {
        let center = Vec3::from(CENTER);
        let front = Camera::look_at(center + Vec3::Z, center, Vec3::Y, 500.0, 64, 64);
        let side = turned(&front, PREVIEW_YAW_DEG.to_radians());
        // The camera keeps its distance and goes towards +x, where the left ear of a head that faces +z is.
        let eye = side.eye() - center;
        assert!((eye - Vec3::new(0.5, 0.0, 0.75f32.sqrt())).length() < 1e-5, "{eye}");
    }
}
