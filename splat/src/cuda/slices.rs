//! The passes on slices of the host: everything is copied there and back. For use without torch, and for tests.
use super::args::CAMERA_FLOATS;
use super::device::{DeviceGaussians, DeviceGradients, DeviceImages, DeviceUpstream};
use super::pool::Buffer;
use super::rasterizer::Rasterizer;
use super::{Address, Error, Frame};
use crate::{Camera, GaussianSlices, Gradients, Rendered, Settings, Upstream};

/// What [`Rasterizer::forward_slices`] leaves for its backward pass.
pub struct SavedSlices {
    frame: Frame,
    device: DeviceGaussians,
    /// Means, quats, log scales, opacity logits, colors.
    _inputs: [Buffer; 5],
    n_cameras: usize,
}

impl SavedSlices {
    /// The frame on the device.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl Rasterizer {
    /// [`crate::forward`] on this engine.
    ///
    /// # Errors
    /// As [`Self::forward`]; [`Error::Input`] also if an array has another size than its documentation says.
    pub fn forward_slices(
        &mut self,
        gaussians: GaussianSlices<'_>,
        cameras: &[Camera],
        settings: &Settings,
    ) -> Result<(Vec<Rendered>, SavedSlices), Error> {
        gaussians.check()?;
        let g = &gaussians;
        let inputs = [
            self.upload(g.means)?,
            self.upload(g.quats)?,
            self.upload(g.log_scales)?,
            self.upload(g.opacity_logits)?,
            self.upload(g.colors)?,
        ];
        let [means, quats, log_scales, opacity_logits, colors] = std::array::from_fn(|i| inputs[i].address());
        let (kind, n_gaussians) = (g.kind, g.len());
        let device =
            DeviceGaussians { means, quats, log_scales, opacity_logits, colors, kind, n_scenes: 1, n_gaussians };
        let (width, height) = cameras.first().map_or((0, 0), |c| (c.width, c.height));
        let (pixels, channels) = (width * height, kind.channels());
        let color = self.pool().take::<f32>(cameras.len() * pixels * channels)?;
        let [alpha, depth] =
            [self.pool().take::<f32>(cameras.len() * pixels)?, self.pool().take::<f32>(cameras.len() * pixels)?];
        let radii = self.pool().take::<f32>(cameras.len() * n_gaussians)?;
        let at = [&color, &alpha, &depth, &radii].map(Buffer::address);
        let images = DeviceImages { color: at[0], alpha: at[1], depth: at[2], radii: at[3] };
        // SAFETY: every buffer was just made with the size that the documentation names.
        let frame = unsafe { self.forward(&device, cameras, settings, &images)? };
        let stats = frame.stats()?;
        let mut out = Vec::with_capacity(cameras.len());
        for (i, stats) in stats.into_iter().enumerate() {
            out.push(Rendered {
                width,
                height,
                channels,
                color: self.download(&color, i * pixels * channels, pixels * channels)?,
                alpha: self.download(&alpha, i * pixels, pixels)?,
                depth: self.download(&depth, i * pixels, pixels)?,
                radii: self.download(&radii, i * n_gaussians, n_gaussians)?,
                stats,
            });
        }
        Ok((out, SavedSlices { frame, device, _inputs: inputs, n_cameras: cameras.len() }))
    }

    /// [`crate::backward`] on this engine.
    ///
    /// # Errors
    /// As [`Self::backward`]; [`Error::Input`] also if an array has another size than its documentation says.
    pub fn backward_slices(&mut self, saved: &SavedSlices, upstream: &[Upstream<'_>]) -> Result<Gradients, Error> {
        let (g, size, images) = (&saved.device, &saved.frame.size, saved.n_cameras);
        let (pixels, channels, n) = (size.width * size.height, g.kind.channels(), g.n_gaussians);
        let color = self.stack("upstream color", upstream.iter().map(|u| Some(u.color)), pixels * channels, images)?;
        let alpha = self.stack("upstream alpha", upstream.iter().map(|u| u.alpha), pixels, images)?;
        let depth = self.stack("upstream depth", upstream.iter().map(|u| u.depth), pixels, images)?;
        let device = DeviceUpstream { color: color.address(), alpha: alpha.address(), depth: depth.address() };
        let absolute = if saved.frame.settings.absolute_gradients { n } else { 0 };
        let lengths = [3 * n, 4 * n, 3 * n, n, g.kind.stride() * n, channels, CAMERA_FLOATS * images, n, absolute];
        let mut buffers = Vec::with_capacity(lengths.len());
        for length in lengths {
            buffers.push(self.pool().take::<f32>(length)?);
        }
        let at = |i: usize| buffers[i].address();
        let gradients = DeviceGradients {
            means: at(0),
            quats: at(1),
            log_scales: at(2),
            opacity_logits: at(3),
            colors: at(4),
            background: at(5),
            cameras: at(6),
            mean_2d: at(7),
            mean_2d_abs: if absolute > 0 { at(8) } else { Address::NONE },
        };
        // SAFETY: every buffer was just made with the size that the documentation names.
        unsafe { self.backward(&saved.frame, &device, &gradients)? };
        let mut arrays = Vec::with_capacity(lengths.len());
        for (buffer, length) in buffers.iter().zip(lengths) {
            arrays.push(self.download(buffer, 0, length)?);
        }
        let mut take = |i: usize| std::mem::take(&mut arrays[i]);
        let (cameras, background) = (take(6), take(5));
        let cameras = cameras.chunks_exact(CAMERA_FLOATS);
        Ok(Gradients {
            means: take(0),
            quats: take(1),
            log_scales: take(2),
            opacity_logits: take(3),
            colors: take(4),
            background,
            camera_pose: cameras.clone().map(|c| std::array::from_fn(|i| c[i])).collect(),
            intrinsics: cameras.map(|c| std::array::from_fn(|i| c[6 + i])).collect(),
            mean_2d: take(7),
            mean_2d_abs: take(8),
        })
    }

    /// One array per camera, those not given being zeros, as one on the device.
    fn stack<'a>(
        &self,
        what: &'static str,
        arrays: impl ExactSizeIterator<Item = Option<&'a [f32]>>,
        length: usize,
        images: usize,
    ) -> Result<Buffer, Error> {
        let shape = |expected, got| crate::Error::Shape { what, expected: vec![expected], got: vec![got] };
        if arrays.len() != images {
            return Err(shape(images, arrays.len()).into());
        }
        let mut all = Vec::with_capacity(length * images);
        for array in arrays {
            match array {
                Some(array) if array.len() != length => return Err(shape(length, array.len()).into()),
                Some(array) => all.extend_from_slice(array),
                None => all.resize(all.len() + length, 0.0),
            }
        }
        self.upload(&all)
    }

    fn upload(&self, values: &[f32]) -> Result<Buffer, Error> {
        let buffer = self.pool().take::<f32>(values.len())?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        // SAFETY: as many bytes as were asked for.
        unsafe { self.pool().engine().write(buffer.address(), &bytes)? };
        Ok(buffer)
    }

    fn download(&self, buffer: &Buffer, first: usize, length: usize) -> Result<Vec<f32>, Error> {
        let mut bytes = vec![0u8; 4 * length];
        let from: Address = buffer.address().offset(4 * first);
        // SAFETY: the caller's range lies inside the buffer.
        unsafe { self.pool().engine().read(&mut bytes, from)? };
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }
}
