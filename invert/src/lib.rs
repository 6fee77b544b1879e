//! A person from one to thirteen photos, by pivotal tuning of the prior (SynShot §3.5): fit, drive, measure, export, view.
//!
//! [`subject`] reads a tracked shard and guesses the maps, [`fit`] makes an [`avatar`] of it, [`drive`] moves it,
//! [`view`] packs it into one page.
#![deny(missing_docs)]

pub mod avatar;
pub mod clip;
pub mod config;
pub mod drive;
pub mod eval;
pub mod export;
pub mod expressions;
pub mod fit;
pub mod maps_avatar;
pub mod report;
pub mod subject;
pub mod unwrap;
pub mod view;

pub use avatar::Avatar;
