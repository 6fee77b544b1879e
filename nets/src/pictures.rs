//! Images as tensors: decoding, face crops, augmentations.

pub mod align;
pub mod augment;
pub mod data;
