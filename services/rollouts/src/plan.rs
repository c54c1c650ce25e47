//! What a rollout intends: its steps, and the figures that let it go on or bring it back. It must not know what
//! was measured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Steps a plan may have.
const MOST_STEPS: usize = 50;
/// Longest time that a step may wait.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Longest time to a first token that may be set, in milliseconds: a day.
const LONGEST_FIRST_TOKEN: f64 = 24.0 * 60.0 * 60.0 * 1000.0;
/// Most samples that may be demanded.
const MOST_SAMPLES: u64 = 1_000_000_000;

/// The way of a rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Plan {
    /// Ascending.
    pub steps: Vec<Step>,
    /// What lets it go on, and what brings it back.
    pub criteria: Criteria,
    /// Each advance waits for a person.
    pub manual_approval: bool,
    /// It decides and tells, and leaves the flag as it is.
    pub dry_run: bool,
    /// The flag's percentage after a rollback or an abort.
    pub rollback_percentage: f64,
}

/// One step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// How many are let in, above 0, at most 100.
    pub percentage: f64,
    /// The shortest time before the next step.
    #[serde(with = "humantime_serde")]
    pub bake: Duration,
}

/// Figures that decide. Rates are 0 to 1, times milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Criteria {
    /// Go on when errors are shown to be below this.
    pub advance_error_rate: f64,
    /// Go on when successes are shown to be above this.
    pub advance_success_rate: f64,
    /// Go on when the mean first token is shown to be below this.
    pub advance_first_token_ms: f64,
    /// Back when errors are shown to be above this.
    pub rollback_error_rate: f64,
    /// Back when successes are shown to be below this.
    pub rollback_success_rate: f64,
    /// Back when the mean first token is shown to be above this.
    pub rollback_first_token_ms: f64,
    /// Back when more than this share of requests is turned away.
    pub rollback_overload: f64,
    /// Fewest samples of the candidate before an advance.
    pub min_samples: u64,
    /// How sure an advance must be.
    pub confidence: f64,
    /// The chance of a wrong rollback that is accepted in each step.
    pub false_rollback: f64,
    /// How far back figures are read.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// How long data may be missing before that is an alert.
    #[serde(with = "humantime_serde")]
    pub stall_after: Duration,
}

/// The production checklist's way: 1 % for two to four hours, 5 % for four to eight, 10 % for the rest of the
/// day, then twice a day, and a day of watching at the end.
impl Default for Plan {
    fn default() -> Self {
        let step = |percentage, hours| Step {
            percentage,
            bake: HOUR * hours,
        };
        Self {
            steps: vec![
                step(1.0, 2),
                step(5.0, 4),
                step(10.0, 6),
                step(25.0, 4),
                step(50.0, 4),
                step(75.0, 4),
                step(90.0, 4),
                step(100.0, 24),
            ],
            criteria: Criteria::default(),
            manual_approval: false,
            dry_run: false,
            rollback_percentage: 0.0,
        }
    }
}

/// The production checklist's figures.
impl Default for Criteria {
    fn default() -> Self {
        Self {
            advance_error_rate: 0.01,
            advance_success_rate: 0.95,
            advance_first_token_ms: 1000.0,
            rollback_error_rate: 0.02,
            rollback_success_rate: 0.90,
            rollback_first_token_ms: 2000.0,
            rollback_overload: 0.01,
            min_samples: 300,
            confidence: 0.95,
            false_rollback: 0.01,
            window: HOUR,
            stall_after: HOUR / 2,
        }
    }
}

/// Something that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// Where, such as `steps[2].percentage`.
    pub field: String,
    /// What to change.
    pub message: String,
}

impl Plan {
    /// All that is wrong with it.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Faults(Vec::new());
        faults.unless(
            (1..=MOST_STEPS).contains(&self.steps.len()),
            "steps",
            format!("must be 1 to {MOST_STEPS} steps"),
        );
        let mut before = 0.0;
        for (at, step) in self.steps.iter().take(MOST_STEPS).enumerate() {
            let is_percentage = step.percentage > 0.0 && step.percentage <= 100.0;
            faults.unless(
                is_percentage,
                format!("steps[{at}].percentage"),
                "must be above 0 and at most 100",
            );
            faults.unless(
                !is_percentage || step.percentage > before,
                format!("steps[{at}].percentage"),
                "must be above that of the step before",
            );
            faults.unless(
                step.bake <= LONGEST,
                format!("steps[{at}].bake"),
                "must be at most 30 days",
            );
            before = step.percentage;
        }
        faults.unless(
            (0.0..=100.0).contains(&self.rollback_percentage),
            "rollbackPercentage",
            "must be from 0 to 100",
        );
        self.criteria.check(&mut faults);
        faults.0
    }
}

impl Criteria {
    fn check(&self, faults: &mut Faults) {
        for (field, rate) in [
            ("advanceErrorRate", self.advance_error_rate),
            ("rollbackErrorRate", self.rollback_error_rate),
            ("advanceSuccessRate", self.advance_success_rate),
            ("rollbackSuccessRate", self.rollback_success_rate),
            ("rollbackOverload", self.rollback_overload),
            ("confidence", self.confidence),
            ("falseRollback", self.false_rollback),
        ] {
            let open = rate > 0.0 && rate < 1.0;
            faults.unless(
                open,
                format!("criteria.{field}"),
                "must be above 0 and below 1",
            );
        }
        for (field, time) in [
            ("advanceFirstTokenMs", self.advance_first_token_ms),
            ("rollbackFirstTokenMs", self.rollback_first_token_ms),
        ] {
            faults.unless(
                time > 0.0 && time <= LONGEST_FIRST_TOKEN,
                format!("criteria.{field}"),
                format!("must be above 0 and at most {LONGEST_FIRST_TOKEN} milliseconds"),
            );
        }
        for (fits, field, message) in [
            (
                in_order(self.advance_error_rate, self.rollback_error_rate),
                "advanceErrorRate",
                "must be at most rollbackErrorRate",
            ),
            (
                in_order(self.rollback_success_rate, self.advance_success_rate),
                "advanceSuccessRate",
                "must be at least rollbackSuccessRate",
            ),
            (
                in_order(self.advance_first_token_ms, self.rollback_first_token_ms),
                "advanceFirstTokenMs",
                "must be at most rollbackFirstTokenMs",
            ),
            (
                (1..=MOST_SAMPLES).contains(&self.min_samples),
                "minSamples",
                "must be from 1 to 1000000000",
            ),
            (
                !self.window.is_zero() && self.window <= LONGEST,
                "window",
                "must be longer than 0s and at most 30 days",
            ),
            (
                !self.stall_after.is_zero() && self.stall_after <= LONGEST,
                "stallAfter",
                "must be longer than 0s and at most 30 days",
            ),
        ] {
            faults.unless(fits, format!("criteria.{field}"), message);
        }
    }
}

/// What is no number is told of itself, not of its order.
fn in_order(less: f64, more: f64) -> bool {
    less <= more || less.is_nan() || more.is_nan()
}

struct Faults(Vec<Fault>);

impl Faults {
    fn unless(&mut self, fits: bool, field: impl Into<String>, message: impl AsRef<str>) {
        if !fits {
            let field = field.into();
            let message = format!("plan.{field} {}", message.as_ref());
            self.0.push(Fault { field, message });
        }
    }
}

#[cfg(test)]
mod tests;
