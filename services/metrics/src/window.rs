//! What rollouts are judged by: the last hour second by second, and two days minute by minute, each turn under the time at which
//! it started, so that a question about "since then" is answered to the second, later to the minute. Pure: the time comes
//! in as an argument.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::{
    arm::{Arm, End},
    moment::{minute, second, time},
    turn::{Outcome, Turn},
};

/// How far back seconds are kept apart; turns that are told later than this do not count.
pub(crate) const BY_SECONDS: Duration = Duration::from_secs(60 * 60);
/// How far back minutes are kept.
pub(crate) const BY_MINUTES: Duration = Duration::from_secs(48 * 60 * 60);
/// How far a turn's start may lie in the future, by the clocks of other machines.
const AHEAD: Duration = Duration::from_secs(60);
/// Variants that are kept of a flag.
const MOST_VARIANTS: usize = 50;

/// A turn as rollouts see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dealt {
    #[serde(rename = "s")]
    pub(crate) started: u64,
    #[serde(rename = "e")]
    pub(crate) end: End,
    #[serde(rename = "t")]
    pub(crate) first_token: Option<Duration>,
    /// Flags and variants that were dealt by chance.
    #[serde(rename = "a")]
    pub(crate) arms: Vec<(String, String)>,
}

impl Dealt {
    pub(crate) fn of(turn: &Turn) -> Self {
        let dealt = turn.exposures.iter().filter(|(_, _, by_chance)| *by_chance);
        Self {
            started: second(turn.started_at),
            end: match turn.outcome {
                Outcome::Success => End::Success,
                Outcome::Failure { critical: true, .. } => End::Critical,
                Outcome::Failure { .. } => End::Failure,
                Outcome::Cancelled => End::Cancelled,
            },
            first_token: turn.first_token,
            arms: dealt
                .map(|(flag, variant, _)| (flag.clone(), variant.clone()))
                .collect(),
        }
    }
}

/// Two arms of a flag since some moment.
#[derive(Default)]
pub(crate) struct Comparison {
    pub(crate) candidate: Dated,
    pub(crate) control: Dated,
    /// Of all requests, the share that was turned away.
    pub(crate) overload: f64,
}

/// An arm, and when its youngest turn started: to the second, later to the minute.
#[derive(Default)]
pub(crate) struct Dated {
    pub(crate) arm: Arm,
    pub(crate) latest: Option<SystemTime>,
}

/// What is kept.
pub(crate) struct Window {
    seconds: BTreeMap<u64, Slot>,
    /// By their first second.
    minutes: BTreeMap<u64, Slot>,
    flags: BTreeSet<String>,
    max_flags: usize,
}

/// All turns that started in a second or a minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Slot {
    turns: u64,
    refused: u64,
    /// By flag, then by variant.
    arms: BTreeMap<String, BTreeMap<String, Arm>>,
}

impl Slot {
    pub(crate) fn add(&mut self, turn: &Dealt) {
        self.turns += 1;
        for (flag, variant) in &turn.arms {
            if let Some(arm) = self.arm(flag, variant) {
                arm.add(turn.end, turn.first_token);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.turns += other.turns;
        self.refused += other.refused;
        for (flag, variants) in &other.arms {
            for (variant, arm) in variants {
                if let Some(into) = self.arm(flag, variant) {
                    into.merge(arm);
                }
            }
        }
    }

    fn arm(&mut self, flag: &str, variant: &str) -> Option<&mut Arm> {
        let variants = self.arms.entry(flag.to_owned()).or_default();
        if !variants.contains_key(variant) && variants.len() >= MOST_VARIANTS {
            return None;
        }
        Some(variants.entry(variant.to_owned()).or_default())
    }
}

impl Window {
    pub(crate) fn new(max_flags: usize) -> Self {
        Self {
            seconds: BTreeMap::new(),
            minutes: BTreeMap::new(),
            flags: BTreeSet::new(),
            max_flags,
        }
    }

    /// Takes a turn in; `false` when its start is too long ago or ahead.
    pub(crate) fn add(&mut self, turn: &Dealt, now: SystemTime) -> bool {
        if !fits(turn.started, now) {
            return false;
        }
        let mut known = turn.clone();
        known.arms.retain(|(flag, _)| self.admits(flag));
        self.seconds.entry(turn.started).or_default().add(&known);
        self.forget(now);
        true
    }

    /// Whether there is room for a flag. Flags that nobody asked for two days give theirs up.
    fn admits(&mut self, flag: &str) -> bool {
        if self.flags.contains(flag) {
            return true;
        }
        let room = self.flags.len() < self.max_flags;
        if room {
            self.flags.insert(flag.to_owned());
        }
        room
    }

    /// Takes in what was kept of a minute.
    pub(crate) fn restore(&mut self, minute: u64, slot: &Slot) {
        self.flags.extend(slot.arms.keys().cloned());
        self.minutes.entry(minute).or_default().merge(slot);
    }

    /// Requests were turned away.
    pub(crate) fn refused(&mut self, count: u64, now: SystemTime) {
        if count > 0 {
            self.seconds.entry(second(now)).or_default().refused += count;
            self.forget(now);
        }
    }

    /// Two variants of a flag, by the turns that started since a moment.
    pub(crate) fn compare(
        &self,
        flag: &str,
        candidate: &str,
        control: &str,
        since: SystemTime,
    ) -> Comparison {
        let mut found = Comparison::default();
        let (mut turns, mut refused) = (0, 0);
        // A second, or minute, in the middle of which it began is not wholly "since".
        let mut from = second(since);
        from += u64::from(time(from) < since);
        for (at, slot) in self.minutes.range(from..).chain(self.seconds.range(from..)) {
            turns += slot.turns;
            refused += slot.refused;
            let Some(arms) = slot.arms.get(flag) else {
                continue;
            };
            for (name, into) in [
                (candidate, &mut found.candidate),
                (control, &mut found.control),
            ] {
                if let Some(arm) = arms.get(name) {
                    into.arm.merge(arm);
                    into.latest = into.latest.max(Some(time(*at)));
                }
            }
        }
        if refused > 0 {
            found.overload = refused as f64 / (refused + turns) as f64;
        }
        found
    }

    /// Folds old seconds into their minutes, and lets go of old minutes and of the flags that were in them alone.
    fn forget(&mut self, now: SystemTime) {
        let before = |age| second(now.checked_sub(age).unwrap_or(now));
        while let Some(first) = self.seconds.first_entry()
            && *first.key() < before(BY_SECONDS)
        {
            let (at, slot) = first.remove_entry();
            self.minutes.entry(minute(at)).or_default().merge(&slot);
        }
        let mut gone = false;
        while let Some(first) = self.minutes.first_entry()
            && *first.key() < before(BY_MINUTES)
        {
            gone = true;
            first.remove();
        }
        if gone && self.flags.len() >= self.max_flags {
            let slots = self.minutes.values().chain(self.seconds.values());
            self.flags = slots.flat_map(|slot| slot.arms.keys().cloned()).collect();
        }
    }
}

/// Whether a turn's start is near enough.
fn fits(started: u64, now: SystemTime) -> bool {
    match now.duration_since(time(started)) {
        Ok(age) => age <= BY_SECONDS + Duration::from_secs(1),
        Err(ahead) => ahead.duration() <= AHEAD,
    }
}

#[cfg(test)]
mod tests;
