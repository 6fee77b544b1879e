//! The rasterizer against its reference, its finite differences, bad input and itself at other thread counts.
mod agreement;
mod band;
mod contract;
mod gradients;
mod robustness;
mod scene;
