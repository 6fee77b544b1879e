//! Device memory that is used again: a training step asks for the same sizes as the one before it.
use super::{Address, Engine, Error};
use std::sync::{Arc, Mutex, PoisonError};

/// Sizes are whole multiples of this.
const GRAIN_BYTES: usize = 512;

/// Buffers of one engine. Work runs in the order it was launched in, so a buffer may be lent again at once: whoever
/// has it next comes later on the device too.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    engine: Arc<dyn Engine>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// (bytes, address), smallest first.
    buffers: Vec<(usize, Address)>,
    /// Of all buffers, lent or not.
    total_bytes: usize,
}

/// Memory that goes back to its pool when dropped.
pub struct Buffer {
    pool: Pool,
    address: Address,
    bytes: usize,
}

impl Pool {
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Pool(Arc::new(Shared { engine, idle: Mutex::default() }))
    }

    pub fn engine(&self) -> &dyn Engine {
        &*self.0.engine
    }

    /// At least `count` items of type `T`, content unknown.
    pub fn take<T>(&self, count: usize) -> Result<Buffer, Error> {
        let bytes = (count * size_of::<T>()).next_multiple_of(GRAIN_BYTES).max(GRAIN_BYTES);
        let mut idle = self.lock();
        // The smallest that is large enough, but not one that would waste more than a quarter.
        let found = idle.buffers.partition_point(|&(size, _)| size < bytes);
        let fits = idle.buffers.get(found).is_some_and(|&(size, _)| size <= bytes + bytes / 3);
        let (bytes, address) = if fits {
            idle.buffers.remove(found)
        } else {
            let address = self.engine().allocate(bytes)?;
            idle.total_bytes += bytes;
            (bytes, address)
        };
        Ok(Buffer { pool: self.clone(), address, bytes })
    }

    /// Bytes held on the device, lent or idle.
    pub fn total_bytes(&self) -> usize {
        self.lock().total_bytes
    }

    /// Gives what is not lent back to the engine.
    pub fn trim(&self) {
        let mut idle = self.lock();
        for (bytes, address) in std::mem::take(&mut idle.buffers) {
            idle.total_bytes -= bytes;
            // SAFETY: from `allocate`, and no `Buffer` holds it.
            unsafe { self.engine().free(address) };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Idle> {
        // Every change of `Idle` is complete before anything in it can panic.
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for (_, address) in std::mem::take(&mut self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).buffers) {
            // SAFETY: from `allocate`; every `Buffer` holds a `Pool`, so none is left.
            unsafe { self.engine.free(address) };
        }
    }
}

impl Buffer {
    pub fn address(&self) -> Address {
        self.address
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut idle = self.pool.lock();
        let at = idle.buffers.partition_point(|&(size, _)| size < self.bytes);
        idle.buffers.insert(at, (self.bytes, self.address));
    }
}
