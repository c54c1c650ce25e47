//! A day of UTC.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const SECONDS: u64 = 24 * 60 * 60;

/// A day, by its number since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Day(u64);

impl Day {
    pub(super) fn now() -> Self {
        Self(since_1970().as_secs() / SECONDS)
    }

    /// How long it goes on.
    pub(super) fn left(self) -> Duration {
        self.left_at(since_1970())
    }

    /// How long it is asked for: who began before midnight settles afterwards.
    pub(super) fn life(self) -> Duration {
        self.left() + Duration::from_secs(SECONDS)
    }

    fn left_at(self, now: Duration) -> Duration {
        Duration::from_secs((self.0 + 1) * SECONDS).saturating_sub(now)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_and_is_remembered_for_another() {
        let day = Day(20_000);
        let noon = Duration::from_secs(20_000 * SECONDS + SECONDS / 2);
        assert_eq!(day.left_at(noon).as_secs(), SECONDS / 2);
        assert_eq!(day.left_at(noon * 2), Duration::ZERO);
        assert!(Day::now().left() <= Duration::from_secs(SECONDS));
        assert!(Day::now().life() > Duration::from_secs(SECONDS));
    }
}
