//! The tool `datagen`.
use clap::Parser;
use datagen::cli::{Cli, run};
use datagen::render_shard::STOP;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

fn main() -> ExitCode {
    let cli = Cli::parse();
    stop_on_signals();
    formats::exit::run("datagen", move || run(cli))
}

/// SIGTERM, SIGINT, SIGUSR1: end after the picture at hand; a second signal ends at once.
fn stop_on_signals() {
    extern "C" fn raise(signal: libc::c_int) {
        STOP.store(true, Ordering::Relaxed);
        // SAFETY: `signal` is async-signal-safe; the default action takes over for the second signal.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let handler = raise as extern "C" fn(libc::c_int) as libc::sighandler_t;
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1] {
        // SAFETY: the handler only stores to an atomic and calls `signal`, both async-signal-safe.
        unsafe { libc::signal(signal, handler) };
    }
}
