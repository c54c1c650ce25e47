//! What is known of the two arms of a flag: those who are let in, and those who are not. It must not know
//! what follows from it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// Beyond this, figures are no counts of turns, and floating point no longer tells neighbours apart.
const MOST: u64 = 1_000_000_000_000;

/// Both arms since the step began, or since the window did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Evidence {
    /// Who is let in.
    pub candidate: Arm,
    /// Who is not.
    pub control: Arm,
    /// Share of all requests that were turned away for want of room, 0 to 1.
    pub overload: f64,
    /// When the candidate's youngest turn started.
    #[serde(with = "humantime_serde::option")]
    pub latest: Option<SystemTime>,
}

/// What a group of turns adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Arm {
    /// Turns that ended well.
    pub successes: u64,
    /// Turns that failed.
    pub failures: u64,
    /// Turns that visitors ended: neither the one nor the other.
    pub cancelled: u64,
    /// Turns with a fault of ours beyond doubt.
    pub critical: u64,
    /// Time to the first token.
    pub first_token: Moments,
    /// Its 95th percentile in milliseconds; shown, not judged.
    pub first_token_p95_ms: Option<f64>,
}

/// Count, mean and unbiased variance of a time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Moments {
    /// Of how many; without any, the others say nothing.
    pub count: u64,
    /// Milliseconds.
    pub mean_ms: f64,
    /// Milliseconds squared.
    pub variance: f64,
}

impl Evidence {
    /// What cannot be true of it, in words; `None` when all of it can.
    pub fn fault(&self) -> Option<String> {
        if !(0.0..=1.0).contains(&self.overload) {
            return Some(format!(
                "the overload is {}, not a share from 0 to 1",
                self.overload
            ));
        }
        let arms = [("candidate", &self.candidate), ("control", &self.control)];
        arms.into_iter()
            .find_map(|(name, arm)| arm.fault().map(|fault| format!("{name}: {fault}")))
    }
}

impl Arm {
    /// Turns that count: those that ended well or failed.
    pub fn samples(&self) -> u64 {
        self.successes.saturating_add(self.failures)
    }

    /// All turns, those that visitors ended among them.
    pub fn turns(&self) -> u64 {
        self.samples().saturating_add(self.cancelled)
    }

    /// The observed share of failures; `None` without samples.
    pub fn error_rate(&self) -> Option<f64> {
        let samples = self.samples();
        (samples > 0).then(|| self.failures as f64 / samples as f64)
    }

    fn fault(&self) -> Option<String> {
        let Moments {
            count,
            mean_ms,
            variance,
        } = self.first_token;
        let counts = [
            ("successes", self.successes),
            ("failures", self.failures),
            ("cancelled turns", self.cancelled),
            ("critical errors", self.critical),
            ("first tokens", count),
        ];
        if let Some((name, count)) = counts.into_iter().find(|(_, count)| *count > MOST) {
            return Some(format!("{count} {name} are more than can be"));
        }
        if count > self.turns() {
            return Some(format!("{count} first tokens of {} turns", self.turns()));
        }
        if count == 0 {
            return None;
        }
        let times = [
            ("mean", Some(mean_ms)),
            ("variance", Some(variance)),
            ("95th percentile", self.first_token_p95_ms),
        ];
        times.into_iter().find_map(|(name, time)| {
            let time = time?;
            let possible = time.is_finite() && time >= 0.0;
            (!possible).then(|| format!("the {name} of the first token is {time}"))
        })
    }
}
