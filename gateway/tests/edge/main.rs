//! The gateway over real sockets, with the roles behind it that each test scripts.

// A panic is how a test fails; clippy knows test functions, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod audio;
mod drains;
mod health;
mod page;
mod requests;
mod setup;
mod speech;
mod streams;
