//! The log of changes: the one truth about flags and rollouts. An entry holds a flag's and a rollout's change
//! together, so that a step is never half taken; its number is the store's revision, so that of two who
//! write on the same ground one is refused. Must not know where the log lies.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use troika_evaluation::flag::Flag;
use troika_rollouts::rollout::Rollout;

/// Who changes something, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// A person's or a program's name.
    pub name: String,
    /// In their words.
    #[serde(default)]
    pub reason: String,
}

/// One change, and what it made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1 without gaps.
    pub revision: u64,
    /// When it was made, by the clock of whoever made it.
    #[serde(with = "humantime_serde")]
    pub at: SystemTime,
    /// Who made it.
    pub author: Author,
    /// What became of a flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<FlagChange>,
    /// What became of a rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Box<Rollout>>,
}

/// A flag before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlagChange {
    /// The flag's key.
    pub key: String,
    /// Absent when it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Flag>,
    /// Absent when it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Flag>,
}
