//! The roof: what a user does, through the tools' command lines. The tests stand in the folder `tests`; here is what
//! they share.
//!
//! Invariant: nothing here reaches into a crate's internals; it sees command lines, exit codes and files.
#![deny(missing_docs)]

pub mod fault;
pub mod folder;
pub mod interrupt;
pub mod product;
pub mod tool;
pub mod toy;
