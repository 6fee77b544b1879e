//! How a tool that uses torch begins and ends.
use crate::{device, error};
use anyhow::Result;
use formats::exit::ExitCode;
use formats::flags::CommonFlags;

/// [`formats::exit::run`] for tools above torch: knows this crate's errors too, and keeps large blocks of memory.
pub fn run(
    name: &'static str,
    command: impl FnOnce() -> Result<ExitCode> + std::panic::UnwindSafe,
) -> std::process::ExitCode {
    wait_passively();
    keep_large_blocks();
    formats::exit::run(name, || command().map_err(error::coded))
}

/// [`CommonFlags::begin`], and torch computes on as many threads as the flags say.
///
/// # Errors
/// No command, or no thread.
pub fn begin<Cli: clap::CommandFactory, C>(common: &CommonFlags, command: Option<C>) -> Result<Option<C>> {
    let command = common.begin::<Cli, C>(command)?;
    if command.is_some() {
        device::set_threads(common.start_threads()?);
    }
    Ok(command)
}

/// Lets torch's workers sleep while they wait. By default they spin: beside another load on the same cores, six training
/// steps took 66 s that take 4 s so. OpenMP reads its settings when it is loaded, before `main`, so the tool starts itself
/// again with them; a user's own `OMP_WAIT_POLICY` is kept.
fn wait_passively() {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        const POLICY: &str = "OMP_WAIT_POLICY";
        let mut arguments = std::env::args_os();
        let (Some(name), Ok(program), None) = (arguments.next(), std::env::current_exe(), std::env::var_os(POLICY))
        else {
            return;
        };
        // It returns only if it fails; then the workers spin, which is slower and as right.
        let _failed = std::process::Command::new(program).arg0(name).args(arguments).env(POLICY, "passive").exec();
    }
}

/// Lets malloc keep what is freed. A training step allocates the same tensors of some megabytes again and again; handed
/// back to the system each time, their pages must be cleared again: a quarter of the prior's step.
fn keep_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: two settings of glibc's allocator, made before any thread starts.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 25);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}
