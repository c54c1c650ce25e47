//! See `../controller.rs`.
