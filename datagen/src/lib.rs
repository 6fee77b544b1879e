//! Ray-traced synthetic heads.

pub mod environment;
pub mod film;
pub mod sampler;
pub mod scene;
