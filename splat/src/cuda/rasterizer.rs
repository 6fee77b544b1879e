//! Frames: sizes checked, room made, programs kept.
use super::args::TILE;
use super::backward::BackwardPass;
use super::device::{DeviceGaussians, DeviceGradients, DeviceImages, DeviceUpstream};
use super::engine::Engine;
use super::forward::ForwardPass;
use super::frame::{Frame, Programs, Size};
use super::pool::Pool;
use super::program::{MOST_CHANNELS, Variant};
use super::{Error, Fetched, sort};
use crate::{Camera, Settings};
use std::sync::Arc;

/// Pairs there is room for at first, per Gaussian and image; then as many as were counted and an eighth more.
const FIRST_GUESS: usize = 4;
const LEAST_CAPACITY: usize = 4096;
/// Most (image, Gaussian) pairs: twice that is an index of 32 bits.
const MOST_PAIRS: usize = 1 << 30;

/// What happens when a frame has more (Gaussian, tile) pairs than there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Each forward pass launches everything, then waits until the pairs are counted (the images are still being made,
    /// so the device does not idle) and starts again with more room if there were too many. Never wrong.
    #[default]
    Wait,
    /// Never waits. An incomplete frame is an error of its backward pass or of [`Frame::check`], once the count has
    /// come; the next frame has the room.
    Defer,
}

/// Draws on one engine; keeps its memory from call to call.
pub struct Rasterizer {
    pool: Pool,
    overflow: Overflow,
    /// Pairs to make room for; 0 until something was counted.
    capacity: usize,
    /// Of the last frame.
    last_counts: Option<Arc<dyn Fetched>>,
    programs: Vec<(Variant, Arc<Programs>)>,
}

impl Rasterizer {
    /// On `engine`, usually a [`super::Gpu`].
    pub fn new(engine: impl Engine + 'static) -> Self {
        Self::shared(Arc::new(engine))
    }

    /// On an engine that others use too.
    pub fn shared(engine: Arc<dyn Engine>) -> Self {
        let (overflow, programs) = (Overflow::default(), Vec::new());
        Rasterizer { pool: Pool::new(engine), overflow, capacity: 0, last_counts: None, programs }
    }

    /// The same, with that answer to too many pairs.
    pub fn on_overflow(self, overflow: Overflow) -> Self {
        Rasterizer { overflow, ..self }
    }

    /// The same, with room for that many (Gaussian, tile) pairs in its first frame.
    pub fn with_capacity(self, pairs: usize) -> Self {
        Rasterizer { capacity: pairs.max(1), ..self }
    }

    /// Bytes held on the device for scratch and for frames.
    pub fn device_bytes(&self) -> usize {
        self.pool.total_bytes()
    }

