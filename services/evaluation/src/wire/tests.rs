//! See `../wire.rs`.
