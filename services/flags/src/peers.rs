//! The roles that this one calls.

pub(crate) mod metrics;
