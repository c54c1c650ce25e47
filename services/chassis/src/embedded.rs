//! An embedded database: one file, one process, no server. This file owns the file itself: opening it, the threads that
//! may wait for the disk, time limits, and getting well after a disk that failed. It must not know which tables there are.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redb::{
    Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase as _, StorageError,
    TableDefinition, WriteTransaction,
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// How long a call waits for the disk.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Reads at one time. The file allows more, but each one holds a thread.
const READERS: usize = 16;

/// Opens the file itself.
pub type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// Makes all tables, so that a read finds them.
pub type MakeTables = fn(&WriteTransaction) -> Result<(), Box<redb::Error>>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A database file. Clones share it.
///
/// Every call leaves the async threads alone and ends within ten seconds; a write that was cut by that limit, or by
/// dropping the call, may still land. After an error of the disk the file is opened again by the next call.
#[derive(Clone)]
pub struct DatabaseFile {
    shared: Arc<Shared>,
    time_limit: Duration,
}

impl fmt::Debug for DatabaseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseFile")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

/// Why the file could not be opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else has it open.
    #[error(
        "{} is in use by another process: stop that one, or give this one a folder of its own (TROIKA_DATA_DIR)",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is no database, or a damaged one.
    #[error(
        "{} is damaged or no database of troika ({problem}): put a backup in its place, or move it away to start empty",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the engine said.
        problem: String,
    },
    /// Its format is not the one this version reads.
    #[error(
        "{} was written in file format {found}, which this version does not read: start the version that wrote it, or move it away to start empty",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format found.
        found: u8,
    },
    /// The disk or the folder does not allow it.
    #[error(
        "{} cannot be opened ({source}): check that the folder exists, may be written, and has room, or name another (TROIKA_DATA_DIR)",
        path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum FileError<E> {
    /// What the caller's own work came to; its transaction is undone.
    #[error("{0}")]
    Work(E),
    /// The disk refused, hung past the limit, or is gone. The same call may succeed later.
    #[error("the database file is unavailable")]
    Unavailable(#[source] Cause),
    /// What the file holds cannot be read, and what to do about it.
    #[error("{0}")]
    Damaged(String),
}

/// What work inside a transaction came to.
#[derive(Debug)]
pub enum Fault<E> {
    /// An answer for the caller.
    Work(E),
    /// A failure of the engine.
    Engine(Box<redb::Error>),
}

impl<E, R: Into<redb::Error>> From<R> for Fault<E> {
    fn from(error: R) -> Self {
        Self::Engine(Box::new(error.into()))
    }
}

impl DatabaseFile {
    /// Opens the file, or makes it; only its owner may read it. Keeps so many bytes of its pages in memory. Blocks, after
    /// a crash for as long as the file takes to be repaired.
    ///
    /// # Errors
    ///
    /// Says what to do: see [`OpenError`].
    pub fn open(path: &Path, page_cache: usize, tables: MakeTables) -> Result<Self, OpenError> {
        create_private(path).map_err(|source| OpenError::Io {
            path: path.to_owned(),
            source,
        })?;
        let file = path.to_owned();
        let opener = move || Builder::new().set_cache_size(page_cache).create(&file);
        Self::with_opener(path, TIME_LIMIT, Box::new(opener), tables)
    }

    /// Opens what `opener` opens, with a time limit of its own: for a disk that is not the system's.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn with_opener(
        path: &Path,
        time_limit: Duration,
        opener: Opener,
        tables: MakeTables,
    ) -> Result<Self, OpenError> {
        let database = open_database(&opener, tables).map_err(|problem| problem.at(path))?;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            opener,
            tables,
            database: RwLock::new(Some(database)),
            failed: AtomicBool::new(false),
            readers: Arc::new(Semaphore::new(READERS)),
            writer: Arc::new(Semaphore::new(1)),
        });
        Ok(Self { shared, time_limit })
    }

    /// Runs `work` in a snapshot of the file.
    ///
    /// # Errors
    ///
    /// See [`FileError`].
    pub async fn read<T: Send + 'static, E: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault<E>> + Send + 'static,
    ) -> Result<T, FileError<E>> {
        self.blocking(&self.shared.readers, move |database| {
            let transaction = database.begin_read()?;
            work(&transaction)
        })
        .await
    }

    /// Runs `work` in a transaction that is durable when this returns, and undone when `work` fails.
    ///
    /// # Errors
    ///
    /// See [`FileError`].
    pub async fn write<T: Send + 'static, E: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault<E>> + Send + 'static,
    ) -> Result<T, FileError<E>> {
        self.blocking(&self.shared.writer, move |database| {
            let transaction = database.begin_write()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
        .await
    }

    async fn blocking<T: Send + 'static, E: Send + 'static>(
        &self,
        threads: &Arc<Semaphore>,
        work: impl FnOnce(&Database) -> Result<T, Fault<E>> + Send + 'static,
    ) -> Result<T, FileError<E>> {
        let file = Arc::clone(&self.shared);
        let threads = Arc::clone(threads);
        let call = async move {
            // The permit stays with the thread: a disk that hangs holds these few threads, never all.
            let permit = threads.acquire_owned().await.map_err(unavailable)?;
            spawn_blocking(move || {
                let _permit = permit;
                file.run(work)
            })
            .await
            .map_err(unavailable)?
        };
        let limit = self.time_limit;
        timeout(limit, call)
            .await
            .map_err(|_| unavailable(SlowDisk { limit }))?
    }
}

fn unavailable<E>(cause: impl Into<Cause>) -> FileError<E> {
    FileError::Unavailable(cause.into())
}

/// The disk took longer than a call may last.
#[derive(Debug, thiserror::Error)]
#[error("the disk of the database file did not answer within {limit:?}")]
struct SlowDisk {
    limit: Duration,
}

/// The open file, and how to open it anew.
struct Shared {
    path: PathBuf,
    opener: Opener,
    tables: MakeTables,
    /// Touched by blocking threads only. `None` after a failure, until it could be opened again.
    database: RwLock<Option<Database>>,
    /// The engine refuses everything after an error of the disk, until the file is opened again.
    failed: AtomicBool,
    readers: Arc<Semaphore>,
    writer: Arc<Semaphore>,
}

impl Shared {
    fn run<T, E>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Fault<E>>,
    ) -> Result<T, FileError<E>> {
        if self.failed.load(Ordering::Acquire) {
            self.reopen()?;
        }
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = guard.as_ref() else {
            return Err(unavailable(
                "the database file is closed after a failure of the disk",
            ));
        };
        // The engine panics on some kinds of damage; that is one call's failure, not the process's.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(database)));
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Fault::Work(error))) => Err(FileError::Work(error)),
            Ok(Err(Fault::Engine(error))) => Err(self.translate(error)),
            Err(_) => {
                self.failed.store(true, Ordering::Release);
                Err(self.damaged())
            }
        }
    }

    fn translate<E>(&self, error: Box<redb::Error>) -> FileError<E> {
        match *error {
            redb::Error::Corrupted(_) => self.damaged(),
            redb::Error::ValueTooLarge(_) => unavailable(error.to_string()),
            error => {
                if !self.failed.swap(true, Ordering::AcqRel) {
                    tracing::error!(path = %self.path.display(), %error, "the database file failed; it will be opened again");
                }
                unavailable(error.to_string())
            }
        }
    }

    fn damaged<E>(&self) -> FileError<E> {
        FileError::Damaged(format!(
            "the file {} is damaged: put a backup in its place",
            self.path.display()
        ))
    }

    fn reopen<E>(&self) -> Result<(), FileError<E>> {
        let mut database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if !self.failed.load(Ordering::Acquire) {
            return Ok(()); // another thread has done it meanwhile
        }
        *database = None; // lets go of the lock on the file, which opening takes
        let reopened = open_database(&self.opener, self.tables)
            .map_err(|problem| unavailable(problem.at(&self.path)))?;
        *database = Some(reopened);
        self.failed.store(false, Ordering::Release);
        tracing::info!(path = %self.path.display(), "the database file was opened again");
        Ok(())
    }
}

