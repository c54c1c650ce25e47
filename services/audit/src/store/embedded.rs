//! The embedded store: one table in a role's own file.

use std::convert::Infallible;

use async_trait::async_trait;
use redb::{ReadableTable as _, TableDefinition, WriteTransaction};
use troika_chassis::embedded::{DatabaseFile, FileError, make_table};

use super::{Appended, Store, StoreError, Stored, Wanted};
use crate::entry::Entry;

/// Entries by their number, as JSON.
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("audit");

/// Makes the log's table; the file's other tables are made beside it.
///
/// # Errors
///
/// What the engine said.
pub fn make_tables(transaction: &WriteTransaction) -> Result<(), Box<redb::Error>> {
    make_table(transaction, LOG)
}

/// A log in a file in which [`make_tables`] made its table.
#[derive(Clone, Debug)]
pub struct Embedded {
    file: DatabaseFile,
}

impl Embedded {
    /// The log of a file.
    pub fn new(file: DatabaseFile) -> Self {
        Self { file }
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
    async fn append(&self, entry: &Entry) -> Result<Appended, StoreError> {
        let number = entry.number;
        let bytes = serde_json::to_vec(entry).map_err(StoreError::of)?;
        let appended = self.file.write(move |transaction| {
            let mut log = transaction.open_table(LOG)?;
            let last = log.last()?.map_or(0, |(last, _)| last.value());
            if last >= number {
                return Ok(Appended::Taken);
            }
            log.insert(number, bytes.as_slice())?;
            Ok(Appended::Done)
        });
        Ok(appended.await?)
    }

    async fn after(&self, number: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let found = self.file.read(move |transaction| {
            let log = transaction.open_table(LOG)?;
            log.range(number.saturating_add(1)..)?
                .take(limit)
                .map(|found| found.map(|(number, bytes)| read(number.value(), bytes.value())))
                .collect::<Result<Vec<_>, _>>()
                .map_err(Into::into)
        });
        Ok(found.await?)
    }

    async fn newest(&self, wanted: &Wanted, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let wanted = wanted.clone();
        let found = self.file.read(move |transaction| {
            let log = transaction.open_table(LOG)?;
            let mut kept = Vec::new();
            for found in log.range(..wanted.before.unwrap_or(u64::MAX))?.rev() {
                if kept.len() == limit {
                    break;
                }
                let (number, bytes) = found?;
                let stored = read(number.value(), bytes.value());
                if wanted.fits(&stored) {
                    kept.push(stored);
                }
            }
            Ok(kept)
        });
        Ok(found.await?)
    }
}

fn read(number: u64, bytes: &[u8]) -> Stored {
    let entry: Option<Entry> = serde_json::from_slice(bytes).ok();
    Stored {
        number,
        entry: entry.filter(|entry| entry.number == number),
    }
}
