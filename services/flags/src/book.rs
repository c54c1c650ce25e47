//! The one place where flags and rollouts change: reads the log, appends to it, and tells everybody who
//! watches. Must not know who asks, nor what a change means.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};
use troika_chassis::error::{Code, Error};
use troika_evaluation::flag::Flag;
use troika_rollouts::rollout::Rollout;

use crate::{
    log::{Author, Entry, FlagChange},
    state::State,
    store::{Appended, Store, StoreError},
};

/// Entries read at once.
const PAGE: usize = 500;
/// How often a change is decided anew because another one came first.
const TRIES: usize = 20;

/// What a change makes of the state it was decided on. Nothing at all is a change that need not be made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    /// A flag's key, and what it becomes; `None` deletes it.
    pub(crate) flag: Option<(String, Option<Flag>)>,
    pub(crate) rollout: Option<Rollout>,
}

/// The log as this process knows it.
#[derive(Debug)]
pub(crate) struct Book {
    store: Arc<dyn Store>,
    known: Mutex<Known>,
    /// What is told: `None` until the log was read for the first time, because nobody may be told the flags
    /// of an empty one.
    told: watch::Sender<Option<Arc<State>>>,
    /// One change at a time.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// What the log adds up to, as far as it was read.
    state: State,
    /// It was read to its end once.
    read: bool,
    /// Kill switches that could not be stored yet.
    unstored: BTreeMap<String, (bool, Author)>,
}

impl Known {
    /// The log's state with what is in force beside it.
    fn in_force(&self) -> State {
        let mut state = self.state.clone();
        for (key, (enabled, _)) in &self.unstored {
            state.switch(key, *enabled);
        }
        state
    }
}

impl Book {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            known: Mutex::default(),
            told: watch::Sender::new(None),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// The store itself, for what is only read.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Everything as it is now.
    ///
    /// # Errors
    /// Unavailable until the log was read for the first time.
    pub(crate) fn now(&self) -> Result<Arc<State>, Error> {
        self.told.borrow().clone().ok_or_else(not_read)
    }

