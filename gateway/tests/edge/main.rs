//! The gateway over real sockets, with the roles behind it that each test scripts.

// A panic is how a test fails; clippy knows test functions, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admins;
mod audio;
mod client_address;
mod drains;
mod feature_flags;
mod flags;
mod health;
mod ofrep;
mod ofrep_events;
mod ofrep_provider;
mod page;
mod requests;
mod rollouts;
mod setup;
mod speech;
mod streams;
