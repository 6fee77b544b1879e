//! Parametric head: parameters → mesh, UV maps, landmarks, rig.
#![deny(missing_docs)]
pub mod model;
pub mod params;
pub mod check;
pub mod error;
pub mod evaluate;
pub mod rig;
pub mod surface;
pub mod landmarks;
pub mod normals;
pub mod subdivide;
pub mod uv;
pub mod analytic;
pub mod ict;
pub mod obj;
pub mod file;
pub mod makehuman;
pub mod prior;
pub mod sampler;
pub use error::Error;
pub use evaluate::Posed;
pub use landmarks::LandmarkModel;
pub use model::{HeadModel, HeadParams};
pub use subdivide::Subdivision;
pub use uv::{UvAtlas, UvMapF32};
