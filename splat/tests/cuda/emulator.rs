//! An engine that runs the kernels' own source on the CPU: compiled by the system's C++ compiler under `emulator.h`.
use libloading::{Library, Symbol};
use splat::cuda::program::Program;
use splat::cuda::{Address, Engine, Error, Fetched, Launch};
use std::alloc::Layout;
use std::collections::HashMap;
use std::ffi::{CStr, c_char};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

const HEADER: &str = include_str!("emulator.h");
/// New memory holds this: as floats NaN, as counts four billion, so that nobody mistakes it for a value.
const POISON: u8 = 0xff;
/// After every allocation, to catch whoever writes past it.
const GUARD: [u8; 256] = [0xa5; 256];

/// The order in which the threads of a block are run, and blocks; as in emulator.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Order {
    Ascending = 0,
    Descending = 1,
    /// Threads ascending, four blocks at once.
    Concurrent = 2,
}

pub struct Emulator {
    order: Order,
    allocations: Mutex<HashMap<u64, Layout>>,
}

impl Emulator {
    pub fn new(order: Order) -> Self {
        Emulator { order, allocations: Mutex::default() }
    }
}

struct Bytes(Vec<u8>);

impl Fetched for Bytes {
    fn is_ready(&self) -> Result<bool, Error> {
        Ok(true)
    }

    fn wait(&self) -> Result<Vec<u8>, Error> {
        Ok(self.0.clone())
    }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes + GUARD.len(), 256).unwrap()
}

// SAFETY: memory is the allocator's, and every call is done when it returns.
unsafe impl Engine for Emulator {
    fn allocate(&self, bytes: usize) -> Result<Address, Error> {
        let layout = layout(bytes);
        // SAFETY: the layout is not empty, and covers what is written.
        let at = unsafe {
            let at = std::alloc::alloc(layout);
            at.write_bytes(POISON, bytes);
            at.add(bytes).copy_from_nonoverlapping(GUARD.as_ptr(), GUARD.len());
            at as u64
        };
        self.allocations.lock().unwrap().insert(at, layout);
        Ok(Address(at))
    }

    unsafe fn free(&self, at: Address) {
        let layout = self.allocations.lock().unwrap().remove(&at.0).expect("memory of this engine");
        let at = at.0 as *mut u8;
        // SAFETY: allocated above with this layout.
        let untouched = unsafe {
            let guard = std::slice::from_raw_parts(at.add(layout.size() - GUARD.len()), GUARD.len());
            let untouched = guard == GUARD;
            std::alloc::dealloc(at, layout);
            untouched
        };
        // A second panic would hide the first.
        assert!(untouched || std::thread::panicking(), "a kernel wrote past the end of a buffer");
    }

    unsafe fn clear(&self, at: Address, bytes: usize) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { (at.0 as *mut u8).write_bytes(0, bytes) };
        Ok(())
    }

    unsafe fn write(&self, to: Address, from: &[u8]) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { (to.0 as *mut u8).copy_from_nonoverlapping(from.as_ptr(), from.len()) };
        Ok(())
    }

    unsafe fn read(&self, to: &mut [u8], from: Address) -> Result<(), Error> {
        // SAFETY: the caller's.
        unsafe { to.as_mut_ptr().copy_from_nonoverlapping(from.0 as *const u8, to.len()) };
        Ok(())
    }

    unsafe fn fetch(&self, from: Address, bytes: usize) -> Result<Arc<dyn Fetched>, Error> {
        let mut out = vec![0; bytes];
        // SAFETY: the caller's.
        unsafe { self.read(&mut out, from)? };
        Ok(Arc::new(Bytes(out)))
    }

    fn prepare(&self, _programs: &[&Program]) -> Result<(), Error> {
        Ok(())
    }

    unsafe fn launch(&self, launch: Launch<'_>, arguments: *const u8, size: usize) -> Result<(), Error> {
        type Entry = unsafe extern "C" fn(u32, u32, *const u8, usize, Order) -> *const c_char;
        let library = library(launch.program);
        let (blocks, threads) = (launch.blocks as u32, launch.threads as u32);
        // SAFETY: `EMULATE` in emulator.h defines it with this signature; it checks the size, the rest is the caller's.
        let answer = unsafe {
            let entry: Symbol<Entry> = library.get(format!("launch_{}", launch.kernel).as_bytes()).unwrap();
            entry(blocks, threads, arguments, size, self.order)
        };
        if answer.is_null() {
            return Ok(());
        }
        // SAFETY: a string that ends in zero and stays until this thread's next launch.
        let reason = unsafe { CStr::from_ptr(answer) }.to_string_lossy().into_owned();
        Err(Error::Launch { kernel: launch.kernel, reason })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let left: Vec<u64> = self.allocations.lock().unwrap().keys().copied().collect();
        for at in left {
            // SAFETY: nothing of it is in use any more.
            unsafe { self.free(Address(at)) };
        }
    }
}

/// The compiled program, loaded once.
fn library(program: &Program) -> Arc<Library> {
    type Loaded = Mutex<HashMap<String, Arc<OnceLock<Arc<Library>>>>>;
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    let slot = LOADED.get_or_init(Mutex::default).lock().unwrap().entry(program.source.clone()).or_default().clone();
    // SAFETY: the file is our own kernels, which do nothing when loaded.
    slot.get_or_init(|| Arc::new(unsafe { Library::new(compiled(program)) }.unwrap())).clone()
}

/// Path of the shared library, built if it is not there from an earlier run.
fn compiled(program: &Program) -> PathBuf {
    let entries: String = program.kernels.iter().map(|kernel| format!("EMULATE({kernel})\n")).collect();
    let source = format!("{HEADER}\n#line 1 \"{}.cu\"\n{}\n{entries}", program.name, program.source);
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulated");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{:016x}.so", hasher.finish()));
    if !path.exists() {
        let own = folder.join(format!("{:016x}-{}", hasher.finish(), std::process::id()));
        let text = own.with_extension("cpp");
        std::fs::write(&text, &source).unwrap();
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
        let flags = [
            "-std=c++17",
            "-O2",
            "-march=native",
            "-ffp-contract=off",
            "-w",
            "-fPIC",
            "-shared",
            "-pthread",
            "-U_FORTIFY_SOURCE",
        ];
        let answer = Command::new(&compiler).args(flags).arg("-o").arg(&own).arg(&text).output();
        let answer = answer.unwrap_or_else(|error| panic!("{compiler}: {error}; the tests need a C++ compiler"));
        assert!(answer.status.success(), "{}: {}", program.name, String::from_utf8_lossy(&answer.stderr));
        std::fs::rename(&own, &path).unwrap();
        let _ = std::fs::remove_file(&text);
    }
    path
}