    /// Gives idle memory back to the device.
    pub fn trim(&self) {
        self.pool.trim();
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Draws every scene as each of its cameras sees it; `cameras` are those of the first scene, then of the next, and
    /// all have images of one size.
    ///
    /// As [`crate::forward`], and with the same constants; images differ by rounding.
    ///
    /// # Errors
    /// [`Error::Input`] for what makes no image or more than [`MOST_CHANNELS`] channels; [`Error::TooLarge`]; what the
    /// device or the compiler answers.
    ///
    /// # Safety
    /// The addresses of `gaussians` and `images` have the sizes said and stay good until the device has finished; those
    /// of `gaussians` also for the frame's backward pass.
    pub unsafe fn forward(
        &mut self,
        gaussians: &DeviceGaussians,
        cameras: &[Camera],
        settings: &Settings,
        images: &DeviceImages,
    ) -> Result<Frame, Error> {
        let size = checked(gaussians, cameras, settings)?;
        let variant = Variant::new(gaussians.kind, !images.depth.is_none(), settings.cutoff);
        let programs = self.programs(variant)?;
        let pairs = size.images * gaussians.n_gaussians;
        self.learn_from_last()?;
        if self.capacity == 0 {
            self.capacity = (FIRST_GUESS * pairs).clamp(LEAST_CAPACITY, sort::MOST_KEYS);
        }
        loop {
            let pass = ForwardPass {
                pool: &self.pool,
                programs: programs.clone(),
                variant,
                gaussians,
                cameras,
                settings,
                images,
                size,
                pairs,
                capacity: self.capacity,
            };
            // SAFETY: passed on to the caller.
            let frame = unsafe { pass.run()? };
            self.last_counts = Some(frame.counts.clone());
            if self.overflow == Overflow::Defer || size.images == 0 {
                return Ok(frame);
            }
            let wanted = frame.counted()?.wanted;
            if wanted <= frame.capacity {
                return Ok(frame);
            }
            drop(frame);
            self.make_room(wanted)?;
        }
    }

    /// Gradients by everything that the frame was made from, given those by its images. As [`crate::backward`].
    ///
    /// # Errors
    /// [`Error::Overflow`] if the frame turns out incomplete; what the device answers.
    ///
    /// # Safety
    /// The frame is from this rasterizer; the addresses of `upstream` and `gradients` have the sizes said, and stay
    /// good until the device has finished.
    pub unsafe fn backward(
        &mut self,
        frame: &Frame,
        upstream: &DeviceUpstream,
        gradients: &DeviceGradients,
    ) -> Result<(), Error> {
        if let Err(incomplete) = frame.check() {
            self.learn_from_last()?;
            return Err(incomplete);
        }
        // SAFETY: passed on to the caller.
        unsafe { BackwardPass { pool: &self.pool, frame, upstream, gradients }.run() }
    }

    /// Makes room for what the last frame wanted, if that is known by now.
    fn learn_from_last(&mut self) -> Result<(), Error> {
        let Some(counts) = &self.last_counts else { return Ok(()) };
        if !counts.is_ready()? {
            return Ok(());
        }
        let bytes = counts.wait()?;
        self.last_counts = None;
        let wanted = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
        if wanted > self.capacity { self.make_room(wanted) } else { Ok(()) }
    }

    fn make_room(&mut self, wanted: usize) -> Result<(), Error> {
        if wanted > sort::MOST_KEYS {
            return Err(Error::TooLarge { wanted, most: sort::MOST_KEYS });
        }
        self.capacity = (wanted + wanted / 8).clamp(LEAST_CAPACITY, sort::MOST_KEYS);
        // Buffers of the old size fit nothing any more.
        self.pool.trim();
        Ok(())
    }

    fn programs(&mut self, variant: Variant) -> Result<Arc<Programs>, Error> {
        if let Some((_, found)) = self.programs.iter().find(|(v, _)| *v == variant) {
            return Ok(found.clone());
        }
        let programs = Arc::new(Programs::new(variant));
        self.pool.engine().prepare(&[&programs.draw, &programs.back, sort::program()])?;
        self.programs.push((variant, programs.clone()));
        Ok(programs)
    }
}

/// Sizes of a batch, or why there can be none.
fn checked(gaussians: &DeviceGaussians, cameras: &[Camera], settings: &Settings) -> Result<Size, Error> {
    let channels = gaussians.kind.channels();
    settings.check(channels)?;
    cameras.iter().try_for_each(Camera::check)?;
    let shape =
        |what, expected, got| Err(crate::Error::Shape { what, expected: vec![expected], got: vec![got] }.into());
    if channels > MOST_CHANNELS {
        return shape("channels on a GPU", MOST_CHANNELS, channels);
    }
    let scenes = gaussians.n_scenes.max(1);
    if !cameras.len().is_multiple_of(scenes) {
        return shape("cameras: a multiple of the scenes", scenes, cameras.len());
    }
    if cameras.len() * gaussians.n_gaussians > MOST_PAIRS {
        return shape("Gaussians times cameras", MOST_PAIRS, cameras.len() * gaussians.n_gaussians);
    }
    let (width, height) = cameras.first().map_or((1, 1), |c| (c.width, c.height));
    for camera in cameras {
        if (camera.width, camera.height) != (width, height) {
            let (expected, got) = (vec![width, height], vec![camera.width, camera.height]);
            return Err(crate::Error::Shape { what: "images of one batch", expected, got }.into());
        }
    }
    let tiles = [width.div_ceil(TILE), height.div_ceil(TILE)];
    Ok(Size { images: cameras.len(), views: cameras.len() / scenes, width, height, tiles })
}
