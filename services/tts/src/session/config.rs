//! Settings of a turn's speech.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

/// How speech keeps pace with its listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Length of a piece of sound.
    #[serde(with = "humantime_serde")]
    pub chunk: Duration,
    /// Length of a piece while the listener waits for sound: of the first one above all.
    #[serde(with = "humantime_serde")]
    pub first_chunk: Duration,
    /// With more sound than this ahead of the listener, short sentences wait to be spoken together.
    #[serde(with = "humantime_serde")]
    pub ahead: Duration,
    /// What must stay ahead of the listener while an empty quota is waited for.
    #[serde(with = "humantime_serde")]
    pub margin: Duration,
    /// Characters that are spoken together at most.
    pub together: usize,
    /// Utterances of one turn that are made at the same time.
    pub concurrency: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chunk: Duration::from_millis(500),
            first_chunk: Duration::from_millis(100),
            ahead: Duration::from_secs(3),
            margin: Duration::from_secs(1),
            together: 240,
            concurrency: 3,
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        let seconds = |from: u64, to: u64| Duration::from_millis(from)..=Duration::from_millis(to);
        problems.check(
            seconds(20, 5_000).contains(&self.chunk),
            "chunk",
            "must be from 20ms to 5s",
        );
        problems.check(
            seconds(20, 5_000).contains(&self.first_chunk) && self.first_chunk <= self.chunk,
            "first_chunk",
            "must be from 20ms to the length of chunk",
        );
        problems.check(
            self.margin <= self.ahead,
            "margin",
            "must not be longer than ahead",
        );
        problems.check(
            (1..=1_000).contains(&self.together),
            "together",
            "must be from 1 to 1000",
        );
        problems.check(
            (1..=16).contains(&self.concurrency),
            "concurrency",
            "must be from 1 to 16",
        );
    }
}
