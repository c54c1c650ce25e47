//! What a group of turns adds up to. Sums merge in any order, over seconds and over processes. Pure.

use std::time::Duration;

use sketches_ddsketch::{Config, DDSketch};

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure { critical: bool },
    Cancelled,
}

/// The sum of some turns.
#[derive(Clone)]
pub(crate) struct Arm {
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    pub(crate) cancelled: u64,
    pub(crate) critical: u64,
    pub(crate) first_token: Moments,
    /// Of the first tokens, in milliseconds; within 1 % of the true value.
    quantiles: DDSketch,
}

impl Default for Arm {
    fn default() -> Self {
        Self {
            successes: 0,
            failures: 0,
            cancelled: 0,
            critical: 0,
            first_token: Moments::default(),
            quantiles: DDSketch::new(Config::defaults()),
        }
    }
}

impl Arm {
    pub(crate) fn add(&mut self, outcome: Outcome, first_token: Option<Duration>) {
        match outcome {
            Outcome::Success => self.successes += 1,
            Outcome::Failure { critical } => {
                self.failures += 1;
                self.critical += u64::from(critical);
            }
            Outcome::Cancelled => self.cancelled += 1,
        }
        if let Some(first_token) = first_token {
            let milliseconds = first_token.as_secs_f64() * 1e3;
            self.first_token.add(milliseconds);
            self.quantiles.add(milliseconds);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.successes += other.successes;
        self.failures += other.failures;
        self.cancelled += other.cancelled;
        self.critical += other.critical;
        self.first_token.merge(other.first_token);
        // Sketches of one configuration always merge.
        let _ = self.quantiles.merge(&other.quantiles);
    }

    /// The first token's 95th percentile, in milliseconds.
    pub(crate) fn first_token_p95(&self) -> Option<f64> {
        self.quantiles.quantile(0.95).ok().flatten()
    }
}

/// Count, mean, and the sum of squared distances from it: added one by one by Welford's method, merged by
/// that of Chan, Golub and LeVeque (1979), which loses no digits where sums of squares would.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
                let outcome = match outcome {
                    0 => Outcome::Success,
                    1 => Outcome::Failure { critical: false },
                    2 => Outcome::Failure { critical: true },
                    _ => Outcome::Cancelled,
                };
                let arm = if at % 2 == 0 { &mut even } else { &mut odd };
                arm.add(outcome, first_token.map(Duration::from_millis));
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
            arm.add(Outcome::Success, Some(Duration::from_millis(milliseconds)));
        }
        let p95 = arm.first_token_p95().unwrap();
        assert!((p95 - 950.0).abs() < 15.0, "{p95}");
        assert_eq!(Arm::default().first_token_p95(), None);
    }
}
