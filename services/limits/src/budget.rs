//! Amounts per day: what may be spent is reserved before, and settled once it is known what it was. Days are UTC's.

mod day;
mod memory;

use std::{mem, sync::Arc, time::Duration};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use troika_chassis::redis::Redis;

use self::{
    day::Day,
    memory::{Memory, Untold},
};
use crate::{
    key::Key,
    link::{Link, Script},
};

/// The allowance of a key is used up for today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{used} of {allowance} are used up for today")]
pub struct Exhausted {
    /// Which of the keys.
    pub place: usize,
    /// What was spent or is reserved.
    pub used: u64,
    /// What may be spent in a day.
    pub allowance: u64,
    /// How long it is until the next day.
    pub retry_after: Duration,
}

/// Counts what is spent in a day. Cloning is cheap; every clone counts together, and so do all processes on one Redis.
///
/// While Redis is away each process goes on from what Redis told it last, and tells what was spent meanwhile at the next
/// call for the key. The slack of an outage: what is left of the allowance, once for each process.
#[derive(Clone)]
pub struct Budget {
    book: Arc<Book>,
    settled: UnboundedSender<Entry>,
}

/// An amount that may be spent. Settling it says what was; one that is dropped spent nothing, as when a request broke
/// off before it was known what it cost: whoever knows must settle.
#[must_use = "what is dropped is given back"]
pub struct Reservation {
    keys: Vec<Key>,
    day: Day,
    amount: u64,
    settled: UnboundedSender<Entry>,
}

/// A correction of what was spent.
struct Entry {
    keys: Vec<Key>,
    day: Day,
    amount: i64,
}

struct Book {
    link: Link,
    script: Script,
    memory: Memory,
}

impl Budget {
    /// Counts on this Redis, or in this process alone. Waits for nobody. Must be called within a Tokio runtime.
    pub fn new(redis: Option<Redis>) -> Self {
        let book = Arc::new(Book {
            link: Link::new(redis, "daily budgets"),
            script: Script::new(include_str!("lua/spend.lua")),
            memory: Memory::new(),
        });
        let (settled, settling) = unbounded_channel();
        tokio::spawn(settle(Arc::clone(&book), settling));
        Self { book, settled }
    }

    /// Reserves the amount of every key, or of none. Each comes with its allowance for a day; 0 is without a limit, and
    /// is not counted.
    ///
    /// # Errors
    /// When the amount is not left of a key.
    pub async fn reserve(
        &self,
        keys: &[(Key, u64)],
        amount: u64,
    ) -> Result<Reservation, Exhausted> {
        let day = Day::now();
        let places: Vec<usize> = (0..keys.len()).filter(|place| keys[*place].1 > 0).collect();
        let limited: Vec<(Key, u64)> = places.iter().map(|place| keys[*place].clone()).collect();
        if let (Some(place), used) = self.book.spend(day, &limited, signed(amount)).await {
            return Err(Exhausted {
                place: places[place],
                used: used[place],
                allowance: limited[place].1,
                retry_after: day.left(),
            });
        }
        Ok(Reservation {
            keys: limited.into_iter().map(|(key, _)| key).collect(),
            day,
            amount,
            settled: self.settled.clone(),
        })
    }
}

impl Reservation {
    /// Whether it counts against anything.
    pub fn is_counted(&self) -> bool {
        !self.keys.is_empty()
    }

    /// What was reserved.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// What was really spent, less or more than what was reserved. Counts within moments, in the background.
    pub fn settle(mut self, actual: u64) {
        self.correct(actual);
    }

    fn correct(&mut self, actual: u64) {
        let entry = Entry {
            keys: mem::take(&mut self.keys),
            day: self.day,
            amount: signed(actual) - signed(self.amount),
        };
        if entry.amount != 0 && !entry.keys.is_empty() {
            // Nobody listens only when the runtime ends: the reserved amount stays spent.
            let _ = self.settled.send(entry);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.correct(0);
    }
}

/// Books corrections in their order, until nobody can make one any more.
async fn settle(book: Arc<Book>, mut settling: UnboundedReceiver<Entry>) {
    while let Some(entry) = settling.recv().await {
        let keys: Vec<(Key, u64)> = entry.keys.into_iter().map(|key| (key, 0)).collect();
        book.spend(entry.day, &keys, entry.amount).await;
    }
}

impl Book {
    /// Spends the amount of each key: which one has not so much left, and what is spent of each now.
    async fn spend(&self, day: Day, keys: &[(Key, u64)], amount: i64) -> (Option<usize>, Vec<u64>) {
        if keys.is_empty() {
            return (None, Vec::new());
        }
        let cells = self
            .memory
            .cells(day, keys.iter().map(|(key, _)| key))
            .await;
        if self.link.is_there() {
            let untold: Vec<Untold> = cells.iter().map(Untold::of).collect();
            if let Some((clock, refused, used)) = self.ask(day, keys, amount, &untold).await {
                for (untold, used) in untold.into_iter().zip(&used) {
                    untold.told(clock, *used);
                }
                return (refused, used);
            }
        }
        self.memory.spend(&cells, keys, amount)
    }

    async fn ask(
        &self,
        day: Day,
        keys: &[(Key, u64)],
        amount: i64,
        untold: &[Untold],
    ) -> Option<(u64, Option<usize>, Vec<u64>)> {
        let kind = format!("budget:{day}");
        let names = keys.iter().map(|(key, _)| key.in_redis(&kind)).collect();
        let mut arguments = vec![day.life().as_millis().to_string()];
        for ((_, allowance), untold) in keys.iter().zip(untold) {
            arguments.extend([
                amount.to_string(),
                allowance.to_string(),
                untold.known.to_string(),
                untold.amount.to_string(),
            ]);
        }
        let told: Vec<u64> = self.link.run(&self.script, names, arguments).await?;
        let [clock, refused, used @ ..] = &told[..] else {
            return None;
        };
        let refused = usize::try_from(*refused).unwrap_or_default().checked_sub(1);
        (used.len() == keys.len()).then(|| (*clock, refused, used.to_vec()))
    }
}

/// Amounts are far below what does not fit.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
