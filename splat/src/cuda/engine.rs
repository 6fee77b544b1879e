//! Where kernels run: a GPU, or whatever can stand in for one.
use super::Error;
use super::program::Program;
use std::sync::Arc;

/// A place in the memory of an engine, in bytes; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Address(pub u64);

impl Address {
    /// Nothing: an output that is not wanted, an input that is not given.
    pub const NONE: Address = Address(0);

    /// Whether it is [`Self::NONE`].
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    /// `bytes` further on.
    pub fn offset(self, bytes: usize) -> Self {
        Address(self.0 + bytes as u64)
    }
}

/// One kernel over a row of blocks.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// Where its source is.
    pub program: &'a Program,
    /// Its name.
    pub kernel: &'static str,
    /// Number of blocks; at least 1.
    pub blocks: usize,
    /// Threads a block, whole warps.
    pub threads: usize,
}

/// Bytes on their way from the engine to the host.
pub trait Fetched: Send + Sync {
    /// Whether they have come.
    ///
    /// # Errors
    /// What the work before them failed with.
    fn is_ready(&self) -> Result<bool, Error>;

    /// The bytes, once they have come.
    ///
    /// # Errors
    /// What the work before them failed with.
    fn wait(&self) -> Result<Vec<u8>, Error>;
}

/// Memory, and kernels that run over it in the order they were launched in.
///
/// # Safety
/// Implementors do what the methods say: memory from `allocate` is theirs alone until `free`, aligned to 256 bytes, and
/// everything happens in the order of the calls.
pub unsafe trait Engine: Send + Sync {
    /// New memory, its content unknown.
    ///
    /// # Errors
    /// [`Error::Call`] if there is none.
    fn allocate(&self, bytes: usize) -> Result<Address, Error>;

    /// Gives memory back once the work that was launched has finished with it.
    ///
    /// # Safety
    /// `at` is from `allocate` and not used again.
    unsafe fn free(&self, at: Address);

    /// Fills with zeros.
    ///
    /// # Errors
    /// What the engine answers.
    ///
    /// # Safety
    /// `bytes` bytes at `at` are this engine's and in use by nobody else.
    unsafe fn clear(&self, at: Address, bytes: usize) -> Result<(), Error>;

    /// Copies from the host.
    ///
    /// # Errors
    /// What the engine answers.
    ///
    /// # Safety
    /// As [`Self::clear`], with the length of `from`.
    unsafe fn write(&self, to: Address, from: &[u8]) -> Result<(), Error>;

    /// Copies to the host, and waits for it.
    ///
    /// # Errors
    /// What the engine answers, or what the work before failed with.
    ///
    /// # Safety
    /// `from` has as many bytes as `to`.
    unsafe fn read(&self, to: &mut [u8], from: Address) -> Result<(), Error>;

    /// Begins to copy to the host; the result may be asked for later, after other work was launched.
    ///
    /// # Errors
    /// What the engine answers.
    ///
    /// # Safety
    /// `from` has `bytes` bytes.
    unsafe fn fetch(&self, from: Address, bytes: usize) -> Result<Arc<dyn Fetched>, Error>;

    /// Makes a program ready, so that its first launch does not wait for the compiler.
    ///
    /// # Errors
    /// [`Error::Compile`] and what the cache of compiled programs answers.
    fn prepare(&self, programs: &[&Program]) -> Result<(), Error>;

    /// Runs a kernel that takes one structure of `size` bytes by value.
    ///
    /// # Errors
    /// What the engine answers.
    ///
    /// # Safety
    /// `arguments` is laid out as the kernel's structure, and every address in it is good for what the kernel does.
    unsafe fn launch(&self, launch: Launch<'_>, arguments: *const u8, size: usize) -> Result<(), Error>;
}

/// [`Engine::launch`] with arguments of a type.
///
/// # Safety
/// As there; `A` is `repr(C)` and names the same fields as the kernel's structure.
pub(super) unsafe fn launch<A>(engine: &dyn Engine, launch: Launch<'_>, arguments: &A) -> Result<(), Error> {
    let at: *const A = arguments;
    // SAFETY: passed on to the caller.
    unsafe { engine.launch(launch, at.cast(), size_of::<A>()) }
}
