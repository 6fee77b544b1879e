//! A table in versions: each commit replaces some groups of rows, every version stays readable.
//!
//! ```text
//! set/
//!   set.toml  schema.parquet             columns and grouping, written once
//!   data/part-000123-<hash16>.parquet    rows, never changed; the column `version` tells which commit put them
//!   index/v000123.parquet                one line a row of version 123: its keys, version, file and row in the file
//!   log/v000123.json                     the commit: digests of index and parts and of the log entry before
//!   tags/NAME.json                       names for versions
//!   gc/g000001.json                      what was taken away
//!   LATEST                               advice; the log decides
//! ```
//!
//! Why so: a commit writes its own rows and one small index, whatever the size and age of the set; stock DuckDB and
//! Polars read any version through its index (`shards show` prints the lines); and it is durable by design. A commit is
//! part → fsync → rename → fsync of the folder, the same for the index, then the log entry by fsync and `link`. That
//! link is the commit: it fails when another writer has the number, so writers need no lock and readers none either. A
//! file that no log names does not exist.
//!
//! Invariants: a version, once committed, reads the same forever or tells that it was collected; after
//! [`VersionedSet::commit`] returns it survives `kill -9` and a power cut; nothing asks the clock.
//!
//! ```
//! # fn main() -> Result<(), formats::Error> {
//! use formats::versions::{Commit, Keep, Spec};
//! use formats::{ClipRow, FrameRow, Part, Provenance, VersionedSet, image};
//! # let folder = std::env::temp_dir().join(format!("versions-doc-{}", std::process::id()));
//! let row = |clip_id, frame_in_clip, gray: u8| {
//!     let image = image::png_from_rgb8(1, 1, &[gray; 3])?;
//!     let frame = FrameRow { image, width: 1, height: 1, ..FrameRow::default() };
//!     Ok::<_, formats::Error>(ClipRow { clip_id, frame_in_clip, made_by: "example".into(), frame, ..ClipRow::default() })
//! };
//! let plan = Provenance::new("zero1a", "0.1.0", "clips = 2\n", 7);
//! let spec = Spec::of(&row(0, 0, 0)?, ClipRow::GROUP, ClipRow::POSITION, plan);
//! let set = VersionedSet::create(&folder, &spec)?;
//!
//! let mut commit = Commit::on(&set.latest()?);
//! commit.put_rows(0, &[row(0, 0, 10)?, row(0, 1, 11)?])?;
//! commit.put_rows(1, &[row(1, 0, 20)?])?;
//! let first = set.commit(&commit)?;
//!
//! let mut commit = Commit::on(&first);
//! commit.put_rows(1, &[row(1, 0, 99)?])?;                // replaces clip 1 whole
//! commit.note("iteration", 30);
//! let second = set.commit(&commit)?;
//!
//! for i in second.order(7, 0) {                           // of seed 7, epoch 0 and this version
//!     let clip: ClipRow = second.row(i, Part::All)?;
//!     assert_eq!(clip.iteration, 0);
//! }
//! let clip = |version: &formats::versions::Version| version.row::<ClipRow>(2, Part::All);
//! assert_ne!(clip(&first)?.frame.image, clip(&second)?.frame.image);
//! assert_eq!(set.version(1)?.len(), 3);
//! set.gc(Keep { newest: 1 })?;
//! assert!(matches!(set.version(1), Err(formats::Error::Collected { .. })));
//! # std::fs::remove_dir_all(folder).unwrap();
//! # Ok(())
//! # }
//! ```
mod checkout;
mod commit;
mod compact;
mod diff;
mod gc;
mod index;
mod layout;
mod log;
mod part;
mod sealed;
mod set;
mod spec;
mod tags;
mod verify;
mod version;

pub use commit::Commit;
pub use compact::{Compacted, SMALL_BYTES};
pub use diff::Diff;
pub use gc::{Collected, Keep};
pub use index::Entry;
pub use layout::VERSION_COLUMN;
pub use log::{FileMark, Kind, LogEntry};
pub use set::VersionedSet;
pub use spec::{FORMAT, Spec};
pub use version::Version;
