//! One photo → an animatable avatar, by SymGEN (Zhou et al. 2025, "Zero-1-to-A", arXiv 2503.15851).
//!
//! A portrait [`video`] diffusion model re-makes clips of what the avatar looks like, the clips lie on disk as versions of
//! a data set, and the avatar learns from them: each improves the other.
#![deny(missing_docs)]

// What is asked for.
pub mod clips;
pub mod config;
pub mod motion;
pub mod schedule;
// What it begins with, and how it learns.
pub mod loss;
pub mod start;
pub mod subject;
pub mod trainer;
// What it learns from.
pub mod guide;
pub mod landmark_map;
pub mod maker;
pub mod reference;
pub mod set;
pub mod symgen;
pub mod video;
// What the tool does.
pub mod eval;
pub mod report;
pub mod run;
