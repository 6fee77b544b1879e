//! Open Image Denoise 2, bound by hand and loaded at run time.
//!
//! Albedo and normal guide it. One thread each: pictures are made side by side. A filter is kept per thread and size,
//! since setting one up costs more than filtering a small picture.
use crate::tracer::film::Film;
use crate::tracer::runtime_library::{RuntimeLibrary, entry_points};
use crate::tracer::trace::TraceError;
use glam::Vec3;
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::sync::OnceLock;

/// Which weights the filter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// About half the time.
    Fast,
    /// The best.
    High,
}

const LIBRARY: RuntimeLibrary = RuntimeLibrary {
    name: "Open Image Denoise 2",
    variable: "OIDN_LIB",
    fetched: "third_party/oidn/lib/libOpenImageDenoise.so.2",
    system: "libOpenImageDenoise.so.2",
    otherwise: ", or set image.denoise = \"off\"",
};

type Handle = *mut c_void;

// Values of oidn.h 2.x.
const DEVICE_CPU: c_int = 1;
const FORMAT_FLOAT3: c_int = 3;
const QUALITY_FAST: c_int = 4;
const QUALITY_HIGH: c_int = 6;

entry_points! {
    oidnNewDevice: fn(c_int) -> Handle;
    oidnReleaseDevice: fn(Handle);
    oidnSetDeviceBool: fn(Handle, *const c_char, bool);
    oidnSetDeviceInt: fn(Handle, *const c_char, c_int);
    oidnCommitDevice: fn(Handle);
    oidnGetDeviceError: fn(Handle, *mut *const c_char) -> c_int;
    oidnNewFilter: fn(Handle, *const c_char) -> Handle;
    oidnReleaseFilter: fn(Handle);
    oidnSetSharedFilterImage: fn(Handle, *const c_char, *mut c_void, c_int, usize, usize, usize, usize, usize);
    oidnSetFilterBool: fn(Handle, *const c_char, bool);
    oidnSetFilterInt: fn(Handle, *const c_char, c_int);
    oidnCommitFilter: fn(Handle);
    oidnExecuteFilter: fn(Handle);
}

/// The library, loaded on first use; or why not.
fn api() -> Result<&'static Api, TraceError> {
    static API: OnceLock<Result<Api, String>> = OnceLock::new();
    // SAFETY: the library's initializers have no preconditions; each symbol has the type of oidn.h 2.x, and the file
    // name carries the major version.
    let load = |path: &Path| unsafe { Api::load(path) };
    API.get_or_init(|| LIBRARY.open(load).map(|(api, _)| api)).as_ref().map_err(|why| TraceError::Denoise(why.clone()))
}

/// Whether pictures can be denoised here.
///
/// # Errors
/// [`TraceError::Denoise`] says what is missing.
pub fn available() -> Result<(), TraceError> {
    api().map(|_| ())
}

/// Replaces `film.rgb` by its denoised self; alpha and labels stay.
///
/// # Errors
/// [`TraceError::Denoise`] if the library is absent or refuses.
pub fn denoise(film: &mut Film, quality: Quality) -> Result<(), TraceError> {
    thread_local! {
        static FILTER: RefCell<Option<Filter>> = const { RefCell::new(None) };
    }
    FILTER.with_borrow_mut(|slot| {
        let key = (film.width, film.height, quality);
        if slot.as_ref().is_none_or(|f| f.key != key) {
            *slot = None;
            *slot = Some(Filter::new(key)?);
        }
        slot.as_mut().map_or(Ok(()), |filter| filter.run(film))
    })
}

/// A filter for one size, with the buffers it was set up on.
struct Filter {
    api: &'static Api,
    device: Handle,
    filter: Handle,
    key: (usize, usize, Quality),
    color: Vec<Vec3>,
    albedo: Vec<Vec3>,
    normal: Vec<Vec3>,
    output: Vec<Vec3>,
}

const _: () = assert!(size_of::<Vec3>() == 12, "the filter reads three packed floats a pixel");

impl Filter {
    fn new(key: (usize, usize, Quality)) -> Result<Self, TraceError> {
        let (api, (width, height, quality)) = (api()?, key);
        let blank = || vec![Vec3::ZERO; width * height];
        // SAFETY: handles are used in the order oidn.h asks for; the filter may be null after an error, which every
        // call allows; the buffers live as long as the filter, are never resized, and moving a Vec moves no element.
        unsafe {
            let device = (api.oidnNewDevice)(DEVICE_CPU);
            (api.oidnSetDeviceInt)(device, c"numThreads".as_ptr(), 1);
            (api.oidnSetDeviceBool)(device, c"setAffinity".as_ptr(), false);
            (api.oidnCommitDevice)(device);
            let filter = (api.oidnNewFilter)(device, c"RT".as_ptr());
            let mut this =
                Filter { api, device, filter, key, color: blank(), albedo: blank(), normal: blank(), output: blank() };
            let bind = |name: &CStr, buffer: &mut Vec<Vec3>| {
                (api.oidnSetSharedFilterImage)(
                    filter,
                    name.as_ptr(),
                    buffer.as_mut_ptr().cast(),
                    FORMAT_FLOAT3,
                    width,
                    height,
                    0,
                    0,
                    0,
                );
            };
            bind(c"color", &mut this.color);
            bind(c"albedo", &mut this.albedo);
            bind(c"normal", &mut this.normal);
            bind(c"output", &mut this.output);
            (api.oidnSetFilterBool)(filter, c"hdr".as_ptr(), true);
            let quality = if quality == Quality::Fast { QUALITY_FAST } else { QUALITY_HIGH };
            (api.oidnSetFilterInt)(filter, c"quality".as_ptr(), quality);
            (api.oidnCommitFilter)(filter);
            this.check()?;
            Ok(this)
        }
    }

    fn run(&mut self, film: &mut Film) -> Result<(), TraceError> {
        self.color.copy_from_slice(&film.rgb);
        self.albedo.copy_from_slice(&film.albedo);
        self.normal.copy_from_slice(&film.normal);
        // SAFETY: a committed filter on buffers that we hold exclusively.
        unsafe { (self.api.oidnExecuteFilter)(self.filter) };
        self.check()?;
        film.rgb.iter_mut().zip(&self.output).for_each(|(to, from)| *to = from.max(Vec3::ZERO));
        Ok(())
    }

    fn check(&self) -> Result<(), TraceError> {
        let mut text = std::ptr::null();
        // SAFETY: a live device (or null, which asks for the thread's error); the message lives until the next call.
        unsafe {
            let code = (self.api.oidnGetDeviceError)(self.device, &mut text);
            if code == 0 {
                return Ok(());
            }
            let text = if text.is_null() { "".into() } else { CStr::from_ptr(text).to_string_lossy() };
            Err(TraceError::Denoise(format!("Open Image Denoise error {code}: {text}")))
        }
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: our own handles, released once, filter first.
        unsafe {
            (self.api.oidnReleaseFilter)(self.filter);
            (self.api.oidnReleaseDevice)(self.device);
        }
    }
}
