//! Parametric head: parameters → mesh, UV maps, landmarks, rig.
#![deny(missing_docs)]
pub mod model;
pub use model::HeadModel;
