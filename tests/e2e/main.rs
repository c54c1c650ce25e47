//! The suites over the real binary: real processes, real servers, a provider on the true wire. Each
//! module is a theme; each test is a sentence about troika.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::large_futures,
    clippy::print_stdout,
    reason = "a panic is how a test fails; figures are for who asks with --no-capture"
)]

mod accounts;
mod acknowledged;
mod audit;
mod between_roles;
mod callers;
mod command_line;
mod crowd;
mod disk;
mod doors;
mod edge;
mod exposition;
mod flags;
mod hostile;
mod leaving;
mod limits;
mod metrics;
mod monitoring;
mod openfeature;
mod origins;
mod provider_faults;
mod provider_wire;
mod quotas;
mod reflection;
mod rollouts;
mod spine;
mod split_processes;
mod stores_away;
mod telemetry;
mod tls;
mod top;
mod voice;
mod voice_faults;
mod voice_google;
mod voice_memory;
mod voice_wire;
mod workspace;

use troika_tests::sandbox::Sandbox;

/// A sandbox for the binary under test.
fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_troika"))
}
