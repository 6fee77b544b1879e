//! The rasterizer on a GPU, on torch's own memory and stream: nothing is copied, nothing waits but for the count of
//! (Gaussian, tile) pairs ([`splat::cuda::Overflow::Wait`]).
use super::{Backend, BackwardPass, RenderedTensors, Scene, Upstream};
use crate::error::Error;
use splat::Camera;
use splat::cuda::{
    self, Address, DeviceGaussians, DeviceGradients, DeviceImages, DeviceUpstream, Engine, Frame, Gpu, Rasterizer,
};
use splat::rasterize::Settings;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::{Device, Kind, Tensor};

/// The rasterizer of one engine, for tensors whose memory is the engine's.
///
/// [`super::render`] keeps one for every GPU and stream that it meets.
#[derive(Clone)]
pub struct EngineRenderer(Arc<Mutex<Rasterizer>>);

/// A GPU's number and the address of a stream, and who draws there.
type Known = Vec<((usize, usize), EngineRenderer)>;

static KNOWN: Mutex<Known> = Mutex::new(Vec::new());

impl EngineRenderer {
    /// On `engine`, whatever it is: the tests' emulator takes tensors on the CPU.
    ///
    /// # Safety
    /// The engine reads and writes at the addresses of the tensors given to [`Self::render`], in order with what torch
    /// does to them.
    pub unsafe fn new(engine: Arc<dyn Engine>) -> Self {
        EngineRenderer(Arc::new(Mutex::new(Rasterizer::shared(engine))))
    }

    /// [`super::render`] on this engine.
    ///
    /// # Errors
    /// As there; [`Error::Cuda`] for what the engine answers.
    pub fn render(
        &self,
        g: &super::GaussianTensors,
        cameras: &[Camera],
        settings: &Settings,
    ) -> Result<RenderedTensors, Error> {
        super::render_on(self, g, cameras, settings)
    }

    /// On GPU number `index` and the stream that torch uses there now.
    pub(super) fn of_torch(index: usize) -> Result<Self, Error> {
        let stream = current_stream(index)?;
        let key = (index, stream.addr());
        let mut known = lock(&KNOWN);
        if let Some((_, found)) = known.iter().find(|(k, _)| *k == key) {
            return Ok(found.clone());
        }
        // SAFETY: torch's streams are of the primary context, and those of its pool live as long as the program.
        let gpu = unsafe { Gpu::on_stream(index, stream) }.map_err(|e| refused(index, e))?;
        // SAFETY: torch orders its work on these tensors by the same stream.
        let made = unsafe { Self::new(Arc::new(gpu)) };
        known.push((key, made.clone()));
        Ok(made)
    }

    fn lock(&self) -> MutexGuard<'_, Rasterizer> {
        lock(&self.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Both are whole at every step: a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A rendered frame and its renderer, kept for the backward pass.
struct RenderedFrame {
    renderer: EngineRenderer,
    frame: Frame,
}

impl Backend for EngineRenderer {
    fn forward(&self, scene: &Scene, images: &RenderedTensors) -> Result<Box<dyn BackwardPass>, Error> {
        let [means, quats, log_scales, opacity_logits, colors] = scene.inputs.each_ref().map(address);
        let (kind, n_gaussians) = (scene.kind, scene.inputs[3].numel());
        let gaussians =
            DeviceGaussians { means, quats, log_scales, opacity_logits, colors, kind, n_scenes: 1, n_gaussians };
        let at = [&images.color, &images.alpha, &images.depth].map(address);
        let images = DeviceImages { color: at[0], alpha: at[1], depth: at[2], radii: Address::NONE };
        // SAFETY: the shapes were checked and the images made to fit. `scene` keeps the inputs until the backward pass;
        // memory that torch is given back is used again by work that comes later in the same stream.
        let frame = unsafe { self.lock().forward(&gaussians, &scene.cameras, &scene.settings, &images) };
        let frame = frame.map_err(|e| refused_on(scene, e))?;
        Ok(Box::new(RenderedFrame { renderer: self.clone(), frame }))
    }
}

impl BackwardPass for RenderedFrame {
    fn run(&self, scene: &Scene, upstream: &Upstream, gradients: &[Tensor; 5]) -> Result<(), Error> {
        let optional = |t: &Option<Tensor>| t.as_ref().map_or(Address::NONE, address);
        let upstream = DeviceUpstream {
            color: address(&upstream.color),
            alpha: optional(&upstream.alpha),
            depth: optional(&upstream.depth),
        };
        let [means, quats, log_scales, opacity_logits, colors] = gradients.each_ref().map(address);
        let gradients =
            DeviceGradients { means, quats, log_scales, opacity_logits, colors, ..DeviceGradients::default() };
        // SAFETY: the frame is this rasterizer's; upstream and gradients have the shapes of images and inputs, and see
        // `forward` for how long they live.
        unsafe { self.renderer.lock().backward(&self.frame, &upstream, &gradients) }.map_err(|e| refused_on(scene, e))
    }
}

/// Where a contiguous f32 tensor lies; none if it is empty.
fn address(t: &Tensor) -> Address {
    assert!(t.kind() == Kind::Float && t.is_contiguous(), "a contiguous f32 tensor");
    if t.numel() == 0 { Address::NONE } else { Address(t.data_ptr().addr() as u64) }
}

/// The stream that torch launches on; the legacy default stream (null) where a libtorch without the question is at work.
fn current_stream(index: usize) -> Result<*mut c_void, Error> {
    type Ask = unsafe extern "C" fn(i32, *mut *mut c_void) -> i32;
    // SAFETY: a constant name that ends in zero; libtorch_cuda.so is loaded for all (`device::init_cuda`).
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"aoti_torch_get_current_cuda_stream".as_ptr()) };
    let mut stream = std::ptr::null_mut();
    if found.is_null() {
        return Ok(stream);
    }
    // SAFETY: the function of that name in libtorch's stable C interface has this signature
    // (torch/csrc/inductor/aoti_torch/c/shim.h).
    let status = unsafe { std::mem::transmute::<*mut c_void, Ask>(found)(index as i32, &mut stream) };
    if status == 0 { Ok(stream) } else { Err(unusable(index, "libtorch returned no stream".into())) }
}

fn refused_on(scene: &Scene, error: cuda::Error) -> Error {
    match scene.inputs[0].device() {
        Device::Cuda(index) => refused(index, error),
        _ => refused(0, error),
    }
}

/// What was wrong with the scene, the machine or the work.
fn refused(index: usize, error: cuda::Error) -> Error {
    use cuda::Error::{Input, NoCompiler, NoDevice, NoDriver, TooOld};
    match error {
        Input(error) => Error::Splat(error),
        NoDriver { .. } | NoDevice { .. } | TooOld { .. } | NoCompiler { .. } => unusable(index, error.to_string()),
        error => Error::Cuda(error),
    }
}

fn unusable(index: usize, why: String) -> Error {
    Error::Device { asked: format!("cuda:{index}"), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::exit::ExitCode;

    #[test]
    fn a_machine_without_a_compiler_is_told_from_a_bug() {
        let missing = refused(0, cuda::Error::NoCompiler { searched: vec![] });
        assert!(missing.to_string().starts_with("device \"cuda:0\": no NVRTC library"), "{missing}");
        assert!(matches!(missing.exit_code(), ExitCode::Usage));
        let broken = refused(0, cuda::Error::Call { call: "cuLaunchKernel", name: "CUDA_ERROR_UNKNOWN".into() });
        assert!(matches!(broken.exit_code(), ExitCode::Bug));
    }
}
