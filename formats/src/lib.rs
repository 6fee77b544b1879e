//! What is on disk: the schemas of `frames` and `identities`, Parquet shards, avatar folders, cards.
//!
//! Invariant: a file of ours exists whole or not at all, and its bytes depend on rows and provenance alone (no time, no
//! host). Neighbouring tools meet in these files.
//!
//! Reading: [`Dataset::open`] → [`Dataset::labels`], [`Dataset::frame`]. Writing: [`FrameWriter`].
#![deny(missing_docs)]

pub mod flags;
pub mod frame;
pub mod identity;

pub mod dataset;
pub mod exr;
pub mod manifest;
pub mod reader;
pub mod shard;
pub mod shard_name;
pub mod side;
pub mod verify;

mod columns;
mod frames;
mod identities;
mod schema;
pub mod table;

pub mod avatar;
pub mod card;
pub mod safe;

pub mod config;
pub mod digest;
pub mod error;
pub mod exit;
pub mod image;
pub mod order;
pub mod progress;
pub mod provenance;
pub mod publish;

pub use avatar::Avatar;
pub use dataset::Dataset;
pub use error::Error;
pub use frame::FrameRow;
pub use identity::IdentityRow;
pub use provenance::Provenance;
pub use publish::{Existing, Published, publish};
pub use reader::{Part, Shard, read_frames, read_identities};
pub use safe::{Tensor, Tensors, read_safetensors, write_safetensors};
pub use shard::{FrameWriter, IdentityWriter, ShardWriter, Written, write_frames, write_identities};
pub use shard_name::ShardName;
