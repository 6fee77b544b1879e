//! Torch blocks.
