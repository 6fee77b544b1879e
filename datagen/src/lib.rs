//! Ray-traced synthetic heads.
