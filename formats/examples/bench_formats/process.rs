//! What this process has taken so far, as Linux counts it.
use std::time::Duration;

/// Greatest resident size since [`forget_peak`] (MiB).
pub fn peak_mib() -> f64 {
    field("/proc/self/status", "VmHWM:") / 1024.0
}

/// Greatest resident size of another process since it began its program (MiB); not a number once it has ended. What
/// `getrusage` tells of a child begins with the size of its parent, whose memory it shared until then.
pub fn peak_mib_of(process: u32) -> f64 {
    field(&format!("/proc/{process}/status"), "VmHWM:") / 1024.0
}

/// Begins the count of the greatest resident size anew.
pub fn forget_peak() {
    // A kernel that refuses leaves the peak of the whole process, which is no smaller.
    std::fs::write("/proc/self/clear_refs", "5").ok();
}

/// Who [`processor_secs`] counts.
#[derive(Clone, Copy)]
pub enum Of {
    /// All threads of this process.
    Itself,
    /// All children that have ended.
    Children,
}

/// Processor seconds so far, user and system.
pub fn processor_secs(of: Of) -> f64 {
    let who = match of {
        Of::Itself => libc::RUSAGE_SELF,
        Of::Children => libc::RUSAGE_CHILDREN,
    };
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills the struct it is given.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let secs = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    secs(usage.ru_utime) + secs(usage.ru_stime)
}

/// Bytes asked of files by read calls.
pub fn bytes_read() -> f64 {
    field("/proc/self/io", "rchar:")
}

fn field(file: &str, name: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(name));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN)
}

/// The value below which `share` of the sorted times lie, in milliseconds.
pub fn percentile_ms(times: &[Duration], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[at].as_secs_f64() * 1e3
}
