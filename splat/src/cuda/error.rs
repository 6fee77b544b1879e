//! What can go wrong on the way to the GPU and on it.

/// Errors of the GPU backend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A scene, camera or setting that no image can be made with.
    #[error(transparent)]
    Input(#[from] crate::Error),
    /// No driver on this machine, or one that is too old.
    #[error("no usable CUDA driver ({reason}); the CPU rasterizer needs none")]
    NoDriver {
        /// The loader's answer.
        reason: String,
    },
    /// No GPU of that number.
    #[error("GPU {index}: this machine has {count}")]
    NoDevice {
        /// What was asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A GPU without the instructions that the kernels use.
    #[error("{name} has compute capability {}.{}; the kernels need 8.0 (2020) or later", arch / 10, arch % 10)]
    TooOld {
        /// What the maker calls it.
        name: String,
        /// Ten times its compute capability.
        arch: u32,
    },
    /// The run-time compiler is not installed.
    #[error(
        "no NVRTC library; install the CUDA toolkit or `pip install nvidia-cuda-nvrtc`, or name the file in SPLAT_NVRTC; searched {searched:?}"
    )]
    NoCompiler {
        /// Names and paths that were tried.
        searched: Vec<String>,
    },
    /// A call of the driver or of NVRTC failed.
    #[error("{call}: {name}")]
    Call {
        /// The function.
        call: &'static str,
        /// What it answered.
        name: String,
    },
    /// A kernel does not compile: our own bug, or an NVRTC too old for this GPU.
    #[error("{program} does not compile for {target}: {log}")]
    Compile {
        /// Which program.
        program: String,
        /// For which GPU.
        target: String,
        /// The compiler's words.
        log: String,
    },
    /// A launch that the device cannot take, said by an engine other than a GPU.
    #[error("{kernel}: {reason}")]
    Launch {
        /// Which kernel.
        kernel: &'static str,
        /// Why.
        reason: String,
    },
    /// More (Gaussian, tile) pairs than there was room for, found only after the images were made from those that had
    /// room ([`super::Overflow::Defer`]). The next pass has the room.
    #[error("{wanted} (Gaussian, tile) pairs, room for {capacity}: the frame is incomplete")]
    Overflow {
        /// Pairs of the frame.
        wanted: usize,
        /// Pairs kept.
        capacity: usize,
    },
    /// A scene that no buffer can hold.
    #[error("{wanted} (Gaussian, tile) pairs or more, at most {most} can be sorted")]
    TooLarge {
        /// Pairs of the frame.
        wanted: usize,
        /// What the sort takes.
        most: usize,
    },
}
