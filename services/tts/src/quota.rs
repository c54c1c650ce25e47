//! How many calls a minute each family of voices may get. It must not know who calls, nor what for.
//!
//! Calls are metered by the generic cell rate algorithm: a few at once, then one at a time in even
//! intervals. Both are chosen so that no minute has more calls than its quota, wherever that minute begins.

use std::{num::NonZeroU32, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

use crate::voices::Family;

pub mod memory;
pub mod redis;

/// The families that have a quota.
const METERED: [Family; 3] = [Family::Chirp3Hd, Family::Wavenet, Family::Standard];

/// More calls a minute than this cannot be metered.
const MOST: u32 = 1_000_000;

/// Meters the calls of each family.
#[async_trait]
pub trait Quota: Send + Sync {
    /// Takes one call of this family, or says how long until there is one; nothing is then taken, and
    /// somebody else may take it first. A family without a quota always has one. A future that is dropped
    /// may have taken its call.
    ///
    /// # Errors
    /// How long until there is a call.
    async fn take(&self, family: Family) -> Result<(), Duration>;
}

/// Calls to each of Google's families in a minute, by all replicas together. The defaults are Google's
/// limits for a project (docs.cloud.google.com/text-to-speech/quotas, 2026). espeak-ng has none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Chirp 3 HD, in calls a minute.
    pub chirp3_hd: u32,
    /// WaveNet, in calls a minute.
    pub wavenet: u32,
    /// Standard voices, in calls a minute.
    pub standard: u32,
    /// Chirp 3 HD streams that this process has open at once.
    pub chirp3_hd_streams: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chirp3_hd: 200,
            wavenet: 1_000,
            standard: 1_000,
            chirp3_hd_streams: 100,
        }
    }
}

impl Config {
    /// The rate of a family; `None` when it has no quota.
    fn rate(&self, family: Family) -> Option<Rate> {
        match family {
            Family::Chirp3Hd => Some(Rate::per_minute(self.chirp3_hd)),
            Family::Wavenet => Some(Rate::per_minute(self.wavenet)),
            Family::Standard => Some(Rate::per_minute(self.standard)),
            Family::Espeak => None,
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        for (key, calls) in [
            ("chirp3_hd", self.chirp3_hd),
            ("wavenet", self.wavenet),
            ("standard", self.standard),
        ] {
            problems.check(
                (1..=MOST).contains(&calls),
                key,
                "must be from 1 to 1000000 calls a minute: 0 does not mean without a limit, and a family that must not be called is left out of tts.voices",
            );
        }
        problems.check(
            (1..=tokio::sync::Semaphore::MAX_PERMITS).contains(&self.chirp3_hd_streams),
            "chirp3_hd_streams",
            "must be at least 1: 0 does not mean without a limit",
        );
    }
}

/// The even intervals at which calls come back, and how many may be made at once.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    /// In whole microseconds: what Redis counts in.
    interval: Duration,
    burst: NonZeroU32,
}

impl Rate {
    /// At most so many calls in any minute: a tenth of them at once, the rest evenly.
    fn per_minute(calls: u32) -> Self {
        let calls = calls.clamp(1, MOST);
        let burst = NonZeroU32::new(calls / 10).unwrap_or(NonZeroU32::MIN);
        // A full burst, and then `calls - burst` more before the minute is over.
        let intervals = u64::from(calls - burst.get() + 1);
        Self {
            interval: Duration::from_micros(60_000_000_u64.div_ceil(intervals)),
            burst,
        }
    }
}

#[cfg(test)]
mod tests;
