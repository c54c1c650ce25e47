//! The embedded store: one file of one process.

use std::{convert::Infallible, path::Path, time::Duration};

use async_trait::async_trait;
use redb::{ReadTransaction, ReadableTable as _, TableDefinition, WriteTransaction};
use troika_audit::store::embedded as audit;
use troika_chassis::embedded::{DatabaseFile, Fault, FileError, make_table};

pub use troika_chassis::embedded::OpenError;

use super::{DELTAS_KEPT, Known, Store, StoreError, StoredDelta};
use crate::delta::{Part, Resolution, Rollup};

/// Resolution, part, time and replica.
type Place = (&'static str, &'static str, u64, &'static str);
/// The newest delta's number, and the contents.
type Contents = (u64, &'static [u8]);

const ROLLUPS: TableDefinition<'_, Place, Contents> = TableDefinition::new("rollups");
/// Contents by time, replica and number.
const DELTAS: TableDefinition<'_, (u64, &str, u64), &[u8]> = TableDefinition::new("deltas");
const NOTES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("notes");

/// Memory for pages of the file.
const PAGE_CACHE: usize = 16 << 20;

/// All in one file. Clones share it.
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
            make_table(transaction, ROLLUPS)?;
            make_table(transaction, DELTAS)?;
            make_table(transaction, NOTES)?;
            audit::make_tables(transaction)
        })?;
        Ok(Self { file })
    }

    /// The role's audit log, which lies in the same file.
    pub fn audit(&self) -> audit::Embedded {
        audit::Embedded::new(self.file.clone())
    }

    /// Runs `work` in a snapshot of the file.
    async fn in_snapshot<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault<Infallible>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.file.read(work).await.map_err(StoreError::from)
    }

    /// Runs `work` in a transaction that is durable when this returns, and undone when `work` fails.
    async fn in_transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault<Infallible>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.file.write(work).await.map_err(StoreError::from)
    }
}

impl From<FileError<Infallible>> for StoreError {
    fn from(error: FileError<Infallible>) -> Self {
        match error {
            FileError::Unavailable(source) => Self(source),
            FileError::Damaged(what) => Self::of(what),
        }
    }
}

#[async_trait]
impl Store for Embedded {
    async fn write(&self, rollups: Vec<Rollup>, delta: StoredDelta) -> Result<(), StoreError> {
        self.in_transaction(move |write| {
            let mut kept = write.open_table(ROLLUPS)?;
            for rollup in &rollups {
                let key = (
                    rollup.resolution.name(),
                    rollup.part.name(),
                    rollup.at,
                    rollup.replica.as_str(),
                );
                kept.insert(key, (rollup.number, rollup.data.as_slice()))?;
            }
            let mut deltas = write.open_table(DELTAS)?;
            let key = (delta.at, delta.replica.as_str(), delta.number);
            deltas.insert(key, delta.data.as_slice())?;
            Ok(())
        })
        .await
    }

    async fn deltas(&self, since: u64, known: &Known) -> Result<Vec<StoredDelta>, StoreError> {
        let known = known.clone();
        self.in_snapshot(move |read| {
            let deltas = read.open_table(DELTAS)?;
            let mut found = Vec::new();
            for entry in deltas.range((since, "", 0)..)? {
                let (key, data) = entry?;
                let (at, replica, number) = key.value();
                if known.get(replica).is_some_and(|newest| number <= *newest) {
                    continue;
                }
                found.push(StoredDelta {
                    replica: replica.to_owned(),
                    number,
                    at,
                    data: data.value().to_vec(),
                });
            }
            Ok(found)
        })
        .await
    }

    async fn rollups(
        &self,
        resolution: Resolution,
        part: Part,
        from: u64,
        to: u64,
    ) -> Result<Vec<Rollup>, StoreError> {
        self.in_snapshot(move |read| {
            let kept = read.open_table(ROLLUPS)?;
            let key = |at| (resolution.name(), part.name(), at, "");
            let mut found = Vec::new();
            for entry in kept.range(key(from)..key(to))? {
                let (key, value) = entry?;
                let ((.., at, replica), (number, data)) = (key.value(), value.value());
                found.push(Rollup {
                    resolution,
                    part,
                    at,
                    replica: replica.to_owned(),
                    number,
                    data: data.to_vec(),
                });
            }
            Ok(found)
        })
        .await
    }

    async fn noted(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.to_owned();
        self.in_snapshot(move |read| {
            let notes = read.open_table(NOTES)?;
            let found = notes.get(key.as_str())?;
            Ok(found.map(|data| data.value().to_vec()))
        })
        .await
    }

    async fn note(&self, key: &str, data: Vec<u8>) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.in_transaction(move |write| {
            write
                .open_table(NOTES)?
                .insert(key.as_str(), data.as_slice())?;
            Ok(())
        })
        .await
    }

    async fn note_first(&self, key: &str, data: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let key = key.to_owned();
        self.in_transaction(move |write| {
            let mut notes = write.open_table(NOTES)?;
            let noted = notes.get(key.as_str())?.map(|noted| noted.value().to_vec());
            if let Some(noted) = noted {
                return Ok(noted);
            }
            notes.insert(key.as_str(), data.as_slice())?;
            Ok(data)
        })
        .await
    }

    async fn lease(&self, _: &str, _: &str, _: Duration) -> Result<bool, StoreError> {
        // The file has one owner.
        Ok(true)
    }

    async fn sweep(&self, now: u64) -> Result<(), StoreError> {
        self.in_transaction(move |write| {
            let mut deltas = write.open_table(DELTAS)?;
            let oldest = now.saturating_sub(DELTAS_KEPT.as_secs());
            deltas.retain_in(..(oldest, "", 0), |_, _| false)?;
            let mut rollups = write.open_table(ROLLUPS)?;
            for resolution in [Resolution::Minute, Resolution::Hour] {
                let kept = resolution.kept().unwrap_or(Duration::MAX).as_secs();
                let oldest = now.saturating_sub(kept);
                for part in Part::all() {
                    let key = |at| (resolution.name(), part.name(), at, "");
                    rollups.retain_in(key(0)..key(oldest), |_, _| false)?;
                }
            }
            Ok(())
        })
        .await
    }

    fn is_shared(&self) -> bool {
        false
    }
}
