//! The embedded store: one file of one process.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tokio::task::spawn_blocking;
use troika_rollouts::decide::Decision;

use super::{Appended, Store, StoreError};
use crate::log::Entry;

/// Entries by their number, as JSON.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Decisions by rollout and number, as JSON.
const DECISIONS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("decisions");

/// Why the file could not be opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} cannot be opened ({problem}): stop the process that uses it, check that the folder may be written, or name another (TROIKA_DATA_DIR)",
    path.display()
)]
pub struct OpenError {
    path: PathBuf,
    problem: String,
}

/// The log and the decisions in one file. Clones share it.
#[derive(Clone, Debug)]
pub struct Embedded {
    database: Arc<Database>,
}

impl Embedded {
    /// Opens the file, or makes it. Blocks.
    ///
    /// # Errors
    /// When another process has it open, it is damaged, or the disk refuses.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |problem: String| OpenError {
            path: path.to_owned(),
            problem,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        }
        let database = Database::create(path).map_err(|error| failed(error.to_string()))?;
        let tables = || -> Result<(), redb::Error> {
            let write = database.begin_write()?;
            write.open_table(LOG)?;
            write.open_table(DECISIONS)?;
            Ok(write.commit()?)
        };
        tables().map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            database: Arc::new(database),
        })
    }

    /// Runs `work` on a thread that may wait for the disk.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.database);
        spawn_blocking(move || work(&database))
            .await
            .map_err(StoreError::unavailable)?
            .map_err(StoreError::unavailable)
    }
}

#[async_trait]
impl Store for Embedded {
    async fn after(&self, revision: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let found = self
            .run(move |database| {
                let table = database.begin_read()?.open_table(LOG)?;
                let range = table.range(revision.saturating_add(1)..)?;
                range
                    .take(limit)
                    .map(|found| Ok(found?.1.value().to_vec()))
                    .collect::<Result<Vec<_>, redb::Error>>()
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
        self.run(move |database| {
            let table = database.begin_read()?.open_table(LOG)?;
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
        self.run(move |database| {
            let write = database.begin_write()?;
            {
                let mut table = write.open_table(LOG)?;
                let last = table.last()?.map_or(0, |(last, _)| last.value());
                if last >= revision {
                    return Ok(Appended::Taken);
                }
                table.insert(revision, bytes.as_slice())?;
            }
            write.commit()?;
            Ok(Appended::Done)
        })
        .await
    }

    async fn decide(&self, rollout: &str, decision: &Decision) -> Result<(), StoreError> {
        let (rollout, bytes) = (rollout.to_owned(), written(decision)?);
        self.run(move |database| {
            let write = database.begin_write()?;
            {
                let mut table = write.open_table(DECISIONS)?;
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
            }
            Ok(write.commit()?)
        })
        .await
    }

    async fn decisions(&self, rollout: &str, limit: usize) -> Result<Vec<Decision>, StoreError> {
        let rollout = rollout.to_owned();
        let found = self
            .run(move |database| {
                let table = database.begin_read()?.open_table(DECISIONS)?;
                let of = (rollout.as_str(), 0)..=(rollout.as_str(), u64::MAX);
                table
                    .range(of)?
                    .rev()
                    .take(limit)
                    .map(|found| Ok(found?.1.value().to_vec()))
                    .collect::<Result<Vec<_>, redb::Error>>()
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
