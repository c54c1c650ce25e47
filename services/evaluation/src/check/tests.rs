//! See `../check.rs`.
