//! Which device to compute on: `auto`, `cpu`, `cuda:N`, decided at run time by one binary.
use crate::Error;
use std::sync::OnceLock;
use tch::Device;

/// Parses `--device auto|cpu|cuda|cuda:N` and checks that the device is there.
///
/// `auto` takes the first CUDA device if there is one, else the CPU. Each device is listed by [`describe`].
///
/// # Errors
/// [`Error::Device`] for an unknown word or a GPU that is not there: never a silent fall-back to the CPU.
pub fn parse(asked: &str) -> Result<Device, Error> {
    let fail = |why: String| Err(Error::Device { asked: asked.into(), why });
    match asked {
        "cpu" => return Ok(Device::Cpu),
        "auto" => return Ok(if init_cuda() { Device::Cuda(0) } else { Device::Cpu }),
        _ => {}
    }
    let index = match asked.strip_prefix("cuda") {
        Some("") => 0,
        Some(rest) => match rest.strip_prefix(':').and_then(|n| n.parse::<usize>().ok()) {
            Some(n) => n,
            None => return fail("expected auto, cpu, cuda or cuda:N".into()),
        },
        None => return fail("expected auto, cpu, cuda or cuda:N".into()),
    };
    if !init_cuda() {
        return fail("libtorch has no CUDA here, or there is no GPU or driver".into());
    }
    let count = tch::Cuda::device_count();
    if index as i64 >= count {
        return fail(format!("there are {count} GPUs, numbered from 0"));
    }
    Ok(Device::Cuda(index))
}

/// True if libtorch sees a GPU. Loads `libtorch_cuda` once if it lies beside libtorch: programs do not link it, so
/// that the same binary runs where it is absent.
pub fn init_cuda() -> bool {
    static CUDA: OnceLock<bool> = OnceLock::new();
    *CUDA.get_or_init(|| {
        // SAFETY: a constant, zero-terminated name; the library only registers itself with libtorch.
        unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        tch::Cuda::is_available()
    })
}

/// `cpu (2 threads)` or `cuda:0`.
pub fn describe(device: Device) -> String {
    match device {
        Device::Cpu => format!("cpu ({} threads)", tch::get_num_threads()),
        Device::Cuda(n) => format!("cuda:{n}"),
        other => format!("{other:?}"),
    }
}

/// Threads inside one torch operation; 0 keeps libtorch's choice. Sums may differ in the last bit between thread
/// counts, so the count belongs to a run's configuration.
pub fn set_threads(threads: usize) {
    if threads > 0 {
        tch::set_num_threads(threads as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_checked() {
        assert_eq!(parse("cpu").unwrap(), Device::Cpu);
        for bad in ["gpu", "cuda:x", "cuda1", ""] {
            assert!(matches!(parse(bad), Err(Error::Device { .. })), "{bad}");
        }
        assert!(parse("cuda:99").is_err(), "no machine of ours has a hundred GPUs");
        assert_eq!(parse("auto").unwrap() == Device::Cpu, !init_cuda());
    }
}
