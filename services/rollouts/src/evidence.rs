//! What is known of the two arms of a flag: those who are let in, and those who are not.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

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
    /// Failures that are faults of ours beyond doubt.
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
    /// Of how many.
    pub count: u64,
    /// Milliseconds.
    pub mean_ms: f64,
    /// Milliseconds squared.
    pub variance: f64,
}

impl Arm {
    /// Turns that count: those that ended well or failed.
    pub fn samples(&self) -> u64 {
        self.successes.saturating_add(self.failures)
    }

    /// The observed share of failures; `None` without samples.
    pub fn error_rate(&self) -> Option<f64> {
        let samples = self.samples();
        (samples > 0).then(|| self.failures as f64 / samples as f64)
    }

    /// Whether its figures can all be true.
    pub fn is_possible(&self) -> bool {
        let Moments {
            mean_ms, variance, ..
        } = self.first_token;
        let positive = |figure: f64| figure.is_finite() && figure >= 0.0;
        // Beyond this, figures are no counts of turns, and floating point no longer holds them.
        let countable = |count: u64| count < 1 << 50;
        positive(mean_ms)
            && positive(variance)
            && self.first_token_p95_ms.is_none_or(positive)
            && self.critical <= self.failures
            && [self.successes, self.failures, self.cancelled, self.first_token.count]
                .into_iter()
                .all(countable)
    }
}
