//! Embree 4 (4.3 or later), bound by hand and loaded at run time: nothing is needed to build.
//!
//! Layouts follow `rtcore_*.h` of 4.4.0 with one instance level. Since 4.3 a hit has one word more (`instPrimID`);
//! older libraries are refused. The device runs with `threads=1,isa=avx2`: one process per core, and the same bytes on
//! every x86.
use super::{Accel, Hit, Ray, Shape};
use crate::tracer::runtime_library::{RuntimeLibrary, entry_points};
use crate::tracer::trace::TraceError;
use glam::{Vec3, Vec4};
use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::sync::{Arc, OnceLock};

const LIBRARY: RuntimeLibrary = RuntimeLibrary {
    name: "Embree 4",
    variable: "EMBREE4_LIB",
    fetched: "third_party/embree/lib/libembree4.so.4",
    system: "libembree4.so.4",
    otherwise: "",
};
const INVALID: u32 = u32::MAX;

#[repr(C, align(16))]
struct RtcRay {
    origin: [f32; 3],
    t_near: f32,
    direction: [f32; 3],
    time: f32,
    t_far: f32,
    mask: u32,
    id: u32,
    flags: u32,
}

#[repr(C, align(16))]
struct RtcHit {
    normal: [f32; 3],
    u: f32,
    v: f32,
    primitive: u32,
    geometry: u32,
    instance: u32,
    instance_primitive: u32,
}

#[repr(C, align(16))]
struct RtcRayHit {
    ray: RtcRay,
    hit: RtcHit,
}

const _: () = assert!(size_of::<Vec4>() == 16);
const _: () = assert!(size_of::<RtcRay>() == 48 && size_of::<RtcHit>() == 48 && size_of::<RtcRayHit>() == 96);
const _: () =
    assert!(std::mem::offset_of!(RtcRayHit, hit) == 48 && std::mem::offset_of!(RtcHit, instance_primitive) == 32);

// Values of rtcore_common.h, rtcore_buffer.h, rtcore_geometry.h and rtcore_device.h.
const GEOMETRY_TRIANGLE: u32 = 0;
const GEOMETRY_FLAT_BSPLINE: u32 = 33;
const BUFFER_INDEX: u32 = 0;
const BUFFER_VERTEX: u32 = 1;
const FORMAT_UINT: u32 = 0x5001;
const FORMAT_UINT3: u32 = 0x5003;
const FORMAT_FLOAT3: u32 = 0x9003;
const FORMAT_FLOAT4: u32 = 0x9004;
const PROPERTY_VERSION: u32 = 0;
const PROPERTY_RAY_MASK: u32 = 32;
const PROPERTY_TRIANGLES: u32 = 96;
const PROPERTY_CURVES: u32 = 99;
const QUALITY_MEDIUM: u32 = 1;

type Handle = *mut c_void;

entry_points! {
    rtcNewDevice: fn(*const c_char) -> Handle;
    rtcGetDeviceProperty: fn(Handle, u32) -> isize;
    rtcGetDeviceError: fn(Handle) -> u32;
    rtcGetDeviceLastErrorMessage: fn(Handle) -> *const c_char;
    rtcNewScene: fn(Handle) -> Handle;
    rtcReleaseScene: fn(Handle);
    rtcSetSceneBuildQuality: fn(Handle, u32);
    rtcAttachGeometry: fn(Handle, Handle) -> u32;
    rtcCommitScene: fn(Handle);
    rtcNewGeometry: fn(Handle, u32) -> Handle;
    rtcReleaseGeometry: fn(Handle);
    rtcSetGeometryMask: fn(Handle, u32);
    rtcSetGeometryTessellationRate: fn(Handle, f32);
    rtcSetNewGeometryBuffer: fn(Handle, u32, u32, u32, usize, usize) -> *mut c_void;
    rtcSetSharedGeometryBuffer: fn(Handle, u32, u32, u32, *const c_void, usize, usize, usize);
    rtcCommitGeometry: fn(Handle);
    rtcIntersect1: fn(Handle, *mut RtcRayHit, *mut c_void);
    rtcOccluded1: fn(Handle, *mut RtcRay, *mut c_void);
}

/// The process's one Embree device.
pub struct Device {
    api: Api,
    handle: Handle,
}

// SAFETY: Embree's device may be used from any thread (API manual, "thread safety").
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

/// The device, opened on first use and never closed; or why there is none.
pub fn device() -> Result<&'static Device, &'static String> {
    static DEVICE: OnceLock<Result<Device, String>> = OnceLock::new();
    DEVICE.get_or_init(Device::open).as_ref()
}

impl Device {
    fn open() -> Result<Self, String> {
        // SAFETY: the initializers of Embree and TBB have no preconditions; each symbol has the type that the headers of
        // 4.3 and later give it, and `with` refuses other versions before any other call.
        let (api, path) = LIBRARY.open(|path| unsafe { Api::load(path) })?;
        Self::with(api, &path)
    }

