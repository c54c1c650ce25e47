//! The log as those who change something see it: room for an entry before the change, the entry after it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{
        mpsc::{self, OwnedPermit},
        oneshot,
    },
    time::timeout,
};
use tracing::error;
use troika_chassis::{
    error::{Code, Error},
    lifecycle::{Drain, Hold},
};

use crate::{
    chain::Head,
    entry::{self, Change, Entry, Recorded},
    store::{Store, StoreError, Stored, Wanted},
    writer::{self, Job},
};

/// Entries that wait to be written at most. Without room for one more nothing is changed.
const QUEUE: usize = 256;

/// How long who made a change waits for its entry.
const PATIENCE: Duration = Duration::from_secs(2);

/// Entries that are looked at together when the log is verified.
const PAGE: usize = 200;

/// Why a change must not be made.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// So many entries wait that there is no room for one more.
    #[error("too many entries of the audit log wait to be written")]
    Full,
}

impl From<AuditError> for Error {
    fn from(error: AuditError) -> Self {
        let message =
            "Changes cannot be recorded right now, so none is made. Please try again in a moment.";
        Self::new(Code::Unavailable, "audit_unavailable", message)
            .with_retry_after(PATIENCE)
            .with_source(error)
    }
}

/// Whether each entry follows from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Entries of the log.
    pub entries: u64,
    /// The first number whose entry does not follow, or is not there.
    pub first_broken: Option<u64>,
}

/// A log. Clones are the same log.
#[derive(Clone)]
pub struct AuditLog {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Job>,
}

pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) drain: Drain,
    /// Where the log ended when this process last saw it: what is shorter later was cut.
    known: Mutex<Head>,
}

impl Shared {
    pub(crate) fn known(&self) -> Head {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn learn(&self, head: Head) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }
}

impl AuditLog {
    /// The log called `name`, and the task that writes to it. Asks nothing of the store yet. Must be called inside a
    /// tokio runtime.
    pub fn start(name: &str, store: Arc<dyn Store>, drain: Drain) -> Self {
        Self::with_room(name, store, drain, QUEUE)
    }

    pub(crate) fn with_room(name: &str, store: Arc<dyn Store>, drain: Drain, room: usize) -> Self {
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            store,
            drain,
            known: Mutex::default(),
        });
        let (queue, jobs) = mpsc::channel(room);
        tokio::spawn(writer::write(Arc::clone(&shared), jobs));
        Self { shared, queue }
    }

    /// Takes room for the entry of a change that is about to be made. `before` is what it changes.
    ///
    /// # Errors
    /// [`AuditError::Full`]: the change must not be made.
    pub fn intend(&self, change: Change<'_>, before: Option<&Value>) -> Result<Intent, AuditError> {
        let room = self.queue.clone().try_reserve_owned();
        let room = room.map_err(|_| AuditError::Full)?;
        let hold = self.shared.drain.hold("entries of the audit log");
        Ok(Intent(Some(Begun {
            recorded: Recorded::begun(change, before),
            room,
            hold,
        })))
    }

    /// Appends an entry about a change that was made. Who can, takes an [`Intent`] before the change.
    ///
    /// # Errors
    /// [`AuditError::Full`]: there is no entry.
    pub async fn append(
        &self,
        change: Change<'_>,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> Result<(), AuditError> {
        self.intend(change, before)?.done(after).await;
        Ok(())
    }

    /// Entries, the newest first.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn list(&self, wanted: &Wanted, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.shared.store.newest(wanted, limit).await
    }

    /// Reads the whole log.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn verify(&self) -> Result<Verified, StoreError> {
        // Before reading: what is appended meanwhile is read too.
        let known = self.shared.known();
        let mut verified = Verified {
            entries: 0,
            first_broken: None,
        };
        let (mut head, mut last) = (Head::default(), 0);
        loop {
            let page = self.shared.store.after(last, PAGE).await?;
            for stored in &page {
                if stored.number <= last {
                    // It has no number to go on from.
                    verified.first_broken.get_or_insert(head.number + 1);
                    return Ok(verified);
                }
                last = stored.number;
                verified.entries += 1;
                if verified.first_broken.is_some() {
                    continue;
                }
                match self.following(head, stored, known) {
                    Some(next) => head = next,
                    None => verified.first_broken = Some(head.number + 1),
                }
            }
            if page.len() < PAGE {
                break;
            }
        }
        if verified.first_broken.is_none() && head.number < known.number {
            verified.first_broken = Some(head.number + 1);
        }
        Ok(verified)
    }

    /// What comes after an entry, when it follows from the one before.
    fn following(&self, head: Head, stored: &Stored, known: Head) -> Option<Head> {
        let entry = stored.entry.as_ref()?;
        let expected = Entry::after(head, &self.shared.name, entry.recorded.clone());
        let is_known = expected.number != known.number || expected.hash == known.hash;
        (*entry == expected && is_known).then(|| Head::from(entry))
    }
}

/// A change that is about to be made: there is room for its entry. Dropped without a word it becomes an entry that says
/// that nobody knows whether the change was made: who leaves in the middle of a change leaves a trace.
#[must_use = "say what became of the change"]
pub struct Intent(Option<Begun>);

struct Begun {
    recorded: Recorded,
    room: OwnedPermit<Job>,
    hold: Hold,
}

impl Intent {
    /// The change was made; `after` is what is there now. Waits for the entry, and not for long: the change stands, and
    /// its entry is written as soon as the store is back.
    pub async fn done(mut self, after: Option<&Value>) {
        let Some(written) = self.submit(after) else {
            return;
        };
        if !matches!(timeout(PATIENCE, written).await, Ok(Ok(()))) {
            error!("a change was made whose entry of the audit log is still to be written");
        }
    }

    /// The change was certainly not made: there is nothing to tell.
    pub fn not_done(mut self) {
        self.0 = None;
    }

    fn submit(&mut self, after: Option<&Value>) -> Option<oneshot::Receiver<()>> {
        let Begun {
            mut recorded,
            room,
            hold,
        } = self.0.take()?;
        recorded.after = entry::text(after);
        let (written, told) = oneshot::channel();
        room.send(Job {
            recorded,
            written,
            hold,
        });
        Some(told)
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        // Nobody is there to wait for it.
        drop(self.submit(Some(&entry::unknown())));
    }
}

#[cfg(test)]
mod tests;
