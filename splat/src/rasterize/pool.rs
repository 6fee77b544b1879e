//! Memory that finished passes leave to the next ones.
use super::lanes::Block;
use super::view::View;
use super::{Gradients, Rendered};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps the memory of finished passes: a training step then asks the system for none, which saves a fifth of its time
/// at 100,000 Gaussians. Clones share what they keep; it is freed with the last of them.
///
/// ```
/// # use splat::{Camera, Colors, Gaussians, Settings, Upstream, rasterize::Pool};
/// # let scene = Gaussians::empty(Colors::Features { channels: 3 });
/// # let (cameras, settings): ([Camera; 0], _) = ([], Settings::default());
/// let pool = Pool::default();
/// for _ in 0..3 {
///     let (images, saved) = pool.forward(scene.slices(), &cameras, &settings)?;
///     let upstream: [Upstream; 0] = []; // from a loss of `images`
///     let gradients = splat::backward(scene.slices(), &cameras, &settings, &saved, &upstream)?;
///     pool.take_back(images, gradients);
/// }
/// # Ok::<(), splat::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    views: Mutex<Vec<View>>,
    slots: Mutex<Vec<Vec<Block>>>,
    images: Mutex<Vec<Rendered>>,
    gradients: Mutex<Vec<Gradients>>,
}

impl Pool {
    /// Keeps the memory of images and gradients that are no longer needed. (What [`super::Saved`] holds comes back by
    /// itself when that is dropped.)
    pub fn take_back(&self, images: Vec<Rendered>, gradients: Gradients) {
        open(&self.0.images).extend(images);
        open(&self.0.gradients).push(gradients);
    }

    pub(super) fn view(&self) -> View {
        open(&self.0.views).pop().unwrap_or_default()
    }

    pub(super) fn take_back_views(&self, views: Vec<View>) {
        open(&self.0.views).extend(views);
    }

    pub(super) fn image(&self) -> Rendered {
        open(&self.0.images).pop().unwrap_or_default()
    }

    pub(super) fn gradients(&self) -> Gradients {
        open(&self.0.gradients).pop().unwrap_or_default()
    }

    /// Runs `work` with at least `len` blocks of any content.
    pub(super) fn with_slots<T>(&self, len: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let mut slots = open(&self.0.slots).pop().unwrap_or_default();
        if slots.len() < len {
            slots.resize(len, Block::default());
        }
        let out = work(&mut slots[..len]);
        open(&self.0.slots).push(slots);
        out
    }
}

/// A panic elsewhere leaves nothing half-made here: each use is one push or pop.
fn open<T>(shelf: &Mutex<T>) -> MutexGuard<'_, T> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}
