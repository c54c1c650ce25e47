//! The embedded store: one file of one process.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use redb::{Database, Durability, ReadableDatabase as _, TableDefinition};
use tokio::task::spawn_blocking;

use super::{DELTAS_KEPT, Store, StoreError, StoredDelta};
use crate::delta::{Part, Resolution, Rollup};

/// Resolution, part, time and replica.
type Place = (&'static str, &'static str, u64, &'static str);
/// The newest delta's number, and the contents.
type Contents = (u64, &'static [u8]);

const ROLLUPS: TableDefinition<'_, Place, Contents> = TableDefinition::new("rollups");
/// Contents by time, replica and number.
const DELTAS: TableDefinition<'_, (u64, &str, u64), &[u8]> = TableDefinition::new("deltas");
const NOTES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("notes");

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

/// All in one file. Clones share it.
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
            write.open_table(ROLLUPS)?;
            write.open_table(DELTAS)?;
            write.open_table(NOTES)?;
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
            .map_err(StoreError::of)?
            .map_err(StoreError::of)
    }
}

#[async_trait]
impl Store for Embedded {
    async fn write(&self, rollups: Vec<Rollup>, delta: StoredDelta) -> Result<(), StoreError> {
        self.run(move |database| {
            let mut write = database.begin_write()?;
            // Durable within the second: a crash of the machine may cost that much.
            write.set_durability(Durability::Immediate)?;
            {
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
            }
            Ok(write.commit()?)
        })
        .await
    }

    async fn deltas(&self, since: u64) -> Result<Vec<StoredDelta>, StoreError> {
        self.run(move |database| {
            let deltas = database.begin_read()?.open_table(DELTAS)?;
            let mut found = Vec::new();
            for entry in deltas.range((since, "", 0)..)? {
                let (key, data) = entry?;
                let (at, replica, number) = key.value();
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
        self.run(move |database| {
            let kept = database.begin_read()?.open_table(ROLLUPS)?;
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
        self.run(move |database| {
            let notes = database.begin_read()?.open_table(NOTES)?;
            let found = notes.get(key.as_str())?;
            Ok(found.map(|data| data.value().to_vec()))
        })
        .await
    }

    async fn note(&self, key: &str, data: Vec<u8>) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.run(move |database| {
            let write = database.begin_write()?;
            write
                .open_table(NOTES)?
                .insert(key.as_str(), data.as_slice())?;
            Ok(write.commit()?)
        })
        .await
    }

    async fn note_first(&self, key: &str, data: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        // The file has one owner, who notes one thing at a time.
        if let Some(noted) = self.noted(key).await? {
            return Ok(noted);
        }
        self.note(key, data.clone()).await?;
        Ok(data)
    }

    async fn lease(&self, _: &str, _: &str, _: Duration) -> Result<bool, StoreError> {
        // The file has one owner.
        Ok(true)
    }

    async fn sweep(&self, now: u64) -> Result<(), StoreError> {
        self.run(move |database| {
            let write = database.begin_write()?;
            {
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
            }
            Ok(write.commit()?)
        })
        .await
    }

    fn is_shared(&self) -> bool {
        false
    }
}
