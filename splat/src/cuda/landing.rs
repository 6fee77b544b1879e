//! Results on their way to the host.
use super::context::{Context, lock};
use super::driver::{self, Pointer};
use super::{Error, Fetched};
use std::ptr::null_mut;
use std::sync::Arc;

/// Host memory that the device can write to, and the event that says it has.
pub struct Landing {
    pub memory: Pointer,
    pub bytes: usize,
    pub event: Pointer,
}

impl Context {
    /// A place for so many bytes, used again where one is idle.
    pub fn landing(&self, bytes: usize) -> Result<Landing, Error> {
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

/// On its way to a landing.
pub struct Arriving {
    pub gpu: Arc<Context>,
    pub landing: Option<Landing>,
    pub bytes: usize,
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
