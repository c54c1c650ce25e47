//! Where the log and the decisions lie. Names no engine.

pub mod embedded;
pub mod mongo;

use std::time::Duration;

use async_trait::async_trait;
use troika_rollouts::decide::Decision;

use crate::log::Entry;

/// A failure of a store, named by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine refused, hung past its limit, or is gone. The same call may succeed later.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What the engine holds cannot be read as what it should be.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}

impl StoreError {
    pub(crate) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}

/// Decisions that are kept of each rollout.
pub const DECISIONS_KEPT: u64 = 10_000;

/// What became of an entry that was to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is the log's.
    Done,
    /// Somebody else's entry has its number: read on, and decide anew.
    Taken,
}

/// A store. Every call ends in bounded time. A write that fails as unavailable may have landed all the same:
/// read on before repeating it.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// Entries after a revision, oldest first, at most `limit`.
    async fn after(&self, revision: u64, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Entries before a revision that changed a flag, newest first, at most `limit`; of one flag or of all.
    async fn before(
        &self,
        revision: u64,
        key: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Appends an entry under its own number, which must be the next.
    async fn append(&self, entry: &Entry) -> Result<Appended, StoreError>;

    /// Keeps a decision about a rollout.
    async fn decide(&self, rollout: &str, decision: &Decision) -> Result<(), StoreError>;

    /// The decisions about a rollout, newest first, at most `limit`.
    async fn decisions(&self, rollout: &str, limit: usize) -> Result<Vec<Decision>, StoreError>;

    /// Takes or renews the lease of the one who decides, for a time; `false` while another holds it. Two may
    /// hold it for a moment when clocks differ: the log's numbers keep them from doing anything twice.
    async fn lease(&self, holder: &str, time: Duration) -> Result<bool, StoreError>;

    /// Gives the lease back.
    async fn release(&self, holder: &str) -> Result<(), StoreError>;

    /// Whether others may write to it: then it must be read again and again.
    fn is_shared(&self) -> bool;
}
