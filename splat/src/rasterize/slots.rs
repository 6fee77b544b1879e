//! Where tiles leave the gradients of their (Gaussian, tile) pairs: Gaussian by Gaussian, as the gather reads them.
use super::lanes::Block;
use std::cell::UnsafeCell;
use std::marker::PhantomData;

/// `[slots, blocks]`, written by many threads, no slot by two of them.
pub struct Slots<'a> {
    cells: *const UnsafeCell<Block>,
    len: usize,
    /// Blocks a slot.
    pub blocks: usize,
    memory: PhantomData<&'a mut [Block]>,
}

// SAFETY: the only access is `write`, and each slot lies in the list of exactly one tile, which one thread works on
// (`tiles.rs` gives every slot out once). Blocks are plain numbers.
unsafe impl Sync for Slots<'_> {}

impl<'a> Slots<'a> {
    pub fn new(memory: &'a mut [Block], blocks: usize) -> Self {
        Slots { cells: memory.as_mut_ptr().cast(), len: memory.len(), blocks, memory: PhantomData }
    }

    /// Writes block `part` of `slot`.
    ///
    /// # Panics
    /// If there is no such slot.
    #[inline(always)]
    pub fn write(&self, slot: usize, part: usize, value: Block) {
        let index = slot * self.blocks + part;
        assert!(index < self.len);
        // SAFETY: in bounds of memory that `self` borrows mutably; no other thread holds this slot (see `Sync` above).
        unsafe { *(*self.cells.add(index)).get() = value }
    }
}
