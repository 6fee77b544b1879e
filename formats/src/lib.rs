//! What is on disk: schemas, shards, avatar folders.
pub mod frame;
pub mod identity;
pub use frame::FrameRow;
pub use identity::IdentityRow;
