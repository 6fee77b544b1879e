//! Tests that stand on the roof; see the folder `tests`.
