//! What is on disk: the schemas of `frames` and `identities`, Parquet shards, avatar folders, cards.
//!
//! Invariant: a file of ours exists whole or not at all, and its bytes depend on rows and provenance alone (no time, no
//! host). Neighboring tools meet in these files.
//!
//! Reading: [`Dataset::open`] → [`Dataset::labels`], [`Dataset::frame`]. Writing: [`FrameWriter`].
//! ```
//! # fn main() -> Result<(), formats::Error> {
//! use formats::{Dataset, Existing, FrameRow, FrameWriter, Provenance, image};
//! # let folder = std::env::temp_dir().join(format!("formats-doc-{}", std::process::id()));
//! let plan = Provenance::new("datagen", "0.1.0", "cameras = 1\n", 7);
//! let mut writer = FrameWriter::create(&folder.join("frames/train-00000-of-00001.parquet"), &plan, Existing::Keep)?;
//! let image = image::png_from_rgb8(2, 1, &[255, 0, 0, 0, 0, 255])?;
//! writer.push(FrameRow { image, width: 2, height: 1, split: "train".into(), ..FrameRow::default() })?;
//! writer.finish()?;
//!
//! let dataset = Dataset::open(&folder)?;
//! for i in dataset.order(7, 0) {
//!     let frame = dataset.frame_with(i, &["image"])?;
//!     assert_eq!(image::rgb8_from_encoded(&frame.image)?.data, [255, 0, 0, 0, 0, 255]);
//! }
//! # std::fs::remove_dir_all(folder).unwrap();
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]

pub mod flags;
pub mod frame;
pub mod identity;
pub mod segmentation;

pub mod dataset;
pub mod exr;
pub mod filter;
pub mod manifest;
pub mod planned;
pub mod reader;
pub mod scan;
pub mod shard;
pub mod shard_name;
pub mod side;
pub mod status;
pub mod verify;
pub mod views;

mod columns;
mod frames;
mod identities;
mod layout;
mod rewritten;
mod schema;
pub mod table;

pub mod clips;
pub mod versions;

pub mod live_link;
pub mod motion;

pub mod photo;
pub mod posed;

pub mod avatar;
pub mod card;
pub mod dataset_card;

pub mod array_job;
pub mod config;
pub mod digest;
pub mod error;
pub mod exit;
pub mod ffmpeg;
pub mod image;
pub mod log;
pub mod order;
pub mod page;
pub mod progress;
pub mod provenance;
pub mod publish;
pub mod ranges;
pub mod stop;

pub use avatar::{AvatarCard, AvatarKind};
pub use clips::ClipRow;
pub use dataset::Dataset;
pub use error::Error;
pub use frame::FrameRow;
pub use identity::IdentityRow;
pub use provenance::Provenance;
pub use publish::{Existing, Published, publish};
pub use reader::{Part, Shard, read_frames, read_identities};
pub use scan::Scan;
pub use shard::{FrameWriter, IdentityWriter, ShardWriter, Written, write_frames, write_identities};
pub use shard_name::ShardName;
pub use versions::VersionedSet;
