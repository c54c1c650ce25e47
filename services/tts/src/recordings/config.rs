//! What is kept of what was spoken, and for how long.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

/// The longest that anything is kept.
pub(super) const LONGEST_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The largest value of a Redis (redis.io/docs/latest/develop/data-types/strings, 2026).
const LARGEST_VALUE: ByteSize = ByteSize::mib(512);

/// What is kept of what was spoken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Sound kept in this process; what is asked for least goes first. A second takes 48,000 bytes.
    pub memory: ByteSize,
    /// How long a sound is kept, in this process and in the shared cache alike.
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    /// Longer sounds are not kept.
    pub largest: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(128),
            lifetime: Duration::from_secs(60 * 60),
            largest: ByteSize::mib(4),
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.check(
            !self.lifetime.is_zero() && self.lifetime <= LONGEST_LIFETIME,
            "lifetime",
            "must be longer than 0s and at most 30days",
        );
        problems.check(
            (ByteSize::b(1)..=LARGEST_VALUE).contains(&self.largest),
            "largest",
            "must be from 1 B to 512 MiB",
        );
        problems.check(
            self.memory >= self.largest,
            "memory",
            "must not be smaller than largest",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_by_default_is_right_and_nonsense_is_told() {
        assert!(Problems::of(&Config::default()).is_empty());
        let nonsense = Config {
            memory: ByteSize::b(0),
            lifetime: Duration::MAX,
            largest: ByteSize::b(0),
        };
        let problems = Problems::of(&nonsense).to_string();
        assert_eq!(
            problems,
            "lifetime: must be longer than 0s and at most 30days\nlargest: must be from 1 B to 512 MiB"
        );
        let little = Config {
            memory: ByteSize::mib(1),
            ..Config::default()
        };
        assert_eq!(
            Problems::of(&little).to_string(),
            "memory: must not be smaller than largest"
        );
    }
}
