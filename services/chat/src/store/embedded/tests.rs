//! The database file when its disk refuses, hangs and recovers, and when the file is not what it should be.

use std::{
    fs::OpenOptions,
    io,
    ops::Bound,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant, SystemTime},
};

use redb::{BackendError, Builder, StorageBackend, backends::FileBackend};

use super::*;
use crate::{
    bots::{Access, Bot, BotId, BotStore, Limits},
    history::{Message, MessageStore, Sender, Visitor},
};

/// What the disk does with writes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Full,
    Hanging,
}

/// A real file whose disk can be made to fail.
#[derive(Debug)]
struct Disk {
    mood: Mutex<Mood>,
    changed: Condvar,
}

impl Disk {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            mood: Mutex::new(Mood::Well),
            changed: Condvar::new(),
        })
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
        self.changed.notify_all();
    }

    fn write(&self) -> io::Result<()> {
        let mood = self
            .changed
            .wait_while(self.mood.lock().unwrap(), |mood| *mood == Mood::Hanging)
            .unwrap();
        match *mood {
            Mood::Full => Err(io::ErrorKind::StorageFull.into()),
            Mood::Well | Mood::Hanging => Ok(()),
        }
    }
}

#[derive(Debug)]
struct FileOnDisk {
    file: FileBackend,
    disk: Arc<Disk>,
}

impl StorageBackend for FileOnDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.write()?;
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.disk.write()?;
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write()?;
        self.file.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

/// A store on that disk, whose calls end within `time_limit`.
fn store_on(disk: &Arc<Disk>, path: &Path, time_limit: Duration) -> Embedded {
    let (disk, file) = (Arc::clone(disk), path.to_owned());
    let opener = move || {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file)?;
        let backend = FileOnDisk {
            file: FileBackend::new(file)?,
            disk: Arc::clone(&disk),
        };
        Builder::new().create_with_backend(backend)
    };
    let file = DatabaseFile::with_opener(path, time_limit, Box::new(opener), make_tables).unwrap();
    Embedded { file }
}

fn message(number: u32) -> Message {
    Message {
        bot: BotId([7; 12]),
        session: "s".into(),
        turn: Some(uuid::Uuid::new_v4()),
        sender: Sender::User,
        content: format!("message {number}"),
        time: record::time(i64::from(number)),
        tokens: None,
        outcome: None,
        visitor: Visitor::default(),
    }
}

async fn contents(store: &Embedded) -> Vec<String> {
    let messages = store.recent(BotId([7; 12]), "s", 100).await.unwrap();
    messages
        .into_iter()
        .map(|message| message.content)
        .collect()
}

#[tokio::test]
async fn a_full_disk_refuses_writes_keeps_what_was_acknowledged_and_serves_again_once_it_has_room()
{
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    let store = store_on(
        &disk,
        &folder.path().join("chat.redb"),
        Duration::from_secs(10),
    );
    store.append(&[message(1)]).await.unwrap();

    disk.set(Mood::Full);
    for _ in 0..3 {
        let error = store.append(&[message(2)]).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }

    disk.set(Mood::Well);
    store.append(&[message(3)]).await.unwrap();
    assert_eq!(contents(&store).await, ["message 1", "message 3"]);
}

#[tokio::test]
async fn a_hanging_disk_ends_every_write_at_the_time_limit_and_leaves_reads_alone() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    let store = store_on(
        &disk,
        &folder.path().join("chat.redb"),
        Duration::from_millis(300),
    );
    store.append(&[message(1)]).await.unwrap();

    disk.set(Mood::Hanging);
    let begun = Instant::now();
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.append(&[message(2)]).await })
        })
        .collect();
    for write in waiting {
        let error = write.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(contents(&store).await, ["message 1"]);

    disk.set(Mood::Well);
    // The one write that had reached the disk may land now; those that waited for their turn never do.
    store.append(&[message(3)]).await.unwrap();
    let contents = contents(&store).await;
    assert!(contents.len() <= 3, "{contents:?}");
    assert_eq!(
        (
            contents.first().unwrap().as_str(),
            contents.last().unwrap().as_str()
        ),
        ("message 1", "message 3")
    );
}

#[test]
fn a_file_in_use_says_who_has_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.redb");
    let _first = Embedded::open(&path).unwrap();
    let error = Embedded::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("stop that one"), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_left_alone_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.redb");
    let foreign = b"these are somebody's notes, not a database".repeat(1_000);
    std::fs::write(&path, &foreign).unwrap();
    let error = Embedded::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert!(
        error.to_string().contains("put a backup in its place"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), foreign);
}

#[test]
fn a_file_cut_short_is_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.redb");
    drop(Embedded::open(&path).unwrap());
    let whole = std::fs::metadata(&path).unwrap().len();
    for kept in [100, 4_096, whole / 2] {
        OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(kept)
            .unwrap();
        let error = Embedded::open(&path).unwrap_err();
        assert!(
            matches!(error, OpenError::Damaged { .. }),
            "{kept} of {whole} bytes: {error:?}"
        );
    }
}

#[test]
fn a_folder_that_cannot_be_written_says_what_to_check() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let error = Embedded::open(&in_the_way.join("chat.redb")).unwrap_err();
    assert!(matches!(error, OpenError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("TROIKA_DATA_DIR"), "{error}");
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new folder").join("chat.redb");
    drop(Embedded::open(&path).unwrap());
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.redb");
    let bot = Bot {
        id: BotId([7; 12]),
        name: "Bot".into(),
        persona: "Be brief.".into(),
        model: None,
        temperature: Some(0.7),
        language: "en-IN".into(),
        access: Access::Private,
        active: true,
        allowed_origins: vec!["https://example.org".into()],
        booking_url: None,
        limits: Limits {
            turn: Some(Duration::from_secs(30)),
            ..Limits::default()
        },
        company: None,
        created_at: SystemTime::UNIX_EPOCH,
        updated_at: record::time(1_790_000_000_123),
    };
    let store = Embedded::open(&path).unwrap();
    store.create(&bot).await.unwrap();
    store.append(&[message(1), message(2)]).await.unwrap();
    drop(store);

    let store = Embedded::open(&path).unwrap();
    assert_eq!(store.get(bot.id).await.unwrap(), Some(bot));
    assert_eq!(contents(&store).await, ["message 1", "message 2"]);
}
