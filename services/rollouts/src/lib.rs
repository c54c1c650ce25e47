//! A progressive rollout: its plan, its state, and the judgement whether it goes on, holds or is rolled back.
//! Pure: times and figures come in as arguments, so that tables, simulations and properties reach all of it.

pub mod decide;
pub mod evidence;
pub mod plan;
pub mod rollout;
mod stats;
pub mod statistics;
