//! The gateway over real sockets, with a chat role that each test scripts.

// A panic is how a test fails; clippy knows test functions, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod drains;
mod health;
mod page;
mod requests;
mod setup;
mod streams;
