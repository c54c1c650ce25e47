//! Settings of espeak-ng.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

/// How espeak-ng is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether it may speak at all.
    pub enabled: bool,
    /// The program: a path, or a name that is looked up in PATH.
    pub program: PathBuf,
    /// Processes that run at once; further utterances wait.
    pub concurrency: usize,
    /// Limit for the first sound, with the wait for a place.
    #[serde(with = "humantime_serde")]
    pub first_sound: Duration,
    /// Limit between two pieces of sound.
    #[serde(with = "humantime_serde")]
    pub silence: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            program: PathBuf::from("espeak-ng"),
            concurrency: 4,
            first_sound: Duration::from_secs(3),
            silence: Duration::from_secs(3),
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.check(
            !self.program.as_os_str().is_empty(),
            "program",
            "must not be empty: write a path such as /usr/bin/espeak-ng, or set enabled to false",
        );
        problems.check(
            (1..=256).contains(&self.concurrency),
            "concurrency",
            "must be from 1 to 256",
        );
        for (key, limit) in [("first_sound", self.first_sound), ("silence", self.silence)] {
            problems.check(!limit.is_zero(), key, "must be longer than 0s");
        }
    }
}
