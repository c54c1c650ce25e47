//! Where figures are kept across restarts, and how replicas hear of each other. Names no engine.

pub mod embedded;
pub mod mongo;

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;

use crate::delta::{Part, Resolution, Rollup};

/// A failure of a store. The same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("the store is unavailable")]
pub struct StoreError(#[source] pub(crate) Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    pub(crate) fn of(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// How long deltas are kept: for replicas that start, and for those that were away.
pub const DELTAS_KEPT: Duration = Duration::from_secs(60 * 60);

/// The newest delta that is known of each replica.
pub type Known = HashMap<String, u64>;

/// A delta, as the role writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDelta {
    /// Whose.
    pub replica: String,
    /// Rises by one with each of a replica's.
    pub number: u64,
    /// The second in which it was closed.
    pub at: u64,
    /// Its contents.
    pub data: Vec<u8>,
}

/// A store. Every call ends in bounded time. Writing the same thing twice is as writing it once.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// Keeps rollups, each in place of the one with its resolution, part, time and replica; then the delta that they
    /// contain.
    async fn write(&self, rollups: Vec<Rollup>, delta: StoredDelta) -> Result<(), StoreError>;

    /// The deltas that were closed at or after a second, of all replicas, in any order; of those that are known, only
    /// what is younger than the number that is.
    async fn deltas(&self, since: u64, known: &Known) -> Result<Vec<StoredDelta>, StoreError>;

    /// Rollups of a part whose times are at or after `from` and before `to`, of all replicas, by rising time.
    async fn rollups(
        &self,
        resolution: Resolution,
        part: Part,
        from: u64,
        to: u64,
    ) -> Result<Vec<Rollup>, StoreError>;

    /// What was noted under a key.
    async fn noted(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Notes something under a key, in place of what was there.
    async fn note(&self, key: &str, data: Vec<u8>) -> Result<(), StoreError>;

    /// Notes something under a key where nothing is noted yet; what is noted there now.
    async fn note_first(&self, key: &str, data: Vec<u8>) -> Result<Vec<u8>, StoreError>;

    /// Takes or renews a lease; `false` while another holds it. Two may hold it for a moment when clocks differ.
    async fn lease(&self, name: &str, holder: &str, time: Duration) -> Result<bool, StoreError>;

    /// Lets go of what was kept for its time.
    async fn sweep(&self, now: u64) -> Result<(), StoreError>;

    /// Whether other replicas write to it: then it must be read again and again.
    fn is_shared(&self) -> bool;
}
