//! Under construction: this command exits non-zero until it is real.
