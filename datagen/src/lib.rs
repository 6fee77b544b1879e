//! Ray-traced synthetic heads: a plan → people → faces → pictures with everything known about them → Parquet shards.
//!
//! [`plan`] cuts the work into shards and [`render_shard`] makes them: [`people`] in the light and before the cameras of a
//! [`studio`], drawn by the [`tracer`], which knows nothing of either; [`labels`] turns what it saw into a row.
//!
//! Invariant: a row is a function of (plan, identity, expression, camera) alone; no thread, task or order changes a
//! byte. Never links torch. World: right-handed, meters, y up, the head faces +z. Colors: linear RGB until the label.
#![deny(missing_docs)]

// The modules, from the top layer down.
pub mod people;
pub mod studio;
pub mod tracer;

// The work.
pub mod config;
pub mod labels;
pub mod plan;
pub mod predict;
pub mod render_shard;
pub mod stream;

// The tool.
pub mod cli;
pub mod exr;
pub mod head_command;
pub mod head_file;
pub mod preview;
pub mod sheet;
