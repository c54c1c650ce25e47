//! Streams at once: each holds a slot of its key, in Redis for a lease that is renewed while it lives, and in this
//! process. It must not know what a stream is.

mod keeper;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use self::keeper::Keeper;
use crate::{
    key::Key,
    link::{Link, Script},
};

/// How long a slot is taken without a sign of life.
const LEASE: Duration = Duration::from_secs(60);

/// All slots are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {most} slots are taken")]
pub struct Full {
    /// How many there are.
    pub most: u32,
}

/// One stream of its key, for as long as it lives. Dropping it frees the slot: at once in this process, and within
/// moments for all.
#[must_use = "the slot is free again once this is dropped"]
pub struct Slot {
    held: Option<Held>,
}

/// A stream that is counted, or is being entered.
struct Held {
    streams: Streams,
    key: Key,
    id: Arc<str>,
    /// Redis said that it does not have it.
    is_refused: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_refused {
            return;
        }
        let shared = &self.streams.shared;
        shared.open.remove(&self.key, &self.id);
        // It ended only with the runtime: then the lease ends it.
        let _ = shared.left.send((self.key.clone(), self.id.clone()));
    }
}

/// The streams of this process. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Streams {
    shared: Arc<Shared>,
}

struct Shared {
    link: Link,
    lease: Duration,
    enter: Script,
    open: Arc<Open>,
    left: UnboundedSender<(Key, Arc<str>)>,
    /// No other process has this name.
    process: String,
    next: AtomicU64,
}

impl Streams {
    pub(crate) fn new(link: Link) -> Self {
        Self::leased(link, LEASE)
    }

    /// With a lease of its own: tests do not wait for a minute.
    fn leased(link: Link, lease: Duration) -> Self {
        let open = Arc::new(Open::default());
        let (left, leaving) = unbounded_channel();
        let keeper = Keeper::new(link.clone(), lease, Arc::downgrade(&open), leaving);
        tokio::spawn(keeper.keep());
        let process = uuid::Uuid::new_v4().simple().to_string();
        Self {
            shared: Arc::new(Shared {
                link,
                lease,
                enter: Script::new(include_str!("lua/enter.lua")),
                open,
                left,
                process,
                next: AtomicU64::new(0),
            }),
        }
    }

    pub(crate) async fn enter(&self, key: &Key, most: u32) -> Result<Slot, Full> {
        if most == 0 {
            return Ok(Slot { held: None });
        }
        let shared = &self.shared;
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        // From here on it leaves however this ends: Redis may have let it in without our hearing of it.
        let mut held = Held {
            streams: self.clone(),
            key: key.clone(),
            id: format!("{}-{number}", shared.process).into(),
            is_refused: false,
        };
        let answer: Option<i64> = if shared.link.is_there() {
            let arguments = vec![
                held.id.to_string(),
                shared.lease.as_millis().to_string(),
                most.to_string(),
            ];
            let keys = vec![key.in_redis("streams")];
            shared.link.run(&shared.enter, keys, arguments).await
        } else {
            None
        };
        let entered = match answer {
            Some(1) => shared.open.insert(key, &held.id, usize::MAX),
            Some(_) => {
                held.is_refused = true;
                false
            }
            None => shared.open.insert(key, &held.id, most as usize),
        };
        if entered {
            Ok(Slot { held: Some(held) })
        } else {
            Err(Full { most })
        }
    }
}

impl Slot {
    /// Whether it counts against anything.
    pub fn is_counted(&self) -> bool {
        self.held.is_some()
    }
}

/// The streams that are open in this process.
#[derive(Default)]
struct Open(Mutex<HashMap<Key, HashSet<Arc<str>>>>);

impl Open {
    /// Whether there was room for it.
    fn insert(&self, key: &Key, id: &Arc<str>, most: usize) -> bool {
        let mut open = self.locked();
        let of_key = open.entry(key.clone()).or_default();
        // An entry is never empty: `most` is at least one.
        of_key.len() < most && of_key.insert(id.clone())
    }

    fn remove(&self, key: &Key, id: &Arc<str>) {
        let mut open = self.locked();
        if let Some(of_key) = open.get_mut(key) {
            of_key.remove(id);
            if of_key.is_empty() {
                open.remove(key);
            }
        }
    }

    fn contains(&self, key: &Key, id: &Arc<str>) -> bool {
        self.locked().get(key).is_some_and(|ids| ids.contains(id))
    }

    fn all(&self) -> Vec<(Key, Arc<str>)> {
        let open = self.locked();
        let pairs = open
            .iter()
            .flat_map(|(key, ids)| ids.iter().map(|id| (key.clone(), id.clone())));
        pairs.collect()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Key, HashSet<Arc<str>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
