//! Parametric head: parameters → mesh, UV maps, landmarks, rig.
#![deny(missing_docs)]
pub mod error;
pub mod model;
pub mod obj;
pub use error::Error;
pub use model::HeadModel;
