//! Ray-traced synthetic heads: a plan → people → faces → pictures with everything known about them → Parquet shards.
//!
//! Who and what: [`person`] and [`identity`] draw somebody, [`stage`] and [`actor`] put head, skin, strands, cloth, glasses
//! and hats together, [`expressions`], [`cameras`] and [`light`] draw the rest. How: [`scene`] describes, [`trace`] renders,
//! [`labels`] turns the [`film`] into a row. [`plan`] cuts the work into shards, [`render_shard`] makes them.
//!
//! Invariant: a row is a function of (plan, identity, expression, camera) alone; no thread, task or order changes a
//! byte. Never links torch. World: right-handed, metres, y up, the head faces +z. Colours: linear RGB until the label.
#![deny(missing_docs)]

// The tool.
pub mod cli;
pub mod config;
pub mod head_command;
pub mod head_file;
pub mod plan;
pub mod predict;
pub mod preview;
pub mod render_shard;
pub mod sheet;

// What is in the pictures.
pub mod accessories;
pub mod actor;
pub mod appearance;
pub mod bend;
pub mod cameras;
pub mod cloth;
pub mod expressions;
pub mod eyes;
pub mod glasses;
pub mod hair;
pub mod headwear;
pub mod identity;
pub mod landmarks;
pub mod light;
pub mod light_map;
pub mod mouth_albedo;
pub mod outline;
pub mod person;
pub mod relief;
pub mod shell;
pub mod skin_albedo;
pub mod stage;
pub mod strain;
pub mod surface;
pub mod sweep;
pub mod teeth;

// How they are traced.
pub mod accel;
pub mod bench;
pub mod bsdf;
pub mod denoise;
pub mod develop;
pub mod elementary;
pub mod environment;
pub mod exr;
pub mod film;
pub mod integrator;
pub mod labels;
pub mod optics;
pub mod runtime_library;
pub mod sampler;
pub mod scene;
pub mod stream;
pub mod subsurface;
pub mod trace;
