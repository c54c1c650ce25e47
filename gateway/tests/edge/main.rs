//! The gateway over real sockets, with the roles behind it that each test scripts.

// A panic is how a test fails; clippy knows test functions, not what they call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admins;
mod alerts;
mod audio;
mod audit;
mod client_address;
mod drains;
mod feature_flags;
mod figures;
mod flags;
mod headers;
mod health;
mod live_figures;
mod ofrep;
mod ofrep_events;
mod ofrep_provider;
mod old_figures;
mod origins;
mod page;
mod polled_health;
mod requests;
mod rollouts;
mod secure;
mod setup;
mod speech;
mod streams;
