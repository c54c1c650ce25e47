//! One synthesis under way, in a task of its own, and what it has said so far. It must not know who
//! listens, nor how fast.

use std::sync::{Arc, OnceLock, atomic::Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::{sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{Seat, Source};
use crate::engine::{EngineError, SAMPLE_BYTES, Sound};

/// A synthesis under way. Its listeners hold it; with the last of them it is cancelled.
pub(super) struct Flight {
    tape: watch::Receiver<Tape>,
    task: OnceLock<AbortOnDropHandle<()>>,
}

/// What a flight has said so far.
#[derive(Default)]
pub(super) struct Tape {
    /// Where its sound comes from, once that is known.
    pub(super) source: Option<Source>,
    /// The sound so far.
    pub(super) pieces: Vec<Bytes>,
    /// How it ended.
    pub(super) end: Option<Result<(), EngineError>>,
}

/// What a flight starts with.
pub(super) struct TakeOff {
    tape: watch::Sender<Tape>,
    seat: Seat,
}

impl Flight {
    /// A flight that others may join from now on, and that [`take_off`](Self::take_off) starts.
    pub(super) fn new(seat: Seat) -> (Arc<Self>, TakeOff) {
        let (sender, receiver) = watch::channel(Tape::default());
        let flight = Self {
            tape: receiver,
            task: OnceLock::new(),
        };
        (Arc::new(flight), TakeOff { tape: sender, seat })
    }

    /// Starts it. Not done while flights are locked: a runtime that ends drops the task at once, and the
    /// task gives up its seat.
    pub(super) fn take_off(
        &self,
        take_off: TakeOff,
        make: impl FnOnce() -> Sound + Send + 'static,
    ) {
        let task = tokio::spawn(take_off.fly(make));
        // Never set before: a flight is handed once to whoever starts it.
        let _ = self.task.set(AbortOnDropHandle::new(task));
    }

    /// What it says, from the beginning.
    pub(super) fn tape(&self) -> watch::Receiver<Tape> {
        self.tape.clone()
    }
}

impl TakeOff {
    async fn fly(self, make: impl FnOnce() -> Sound) {
        let Self { tape, seat } = self;
        let shelf = Arc::clone(&seat.shelf);
        if let Some(sound) = fetch(&seat).await {
            shelf.tallies.shared.fetch_add(1, Ordering::Relaxed);
            shelf.keep(seat.key, sound.clone());
            drop(seat);
            tape.send_modify(|tape| {
                tape.source = Some(Source::Shared);
                tape.pieces.push(sound);
                tape.end = Some(Ok(()));
            });
            return;
        }
        shelf.tallies.misses.fetch_add(1, Ordering::Relaxed);
        tape.send_modify(|tape| tape.source = Some(Source::Made));
        let end = record(make(), seat, &tape).await;
        tape.send_modify(|tape| tape.end = Some(end));
    }
}

/// The sound in the shared cache. A cache that takes too long is left to its own limit, so that its
/// breaker learns of it.
async fn fetch(seat: &Seat) -> Option<Bytes> {
    let cache = Arc::clone(seat.shelf.shared.as_ref()?);
    let key = seat.key.shared();
    let asked = tokio::spawn(async move { cache.get(&key).await });
    let sound = timeout(seat.shelf.patience, asked).await.ok()?.ok()??;
    // Whoever else writes there: what is no sound is a miss.
    let usable = !sound.is_empty()
        && sound.len().is_multiple_of(SAMPLE_BYTES)
        && sound.len() <= seat.shelf.largest;
    usable.then_some(sound)
}

/// Puts a sound on the tape as it comes, and keeps it when it is whole and not too long. The seat is given
/// up before the end is told, so that whoever asks after that finds the kept sound or tries anew.
async fn record(
    mut sound: Sound,
    seat: Seat,
    tape: &watch::Sender<Tape>,
) -> Result<(), EngineError> {
    let mut length = 0;
    let mut seat = Some(seat);
    while let Some(piece) = sound.next().await {
        let piece = piece?;
        if piece.is_empty() {
            continue;
        }
        length += piece.len();
        if seat
            .as_ref()
            .is_some_and(|seat| length > seat.shelf.largest)
        {
            seat = None;
        }
        tape.send_modify(|tape| tape.pieces.push(piece));
    }
    if let Some(seat) = seat
        && length > 0
    {
        keep(&seat, tape.borrow().pieces.concat().into());
    }
    Ok(())
}

/// Keeps a whole sound in memory, and in the shared cache without anybody waiting for it.
fn keep(seat: &Seat, sound: Bytes) {
    let (shelf, key) = (&seat.shelf, seat.key);
    shelf.keep(key, sound.clone());
    if let Some(cache) = shelf.shared.clone() {
        let lifetime = shelf.lifetime;
        // The cache's own time limit ends it.
        tokio::spawn(async move { cache.put(&key.shared(), sound, lifetime).await });
    }
}
