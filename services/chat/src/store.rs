//! What can go wrong with any store of this crate, whichever engine stands behind it. Knows no engine.

pub mod embedded;
pub mod indexes;
pub mod mongo;
mod replacement;

/// A failure of a store, named by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something with this identity exists already.
    #[error("it exists already")]
    AlreadyExists,
    /// The thing to change is not there.
    #[error("it does not exist")]
    NotFound,
    /// The engine refused, hung past its limit, or is gone. The same call may succeed later.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What the engine holds cannot be read as what it should be.
    #[error("stored data cannot be read: {what}")]
    Corrupt {
        /// Which record, without its content.
        what: String,
    },
}

impl StoreError {
    /// Wraps an engine's own error as [`StoreError::Unavailable`].
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}
