//! Photos and videos → tracked shard: where the face is, its landmarks and matte, and the head model fitted to them.
//!
//! [`finder`] asks the [`networks`] (trained on renders only, [`train`]), [`fit`] poses the head, [`frame`] cuts the
//! picture as datagen would have framed it, [`photos`] and [`video`] write the shard.
//! Invariant: output rows have the schema of datagen's, so every consumer takes either.
#![deny(missing_docs)]

// Nouns.
pub mod config;
pub mod face;
pub mod picture;
// Networks.
pub mod detect_net;
pub mod face_net;
mod layers;
pub mod networks;
pub mod reading;
pub mod train;
// From photo to head.
pub mod finder;
pub mod fit;
pub mod fitted_head;
pub mod frame;
pub mod matte;
pub mod mesh_view;
pub mod overlay;
pub mod row;
pub mod tracker;
// What the tool does.
pub mod evaluate;
pub mod photos;
pub mod same_person;
pub mod video;

pub mod error;
pub use error::Error;
