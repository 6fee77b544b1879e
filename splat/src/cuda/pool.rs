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
    /// What the passes work in, one after the other.
    scratch: Option<(usize, Address)>,
    /// Of all memory, lent or not.
    total_bytes: usize,
}

/// Memory that goes back to its pool when dropped.
pub struct Buffer {
    pool: Pool,
    address: Address,
    bytes: usize,
}

/// Where a pass works: pieces of one buffer that no pass after it reads. It grows to what the greediest pass asks for.
pub struct Scratch {
    pool: Pool,
    address: Address,
    bytes: usize,
}

/// Pieces of a [`Scratch`] that is yet to be lent.
#[derive(Default)]
pub struct Pieces {
    bytes: usize,
}

/// One of them: its distance from the scratch's beginning, in bytes.
#[derive(Clone, Copy)]
pub struct Piece(usize);

impl Pieces {
    /// Room for `count` items of type `T`.
    pub fn add<T>(&mut self, count: usize) -> Piece {
        let at = Piece(self.bytes);
        self.bytes += grains::<T>(count);
        at
    }
}

impl Scratch {
    pub fn at(&self, piece: Piece) -> Address {
        self.address.offset(piece.0)
    }
}

fn grains<T>(count: usize) -> usize {
    (count * size_of::<T>()).next_multiple_of(GRAIN_BYTES).max(GRAIN_BYTES)
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
        let bytes = grains::<T>(count);
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

    /// Room for all `pieces`, content unknown.
    pub fn scratch(&self, pieces: Pieces) -> Result<Scratch, Error> {
        let mut idle = self.lock();
        if let Some((bytes, address)) = idle.scratch.take() {
            if bytes >= pieces.bytes {
                return Ok(Scratch { pool: self.clone(), address, bytes });
            }
            idle.total_bytes -= bytes;
            // SAFETY: from `allocate`, and no `Scratch` holds it.
            unsafe { self.engine().free(address) };
        }
        let address = self.engine().allocate(pieces.bytes)?;
        idle.total_bytes += pieces.bytes;
        Ok(Scratch { pool: self.clone(), address, bytes: pieces.bytes })
    }

    /// Bytes held on the device, lent or idle.
    pub fn total_bytes(&self) -> usize {
        self.lock().total_bytes
    }

    /// Gives what is not lent back to the engine.
    pub fn trim(&self) {
        let mut idle = self.lock();
        let scratch = idle.scratch.take();
        for (bytes, address) in std::mem::take(&mut idle.buffers).into_iter().chain(scratch) {
            idle.total_bytes -= bytes;
            // SAFETY: from `allocate`, and nobody holds it.
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
        let idle = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (_, address) in std::mem::take(&mut idle.buffers).into_iter().chain(idle.scratch.take()) {
            // SAFETY: from `allocate`; whoever borrows memory holds a `Pool`, so nobody is left.
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

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut idle = self.pool.lock();
        // Two passes on two threads may have had one each: the larger stays.
        let own = Some((self.bytes, self.address));
        let (spare, kept) =
            if idle.scratch.map(|s| s.0) < own.map(|s| s.0) { (idle.scratch, own) } else { (own, idle.scratch) };
        idle.scratch = kept;
        if let Some((bytes, address)) = spare {
            idle.total_bytes -= bytes;
            // SAFETY: from `allocate`, and nobody holds it any more.
            unsafe { self.pool.engine().free(address) };
        }
    }
}
