//! How often something may be done, as operators write it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

/// The most that can be counted.
const MOST: u32 = 1_000_000;

/// The longest time that counting spans: what is known of a key is kept so long.
pub(crate) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// So often in so long: a burst at once, and what was used comes back one by one in even intervals.
///
/// In any span of time no more is let through than the burst and what comes back within the span. Off when the limit
/// is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How often; 0 for as often as they like.
    pub limit: u32,
    /// In how long.
    #[serde(with = "humantime_serde")]
    pub per: Duration,
    /// How many of them at once; all of them when absent.
    #[serde(default)]
    pub burst: Option<u32>,
}

impl Policy {
    /// So often in so long, all of them at once if they like.
    pub const fn new(limit: u32, per: Duration) -> Self {
        Self {
            limit,
            per,
            burst: None,
        }
    }

    /// Whether nothing is counted.
    pub fn is_off(&self) -> bool {
        self.limit == 0
    }

    /// How many are let through at once.
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.limit).clamp(1, self.limit.max(1))
    }
}

impl Validate for Policy {
    fn validate(&self, problems: &mut Problems) {
        problems.check(
            self.limit <= MOST,
            "limit",
            "must be at most 1000000; 0 is without a limit",
        );
        problems.check(
            (Duration::from_secs(1)..=LONGEST).contains(&self.per),
            "per",
            "must be from 1s to 1day",
        );
        if let (Some(burst), false) = (self.burst, self.is_off()) {
            problems.check(
                (1..=self.limit).contains(&burst),
                "burst",
                "must be from 1 to limit; leave it out for all of them at once",
            );
        }
    }
}

/// What somebody wrote of a policy; the rest stays as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PolicyChange {
    limit: Option<u32>,
    #[serde(with = "humantime_serde")]
    per: Option<Duration>,
    burst: Option<u32>,
}

impl PolicyChange {
    /// The policy with what was written.
    pub fn over(self, policy: Policy) -> Policy {
        Policy {
            limit: self.limit.unwrap_or(policy.limit),
            per: self.per.unwrap_or(policy.per),
            burst: self.burst.or(policy.burst),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(policy: Policy) -> Vec<String> {
        let problems = Problems::of(&policy);
        problems.iter().map(|(key, _)| key.to_owned()).collect()
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let minute = Duration::from_secs(60);
        let none = Vec::<String>::new();
        assert_eq!(problems(Policy::new(100, minute)), none);
        assert_eq!(problems(Policy::new(0, minute)), none);
        assert_eq!(problems(Policy::new(2_000_000, minute)), ["limit"]);
        assert_eq!(
            problems(Policy::new(1, Duration::from_millis(999))),
            ["per"]
        );
        assert_eq!(problems(Policy::new(1, LONGEST * 2)), ["per"]);
        for burst in [0, 101] {
            let policy = Policy {
                burst: Some(burst),
                ..Policy::new(100, minute)
            };
            assert_eq!(problems(policy), ["burst"]);
        }
    }

    #[test]
    fn what_is_not_written_stays_as_it_was() {
        let hour = Policy::new(100, Duration::from_secs(3600));
        let change = PolicyChange {
            limit: Some(7),
            ..PolicyChange::default()
        };
        assert_eq!(change.over(hour), Policy::new(7, hour.per));
        assert_eq!(PolicyChange::default().over(hour), hour);
    }
}
