//! See `../book.rs`.
