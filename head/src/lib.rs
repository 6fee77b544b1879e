//! Parametric head: parameters → mesh, UV maps, landmarks, rig.
//!
//! Everything downstream reads one [`HeadModel`], whatever it came from: the CC0 MakeHuman mesh, an ICT-FaceKit
//! checkout, or formulas. Identity and expression are linear; neck, head, jaw and eyeballs turn by skinning; maps live
//! in one UV atlas, so that nets need not know the topology.
//!
//! Invariant: no torch, no globals, and no files outside of the importers and [`file`](mod@file). World: right-handed,
//! meters, y up, the face looks along +z, the origin lies between the eyeballs. Left is the person's left (+x). Results
//! do not depend on the number of threads.
//!
//! ```
//! use head::{UvAtlas, analytic, ibug, params::unit};
//!
//! let model = analytic::head();
//! let mut params = model.params();
//! params.expression[unit("jawOpen").expect("an ARKit unit")] = 0.5;
//! let posed = model.evaluate(&params);
//! let chin = model.landmarks_at(&posed.positions)[ibug::CHIN];
//! assert!(chin.y < model.landmarks_at(&model.template)[ibug::CHIN].y - 0.005);
//! let map = UvAtlas::new(&model, 64).position_map(&posed.positions);
//! assert_eq!(map.values.len(), 64 * 64);
//! ```
#![deny(missing_docs)]

// What a head is.
pub mod check;
pub mod error;
pub mod ibug;
pub mod model;
pub mod params;

// Parameters → mesh.
pub mod correctives;
pub mod evaluate;
pub mod head_box;
pub mod landmarks;
pub mod nearest;
pub mod person;
pub mod register;
pub mod rig;
pub mod surface;

// Mesh → finer mesh, maps.
pub mod normals;
pub mod subdivide;
pub mod uv;

// Where heads come from.
pub mod analytic;
pub mod ict;
pub mod makehuman;
pub mod obj;

// People, and the file.
pub mod file;
pub mod plausibility;
pub mod prior;
pub mod sampler;

pub use correctives::Correctives;
pub use error::Error;
pub use evaluate::Posed;
pub use head_box::HeadBox;
pub use landmarks::LandmarkModel;
pub use model::{HeadModel, HeadParams};
pub use person::{PersonMesh, TriangleFrame};
pub use subdivide::Subdivision;
pub use uv::{UvAtlas, UvMapF32};
