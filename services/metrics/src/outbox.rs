//! What is to be stored, kept together while the store is away. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    delta::{Delta, Part, Resolution, Rollup},
    ledger::Beat,
};

/// Deltas that wait one by one; older ones are folded together.
const SINGLE: usize = 60;
/// Turns of rollouts that a folded delta keeps, and of those that are shown.
const DEALT: usize = 10_000;
const EVENTS: usize = 1000;

/// What waits. Rollups replace each other; deltas must all arrive, or other replicas would miss them.
#[derive(Default)]
pub(crate) struct Outbox {
    rollups: BTreeMap<(Resolution, Part, u64), Rollup>,
    deltas: VecDeque<Delta>,
}

impl Outbox {
    pub(crate) fn put(&mut self, beat: Beat, most: usize) {
        for rollup in beat.rollups {
            self.rollups
                .insert((rollup.resolution, rollup.part, rollup.at), rollup);
        }
        self.deltas.push_back(beat.delta);
        while self.deltas.len() > SINGLE
            && let Some(oldest) = self.deltas.pop_front()
            && let Some(next) = self.deltas.front_mut()
        {
            fold(oldest, next, most);
        }
    }

    /// All that waits.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Takes back what could not be stored, behind what came meanwhile.
    pub(crate) fn put_back(&mut self, unstored: Self) {
        for (key, rollup) in unstored.rollups {
            self.rollups.entry(key).or_insert(rollup);
        }
        for delta in unstored.deltas.into_iter().rev() {
            self.deltas.push_front(delta);
        }
    }

    /// What waits counts since another reset than was thought.
    pub(crate) fn renew(&mut self, epoch: u64) {
        for delta in &mut self.deltas {
            delta.epoch = epoch;
        }
        let rollups = std::mem::take(&mut self.rollups).into_values();
        let renewed = rollups.map(|rollup| Rollup {
            at: match rollup.resolution {
                Resolution::Life => epoch,
                _ => rollup.at,
            },
            ..rollup
        });
        *self = Self::from_parts(renewed.collect(), std::mem::take(&mut self.deltas));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rollups.is_empty() && self.deltas.is_empty()
    }

    pub(crate) fn into_parts(self) -> (Vec<Rollup>, VecDeque<Delta>) {
        (self.rollups.into_values().collect(), self.deltas)
    }

    pub(crate) fn from_parts(rollups: Vec<Rollup>, deltas: VecDeque<Delta>) -> Self {
        let key = |rollup: &Rollup| (rollup.resolution, rollup.part, rollup.at);
        Self {
            rollups: rollups
                .into_iter()
                .map(|rollup| (key(&rollup), rollup))
                .collect(),
            deltas,
        }
    }
}

/// Adds an older delta to the next one, as far as both count since the same reset.
fn fold(older: Delta, next: &mut Delta, most: usize) {
    if older.epoch == next.epoch {
        next.slice.merge(&older.slice, most);
    }
    let room = DEALT.saturating_sub(next.dealt.len());
    next.dealt.extend(older.dealt.into_iter().take(room));
    let mut events = older.events;
    events.append(&mut next.events);
    events.drain(..events.len().saturating_sub(EVENTS));
    next.events = events;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(number: u64, successes: u64) -> Beat {
        let mut delta = Delta {
            number,
            ..Delta::default()
        };
        delta.slice.total.figures.successes = successes;
        let rollup = Rollup {
            resolution: Resolution::Minute,
            part: Part::Total,
            at: 60,
            replica: String::new(),
            number,
            data: vec![],
        };
        Beat {
            delta,
            rollups: vec![rollup],
        }
    }

    #[test]
    fn however_long_the_store_is_away_nothing_is_lost_and_little_waits() {
        let mut outbox = Outbox::default();
        for number in 1..=500 {
            outbox.put(beat(number, 1), 10);
            if number % 50 == 0 {
                let unstored = outbox.take();
                assert!(outbox.is_empty());
                outbox.put(beat(number * 1000, 0), 10);
                outbox.put_back(unstored);
            }
        }
        let (rollups, deltas) = outbox.into_parts();
        assert_eq!(rollups.len(), 1);
        assert!(deltas.len() <= SINGLE + 1, "{}", deltas.len());
        let sum: u64 = deltas
            .iter()
            .map(|delta| delta.slice.total.figures.successes)
            .sum();
        assert_eq!(sum, 500);
    }
}
