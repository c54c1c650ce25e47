//! What this process knows of each budget: what Redis told last, and what was spent without Redis. Bounded: keys that
//! nobody asks for are forgotten first.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::future::Cache;

use super::day::Day;
use crate::key::Key;

/// Keys that are remembered.
const REMEMBERED: u64 = 100_000;

/// Longer than anybody asks for a day.
const LONGEST: Duration = Duration::from_secs(48 * 60 * 60);

pub(super) struct Memory {
    cells: Cache<(Day, Key), Cell>,
    /// Held while several cells change together; never across a wait.
    together: Mutex<()>,
}

pub(super) type Cell = Arc<Mutex<State>>;

#[derive(Default)]
pub(super) struct State {
    /// What Redis told last.
    known: u64,
    /// When it told, by its clock: answers overtake each other.
    told_at: u64,
    /// Spent without Redis.
    alone: i64,
    /// Of that, what is being told.
    telling: i64,
}

impl State {
    fn used(&self) -> u64 {
        self.known.saturating_add_signed(self.alone + self.telling)
    }
}

/// What Redis has to be told of a cell. What was not told in the end is told again: rather twice than never.
pub(super) struct Untold {
    cell: Cell,
    /// What Redis told last.
    pub(super) known: u64,
    /// What was spent without it.
    pub(super) amount: i64,
    is_told: bool,
}

impl Untold {
    pub(super) fn of(cell: &Cell) -> Self {
        let mut state = locked(cell);
        let amount = std::mem::take(&mut state.alone);
        state.telling += amount;
        Self {
            cell: Arc::clone(cell),
            known: state.known,
            amount,
            is_told: false,
        }
    }

    /// Redis has it, and answered with what is spent in all.
    pub(super) fn told(mut self, told_at: u64, used: u64) {
        self.is_told = true;
        let mut state = locked(&self.cell);
        state.telling -= self.amount;
        if told_at >= state.told_at {
            state.told_at = told_at;
            state.known = used;
        }
    }
}

impl Drop for Untold {
    fn drop(&mut self) {
        if !self.is_told {
            let mut state = locked(&self.cell);
            state.telling -= self.amount;
            state.alone += self.amount;
        }
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
        }
    }

    pub(super) async fn cells(&self, day: Day, keys: impl Iterator<Item = &Key>) -> Vec<Cell> {
        let mut cells = Vec::new();
        for key in keys {
            let fresh = async { Cell::default() };
            cells.push(self.cells.get_with((day, key.clone()), fresh).await);
        }
        cells
    }

    /// Spends the amount of every cell or of none, without Redis.
    pub(super) fn spend(
        &self,
        cells: &[Cell],
        keys: &[(Key, u64)],
        amount: i64,
    ) -> (Option<usize>, Vec<u64>) {
        let _together = locked(&self.together);
        let over = |used: u64, allowance: u64| {
            amount > 0 && allowance > 0 && used.saturating_add_signed(amount) > allowance
        };
        let used = |cell: &Cell| locked(cell).used();
        let refused = (0..cells.len()).find(|place| over(used(&cells[*place]), keys[*place].1));
        if refused.is_none() {
            for cell in cells {
                let mut state = locked(cell);
                // Never less than nothing.
                let least = -signed(state.used());
                state.alone += amount.max(least);
            }
        }
        (refused, cells.iter().map(used).collect())
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// Nothing panics while it holds one of these.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
