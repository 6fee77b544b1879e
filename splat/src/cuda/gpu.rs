//! A GPU as an engine.
use super::Error;
use super::context::{Context, Module, lock};
use super::driver;
use super::engine::{Address, Engine, Fetched, Launch};
use super::landing::Arriving;
use super::program::Program;
use std::ptr::null_mut;
use std::sync::Arc;

/// One NVIDIA GPU and one of its streams.
///
/// The context is the device's primary one, which libtorch and the CUDA runtime use too: addresses may be passed to and
/// fro. All work goes to the one stream, in order.
pub struct Gpu {
    inner: Arc<Context>,
}

impl Gpu {
    /// GPU number `index`, with a stream of its own.
    ///
    /// # Errors
    /// [`Error::NoDriver`], [`Error::NoDevice`], or what the driver answers.
    pub fn new(index: usize) -> Result<Self, Error> {
        let mut inner = Context::open(index)?;
        let f = &inner.driver.functions;
        // SAFETY: writes one handle; the context is current.
        inner
            .driver
            .check("cuStreamCreate", unsafe { (f.cuStreamCreate)(&mut inner.stream, driver::STREAM_NON_BLOCKING) })?;
        inner.owns_stream = true;
        Ok(Gpu { inner: Arc::new(inner) })
    }

    /// GPU number `index`, on another library's stream; null is the legacy default stream.
    ///
    /// # Errors
    /// As [`Self::new`].
    ///
    /// # Safety
    /// `stream` is a stream of that GPU's primary context and outlives this and all that is made with it.
    pub unsafe fn on_stream(index: usize, stream: *mut std::ffi::c_void) -> Result<Self, Error> {
        let mut inner = Context::open(index)?;
        inner.stream = stream;
        Ok(Gpu { inner: Arc::new(inner) })
    }

    /// What the maker calls it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Ten times its compute capability, e.g. 90.
    pub fn arch(&self) -> u32 {
        self.inner.arch
    }

    /// Waits for all that was launched.
    ///
    /// # Errors
    /// What that failed with.
    pub fn synchronize(&self) -> Result<(), Error> {
        self.inner.synchronize()
    }
}

impl Clone for Gpu {
    /// The same GPU and stream.
    fn clone(&self) -> Self {
        Gpu { inner: self.inner.clone() }
    }
}

// SAFETY: memory is cuMemAlloc's (aligned to 256 bytes), and all work goes to one stream, which keeps its order.
unsafe impl Engine for Gpu {
    fn allocate(&self, bytes: usize) -> Result<Address, Error> {
        self.inner.bind()?;
        let mut address = Address::NONE;
        // SAFETY: writes one address.
        let status = unsafe { (self.inner.driver.functions.cuMemAlloc_v2)(&mut address.0, bytes) };
        self.inner.driver.check("cuMemAlloc", status)?;
        Ok(address)
    }

    unsafe fn free(&self, at: Address) {
        if self.inner.bind().is_ok() {
            // SAFETY: the caller's; cuMemFree waits for the device.
            unsafe { (self.inner.driver.functions.cuMemFree_v2)(at.0) };
        }
    }

    unsafe fn clear(&self, at: Address, bytes: usize) -> Result<(), Error> {
        self.inner.bind()?;
        let Context { driver, stream, .. } = &*self.inner;
        // SAFETY: the caller's.
        driver.check("cuMemsetD8Async", unsafe { (driver.functions.cuMemsetD8Async)(at.0, 0, bytes, *stream) })
    }

    unsafe fn write(&self, to: Address, from: &[u8]) -> Result<(), Error> {
        if from.is_empty() {
            return Ok(());
        }
        self.inner.bind()?;
        let Context { driver, stream, .. } = &*self.inner;
        // SAFETY: the caller's; ordinary host memory is read before the call returns.
        let status =
            unsafe { (driver.functions.cuMemcpyHtoDAsync_v2)(to.0, from.as_ptr().cast(), from.len(), *stream) };
        driver.check("cuMemcpyHtoDAsync", status)
    }

    unsafe fn read(&self, to: &mut [u8], from: Address) -> Result<(), Error> {
        if to.is_empty() {
            return Ok(());
        }
        self.inner.bind()?;
        let Context { driver, stream, .. } = &*self.inner;
        // SAFETY: the caller's; it has arrived when the stream has run dry.
        let status =
            unsafe { (driver.functions.cuMemcpyDtoHAsync_v2)(to.as_mut_ptr().cast(), from.0, to.len(), *stream) };
        driver.check("cuMemcpyDtoHAsync", status)?;
        self.inner.synchronize()
    }

    unsafe fn fetch(&self, from: Address, bytes: usize) -> Result<Arc<dyn Fetched>, Error> {
        self.inner.bind()?;
        let Context { driver, stream, .. } = &*self.inner;
        let landing = self.inner.landing(bytes)?;
        let f = &driver.functions;
        // SAFETY: the caller's; the landing is large enough and stays until the event has happened.
        let status = unsafe { (f.cuMemcpyDtoHAsync_v2)(landing.memory, from.0, bytes, *stream) };
        driver.check("cuMemcpyDtoHAsync", status)?;
        // SAFETY: both handles are alive.
        driver.check("cuEventRecord", unsafe { (f.cuEventRecord)(landing.event, *stream) })?;
        Ok(Arc::new(Arriving { gpu: self.inner.clone(), landing: Some(landing), bytes }))
    }

    fn prepare(&self, programs: &[&Program]) -> Result<(), Error> {
        let missing: Vec<&Program> = {
            let modules = lock(&self.inner.modules);
            programs.iter().copied().filter(|program| !modules.contains_key(&program.name)).collect()
        };
        // Compilation takes a second or two each and uses one core.
        let loaded: Vec<Result<Module, Error>> = std::thread::scope(|scope| {
            let jobs: Vec<_> =
                missing.iter().map(|&program| scope.spawn(|| self.inner.load(program).map(Loaded))).collect();
            jobs.into_iter().map(|job| job.join().unwrap_or_else(|_| Err(panicked())).map(|loaded| loaded.0)).collect()
        });
        for (program, module) in missing.into_iter().zip(loaded) {
            lock(&self.inner.modules).insert(program.name.clone(), module?);
        }
        Ok(())
    }

    unsafe fn launch(&self, launch: Launch<'_>, arguments: *const u8, _size: usize) -> Result<(), Error> {
        self.inner.bind()?;
        let Context { driver, stream, .. } = &*self.inner;
        let function = self.inner.function(launch.program, launch.kernel)?;
        let mut parameters = [arguments.cast_mut().cast()];
        let (blocks, threads) = (launch.blocks as u32, launch.threads as u32);
        // SAFETY: one parameter, which the caller laid out as the kernel's; the driver copies it before it returns.
        let status = unsafe {
            (driver.functions.cuLaunchKernel)(
                function,
                blocks,
                1,
                1,
                threads,
                1,
                1,
                0,
                *stream,
                parameters.as_mut_ptr(),
                null_mut(),
            )
        };
        driver.check("cuLaunchKernel", status)
    }
}

/// A module on its way between threads.
struct Loaded(Module);

// SAFETY: a module's handles may be used from any thread.
unsafe impl Send for Loaded {}

fn panicked() -> Error {
    Error::Call { call: "compile", name: "the thread panicked".into() }
}
