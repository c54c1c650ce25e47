//! Where accounts and wrong tries lie. Names no engine.

pub mod embedded;
pub mod mongo;

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    account::{Account, Email},
    tries::Tries,
};

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

/// What became of an account that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is there.
    Done,
    /// Another account has its address.
    Taken,
}

/// Accounts that are read at most.
pub const MOST_ACCOUNTS: usize = 1000;

/// A store. Every call ends in bounded time. A write that fails as unavailable may have landed all the same.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// All accounts, in the order of their addresses, at most [`MOST_ACCOUNTS`].
    async fn list(&self) -> Result<Vec<Account>, StoreError>;

    /// An account by its address.
    async fn by_email(&self, email: &Email) -> Result<Option<Account>, StoreError>;

    /// An account by its id.
    async fn by_id(&self, id: Uuid) -> Result<Option<Account>, StoreError>;

    /// Adds an account.
    async fn insert(&self, account: &Account) -> Result<Inserted, StoreError>;

    /// Changes password, role, `enabled` and revision of an account whose revision still is `before`; `false` when it is not.
    async fn change(&self, account: &Account, before: u64) -> Result<bool, StoreError>;

    /// Notes that an account signed in, and keeps its password's new hash where there is one; `false` when its revision is not
    /// `revision` any more.
    async fn signed_in(
        &self,
        id: Uuid,
        revision: u64,
        at: SystemTime,
        rehashed: Option<&str>,
    ) -> Result<bool, StoreError>;

    /// Deletes an account whose revision still is `before`; `false` when it is not.
    async fn delete(&self, id: Uuid, before: u64) -> Result<bool, StoreError>;

    /// The wrong tries of a key.
    async fn tries(&self, key: &str) -> Result<Option<Tries>, StoreError>;

    /// Puts `new` in the place of `known`, which is what was read; `false` when something else stands there by now. `None` is
    /// nothing. What expired may be gone at any time.
    async fn swap_tries(
        &self,
        key: &str,
        known: Option<&Tries>,
        new: Option<&Tries>,
    ) -> Result<bool, StoreError>;

    /// Takes or renews the lease of the one who changes accounts, for a time; `false` while another holds it.
    async fn lease(&self, holder: &str, time: Duration) -> Result<bool, StoreError>;

    /// Gives the lease back.
    async fn release(&self, holder: &str) -> Result<(), StoreError>;
}