    fn with(api: Api, path: &Path) -> Result<Self, String> {
        let config = if cfg!(target_arch = "x86_64") { c"threads=1,isa=avx2" } else { c"threads=1" };
        // SAFETY: a NUL-terminated string that outlives the call.
        let handle = unsafe { (api.rtcNewDevice)(config.as_ptr()) };
        if handle.is_null() {
            return Err(format!("Embree cannot open a device: {}", path.display()));
        }
        let device = Device { api, handle };
        let version = device.property(PROPERTY_VERSION);
        if !(40300..50000).contains(&version) {
            return Err(format!("Embree {version}, expected 4.3 to 4.x: {}", path.display()));
        }
        if [PROPERTY_TRIANGLES, PROPERTY_CURVES, PROPERTY_RAY_MASK].iter().any(|&p| device.property(p) == 0) {
            return Err(format!("Embree built without curves, triangles or ray masks: {}", path.display()));
        }
        Ok(device)
    }

    fn property(&self, property: u32) -> isize {
        // SAFETY: a live device.
        unsafe { (self.api.rtcGetDeviceProperty)(self.handle, property) }
    }

    /// The last error of this thread, if any.
    fn check(&self) -> Result<(), TraceError> {
        // SAFETY: a live device; the message is a static or device-owned string.
        unsafe {
            let code = (self.api.rtcGetDeviceError)(self.handle);
            if code == 0 {
                return Ok(());
            }
            let text = (self.api.rtcGetDeviceLastErrorMessage)(self.handle);
            let text = if text.is_null() { "".into() } else { CStr::from_ptr(text).to_string_lossy() };
            Err(TraceError::Embree(format!("Embree error {code}: {text}")))
        }
    }
}

/// A committed Embree scene.
pub struct Scene {
    device: &'static Device,
    handle: Handle,
    /// Points that Embree reads in place.
    _shared: Vec<Arc<Vec<Vec4>>>,
}

// SAFETY: the scene is committed before it is handed out and never changed; queries are thread-safe after a commit.
unsafe impl Send for Scene {}
// SAFETY: as above.
unsafe impl Sync for Scene {}

impl Scene {
    /// Copies the shapes into Embree and builds. Indices must be in range (`accel::build` checks).
    pub(super) fn build(device: &'static Device, shapes: &[Shape]) -> Result<Self, TraceError> {
        // SAFETY: a live device and scene.
        let handle = unsafe {
            let handle = (device.api.rtcNewScene)(device.handle);
            (device.api.rtcSetSceneBuildQuality)(handle, QUALITY_MEDIUM);
            handle
        };
        let mut scene = Scene { device, handle, _shared: Vec::new() };
        for (i, shape) in shapes.iter().enumerate() {
            let id = scene.attach(shape)?;
            assert_eq!(id as usize, i, "Embree numbers geometries in order");
        }
        // SAFETY: a live scene whose geometries are committed.
        unsafe { (device.api.rtcCommitScene)(scene.handle) };
        device.check()?;
        Ok(scene)
    }

    fn attach(&mut self, shape: &Shape) -> Result<u32, TraceError> {
        let api = &self.device.api;
        // SAFETY: a live device; the scene keeps its own reference to the geometry, ours is released at once. Shared
        // points are 16 bytes each, never change, and live as long as the scene.
        unsafe {
            let (geometry, filled) = match *shape {
                Shape::Triangles { positions, triangles, mask } => {
                    let geometry = (api.rtcNewGeometry)(self.device.handle, GEOMETRY_TRIANGLE);
                    (api.rtcSetGeometryMask)(geometry, mask);
                    let filled = self.fill(geometry, BUFFER_VERTEX, (FORMAT_FLOAT3, positions));
                    (geometry, filled.and_then(|()| self.fill(geometry, BUFFER_INDEX, (FORMAT_UINT3, triangles))))
                }
                Shape::Curves { points, segments, mask } => {
                    let geometry = (api.rtcNewGeometry)(self.device.handle, GEOMETRY_FLAT_BSPLINE);
                    (api.rtcSetGeometryMask)(geometry, mask);
                    (api.rtcSetGeometryTessellationRate)(geometry, 4.0);
                    let (from, stride) = (points.as_ptr().cast(), size_of::<Vec4>());
                    (api.rtcSetSharedGeometryBuffer)(
                        geometry,
                        BUFFER_VERTEX,
                        0,
                        FORMAT_FLOAT4,
                        from,
                        0,
                        stride,
                        points.len(),
                    );
                    self._shared.push(points.clone());
                    (geometry, self.fill(geometry, BUFFER_INDEX, (FORMAT_UINT, segments)))
                }
            };
            (api.rtcCommitGeometry)(geometry);
            let id = (api.rtcAttachGeometry)(self.handle, geometry);
            (api.rtcReleaseGeometry)(geometry);
            filled?;
            self.device.check()?;
            Ok(id)
        }
    }

