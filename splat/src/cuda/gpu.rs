//! A GPU as an engine.
use super::Error;
use super::cache::Cache;
use super::driver::{self, Driver, Pointer, driver};
use super::engine::{Address, Engine, Fetched, Launch};
use super::program::Program;
use std::collections::HashMap;
use std::ffi::CString;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The first capability with a maximum over a warp in one instruction.
const OLDEST: u32 = 80;

/// One NVIDIA GPU and one of its streams.
///
/// The context is the device's primary one, which libtorch and the CUDA runtime use too: addresses may be passed to and
/// fro. All work goes to the one stream, in order.
pub struct Gpu {
    inner: Arc<Inner>,
}

struct Inner {
    driver: &'static Driver,
    device: i32,
    context: Pointer,
    stream: Pointer,
    owns_stream: bool,
    /// Ten times the compute capability.
    arch: u32,
    name: String,
    cache: Cache,
    modules: Mutex<HashMap<String, Module>>,
    /// Places for results that the host asks for later.
    landings: Mutex<Vec<Landing>>,
}

struct Module {
    handle: Pointer,
    functions: Vec<(&'static str, Pointer)>,
}

/// Host memory that the device can write to, and the event that says it has.
struct Landing {
    memory: Pointer,
    bytes: usize,
    event: Pointer,
}

// SAFETY: the driver's handles may be used from any thread; the mutexes guard what changes.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Gpu {
    /// GPU number `index`, with a stream of its own.
    ///
    /// # Errors
    /// [`Error::NoDriver`], [`Error::NoDevice`], or what the driver answers.
    pub fn new(index: usize) -> Result<Self, Error> {
        let mut inner = Inner::open(index)?;
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
        let mut inner = Inner::open(index)?;
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

impl Inner {
    fn open(index: usize) -> Result<Self, Error> {
        let driver = driver()?;
        let f = &driver.functions;
        let mut count = 0;
        // SAFETY: writes one number.
        driver.check("cuDeviceGetCount", unsafe { (f.cuDeviceGetCount)(&mut count) })?;
        if index >= count as usize {
            return Err(Error::NoDevice { index, count: count as usize });
        }
        let (mut device, mut context) = (0, null_mut());
        // SAFETY: writes one number each; the index is that of a device.
        unsafe {
            driver.check("cuDeviceGet", (f.cuDeviceGet)(&mut device, index as i32))?;
            driver.check("cuDevicePrimaryCtxRetain", (f.cuDevicePrimaryCtxRetain)(&mut context, device))?;
        }
        let [mut major, mut minor] = [0; 2];
        let mut name = [0u8; 128];
        // SAFETY: writes one number each, and at most as many bytes as it is told, the last zero.
        unsafe {
            driver
                .check("cuDeviceGetAttribute", (f.cuDeviceGetAttribute)(&mut major, driver::CAPABILITY[0], device))?;
            driver
                .check("cuDeviceGetAttribute", (f.cuDeviceGetAttribute)(&mut minor, driver::CAPABILITY[1], device))?;
            driver
                .check("cuDeviceGetName", (f.cuDeviceGetName)(name.as_mut_ptr().cast(), name.len() as i32, device))?;
        }
        let name = String::from_utf8_lossy(&name).trim_end_matches('\0').to_string();
        let (arch, cache) = ((10 * major + minor) as u32, Cache::of_user());
        if arch < OLDEST {
            return Err(Error::TooOld { name, arch });
        }
        let (modules, landings) = (Mutex::default(), Mutex::default());
        let (stream, owns_stream) = (null_mut(), false);
        let inner = Inner { driver, device, context, stream, owns_stream, arch, name, cache, modules, landings };
        inner.bind()?;
        Ok(inner)
    }

    /// Makes the context this thread's: the driver's calls go to it.
    fn bind(&self) -> Result<(), Error> {
        // SAFETY: retained in `open`.
        self.driver.check("cuCtxSetCurrent", unsafe { (self.driver.functions.cuCtxSetCurrent)(self.context) })
    }

    fn synchronize(&self) -> Result<(), Error> {
        self.bind()?;
        // SAFETY: the stream is alive.
        self.driver.check("cuStreamSynchronize", unsafe { (self.driver.functions.cuStreamSynchronize)(self.stream) })
    }

    /// Loads a program's binary; one from the disk that does not load is compiled again.
    fn load(&self, program: &Program) -> Result<Module, Error> {
        let first = self.cache.binary(program, self.arch)?;
        self.load_binary(program, &first).or_else(|_| {
            self.cache.forget(program, self.arch)?;
            self.load_binary(program, &self.cache.binary(program, self.arch)?)
        })
    }

    fn load_binary(&self, program: &Program, binary: &[u8]) -> Result<Module, Error> {
        self.bind()?;
        let f = &self.driver.functions;
        let mut module = Module { handle: null_mut(), functions: Vec::new() };
        // SAFETY: the binary is an ELF file, which knows its length, or text that ends in zero; both come from NVRTC.
        let status = unsafe { (f.cuModuleLoadData)(&mut module.handle, binary.as_ptr().cast()) };
        self.driver.check("cuModuleLoadData", status)?;
        for &kernel in program.kernels {
            let name = CString::new(kernel).unwrap_or_default();
            let mut function = null_mut();
            // SAFETY: the module is loaded and the name ends in zero.
            let status = unsafe { (f.cuModuleGetFunction)(&mut function, module.handle, name.as_ptr()) };
            self.driver.check("cuModuleGetFunction", status)?;
            module.functions.push((kernel, function));
        }
        Ok(module)
    }

    fn function(&self, program: &Program, kernel: &'static str) -> Result<Pointer, Error> {
        let mut modules = lock(&self.modules);
        if !modules.contains_key(&program.name) {
            modules.insert(program.name.clone(), self.load(program)?);
        }
        let found = modules.get(&program.name).and_then(|m| m.functions.iter().find(|(name, _)| *name == kernel));
        let missing = || Error::Launch { kernel, reason: format!("not in program {}", program.name) };
        found.map(|(_, function)| *function).ok_or_else(missing)
    }

    fn landing(&self, bytes: usize) -> Result<Landing, Error> {
        let mut idle = lock(&self.landings);
        if let Some(found) = idle.iter().position(|landing| landing.bytes >= bytes) {
            return Ok(idle.swap_remove(found));
        }
        let f = &self.driver.functions;
        let bytes = bytes.next_multiple_of(4096);
        let (mut memory, mut event) = (null_mut(), null_mut());
        // SAFETY: each writes one handle.
        unsafe {
            self.driver.check("cuMemHostAlloc", (f.cuMemHostAlloc)(&mut memory, bytes, 0))?;
            self.driver.check("cuEventCreate", (f.cuEventCreate)(&mut event, driver::EVENT_WITHOUT_TIME))?;
        }
        Ok(Landing { memory, bytes, event })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What they guard is whole at every step: a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Inner {
    fn drop(&mut self) {
        let f = &self.driver.functions;
        // Nobody is left to be told of an error here.
        let _ = self.synchronize();
        // SAFETY: all handles are ours, each is given back once, and the stream has run dry.
        unsafe {
            for (_, module) in lock(&self.modules).drain() {
                (f.cuModuleUnload)(module.handle);
            }
            for landing in lock(&self.landings).drain(..) {
                (f.cuEventDestroy_v2)(landing.event);
                (f.cuMemFreeHost)(landing.memory);
            }
            if self.owns_stream {
                (f.cuStreamDestroy_v2)(self.stream);
            }
            (f.cuDevicePrimaryCtxRelease_v2)(self.device);
        }
    }
}

/// On its way to a landing.
struct Arriving {
    gpu: Arc<Inner>,
    landing: Option<Landing>,
    bytes: usize,
}

// SAFETY: the landing is this value's alone, and the driver's handles may be used from any thread.
unsafe impl Send for Arriving {}
// SAFETY: as above; nothing changes behind a shared reference but by the device, which is waited for.
unsafe impl Sync for Arriving {}

impl Fetched for Arriving {
    fn is_ready(&self) -> Result<bool, Error> {
        let Some(landing) = &self.landing else { return Ok(true) };
        self.gpu.bind()?;
        // SAFETY: the event is alive.
        self.gpu.driver.is_past(unsafe { (self.gpu.driver.functions.cuEventQuery)(landing.event) })
    }

    fn wait(&self) -> Result<Vec<u8>, Error> {
        let Some(landing) = &self.landing else { return Ok(Vec::new()) };
        self.gpu.bind()?;
        // SAFETY: the event is alive.
        let status = unsafe { (self.gpu.driver.functions.cuEventSynchronize)(landing.event) };
        self.gpu.driver.check("cuEventSynchronize", status)?;
        // SAFETY: the device has written that many bytes and is done.
        Ok(unsafe { std::slice::from_raw_parts(landing.memory.cast::<u8>(), self.bytes) }.to_vec())
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        // Whoever takes the landing next writes to it in the same stream, so after this.
        lock(&self.gpu.landings).extend(self.landing.take());
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
        let Inner { driver, stream, .. } = &*self.inner;
        // SAFETY: the caller's.
        driver.check("cuMemsetD8Async", unsafe { (driver.functions.cuMemsetD8Async)(at.0, 0, bytes, *stream) })
    }

    unsafe fn write(&self, to: Address, from: &[u8]) -> Result<(), Error> {
        if from.is_empty() {
            return Ok(());
        }
        self.inner.bind()?;
        let Inner { driver, stream, .. } = &*self.inner;
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
        let Inner { driver, stream, .. } = &*self.inner;
        // SAFETY: the caller's; it has arrived when the stream has run dry.
        let status =
            unsafe { (driver.functions.cuMemcpyDtoHAsync_v2)(to.as_mut_ptr().cast(), from.0, to.len(), *stream) };
        driver.check("cuMemcpyDtoHAsync", status)?;
        self.inner.synchronize()
    }

    unsafe fn fetch(&self, from: Address, bytes: usize) -> Result<Arc<dyn Fetched>, Error> {
        self.inner.bind()?;
        let Inner { driver, stream, .. } = &*self.inner;
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
        let Inner { driver, stream, .. } = &*self.inner;
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
