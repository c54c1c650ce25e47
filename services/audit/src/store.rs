//! Where entries lie. Names no engine; and there is no way to change or delete one.

pub mod embedded;
pub mod mongo;

use async_trait::async_trait;

use crate::entry::Entry;

/// A failure of a store. The same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("the store of the audit log is unavailable")]
pub struct StoreError(#[source] pub(crate) Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    pub(crate) fn of(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// What became of an entry that was to be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is the log's.
    Done,
    /// Another entry has its number, or the same one has it already: read on.
    Taken,
}

/// What lies under a number.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The number it lies under.
    pub number: u64,
    /// `None` where it cannot be read as an entry of that number.
    pub entry: Option<Entry>,
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// With numbers below this one.
    pub before: Option<u64>,
    /// Of this target.
    pub target: Option<String>,
    /// Of this action.
    pub action: Option<String>,
}

impl Wanted {
    /// Whether an entry is; what cannot be read might be.
    pub(crate) fn fits(&self, stored: &Stored) -> bool {
        let same = |wanted: &Option<String>, is: &String| wanted.as_ref().is_none_or(|it| it == is);
        stored.entry.as_ref().is_none_or(|entry| {
            same(&self.target, &entry.recorded.target) && same(&self.action, &entry.recorded.action)
        })
    }
}

/// A store of one log. Every call ends in bounded time. A write that fails may have landed all the same.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// Appends an entry under its own number.
    async fn append(&self, entry: &Entry) -> Result<Appended, StoreError>;

    /// Entries above a number, oldest first, at most `limit`.
    async fn after(&self, number: u64, limit: usize) -> Result<Vec<Stored>, StoreError>;

    /// Entries, newest first, at most `limit`.
    async fn newest(&self, wanted: &Wanted, limit: usize) -> Result<Vec<Stored>, StoreError>;
}
