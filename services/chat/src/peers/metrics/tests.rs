//! See `../metrics.rs`.
