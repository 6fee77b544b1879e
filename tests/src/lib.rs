//! Tests that stand on the roof: see `tests/tests`.
