//! How often and how much: rates ([`Limiter::take`]), streams at once ([`Limiter::enter`]) and daily budgets
//! ([`Budget`]), shared through Redis by all processes that have the same one, else counted in this process. It must
//! not know who is limited, nor what for.
//!
//! Nothing here fails because Redis is away: each process then goes on counting from what it knew last.
//!
//! Every key holds the hash tag `{limits}`: in Redis Cluster all of them lie in one slot, on one node, because a call
//! counts over several of them at once. A call costs that node some microseconds.

mod budget;
mod client;
mod gcra;
mod key;
mod limiter;
mod link;
mod policy;
mod refusals;
mod streams;
#[cfg(test)]
mod testing;

pub use crate::{
    budget::{Budget, Exhausted, Reservation},
    client::counted,
    key::Key,
    limiter::{Charge, Counted, Limiter, Verdict},
    policy::{Policy, PolicyChange},
    refusals::Refusals,
    streams::{Full, Slot},
};
