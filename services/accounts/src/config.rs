//! The `[accounts]` section: how hard passwords are to guess.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

/// The least memory for so many passes, in KiB, that OWASP calls equally strong (Password Storage Cheat Sheet, Argon2id).
const LEAST: [(u32, u64); 5] = [
    (1, 47_104),
    (2, 19_456),
    (3, 12_288),
    (4, 9_216),
    (5, 7_168),
];

const MOST_MEMORY: ByteSize = ByteSize::gib(1);
const MOST_PASSES: u32 = 100;
const MOST_LANES: u32 = 16;
const MOST_AT_ONCE: usize = 64;

/// How accounts are kept safe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Passwords.
    pub hashing: Hashing,
    /// Wrong passwords.
    pub tries: TryLimits,
}

/// How passwords are hashed: Argon2id. Where these rise, a password is hashed anew when its owner signs in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hashing {
    /// Memory of one hash.
    pub memory: ByteSize,
    /// How often it goes through the memory.
    pub passes: u32,
    /// Lanes of the memory.
    pub lanes: u32,
    /// Hashes that are made at once; each takes the memory and a core.
    pub at_once: usize,
    /// How long one may wait for its turn.
    #[serde(with = "humantime_serde")]
    pub wait: Duration,
}

/// Wrong passwords for one account, and from one address, before waits begin; each wait is twice the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TryLimits {
    /// Wrong passwords for one account.
    pub per_account: u32,
    /// Wrong passwords from one address: IPv4, or a /64 of IPv6.
    pub per_address: u32,
    /// Wrong passwords are forgotten after so long without another.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// The first wait.
    #[serde(with = "humantime_serde")]
    pub first_wait: Duration,
    /// No wait is longer.
    #[serde(with = "humantime_serde")]
    pub longest_wait: Duration,
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(19),
            passes: 2,
            lanes: 1,
            at_once: 4,
            wait: Duration::from_secs(3),
        }
    }
}

impl Default for TryLimits {
    fn default() -> Self {
        Self {
            per_account: 5,
            per_address: 20,
            window: Duration::from_secs(15 * 60),
            first_wait: Duration::from_secs(30),
            longest_wait: Duration::from_secs(15 * 60),
        }
    }
}

impl Hashing {
    /// The memory as Argon2 counts it.
    pub(crate) fn kibibytes(&self) -> u32 {
        u32::try_from(self.memory.as_u64() / 1024).unwrap_or(u32::MAX)
    }

    /// The least memory for these passes.
    fn least(&self) -> ByteSize {
        let (_, least) = LEAST
            .into_iter()
            .rev()
            .find(|(passes, _)| *passes <= self.passes)
            .unwrap_or(LEAST[0]);
        ByteSize::kib(least)
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        self.hashing.validate(&mut problems.at("hashing"));
        self.tries.validate(&mut problems.at("tries"));
    }
}

impl Validate for Hashing {
    fn validate(&self, problems: &mut Problems) {
        let least = self.least();
        problems.check(
            (least..=MOST_MEMORY).contains(&self.memory),
            "memory",
            format!(
                "must be from {least} (with {} passes; with more passes less) to {MOST_MEMORY}, or passwords that are stolen are guessed",
                self.passes.max(1)
            ),
        );
        problems.check(
            (1..=MOST_PASSES).contains(&self.passes),
            "passes",
            format!("must be from 1 to {MOST_PASSES}"),
        );
        problems.check(
            (1..=MOST_LANES).contains(&self.lanes),
            "lanes",
            format!("must be from 1 to {MOST_LANES}"),
        );
        problems.check(
            (1..=MOST_AT_ONCE).contains(&self.at_once),
            "at_once",
            format!("must be from 1 to {MOST_AT_ONCE}"),
        );
        problems.check(!self.wait.is_zero(), "wait", "must be longer than 0s");
    }
}

impl Validate for TryLimits {
    fn validate(&self, problems: &mut Problems) {
        for (key, limit) in [
            ("per_account", self.per_account),
            ("per_address", self.per_address),
        ] {
            problems.check(
                (1..=1000).contains(&limit),
                key,
                "must be from 1 to 1000 wrong passwords",
            );
        }
        let day = Duration::from_secs(24 * 60 * 60);
        for (key, time) in [
            ("window", self.window),
            ("first_wait", self.first_wait),
            ("longest_wait", self.longest_wait),
        ] {
            problems.check(
                time >= Duration::from_secs(1) && time <= day,
                key,
                "must be from 1s to 24h",
            );
        }
        problems.check(
            self.first_wait <= self.longest_wait,
            "first_wait",
            "must not be longer than longest_wait",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        Problems::of(&config).to_string()
    }

    #[test]
    fn the_defaults_are_those_of_owasp_and_hold() {
        assert_eq!(problems(|_| ()), "");
        assert_eq!(Config::default().hashing.kibibytes(), 19_456);
    }

    #[test]
    fn weaker_hashes_than_owasp_allows_are_refused() {
        for (mib, passes, good) in [
            (18, 2, false),
            (19, 1, false),
            (46, 1, true),
            (12, 3, true),
            (9, 3, false),
            (7, 5, true),
            (6, 50, false),
            (2000, 2, false),
        ] {
            let told = problems(|config| {
                config.hashing.memory = ByteSize::mib(mib);
                config.hashing.passes = passes;
            });
            assert_eq!(told.is_empty(), good, "{mib} MiB, {passes} passes: {told}");
            assert!(good || told.starts_with("hashing.memory: "), "{told}");
        }
    }

    #[test]
    fn limits_that_would_not_limit_are_refused() {
        for (change, key) in [
            (
                (|config| config.tries.per_account = 0) as fn(&mut Config),
                "tries.per_account",
            ),
            (
                |config| config.tries.window = Duration::ZERO,
                "tries.window",
            ),
            (
                |config| config.tries.first_wait = Duration::from_secs(3600),
                "tries.first_wait",
            ),
            (|config| config.hashing.at_once = 0, "hashing.at_once"),
            (|config| config.hashing.passes = 0, "hashing.passes"),
        ] {
            let told = problems(change);
            assert!(told.contains(key), "{key} in {told}");
        }
    }
}
