//! Named tensors on disk: our safetensors checkpoints, and files that PyTorch saved.

pub mod checkpoint;
pub mod pth;
mod stand_in;
