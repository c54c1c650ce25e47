//! What has been spoken, kept, and shared while it is being spoken. It must not know how sound is made,
//! nor which voice is asked when (`ladder.rs` does).
//!
//! A sound is looked for in this process's memory, among what is being spoken right now, and in the cache
//! that replicas share; only then is it made. However many ask for the same at once, it is made once, and
//! each of them hears it from its beginning, live.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use moka::sync::Cache as Memory;
use troika_chassis::cache::Cache;

use crate::engine::Sound;

mod config;
mod flight;
mod key;
mod playback;

pub use config::Config;
pub use key::Key;
pub use playback::Playback;

use flight::Flight;

/// How long the shared cache may take: more would be heard.
const CACHE_PATIENCE: Duration = Duration::from_millis(100);

/// What a kept sound costs beside its bytes, about.
const ENTRY_OVERHEAD: usize = 256;

/// Where a sound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// This process's memory.
    Memory,
    /// The cache that replicas share.
    Shared,
    /// A synthesis that somebody else asked for and that is still under way.
    Joined,
    /// It is made for this listener.
    Made,
}

/// How often sounds came from where: totals of this process. Who left before it was known is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Found in memory.
    pub memory: u64,
    /// Found in the shared cache.
    pub shared: u64,
    /// Heard along with another listener.
    pub joined: u64,
    /// Found nowhere, and made.
    pub misses: u64,
}

/// What has been spoken. Cloning is cheap; every clone keeps and shares the same.
#[derive(Clone)]
pub struct Recordings {
    shelf: Arc<Shelf>,
}

/// Everything that listeners and flights have in common.
struct Shelf {
    memory: Memory<Key, Bytes>,
    shared: Option<Arc<dyn Cache>>,
    patience: Duration,
    lifetime: Duration,
    largest: usize,
    flights: Mutex<HashMap<Key, Entry>>,
    next_flight: AtomicU64,
    tallies: Tallies,
}

/// A flight that others may join.
struct Entry {
    id: u64,
    flight: Weak<Flight>,
}

#[derive(Default)]
struct Tallies {
    memory: AtomicU64,
    shared: AtomicU64,
    joined: AtomicU64,
    misses: AtomicU64,
}

impl Recordings {
    /// Nothing spoken yet. `shared` is what replicas have in common, usually Redis.
    pub fn new(config: &Config, shared: Option<Arc<dyn Cache>>) -> Self {
        Self::with_patience(config, shared, CACHE_PATIENCE)
    }

    fn with_patience(config: &Config, shared: Option<Arc<dyn Cache>>, patience: Duration) -> Self {
        let lifetime = config.lifetime.min(config::LONGEST_LIFETIME);
        let memory = Memory::builder()
            .max_capacity(config.memory.as_u64())
            .weigher(|_, sound: &Bytes| {
                u32::try_from(sound.len() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
            })
            .time_to_live(lifetime)
            .build();
        let shelf = Shelf {
            memory,
            shared,
            patience,
            lifetime,
            largest: usize::try_from(config.largest.as_u64()).unwrap_or(usize::MAX),
            flights: Mutex::default(),
            next_flight: AtomicU64::new(0),
            tallies: Tallies::default(),
        };
        Self {
            shelf: Arc::new(shelf),
        }
    }

    /// The sound for `key`: from memory, from a synthesis under way, from the shared cache, or made now.
    /// Must be called inside a tokio runtime; waits for nothing.
    ///
    /// `make` is called at most once, in a task of its own, and only when the sound is nowhere. The task
    /// takes sound as fast as it comes, whoever listens how slowly: what it holds is at most the sound
    /// itself, one utterance. It ends early when the last listener is dropped, which cancels the engine's
    /// work. Its error goes to every listener after the bytes before it; then nothing is kept, and whoever
    /// asks next tries anew.
    ///
    /// A sound longer than the configured largest is heard whole by those who listen already, but it is
    /// not kept, and whoever comes after it grew too long has one made of their own.
    pub fn play(&self, key: Key, make: impl FnOnce() -> Sound + Send + 'static) -> Playback {
        let found = self.shelf.find(key);
        match found {
            Found::Kept(sound) => {
                self.shelf.tallies.memory.fetch_add(1, Ordering::Relaxed);
                Playback::kept(sound)
            }
            Found::UnderWay(flight) => {
                self.shelf.tallies.joined.fetch_add(1, Ordering::Relaxed);
                Playback::of(flight, Some(Source::Joined))
            }
            Found::Nothing { flight, take_off } => {
                flight.take_off(take_off, make);
                Playback::of(flight, None)
            }
        }
    }

    /// Totals of this process.
    pub fn counts(&self) -> Counts {
        let tallies = &self.shelf.tallies;
        Counts {
            memory: tallies.memory.load(Ordering::Relaxed),
            shared: tallies.shared.load(Ordering::Relaxed),
            joined: tallies.joined.load(Ordering::Relaxed),
            misses: tallies.misses.load(Ordering::Relaxed),
        }
    }
}

/// Where a sound is right now.
enum Found {
    Kept(Bytes),
    UnderWay(Arc<Flight>),
    /// Nowhere: whoever asked has to start this flight, which others may have joined already.
    Nothing {
        flight: Arc<Flight>,
        take_off: flight::TakeOff,
    },
}

impl Shelf {
    fn find(self: &Arc<Self>, key: Key) -> Found {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(&key).and_then(|entry| entry.flight.upgrade()) {
            return Found::UnderWay(flight);
        }
        // A flight keeps its sound before it leaves: whoever does not see it any more sees the sound.
        if let Some(sound) = self.memory.get(&key) {
            return Found::Kept(sound);
        }
        let id = self.next_flight.fetch_add(1, Ordering::Relaxed);
        let seat = Seat {
            shelf: Arc::clone(self),
            key,
            id,
        };
        let (flight, take_off) = Flight::new(seat);
        let entry = Entry {
            id,
            flight: Arc::downgrade(&flight),
        };
        flights.insert(key, entry);
        Found::Nothing { flight, take_off }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a whole sound, within the bound at once: moka alone would tidy up a while later.
    fn keep(&self, key: Key, sound: Bytes) {
        self.memory.insert(key, sound);
        self.memory.run_pending_tasks();
    }
}

/// A flight's place among those that others may join; dropping it gives the place up. Never dropped while
/// the flights are locked.
struct Seat {
    shelf: Arc<Shelf>,
    key: Key,
    id: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut flights = self.shelf.flights();
        // The next flight may have taken the place of one that was cancelled.
        if flights
            .get(&self.key)
            .is_some_and(|entry| entry.id == self.id)
        {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests;