    /// Wakes with each change.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<State>>> {
        self.told.subscribe()
    }

    /// Makes a change: `decide` is given the state and says what becomes of it. Called again when somebody
    /// else's change came first, so it must depend on the state alone. Dropping the future may leave the change made.
    ///
    /// # Errors
    /// Those of `decide`; unavailable when the store is.
    pub(crate) async fn change(
        &self,
        author: Author,
        decide: impl Fn(&State) -> Result<Edit, Error> + Send,
    ) -> Result<Arc<State>, Error> {
        let _turn = self.writing.lock().await;
        for _ in 0..TRIES {
            self.now()?;
            let state = self.known().state.clone();
            let edit = decide(&state)?;
            let Some(entry) = entry(&state, author.clone(), edit) else {
                return self.now();
            };
            let appended = self.store.append(&entry).await;
            if let Ok(Appended::Done) = appended {
                self.publish(|known| known.state.take(&entry));
                info!(
                    revision = entry.revision,
                    author = entry.author.name,
                    flag = entry.flag.as_ref().map(|change| change.key.as_str()),
                    rollout = entry.rollout.as_ref().map(|rollout| rollout.id.as_str()),
                    "changed"
                );
                return self.now();
            }
            // Either somebody else's came first, or the store failed and ours may have landed all the same.
            self.read_on().await.map_err(unavailable)?;
            if let Err(error) = appended {
                return if self.landed(&entry).await {
                    self.now()
                } else {
                    Err(unavailable(error))
                };
            }
        }
        Err(Error::new(
            Code::Conflict,
            "revision_conflict",
            "Others keep changing the flags. Please read them again and repeat the change.",
        ))
    }

    /// The kill switch. While the store is away it is in force all the same, and stored as soon as may be.
    /// Returns whether it is stored.
    ///
    /// # Errors
    /// When there is no such flag, or the log was never read.
    pub(crate) async fn switch(
        &self,
        key: &str,
        enabled: bool,
        author: Author,
    ) -> Result<bool, Error> {
        let outcome = self
            .change(author.clone(), |state| switched(state, key, enabled))
            .await;
        match outcome {
            Ok(_) => {
                self.publish(|known| drop(known.unstored.remove(key)));
                Ok(true)
            }
            Err(error) if error.code() == Code::Unavailable && self.now().is_ok() => {
                warn!(
                    flag = key,
                    enabled, "a kill switch is in force before it is stored"
                );
                let unstored = (enabled, author);
                self.publish(|known| drop(known.unstored.insert(key.to_owned(), unstored)));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps this process at the log's end for as long as it lives: reads it, first until that succeeds,
    /// then again and again where others write, and stores what could not be stored. Never returns.
    pub(crate) async fn follow(&self, every: Duration) {
        let mut well = true;
        loop {
            let outcome = self.read_on().await;
            match &outcome {
                Ok(()) => {
                    if !well {
                        info!("the store is read again");
                    }
                    self.store_switches().await;
                }
                Err(error) if well => {
                    warn!(
                        error = error as &dyn std::error::Error,
                        "the store cannot be read, trying until it can: flags stay as they are"
                    );
                }
                Err(_) => {}
            }
            well = outcome.is_ok();
            sleep(every).await;
        }
    }

    /// Takes in what others appended.
    pub(crate) async fn read_on(&self) -> Result<(), StoreError> {
        loop {
            let (from, read) = {
                let known = self.known();
                (known.state.revision, known.read)
            };
            if read && !self.store.is_shared() {
                return Ok(());
            }
            let entries = self.store.after(from, PAGE).await?;
            let end = entries.len() < PAGE;
            if !entries.is_empty() || !read {
                self.publish(|known| {
                    entries.iter().for_each(|entry| known.state.take(entry));
                    known.read |= end;
                });
            }
            if end {
                return Ok(());
            }
        }
    }

    /// Whether an entry whose appending failed is in the log.
    async fn landed(&self, entry: &Entry) -> bool {
        let found = self.store.after(entry.revision - 1, 1).await;
        found.is_ok_and(|found| found.first() == Some(entry))
    }

    async fn store_switches(&self) {
        let waiting = self.known().unstored.clone();
        for (key, (enabled, author)) in waiting {
            let stored = self
                .change(author, |state| switched(state, &key, enabled))
                .await;
            match stored {
                Err(error) if error.code() == Code::Unavailable => return,
                _ => {
                    info!(flag = key, enabled, "a kill switch is stored");
                    self.publish(|known| drop(known.unstored.remove(&key)));
                }
            }
        }
    }

    /// Changes what is known, and tells it.
    fn publish(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known();
        change(&mut known);
        // Under the lock, so that two changes are told in their order.
        if known.read {
            self.told.send_replace(Some(Arc::new(known.in_force())));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it holds the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn switched(state: &State, key: &str, enabled: bool) -> Result<Edit, Error> {
    let flag = state.flags.get(key).ok_or_else(|| flag_not_found(key))?;
    let flag = Flag {
        enabled,
        ..flag.clone()
    };
    Ok(Edit {
        flag: Some((key.to_owned(), Some(flag))),
        rollout: None,
    })
}

/// The next entry; `None` when the edit changes nothing.
fn entry(state: &State, author: Author, edit: Edit) -> Option<Entry> {
    let (revision, at) = (state.revision + 1, SystemTime::now());
    let flag = edit.flag.map(|(key, after)| FlagChange {
        before: state.flags.get(&key).cloned(),
        after: after.map(|flag| Flag {
            revision,
            updated_at: Some(at),
            updated_by: author.name.clone(),
            ..flag
        }),
        key,
    });
    (flag.is_some() || edit.rollout.is_some()).then(|| Entry {
        revision,
        at,
        author,
        flag,
        rollout: edit.rollout.map(Box::new),
    })
}

/// The store's failure, for whoever asked.
pub(crate) fn unavailable(error: StoreError) -> Error {
    match error {
        StoreError::Corrupt(_) => Error::internal(error),
        StoreError::Unavailable(_) => Error::new(
            Code::Unavailable,
            "store_unavailable",
            "The flags cannot be read or stored right now. Please try again in a moment.",
        )
        .with_retry_after(Duration::from_secs(1))
        .with_source(error),
    }
}

fn not_read() -> Error {
    Error::new(
        Code::Unavailable,
        "store_unavailable",
        "The flags have not been read yet. Please try again in a moment.",
    )
    .with_retry_after(Duration::from_secs(1))
}

/// What is told of a key that no flag has.
pub(crate) fn flag_not_found(key: &str) -> Error {
    let shown: String = key
        .chars()
        .filter(|character| !character.is_control())
        .take(100)
        .collect();
    Error::new(
        Code::NotFound,
        "flag_not_found",
        format!("There is no flag `{shown}`."),
    )
}

#[cfg(test)]
mod tests;
