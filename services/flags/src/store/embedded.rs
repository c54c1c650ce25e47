//! The embedded store: one file of one process.

use std::{convert::Infallible, path::Path, time::Duration};

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable as _, TableDefinition, WriteTransaction};
use troika_chassis::embedded::{DatabaseFile, Fault, FileError, make_table};
use troika_rollouts::decide::Decision;

pub use troika_chassis::embedded::OpenError;

use super::{Appended, Store, StoreError};
use crate::log::Entry;

/// Entries by their number, as JSON.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Decisions by rollout and number, as JSON.
const DECISIONS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("decisions");

/// Memory for pages of the file.
const PAGE_CACHE: usize = 8 << 20;

/// The log and the decisions in one file. Clones share it.
#[derive(Clone, Debug)]
pub struct Embedded {
    file: DatabaseFile,
}

impl Embedded {
    /// Opens the file, or makes it; only its owner may read it. Blocks.
    ///
    /// # Errors
    /// When another process has it open, it is damaged, or the disk refuses.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = DatabaseFile::open(path, PAGE_CACHE, |transaction| {
            make_table(transaction, LOG)?;
            make_table(transaction, DECISIONS)
        })?;
        Ok(Self { file })
    }

    /// Runs `work` in a snapshot of the file.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault<Infallible>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.file.read(work).await.map_err(StoreError::from)
    }

    /// Runs `work` in a transaction that is durable when this returns, and undone when `work` fails.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault<Infallible>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.file.write(work).await.map_err(StoreError::from)
    }
}

impl From<FileError<Infallible>> for StoreError {
    fn from(error: FileError<Infallible>) -> Self {
        match error {
            FileError::Unavailable(source) => Self::Unavailable(source),
            FileError::Damaged(what) => Self::Corrupt(what),
        }
    }
}

#[async_trait]
impl Store for Embedded {
    async fn after(&self, revision: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let found = self
            .read(move |transaction| {
                let table = transaction.open_table(LOG)?;
                let range = table.range(revision.saturating_add(1)..)?;
                range
                    .take(limit)
                    .map(|found| Ok(found?.1.value().to_vec()))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        found.iter().map(|bytes| parsed(bytes)).collect()
    }

    async fn before(
        &self,
        revision: u64,
        key: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let key = key.map(ToOwned::to_owned);
        self.read(move |transaction| {
            let table = transaction.open_table(LOG)?;
            let mut found = Vec::new();
            for entry in table.range(..revision)?.rev() {
                let entry = parsed::<Entry>(entry?.1.value());
                let wanted = match &entry {
                    Ok(entry) => entry
                        .flag
                        .as_ref()
                        .is_some_and(|change| key.as_ref().is_none_or(|key| change.key == *key)),
                    Err(_) => true,
                };
                if wanted {
                    found.push(entry);
                }
                if found.len() == limit {
                    break;
                }
            }
            Ok(found)
        })
        .await?
        .into_iter()
        .collect()
    }

    async fn append(&self, entry: &Entry) -> Result<Appended, StoreError> {
        let (revision, bytes) = (entry.revision, written(entry)?);
        self.write(move |transaction| {
            let mut table = transaction.open_table(LOG)?;
            let last = table.last()?.map_or(0, |(last, _)| last.value());
            if last >= revision {
                return Ok(Appended::Taken);
            }
            table.insert(revision, bytes.as_slice())?;
            Ok(Appended::Done)
        })
        .await
    }

    async fn decide(&self, rollout: &str, decision: &Decision) -> Result<(), StoreError> {
        let (rollout, bytes) = (rollout.to_owned(), written(decision)?);
        self.write(move |transaction| {
            let mut table = transaction.open_table(DECISIONS)?;
            let of = (rollout.as_str(), 0)..=(rollout.as_str(), u64::MAX);
            let next = table
                .range(of)?
                .next_back()
                .transpose()?
                .map_or(0, |(last, _)| last.value().1 + 1);
            table.insert((rollout.as_str(), next), bytes.as_slice())?;
            if let Some(old) = next.checked_sub(super::DECISIONS_KEPT) {
                table.remove((rollout.as_str(), old))?;
            }
            Ok(())
        })
        .await
    }

    async fn decisions(&self, rollout: &str, limit: usize) -> Result<Vec<Decision>, StoreError> {
        let rollout = rollout.to_owned();
        let found = self
            .read(move |transaction| {
                let table = transaction.open_table(DECISIONS)?;
                let of = (rollout.as_str(), 0)..=(rollout.as_str(), u64::MAX);
                table
                    .range(of)?
                    .rev()
                    .take(limit)
                    .map(|found| Ok(found?.1.value().to_vec()))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await?;
        found.iter().map(|bytes| parsed(bytes)).collect()
    }

    /// One process has the file: it is the one.
    async fn lease(&self, _: &str, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn release(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    fn is_shared(&self) -> bool {
        false
    }
}

fn written(value: &impl serde::Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn parsed<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Corrupt(error.to_string()))
}
