//! NVIDIA's run-time compiler: from a kernel's source to a binary for one GPU. It needs neither a GPU nor a driver.
use super::Error;
use super::library::functions;
use super::program::Program;
use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

type Handle = *mut c_void;

functions!(Functions {
    nvrtcVersion(*mut i32, *mut i32);
    nvrtcGetNumSupportedArchs(*mut i32);
    nvrtcGetSupportedArchs(*mut i32);
    nvrtcCreateProgram(*mut Handle, *const c_char, *const c_char, i32, *const *const c_char, *const *const c_char);
    nvrtcDestroyProgram(*mut Handle);
    nvrtcCompileProgram(Handle, i32, *const *const c_char);
    nvrtcGetProgramLogSize(Handle, *mut usize);
    nvrtcGetProgramLog(Handle, *mut c_char);
    nvrtcGetCUBINSize(Handle, *mut usize);
    nvrtcGetCUBIN(Handle, *mut c_char);
    nvrtcGetPTXSize(Handle, *mut usize);
    nvrtcGetPTX(Handle, *mut c_char);
});

/// What to compile for; the number is ten times the compute capability, e.g. 90.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A binary for just that GPU.
    Binary(u32),
    /// Assembly that the driver finishes for that GPU or any later one.
    Assembly(u32),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Binary(arch) => write!(f, "sm_{arch}"),
            Target::Assembly(arch) => write!(f, "compute_{arch}"),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// For `cuModuleLoadData`: an ELF file, or assembly ending in a zero byte.
    pub binary: Vec<u8>,
    /// The compiler's words: warnings, and registers and spills of each kernel if asked for.
    pub log: String,
}

/// The library.
pub struct Compiler {
    functions: Functions,
    version: [i32; 2],
    _libraries: Vec<libloading::Library>,
}

/// The compiler, loaded once. Looked for in this order: the file that SPLAT_NVRTC names, `third_party/nvrtc` in a folder
/// above the executable, the loader's own places, the usual folders of the CUDA toolkit.
///
/// # Errors
/// [`Error::NoCompiler`]
pub fn compiler() -> Result<&'static Compiler, Error> {
    static COMPILER: OnceLock<Result<Compiler, Vec<String>>> = OnceLock::new();
    COMPILER.get_or_init(load).as_ref().map_err(|searched| Error::NoCompiler { searched: searched.clone() })
}

fn candidates() -> Vec<PathBuf> {
    const NAMES: [&str; 3] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];
    let mut all: Vec<PathBuf> = std::env::var_os("SPLAT_NVRTC").map(PathBuf::from).into_iter().collect();
    let executable = std::env::current_exe().unwrap_or_default();
    let folders = executable.ancestors().skip(1).map(|folder| folder.join("third_party/nvrtc"));
    all.extend(folders.flat_map(|folder| NAMES.map(|name| folder.join(name))).filter(|path| path.exists()));
    all.extend(NAMES.map(PathBuf::from));
    all.extend(NAMES.map(|name| Path::new("/usr/local/cuda/lib64").join(name)));
    all
}

fn load() -> Result<Compiler, Vec<String>> {
    let candidates = candidates();
    let found = candidates.iter().find_map(|path| open(path).ok());
    found.ok_or_else(|| candidates.iter().map(|path| path.display().to_string()).collect())
}

fn open(path: &Path) -> Result<Compiler, libloading::Error> {
    let mut libraries: Vec<_> = builtins_beside(path).collect();
    // SAFETY: NVRTC's own initialization, which has no conditions.
    let library = unsafe { libloading::Library::new(path)? };
    // SAFETY: signatures as in nvrtc.h; the library is kept beside the table.
    let functions = unsafe { Functions::of(&library)? };
    libraries.push(library);
    let mut version = [0; 2];
    // SAFETY: writes the two numbers; it has no way to fail with good pointers.
    unsafe { (functions.nvrtcVersion)(&mut version[0], &mut version[1]) };
    Ok(Compiler { functions, version, _libraries: libraries })
}

/// NVRTC opens a second library by its bare name; where it lies in no folder of the loader's, it must be open before.
fn builtins_beside(path: &Path) -> impl Iterator<Item = libloading::Library> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let files = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let builtins = files.filter(|file| {
        let name = file.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libnvrtc-builtins.so") && !name.contains(".alt.")
    });
    // SAFETY: as for NVRTC itself.
    builtins.filter_map(|file| unsafe { libloading::Library::new(file.path()) }.ok())
}

impl Compiler {
    /// Major and minor version.
    pub fn version(&self) -> [i32; 2] {
        self.version
    }

