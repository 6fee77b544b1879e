//! Stopping early when a scheduler or a user asks for it: finish or drop what is open, end with 75.
//!
//! SIGTERM, SIGINT and SIGUSR1 raise a flag; a second one ends the process at once. A job script therefore ends in
//! `exec TOOL …`, so that the signal reaches the tool and not the shell alone.
use crate::exit::{ExitCode, Failure};
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on the signals raise the flag.
pub fn on_signals() {
    extern "C" fn raise(signal: libc::c_int) {
        ASKED.store(true, Ordering::Relaxed);
        // SAFETY: `signal` is async-signal-safe; the default action takes over for the second signal.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let handler = raise as extern "C" fn(libc::c_int) as libc::sighandler_t;
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1] {
        // SAFETY: the handler only stores to an atomic and calls `signal`, both async-signal-safe.
        unsafe { libc::signal(signal, handler) };
    }
}

/// Has a signal come?
pub fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Goes on unless a signal has come.
///
/// # Errors
/// [`ExitCode::Stopped`] (75).
pub fn check() -> Result<(), Failure> {
    match asked() {
        false => Ok(()),
        true => Err(Failure::new(ExitCode::Stopped, "stopped by a signal; run again to resume")),
    }
}
