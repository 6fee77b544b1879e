//! Trains both networks on renders: examples are composed on the fly, one batch ahead of the optimizer.
//!
//! `compose` lays [`renders`] on [`backdrop`]s, [`augment`] degrades them, [`loss`] compares; `split` loads the renders of a
//! [`plan`], [`session`] is the loop.
pub mod augment;
pub mod backdrop;
pub mod compose;
pub mod labels;
pub mod loss;
pub mod plan;
pub mod renders;
pub mod session;
pub mod sheet;
mod split;

pub use plan::{Plan, Summary};
pub use session::run;
