//! The rollups of this replica that still grow: its minute, its hour, its life, and the minutes of its arms. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    delta::{Delta, Part, Resolution, Rollup, written},
    moment::{hour, minute},
    slice::Slice,
    window::{BY_SECONDS, Slot},
};

/// What grows.
#[derive(Default)]
pub(super) struct Open {
    minute: (u64, Slice),
    hour: (u64, Slice),
    life: (u64, Slice),
    /// By the minute in which turns started, for as long as they may be told.
    arms: BTreeMap<u64, Slot>,
}

impl Open {
    /// Takes a delta in; the rollups that changed by it.
    pub(super) fn add(&mut self, delta: &Delta, replica: &str, most: usize) -> Vec<Rollup> {
        let mut changed = Vec::new();
        let rollup = |resolution, part, at, data| Rollup {
            resolution,
            part,
            at,
            replica: replica.to_owned(),
            number: delta.number,
            data,
        };
        if !delta.slice.is_empty() {
            for (resolution, at, place) in [
                (Resolution::Minute, minute(delta.at), &mut self.minute),
                (Resolution::Hour, hour(delta.at), &mut self.hour),
                (Resolution::Life, delta.epoch, &mut self.life),
            ] {
                if place.0 != at {
                    *place = (at, Slice::default());
                }
                let slice = &mut place.1;
                slice.merge(&delta.slice, most);
                changed.push(rollup(resolution, Part::Total, at, written(&slice.total)));
                for dimension in delta.slice.by.keys() {
                    let values = written(&slice.by.get(dimension));
                    changed.push(rollup(resolution, Part::By(*dimension), at, values));
                }
            }
        }
        let mut touched = BTreeSet::new();
        for dealt in &delta.dealt {
            let at = minute(dealt.started);
            self.arms.entry(at).or_default().add(dealt);
            touched.insert(at);
        }
        for at in touched {
            let slot = written(&self.arms.get(&at));
            changed.push(rollup(Resolution::Minute, Part::Arms, at, slot));
        }
        let oldest = minute(delta.at.saturating_sub(BY_SECONDS.as_secs() + 60));
        self.arms = self.arms.split_off(&oldest);
        changed
    }

    /// What this replica had stored before it was started anew.
    pub(super) fn restore(&mut self, resolution: Resolution, at: u64, slice: &Slice, most: usize) {
        let place = match resolution {
            Resolution::Minute => &mut self.minute,
            Resolution::Hour => &mut self.hour,
            Resolution::Life => &mut self.life,
        };
        if at > place.0 {
            *place = (at, Slice::default());
        }
        if at == place.0 {
            place.1.merge(slice, most);
        }
    }

    /// As [`restore`](Self::restore), of the arms.
    pub(super) fn restore_arms(&mut self, at: u64, slot: Slot) {
        self.arms.insert(at, slot);
    }

    /// The life counts since another reset than was thought.
    pub(super) fn renew(&mut self, epoch: u64) {
        self.life.0 = epoch;
    }

    /// A new life begins; minutes and hours are history, which goes on.
    pub(super) fn reset(&mut self) {
        self.life = (0, Slice::default());
    }
}
