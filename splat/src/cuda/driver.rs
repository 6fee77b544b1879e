//! The CUDA driver, loaded at run time: a binary starts, and says so, where there is none.
//!
//! The thirty functions that are needed, bound by hand: the public bindings (cudarc 0.19) abort where a library or a
//! symbol is missing, which is the usual case here.
use super::Error;
use super::library::functions;
use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

pub type Pointer = *mut c_void;
type Out<T> = *mut T;

functions!(Functions {
    cuInit(u32);
    cuGetErrorName(i32, Out<*const c_char>);
    cuDeviceGetCount(Out<i32>);
    cuDeviceGet(Out<i32>, i32);
    cuDeviceGetName(Out<c_char>, i32, i32);
    cuDeviceGetAttribute(Out<i32>, i32, i32);
    cuDevicePrimaryCtxRetain(Out<Pointer>, i32);
    cuDevicePrimaryCtxRelease_v2(i32);
    cuCtxSetCurrent(Pointer);
    cuStreamCreate(Out<Pointer>, u32);
    cuStreamDestroy_v2(Pointer);
    cuStreamSynchronize(Pointer);
    cuMemAlloc_v2(Out<u64>, usize);
    cuMemFree_v2(u64);
    cuMemsetD8Async(u64, u8, usize, Pointer);
    cuMemcpyHtoDAsync_v2(u64, *const c_void, usize, Pointer);
    cuMemcpyDtoHAsync_v2(Pointer, u64, usize, Pointer);
    cuMemHostAlloc(Out<Pointer>, usize, u32);
    cuMemFreeHost(Pointer);
    cuEventCreate(Out<Pointer>, u32);
    cuEventDestroy_v2(Pointer);
    cuEventRecord(Pointer, Pointer);
    cuEventQuery(Pointer);
    cuEventSynchronize(Pointer);
    cuModuleLoadData(Out<Pointer>, *const c_void);
    cuModuleUnload(Pointer);
    cuModuleGetFunction(Out<Pointer>, Pointer, *const c_char);
    cuLaunchKernel(Pointer, u32, u32, u32, u32, u32, u32, u32, Pointer, *mut Pointer, *mut Pointer);
});

/// CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR.
pub const CAPABILITY: [i32; 2] = [75, 76];
/// CU_STREAM_NON_BLOCKING: does not wait for the legacy default stream.
pub const STREAM_NON_BLOCKING: u32 = 1;
/// CU_EVENT_DISABLE_TIMING
pub const EVENT_WITHOUT_TIME: u32 = 2;
/// CUDA_ERROR_NOT_READY
const NOT_READY: i32 = 600;

pub struct Driver {
    pub functions: Functions,
    _library: libloading::Library,
}

/// The driver, loaded and started once.
pub fn driver() -> Result<&'static Driver, Error> {
    static DRIVER: OnceLock<Result<Driver, String>> = OnceLock::new();
    DRIVER.get_or_init(load).as_ref().map_err(|reason| Error::NoDriver { reason: reason.clone() })
}

fn load() -> Result<Driver, String> {
    let names = if cfg!(windows) { &["nvcuda.dll"][..] } else { &["libcuda.so.1", "libcuda.so"] };
    let mut reason = String::new();
    for &name in names {
        // SAFETY: the driver's own initialization, which has no conditions.
        match unsafe { libloading::Library::new(name) } {
            Ok(library) => return start(library),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(reason)
}

fn start(library: libloading::Library) -> Result<Driver, String> {
    // SAFETY: signatures as in cuda.h; the library is kept beside the table.
    let functions = unsafe { Functions::of(&library) }.map_err(|error| error.to_string())?;
    // SAFETY: the first call, its only flag is 0.
    let status = unsafe { (functions.cuInit)(0) };
    let driver = Driver { functions, _library: library };
    if status == 0 { Ok(driver) } else { Err(format!("cuInit: {}", driver.name(status))) }
}

impl Driver {
    /// An error if `status` is not success.
    pub fn check(&self, call: &'static str, status: i32) -> Result<(), Error> {
        if status == 0 { Ok(()) } else { Err(Error::Call { call, name: self.name(status) }) }
    }

    /// Whether an event has happened.
    pub fn is_past(&self, status: i32) -> Result<bool, Error> {
        if status == NOT_READY { Ok(false) } else { self.check("cuEventQuery", status).map(|()| true) }
    }

    fn name(&self, status: i32) -> String {
        let mut name = std::ptr::null();
        // SAFETY: writes the address of a static string, or null for a number it does not know.
        unsafe {
            (self.functions.cuGetErrorName)(status, &mut name);
            if name.is_null() { format!("error {status}") } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
        }
    }
}
