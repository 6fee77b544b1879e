//! A person from one to thirteen photos, by pivotal tuning of the prior (SynShot §3.5): fit, drive, measure, export, view.
//!
//! [`subject`] reads a tracked shard and guesses the maps, [`fit`] makes an [`avatar`] of it, [`drive`] moves it by a
//! [`clip`] and writes a [`film`], [`eval`] measures it on pictures and [`reenact`] under another person's motion, [`view`]
//! packs it into one page. What an avatar is stands in [`maps_avatar`]: a network's Gaussians at rest, plus a
//! [`residual`] of each, carried by the head model's own surface ([`rig`]).
#![deny(missing_docs)]

pub mod avatar;
pub mod clip;
pub mod config;
pub mod drive;
pub mod eval;
pub mod export;
pub mod film;
pub mod fit;
mod foreground;
pub mod glb;
pub mod loss;
pub mod maps_avatar;
pub mod neighbors;
pub mod pictures;
pub mod reenact;
pub mod relative;
pub mod report;
pub mod residual;
pub mod rig;
pub mod rig_motion;
pub mod subject;
pub mod track_video;
pub mod unwrap;
pub mod view;

pub use avatar::Avatar;
