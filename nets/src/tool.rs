//! How a tool that uses torch begins and ends.
use crate::error;
use anyhow::Result;
use formats::exit::ExitCode;

/// [`formats::exit::run`] for tools above torch: knows this crate's errors too, and keeps large blocks of memory.
pub fn run(
    name: &'static str,
    command: impl FnOnce() -> Result<ExitCode> + std::panic::UnwindSafe,
) -> std::process::ExitCode {
    keep_large_blocks();
    formats::exit::run(name, || command().map_err(error::coded))
}

/// Lets malloc keep what is freed. A training step allocates the same tensors of some megabytes again and again; handed
/// back to the system each time, their pages must be cleared anew: a quarter of the prior's step.
fn keep_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: two settings of glibc's allocator, made before any thread starts.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 25);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}
