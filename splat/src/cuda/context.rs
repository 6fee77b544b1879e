//! One GPU's context: its stream, its loaded kernels, and its places for what the host asks for.
use super::Error;
use super::cache::Cache;
use super::driver::{self, Driver, Pointer, driver};
use super::landing::Landing;
use super::program::Program;
use std::collections::HashMap;
use std::ffi::CString;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The first capability with a maximum over a warp in one instruction.
const OLDEST: u32 = 80;

/// What a GPU's handles share.
pub struct Context {
    pub driver: &'static Driver,
    pub device: i32,
    pub context: Pointer,
    pub stream: Pointer,
    pub owns_stream: bool,
    /// Ten times the compute capability.
    pub arch: u32,
    pub name: String,
    pub cache: Cache,
    pub modules: Mutex<HashMap<String, Module>>,
    /// Places for results that the host asks for later.
    pub landings: Mutex<Vec<Landing>>,
}

/// A program, loaded.
pub struct Module {
    pub handle: Pointer,
    pub functions: Vec<(&'static str, Pointer)>,
}

// SAFETY: the driver's handles may be used from any thread; the mutexes guard what changes.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    pub fn open(index: usize) -> Result<Self, Error> {
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
        let inner = Context { driver, device, context, stream, owns_stream, arch, name, cache, modules, landings };
        inner.bind()?;
        Ok(inner)
    }

    /// Makes the context this thread's: the driver's calls go to it.
    pub fn bind(&self) -> Result<(), Error> {
        // SAFETY: retained in `open`.
        self.driver.check("cuCtxSetCurrent", unsafe { (self.driver.functions.cuCtxSetCurrent)(self.context) })
    }

    pub fn synchronize(&self) -> Result<(), Error> {
        self.bind()?;
        // SAFETY: the stream is alive.
        self.driver.check("cuStreamSynchronize", unsafe { (self.driver.functions.cuStreamSynchronize)(self.stream) })
    }

    /// Loads a program's binary; one from the disk that does not load is compiled again.
    pub fn load(&self, program: &Program) -> Result<Module, Error> {
        let first = self.cache.binary(program, self.arch)?;
        self.load_binary(program, &first).or_else(|_| {
            self.cache.forget(program, self.arch)?;
            self.load_binary(program, &self.cache.binary(program, self.arch)?)
        })
    }

    pub fn load_binary(&self, program: &Program, binary: &[u8]) -> Result<Module, Error> {
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

    pub fn function(&self, program: &Program, kernel: &'static str) -> Result<Pointer, Error> {
        let mut modules = lock(&self.modules);
        if !modules.contains_key(&program.name) {
            modules.insert(program.name.clone(), self.load(program)?);
        }
        let found = modules.get(&program.name).and_then(|m| m.functions.iter().find(|(name, _)| *name == kernel));
        let missing = || Error::Launch { kernel, reason: format!("not in program {}", program.name) };
        found.map(|(_, function)| *function).ok_or_else(missing)
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What they guard is whole at every step: a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Context {
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
