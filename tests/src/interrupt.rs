//! Runs that are killed or stopped on the way, so that the next one resumes them.
use crate::tool::{Tool, signal};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// How a run ended that was to be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By the signal itself.
    Killed,
    /// By its own decision after the signal: exit code 75.
    Stopped,
    /// It was faster than the signal: exit code 0.
    Finished,
}

/// Starts a tool and sends it the signal `name` (`KILL`, `TERM`) as soon as `due`.
///
/// # Panics
/// If it cannot be started, or ends with an error of its own.
pub fn interrupt(tool: Tool, name: &str, mut due: impl FnMut() -> bool) -> Ended {
    let mut child = tool.start();
    let mut status = None;
    while status.is_none() && !due() {
        std::thread::sleep(Duration::from_millis(2));
        status = child.try_wait().expect("our child");
    }
    let status = status.unwrap_or_else(|| {
        match name {
            "KILL" => child.kill().expect("our child can be killed"),
            _ => signal(&child, name),
        }
        child.wait().expect("our child")
    });
    const KILL: i32 = 9;
    const TERM: i32 = 15; // before the tool listens to it
    match (status.code(), status.signal()) {
        (_, Some(KILL | TERM)) => Ended::Killed,
        (Some(75), _) => Ended::Stopped,
        (Some(0), _) => Ended::Finished,
        _ => panic!("neither interrupted nor finished: {status}"),
    }
}

/// For [`interrupt`]: a time after the start.
pub fn after(delay: Duration) -> impl FnMut() -> bool {
    move || {
        std::thread::sleep(delay);
        true
    }
}
