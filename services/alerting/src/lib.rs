//! Alerts for those without Prometheus: rules over figures, and how people are told. It must not know how anything is
//! counted: whoever has figures shows them as [`Readings`].
//!
//! The judgement ([`state`]) is pure; [`Alerting`] drives it and delivers what it says.

pub mod config;
mod driver;
mod message;
mod pace;
mod post;
mod receivers;
pub mod rule;
pub mod state;

pub use config::Config;
pub use driver::{Alerting, Tested};
pub use rule::{Figure, Reading, Readings, Rule, Severity, Window};
