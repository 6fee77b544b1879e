//! Photos → tracked shard: where the face is, its landmarks and matte, and the head model fitted to them.
//!
//! [`networks`] holds a detector and a landmark net trained on renders only ([`train`]).
//! Invariant: output rows have the schema of datagen's, so every consumer takes either.
#![deny(missing_docs)]

// Nouns.
pub mod face;
pub mod picture;
pub mod similarity;
// Networks.
pub mod detect_net;
pub mod landmark_net;
mod layers;
pub mod networks;
// Work.
pub mod fit;
pub mod train;

mod dice;
pub mod error;
pub use error::Error;
