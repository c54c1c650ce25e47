//! See `../flagd.rs`.
