//! The last hour second by second, and two days minute by minute: each turn under the time at which it started, so that a
//! question about "since then" is answered to the second, later to the minute. Pure: the time comes in as an
//! argument.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, SystemTime},
};

use crate::arm::{Arm, Outcome};

/// How far back seconds are kept apart; turns that are told later than this do not count.
const BY_SECONDS: Duration = Duration::from_secs(60 * 60);
/// How far back minutes are kept.
const BY_MINUTES: Duration = Duration::from_secs(48 * 60 * 60);
const MINUTE: u64 = 60;
/// How far a turn's start may lie in the future, by the clocks of other machines.
const AHEAD: Duration = Duration::from_secs(60);

/// A turn that ended.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) started_at: SystemTime,
    pub(crate) outcome: Outcome,
    pub(crate) first_token: Option<Duration>,
    /// Flags and variants that were dealt by chance.
    pub(crate) arms: Vec<(String, String)>,
}

/// Two arms of a flag since some moment.
#[derive(Default)]
pub(crate) struct Comparison {
    pub(crate) candidate: Arm,
    pub(crate) control: Arm,
    /// When the candidate's youngest turn started, to the second.
    pub(crate) latest: Option<SystemTime>,
    /// Of all requests, the share that was turned away.
    pub(crate) overload: f64,
}

/// What is kept.
pub(crate) struct Window {
    seconds: BTreeMap<u64, Slot>,
    /// By their first second.
    minutes: BTreeMap<u64, Slot>,
    flags: BTreeSet<String>,
    max_flags: usize,
}

/// All turns of a second or a minute.
#[derive(Default)]
struct Slot {
    turns: u64,
    refused: u64,
    /// By flag, then by variant.
    arms: HashMap<String, HashMap<String, Arm>>,
}

impl Slot {
    fn merge(&mut self, other: Self) {
        self.turns += other.turns;
        self.refused += other.refused;
        for (flag, variants) in other.arms {
            let arms = self.arms.entry(flag).or_default();
            for (variant, arm) in variants {
                arms.entry(variant).or_default().merge(&arm);
            }
        }
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
    pub(crate) fn add(&mut self, turn: Turn, now: SystemTime) -> bool {
        let age = now.duration_since(turn.started_at);
        let fits = match age {
            Ok(age) => age <= BY_SECONDS,
            Err(ahead) => ahead.duration() <= AHEAD,
        };
        if !fits {
            return false;
        }
        let at = second(turn.started_at);
        for (flag, _) in &turn.arms {
            if self.flags.len() < self.max_flags && !self.flags.contains(flag) {
                self.flags.insert(flag.clone());
            }
        }
        let entry = self.seconds.entry(at).or_default();
        entry.turns += 1;
        for (flag, variant) in turn.arms {
            if self.flags.contains(&flag) {
                let arms = entry.arms.entry(flag).or_default();
                arms.entry(variant)
                    .or_default()
                    .add(turn.outcome, turn.first_token);
            }
        }
        self.forget(now);
        true
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
        // The second, or minute, in which it began is not wholly "since".
        let from = second(since) + 1;
        for (at, entry) in self.minutes.range(from..).chain(self.seconds.range(from..)) {
            turns += entry.turns;
            refused += entry.refused;
            let Some(arms) = entry.arms.get(flag) else {
                continue;
            };
            if let Some(arm) = arms.get(candidate) {
                found.candidate.merge(arm);
                found.latest = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(*at));
            }
            if let Some(arm) = arms.get(control) {
                found.control.merge(arm);
            }
        }
        if refused > 0 {
            found.overload = refused as f64 / (refused + turns) as f64;
        }
        found
    }

    /// Folds old seconds into their minutes, and lets go of old minutes.
    fn forget(&mut self, now: SystemTime) {
        let before = |age| second(now.checked_sub(age).unwrap_or(now));
        while let Some(first) = self.seconds.first_entry()
            && *first.key() < before(BY_SECONDS)
        {
            let (at, slot) = first.remove_entry();
            self.minutes
                .entry(at - at % MINUTE)
                .or_default()
                .merge(slot);
        }
        while let Some(first) = self.minutes.first_entry()
            && *first.key() < before(BY_MINUTES)
        {
            first.remove();
        }
    }
}

fn second(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn turn(at: SystemTime, variant: &str, outcome: Outcome) -> Turn {
        Turn {
            started_at: at,
            outcome,
            first_token: Some(Duration::from_millis(100)),
            arms: vec![("streaming".to_owned(), variant.to_owned())],
        }
    }

    #[test]
    fn turns_count_by_when_they_started_and_not_by_when_they_are_told() {
        let mut window = Window::new(10);
        let now = start() + 60 * SECOND;
        for second in 0..10 {
            assert!(window.add(turn(start() + second * SECOND, "on", Outcome::Success), now));
        }
        assert!(window.add(turn(start() + 9 * SECOND, "off", Outcome::Cancelled), now));
        let found = window.compare("streaming", "on", "off", start() + 4 * SECOND);
        assert_eq!(found.candidate.successes, 5);
        assert_eq!(found.control.cancelled, 1);
        assert_eq!(found.latest, Some(start() + 9 * SECOND));
        assert_eq!(found.candidate.first_token.mean, 100.0);
        let none = window.compare("other", "on", "off", start());
        assert_eq!(none.candidate.successes + none.control.cancelled, 0);
    }

    #[test]
    fn an_hour_later_seconds_are_minutes_and_after_two_days_they_are_gone() {
        let mut window = Window::new(10);
        for at in 0..120 {
            let at = start() + at * SECOND;
            assert!(window.add(turn(at, "on", Outcome::Success), at));
        }
        let now = start() + 2 * BY_SECONDS;
        assert!(window.add(turn(now, "on", Outcome::Success), now));
        assert_eq!((window.seconds.len(), window.minutes.len()), (1, 2));
        let since = |at| window.compare("streaming", "on", "off", at).candidate;
        assert_eq!(since(start() - SECOND).successes, 121);
        assert_eq!(since(start() - SECOND).first_token.count, 121);
        assert_eq!(since(start()).successes, 61);

        let later = now + BY_MINUTES + 2 * SECOND;
        assert!(!window.add(turn(now, "on", Outcome::Success), later));
        assert!(window.add(turn(later, "on", Outcome::Success), later));
        assert_eq!((window.seconds.len(), window.minutes.len()), (1, 0));
        assert!(!window.add(turn(later + 2 * AHEAD, "on", Outcome::Success), later));
    }

    #[test]
    fn the_share_that_was_turned_away_is_of_the_same_time() {
        let mut window = Window::new(10);
        window.refused(50, start());
        for _ in 0..9 {
            window.add(
                turn(start() + 5 * SECOND, "on", Outcome::Success),
                start() + 5 * SECOND,
            );
        }
        window.refused(1, start() + 6 * SECOND);
        let overload = |since| window.compare("streaming", "on", "off", since).overload;
        assert!((overload(start() + SECOND) - 0.1).abs() < 1e-12);
        assert!(overload(start() - SECOND) > 0.8);
    }

    #[test]
    fn no_more_flags_are_kept_than_there_may_be() {
        let mut window = Window::new(1);
        for flag in ["a", "b"] {
            let arms = vec![(flag.to_owned(), "on".to_owned())];
            window.add(
                Turn {
                    arms,
                    ..turn(start(), "on", Outcome::Success)
                },
                start(),
            );
        }
        let found = |flag| {
            window
                .compare(flag, "on", "off", start() - SECOND)
                .candidate
                .successes
        };
        assert_eq!((found("a"), found("b")), (1, 0));
    }
}
