//! From when on figures are read. It must not know what they are.
//!
//! The bounds at any look hold for figures that begin at one time and grow. A window that slides along would
//! begin anew at each look, so it moves by halves of its length, and the accepted chance of an error is
//! shared out among its beginnings: α / ((j+1)(j+2)) for beginning j, which adds up to α over all.

use std::time::Duration;

/// A beginning of figures within a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Beginning {
    /// Time from the beginning of the step.
    pub(crate) after: Duration,
    /// How many beginnings there were before.
    pub(crate) index: u32,
}

impl Beginning {
    /// That of the step.
    pub(crate) const FIRST: Self = Self {
        after: Duration::ZERO,
        index: 0,
    };

    /// The newest one that leaves at least half a window of figures, or all since the step began.
    pub(crate) fn at(step_age: Duration, window: Duration) -> Self {
        let half = (window / 2).max(Duration::from_secs(1));
        let halves = step_age.as_nanos() / half.as_nanos();
        let index = u32::try_from(halves).unwrap_or(u32::MAX).saturating_sub(1);
        Self {
            after: half.saturating_mul(index).min(step_age),
            index,
        }
    }

    /// Its share of the chance of an error.
    pub(crate) fn share(self, alpha: f64) -> f64 {
        let j = f64::from(self.index);
        alpha / ((j + 1.0) * (j + 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn figures_reach_back_between_half_a_window_and_a_window() {
        for (minutes, expected) in [
            (0, 0),
            (30, 0),
            (59, 0),
            (60, 30),
            (89, 30),
            (90, 60),
            (1440, 1410),
        ] {
            let age = Duration::from_secs(60 * minutes);
            let beginning = Beginning::at(age, HOUR);
            assert_eq!(
                beginning.after,
                Duration::from_secs(60 * expected),
                "{minutes}"
            );
        }
    }

    #[test]
    fn the_shares_of_all_beginnings_add_up_to_the_whole() {
        let all: f64 = (0..10_000)
            .map(|half| Beginning::at(half * HOUR / 2, HOUR))
            .filter(|beginning| beginning.index > 0)
            .map(|beginning| beginning.share(0.01))
            .sum();
        let first = Beginning::at(HOUR / 2, HOUR).share(0.01);
        assert!(all + first <= 0.01 && all + first > 0.0099, "{all} {first}");
    }

    #[test]
    fn no_time_breaks_it() {
        for age in [Duration::ZERO, Duration::MAX] {
            for window in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
                let beginning = Beginning::at(age, window);
                assert!(beginning.after <= age);
                assert!(beginning.share(0.01) > 0.0);
            }
        }
    }
}