/// A failed opening, before it is known to which path it belongs.
enum OpenProblem {
    Engine(DatabaseError),
    Tables(Box<redb::Error>),
    Panicked,
}

impl OpenProblem {
    fn at(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::Engine(
                DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch,
            ) => OpenError::InUse { path },
            Self::Engine(DatabaseError::UpgradeRequired(found)) => {
                OpenError::Format { path, found }
            }
            Self::Engine(DatabaseError::Storage(StorageError::Io(source)))
                if !says_damage(&source) =>
            {
                OpenError::Io { path, source }
            }
            Self::Engine(error) => OpenError::Damaged {
                path,
                problem: error.to_string(),
            },
            Self::Tables(error) => match *error {
                redb::Error::Io(source) if !says_damage(&source) => OpenError::Io { path, source },
                error => OpenError::Damaged {
                    path,
                    problem: error.to_string(),
                },
            },
            Self::Panicked => OpenError::Damaged {
                path,
                problem: "its structure is broken".into(),
            },
        }
    }
}

/// The engine reports a file that is no database, or ends too early, as an I/O error of these kinds.
fn says_damage(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
    )
}

/// Opens the file and makes the tables.
fn open_database(opener: &Opener, tables: MakeTables) -> Result<Database, OpenProblem> {
    catch_unwind(AssertUnwindSafe(|| {
        let database = opener().map_err(OpenProblem::Engine)?;
        make(&database, tables).map_err(OpenProblem::Tables)?;
        Ok(database)
    }))
    .unwrap_or(Err(OpenProblem::Panicked))
}

fn make(database: &Database, tables: MakeTables) -> Result<(), Box<redb::Error>> {
    let transaction = database
        .begin_write()
        .map_err(|error| Box::new(error.into()))?;
    tables(&transaction)?;
    transaction.commit().map_err(|error| Box::new(error.into()))
}

/// Makes one table, where it is not there yet.
///
/// # Errors
///
/// What the engine said.
pub fn make_table<K: redb::Key + 'static, V: redb::Value + 'static>(
    transaction: &WriteTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<(), Box<redb::Error>> {
    transaction
        .open_table(definition)
        .map(drop)
        .map_err(|error| Box::new(error.into()))
}

/// Makes an empty file that only its owner may read, where there is none: it will hold what visitors and staff said.
fn create_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
