//! See `../follow.rs`.
