//! What this process knows of each key: what Redis told last, and what was taken without Redis. Bounded: keys that
//! nobody asks for are forgotten first.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::future::Cache;
use tokio::time::Instant;

use super::Change;
use crate::{key::Key, policy::LONGEST};

/// Keys that are remembered.
pub(super) const REMEMBERED: u64 = 100_000;

/// An answer that is older than the last one by more than these microseconds was not overtaken: another server, or
/// its clock was set back.
const OVERTAKEN: u64 = 10_000_000;

/// What is known of all keys.
pub(super) struct Memory {
    cells: Cache<Key, Arc<Cell>>,
    /// Held while several cells change together; never across a wait.
    together: Mutex<()>,
    began: Instant,
}

#[derive(Default)]
pub(super) struct Cell(Mutex<State>);

#[derive(Default)]
struct State {
    /// When everything is back, in microseconds since this process began.
    full: u64,
    /// The time of Redis' last answer, by its clock: answers overtake each other on the way.
    told_at: u64,
    /// How often something was taken without Redis.
    alone: u64,
    /// How much of that Redis knows.
    settled: u64,
}

/// What a call tells Redis of a key.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// Microseconds until everything is back.
    pub(super) ahead: u64,
    alone: u64,
    is_owed: bool,
}

impl Known {
    /// How far the key is ahead because of what Redis does not know yet.
    pub(super) fn owed(&self) -> u64 {
        if self.is_owed { self.ahead } else { 0 }
    }
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            cells: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_idle(LONGEST)
                .build(),
            together: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// The cells of keys, in their order.
    pub(super) async fn cells(&self, keys: impl Iterator<Item = &Key>) -> Vec<Arc<Cell>> {
        let mut cells = Vec::new();
        for key in keys {
            let fresh = async { Arc::default() };
            cells.push(self.cells.get_with(key.clone(), fresh).await);
        }
        cells
    }

    /// What is known of each cell.
    pub(super) fn known(&self, cells: &[Arc<Cell>]) -> Vec<Known> {
        let now = self.now();
        cells
            .iter()
            .map(|cell| {
                let state = locked(&cell.0);
                Known {
                    ahead: state.full.saturating_sub(now),
                    alone: state.alone,
                    is_owed: state.alone > state.settled,
                }
            })
            .collect()
    }

    /// Keeps what Redis answered to what was known.
    pub(super) fn learn(&self, cells: &[Arc<Cell>], known: &[Known], told_at: u64, ahead: &[u64]) {
        let now = self.now();
        for ((cell, known), ahead) in cells.iter().zip(known).zip(ahead) {
            let mut state = locked(&cell.0);
            state.settled = state.settled.max(known.alone);
            if told_at < state.told_at && state.told_at - told_at < OVERTAKEN {
                continue;
            }
            state.told_at = told_at;
            let full = now + ahead;
            // What was taken without Redis since it was asked is not in its answer.
            state.full = if state.alone > state.settled {
                state.full.max(full)
            } else {
                full
            };
        }
    }

    /// Takes every change or none, without Redis; what is given back is given back in any case. Which one there was no
    /// room for, and how far each key is ahead.
    pub(super) fn take(
        &self,
        cells: &[Arc<Cell>],
        changes: &[Change<'_>],
    ) -> (Option<usize>, Vec<u64>) {
        let now = self.now();
        let _together = locked(&self.together);
        // One key may be named twice: each change sees those before it.
        let mut undo = Vec::with_capacity(changes.len());
        let mut refused = None;
        for (place, (cell, change)) in cells.iter().zip(changes).enumerate() {
            let mut state = locked(&cell.0);
            match change
                .rate
                .take(state.full.saturating_sub(now), change.cost)
            {
                Ok(ahead) => {
                    undo.push(state.full);
                    state.full = now + ahead;
                }
                Err(_) => {
                    refused = Some(place);
                    break;
                }
            }
        }
        if refused.is_some() {
            for (cell, full) in cells.iter().zip(undo).rev() {
                locked(&cell.0).full = full;
            }
            let back = cells.iter().zip(changes).filter(|(_, it)| it.cost < 0);
            for (cell, change) in back {
                let mut state = locked(&cell.0);
                let ahead = state.full.saturating_sub(now);
                state.full = now + change.rate.take(ahead, change.cost).unwrap_or(ahead);
            }
        }
        for cell in cells {
            locked(&cell.0).alone += 1;
        }
        let ahead = cells
            .iter()
            .map(|cell| locked(&cell.0).full.saturating_sub(now));
        (refused, ahead.collect())
    }

    fn now(&self) -> u64 {
        let lived: Duration = self.began.elapsed();
        u64::try_from(lived.as_micros()).unwrap_or(u64::MAX)
    }
}

/// Nothing panics while it holds one of these.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
