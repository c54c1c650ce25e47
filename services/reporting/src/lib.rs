//! Tells the metrics role what happens in a role of this process. Telling never waits and never fails: what cannot
//! be taken is dropped and counted. It must not know what the figures are for.

mod gaps;
mod needs;
mod reporter;
mod sending;

pub use gaps::{Gaps, bucket};
pub use needs::{Need, Needs};
pub use reporter::{Reporter, Situation};

/// Where the metrics role is, and how it is reached.
pub type Config = troika_chassis::channel::Neighbour<50054>;
