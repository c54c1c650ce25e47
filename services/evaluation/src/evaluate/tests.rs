//! See `../evaluate.rs`.
