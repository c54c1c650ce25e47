//! The embedded database: one file, one process, no server. The file itself is the chassis' matter; what lies in the
//! tables is told by the files beside this one.

mod bots;
mod knowledge;
mod messages;
mod owners;
mod quotas;
mod record;

use std::path::Path;

use redb::{ReadTransaction, WriteTransaction};
use troika_audit::store::embedded as audit;
use troika_chassis::embedded::{self, DatabaseFile, FileError, make_table};

pub use troika_chassis::embedded::OpenError;

use super::StoreError;

/// Memory for pages of the file.
const PAGE_CACHE: usize = 64 << 20;

/// Bots, messages and knowledge in one file. Clones share it.
///
/// Every call leaves the async threads alone and ends within ten seconds; a write that was cut by that
/// limit, or by dropping the call, may still land. Times are kept to the millisecond.
#[derive(Clone, Debug)]
pub struct Embedded {
    file: DatabaseFile,
}

impl Embedded {
    /// Opens the file, or makes it; only its owner may read it. Blocks, after a crash for as long as
    /// the file takes to be repaired.
    ///
    /// # Errors
    ///
    /// Says what to do: see [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = DatabaseFile::open(path, PAGE_CACHE, make_tables)?;
        Ok(Self { file })
    }

    /// The role's audit log, which lies in the same file.
    pub fn audit(&self) -> audit::Embedded {
        audit::Embedded::new(self.file.clone())
    }

    /// Runs `work` in a snapshot of the file.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self
            .file
            .read(|transaction| work(transaction).map_err(|Fault(fault)| fault))
            .await;
        done.map_err(StoreError::from)
    }

    /// Runs `work` in a transaction that is durable when this returns, and undone when `work` fails.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self
            .file
            .write(|transaction| work(transaction).map_err(|Fault(fault)| fault))
            .await;
        done.map_err(StoreError::from)
    }
}

/// What an operation inside a transaction came to: an answer for the caller, or a failure of the engine.
struct Fault(embedded::Fault<StoreError>);

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self(embedded::Fault::Work(error))
    }
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(embedded::Fault::from(error))
    }
}

impl From<FileError<StoreError>> for StoreError {
    fn from(error: FileError<StoreError>) -> Self {
        match error {
            FileError::Work(error) => error,
            FileError::Unavailable(source) => Self::Unavailable(source),
            FileError::Damaged(what) => Self::Corrupt { what },
        }
    }
}

fn make_tables(transaction: &WriteTransaction) -> Result<(), Box<redb::Error>> {
    bots::make_tables(transaction)?;
    messages::make_tables(transaction)?;
    owners::make_tables(transaction)?;
    quotas::make_tables(transaction)?;
    audit::make_tables(transaction)?;
    knowledge::make_tables(transaction)
}

#[cfg(test)]
mod tests;
