//! What a group of turns adds up to. Sums merge in any order, over seconds and over processes. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::latency::Latency;

/// How a turn ended, as far as rollouts are judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum End {
    Success,
    Failure,
    Critical,
    Cancelled,
}

/// The sum of the turns of one arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arm {
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    pub(crate) cancelled: u64,
    pub(crate) critical: u64,
    pub(crate) first_token: Moments,
    first_tokens: Latency,
}

impl Arm {
    pub(crate) fn add(&mut self, end: End, first_token: Option<Duration>) {
        match end {
            End::Success => self.successes += 1,
            End::Failure => self.failures += 1,
            End::Critical => {
                self.failures += 1;
                self.critical += 1;
            }
            End::Cancelled => self.cancelled += 1,
        }
        if let Some(first_token) = first_token {
            self.first_token.add(first_token.as_secs_f64() * 1e3);
            self.first_tokens.add(first_token);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.successes += other.successes;
        self.failures += other.failures;
        self.cancelled += other.cancelled;
        self.critical += other.critical;
        self.first_token.merge(other.first_token);
        self.first_tokens.merge(&other.first_tokens);
    }

    /// The first token's 95th percentile, in milliseconds.
    pub(crate) fn first_token_p95(&self) -> Option<f64> {
        let told = self.first_tokens.percentiles();
        (told.count > 0).then_some(told.p95)
    }
}

/// Count, mean, and the sum of squared distances from it: added one by one by Welford's method, merged by
/// that of Chan, Golub and LeVeque (1979), which loses no digits where sums of squares would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    squares: f64,
}

impl Moments {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        let from = value - self.mean;
        self.mean += from / self.count as f64;
        self.squares += from * (value - self.mean);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        let (here, there) = (self.count as f64, other.count as f64);
        let (all, apart) = (here + there, other.mean - self.mean);
        self.count += other.count;
        self.mean += apart * there / all;
        self.squares += other.squares + apart * apart * here * there / all;
    }

    /// Unbiased; 0 below two values.
    pub(crate) fn variance(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        self.squares / (self.count - 1) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|value| moments.add(*value));
        moments
    }

    proptest! {
        #[test]
        fn merged_moments_are_those_of_all_values(
            values in prop::collection::vec(0.0..60_000.0_f64, 2..200), cut in 0_usize..200,
        ) {
            let (a, b) = values.split_at(cut.min(values.len()));
            let (mut merged, whole) = (moments(a), moments(&values));
            merged.merge(moments(b));
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            for moments in [merged, whole] {
                prop_assert_eq!(moments.count, values.len() as u64);
                prop_assert!((moments.mean - mean).abs() <= 1e-9 * mean.max(1.0));
                prop_assert!((moments.variance() - variance).abs() <= 1e-6 * variance.max(1.0));
            }
        }

        #[test]
        fn nothing_is_lost_by_merging(turns in prop::collection::vec((0_u8..4, prop::option::of(0_u64..10_000)), 0..100)) {
            let (mut odd, mut even) = (Arm::default(), Arm::default());
            for (at, (outcome, first_token)) in turns.iter().enumerate() {
                let end = match outcome {
                    0 => End::Success,
                    1 => End::Failure,
                    2 => End::Critical,
                    _ => End::Cancelled,
                };
                let arm = if at % 2 == 0 { &mut even } else { &mut odd };
                arm.add(end, first_token.map(Duration::from_millis));
            }
            even.merge(&odd);
            prop_assert_eq!(even.successes + even.failures + even.cancelled, turns.len() as u64);
            prop_assert_eq!(even.first_token.count, turns.iter().filter(|turn| turn.1.is_some()).count() as u64);
            prop_assert!(even.critical <= even.failures);
        }
    }

    #[test]
    fn the_95th_percentile_is_within_a_hundredth() {
        let mut arm = Arm::default();
        for milliseconds in 1..=1000 {
            arm.add(End::Success, Some(Duration::from_millis(milliseconds)));
        }
        let p95 = arm.first_token_p95().unwrap();
        assert!((p95 - 950.0).abs() < 15.0, "{p95}");
        assert_eq!(Arm::default().first_token_p95(), None);
    }
}
