//! A progressive rollout: its plan, its state, and the judgement whether it goes on, holds or is rolled back.
//! Pure: times and figures come in as arguments, so that tables, simulations and properties reach all of it. It
//! must not know where figures come from or how a flag is set.
//!
//! A look at a rollout:
//!
//! 1. Read the figures of both arms since [`Rollout::figures_since`](rollout::Rollout::figures_since), and those
//!    since the step began.
//! 2. [`decide_over`](decide::decide_over) both, or [`decide`](decide::decide) on the first alone.
//! 3. [`Rollout::judge`](rollout::Rollout::judge), and carry out the transition it returns.
//!
//! Looks may be as many as one likes: what rolls back are bounds that hold at any look, and the accepted
//! chance of a wrong rollback is shared out among the beginnings from which figures are read.

pub mod decide;
pub mod evidence;
mod looks;
pub mod plan;
pub mod rollout;
mod stats;