    /// What to compile for so that a GPU of capability `arch` can run it: its own binary, or, if it is newer than this
    /// compiler, assembly for the newest that both know.
    ///
    /// # Errors
    /// [`Error::Call`]
    pub fn target_for(&self, arch: u32) -> Result<Target, Error> {
        let known = self.architectures()?;
        if known.contains(&arch) {
            return Ok(Target::Binary(arch));
        }
        let older = known.into_iter().filter(|&a| a <= arch).max();
        Ok(older.map_or(Target::Binary(arch), Target::Assembly))
    }

    fn architectures(&self) -> Result<Vec<u32>, Error> {
        let mut count = 0;
        // SAFETY: writes one number.
        check("nvrtcGetNumSupportedArchs", unsafe { (self.functions.nvrtcGetNumSupportedArchs)(&mut count) })?;
        let mut all = vec![0i32; count.max(0) as usize];
        // SAFETY: writes as many numbers as it said.
        check("nvrtcGetSupportedArchs", unsafe { (self.functions.nvrtcGetSupportedArchs)(all.as_mut_ptr()) })?;
        Ok(all.into_iter().map(|a| a as u32).collect())
    }

    /// Compiles; `options` beyond those that all programs have.
    ///
    /// # Errors
    /// [`Error::Compile`] with the compiler's words.
    pub fn compile(&self, program: &Program, target: Target, options: &[&str]) -> Result<Compiled, Error> {
        let job = Job::new(&self.functions, program)?;
        let status = job.run(target, options)?;
        let log = job.log()?;
        if status != 0 {
            return Err(Error::Compile { program: program.name.clone(), target: target.to_string(), log });
        }
        Ok(Compiled { binary: job.binary(target)?, log })
    }
}

/// Options of every program; part of the cache's key. Nothing fast and loose: divisions and roots are exact, and what
/// may be approximate says so in the kernels.
pub(super) const OPTIONS: [&str; 1] = ["--std=c++17"];

/// A program inside the compiler.
struct Job<'a> {
    functions: &'a Functions,
    handle: Handle,
}

impl<'a> Job<'a> {
    fn new(functions: &'a Functions, program: &Program) -> Result<Self, Error> {
        let [source, name] = [text(&program.source), text(&format!("{}.cu", program.name))];
        let mut handle = std::ptr::null_mut();
        let none = std::ptr::null();
        // SAFETY: both strings end in zero and live through the call, which copies them; there are no headers.
        let status =
            unsafe { (functions.nvrtcCreateProgram)(&mut handle, source.as_ptr(), name.as_ptr(), 0, none, none) };
        check("nvrtcCreateProgram", status)?;
        Ok(Job { functions, handle })
    }

    /// The compiler's status.
    fn run(&self, target: Target, options: &[&str]) -> Result<i32, Error> {
        let target = format!("--gpu-architecture={target}");
        let all: Vec<CString> = OPTIONS.iter().chain(options).copied().chain([&target[..]]).map(text).collect();
        let pointers: Vec<_> = all.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the strings outlive the call.
        Ok(unsafe { (self.functions.nvrtcCompileProgram)(self.handle, pointers.len() as i32, pointers.as_ptr()) })
    }

    fn log(&self) -> Result<String, Error> {
        let f = self.functions;
        let bytes = self.fetch("nvrtcGetProgramLog", f.nvrtcGetProgramLogSize, f.nvrtcGetProgramLog)?;
        Ok(CStr::from_bytes_until_nul(&bytes).unwrap_or_default().to_string_lossy().into_owned())
    }

    fn binary(&self, target: Target) -> Result<Vec<u8>, Error> {
        let f = self.functions;
        match target {
            Target::Binary(_) => self.fetch("nvrtcGetCUBIN", f.nvrtcGetCUBINSize, f.nvrtcGetCUBIN),
            Target::Assembly(_) => self.fetch("nvrtcGetPTX", f.nvrtcGetPTXSize, f.nvrtcGetPTX),
        }
    }

    fn fetch(
        &self,
        call: &'static str,
        size: unsafe extern "C" fn(Handle, *mut usize) -> i32,
        get: unsafe extern "C" fn(Handle, *mut c_char) -> i32,
    ) -> Result<Vec<u8>, Error> {
        let mut length = 0;
        // SAFETY: writes one number.
        check(call, unsafe { size(self.handle, &mut length) })?;
        let mut bytes = vec![0u8; length];
        // SAFETY: writes as many bytes as it said.
        check(call, unsafe { get(self.handle, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed once.
        unsafe { (self.functions.nvrtcDestroyProgram)(&mut self.handle) };
    }
}

fn check(call: &'static str, status: i32) -> Result<(), Error> {
    if status == 0 { Ok(()) } else { Err(Error::Call { call, name: format!("error {status}") }) }
}

/// Our own sources and options hold no zero byte.
fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_as_the_compiler_takes_them() {
        assert_eq!([Target::Binary(90), Target::Assembly(120)].map(|t| t.to_string()), ["sm_90", "compute_120"]);
    }
}
