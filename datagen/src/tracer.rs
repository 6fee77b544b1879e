//! How pictures are traced: [`scene`] describes, [`trace`] renders by the [`integrator`] over an [`accel`], [`film`] holds
//! what comes of it. Knows meshes, strands, materials and light, nothing of people.
pub mod accel;
pub mod bench;
pub mod bsdf;
pub mod denoise;
pub mod elementary;
pub mod environment;
pub mod film;
pub mod integrator;
pub mod optics;
pub mod runtime_library;
pub mod sampler;
pub mod scene;
pub mod subsurface;
pub mod trace;