    /// Copies into a buffer that Embree owns and pads.
    ///
    /// # Safety
    /// `geometry` is live, and `format` describes `T`.
    unsafe fn fill<T: Copy>(&self, geometry: Handle, kind: u32, (format, data): (u32, &[T])) -> Result<(), TraceError> {
        // SAFETY: the caller's promise; Embree returns room for `len` elements of the stride given, or null.
        unsafe {
            let buffer =
                (self.device.api.rtcSetNewGeometryBuffer)(geometry, kind, 0, format, size_of::<T>(), data.len());
            if buffer.is_null() && !data.is_empty() {
                self.device.check()?;
                return Err(TraceError::Embree("Embree gave no buffer".into()));
            }
            std::ptr::copy_nonoverlapping(data.as_ptr(), buffer.cast::<T>(), data.len());
        }
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // SAFETY: our own handle, released once.
        unsafe { (self.device.api.rtcReleaseScene)(self.handle) }
    }
}

#[inline]
fn rtc_ray(ray: &Ray) -> RtcRay {
    RtcRay {
        origin: ray.origin.to_array(),
        t_near: 0.0,
        direction: ray.direction.to_array(),
        time: 0.0,
        t_far: ray.t_max,
        mask: ray.mask,
        id: 0,
        flags: 0,
    }
}

#[inline]
fn query(ray: &Ray) -> RtcRayHit {
    let hit = RtcHit {
        normal: [0.0; 3],
        u: 0.0,
        v: 0.0,
        primitive: INVALID,
        geometry: INVALID,
        instance: INVALID,
        instance_primitive: INVALID,
    };
    RtcRayHit { ray: rtc_ray(ray), hit }
}

impl Accel for Scene {
    #[inline]
    fn intersect1(&self, ray: &Ray) -> Option<Hit> {
        let mut query = query(ray);
        // SAFETY: a committed scene and a structure of the right layout and alignment.
        unsafe { (self.device.api.rtcIntersect1)(self.handle, &mut query, std::ptr::null_mut()) };
        let RtcRayHit { ray, hit } = query;
        (hit.geometry != INVALID).then(|| Hit {
            t: ray.t_far,
            shape: hit.geometry,
            primitive: hit.primitive,
            u: hit.u,
            v: hit.v,
            normal: Vec3::from(hit.normal),
        })
    }

    #[inline]
    fn occluded1(&self, ray: &Ray) -> bool {
        let mut query = rtc_ray(ray);
        // SAFETY: as above; Embree marks an occluded ray by t_far = -inf.
        unsafe { (self.device.api.rtcOccluded1)(self.handle, &mut query, std::ptr::null_mut()) };
        query.t_far < 0.0
    }

    fn as_embree(&self) -> Option<&Scene> {
        Some(self)
    }
}

/// What is asked of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The nearest hit.
    Nearest,
    /// Whether there is one.
    Any,
}

/// Queries as Embree takes them, prepared so that nothing but its own calls is left to be timed.
#[derive(Default)]
pub struct Prepared<'a>(Vec<(&'a Scene, RtcRayHit, Question)>);

impl<'a> Prepared<'a> {
    /// Adds one.
    pub fn push(&mut self, scene: &'a Scene, ray: &Ray, question: Question) {
        self.0.push((scene, query(ray), question));
    }

    /// Makes the calls; they leave their answers in the queries.
    pub fn call(&mut self) {
        for (scene, query, question) in &mut self.0 {
            // SAFETY: committed scenes and structures of the right layout and alignment.
            unsafe {
                match question {
                    Question::Nearest => {
                        (scene.device.api.rtcIntersect1)(scene.handle, query, std::ptr::null_mut());
                    }
                    Question::Any => {
                        (scene.device.api.rtcOccluded1)(scene.handle, &mut query.ray, std::ptr::null_mut());
                    }
                }
            }
        }
    }

    /// How many found something.
    pub fn hits(&self) -> usize {
        let met = |(_, query, question): &(&Scene, RtcRayHit, Question)| match question {
            Question::Nearest => query.hit.geometry != INVALID,
            Question::Any => query.ray.t_far < 0.0,
        };
        self.0.iter().filter(|q| met(q)).count()
    }
}

/// Flushes denormal numbers to zero in this thread while it lives: Embree asks for it, and black paths stay fast.
pub struct FlushDenormals {
    #[cfg(target_arch = "x86_64")]
    saved: u32,
    _not_send: std::marker::PhantomData<*const ()>,
}

impl FlushDenormals {
    /// From now on.
    #[cfg(target_arch = "x86_64")]
    pub fn new() -> Self {
        let saved = control_word();
        set_control_word(saved | 0x8040);
        FlushDenormals { saved, _not_send: std::marker::PhantomData }
    }

    /// Other processors keep their denormals.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn new() -> Self {
        FlushDenormals { _not_send: std::marker::PhantomData }
    }
}

impl Default for FlushDenormals {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for FlushDenormals {
    fn drop(&mut self) {
        set_control_word(self.saved);
    }
}

#[cfg(target_arch = "x86_64")]
fn control_word() -> u32 {
    let mut word: u32 = 0;
    // SAFETY: stores the SSE control register into our own word.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut word, options(nostack)) };
    word
}

#[cfg(target_arch = "x86_64")]
fn set_control_word(word: u32) {
    // SAFETY: loads a word that was read from the register, with FTZ and DAZ (bits 15 and 6) possibly added.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &word, options(nostack)) };
}
