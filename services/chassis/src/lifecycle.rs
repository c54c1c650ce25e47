//! How a process comes up and goes away: readiness by named conditions, a drain in phases, signals.
//! It must not know which roles there are.

mod drain;
mod readiness;
mod signals;

pub use drain::{Drain, DrainConfig, Hold};
pub use readiness::{Condition, Readiness};
pub use signals::on_signals;
