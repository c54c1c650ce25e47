//! What brings a candidate back, and what excuses it: a fault that both arms have is not the candidate's. It
//! must not know what an advance takes.

use super::{Arm, Arms, Look, Reason, ReasonCode, milliseconds, percent, turns};
use crate::stats::{self, FEWEST_FOR_MEAN, Sample};

/// As rarely as this may arms with like critical errors have them so unevenly before the candidate is blamed.
const LIKE_CRITICAL: f64 = 0.05;

/// The chance that a fault both arms have is ever taken for the candidate's, of each beginning's share.
const WRONG_BLAME: f64 = 0.05;

/// Failures of the candidate at which a control arm that cannot tell is no longer waited for.
const WAIT_FAILURES: u64 = 200;

/// First tokens of the candidate at which a control arm that cannot tell is no longer waited for.
const WAIT_FIRST_TOKENS: u64 = 5000;

/// What is wrong with the candidate.
#[derive(Default)]
pub(super) struct Faults {
    /// What it alone has.
    pub(super) decisive: Vec<Reason>,
    /// What both arms have or may have.
    pub(super) excused: Vec<Reason>,
}

/// How the control arm stands in what is wrong with the candidate.
enum Control {
    /// It is better, or there is none.
    Better,
    /// It has the same fault.
    Alike,
    /// It has too little to tell.
    Silent,
}

impl Faults {
    fn add(&mut self, control: Control, fault: Reason, of_control: &str) {
        let (code, rest) = match control {
            Control::Better => return self.decisive.push(fault),
            Control::Alike => (ReasonCode::BothArms, "both arms have this fault"),
            Control::Silent => (
                ReasonCode::ControlTooSmall,
                "too little to tell whether it has the same fault",
            ),
        };
        self.excused.push(Reason {
            code,
            message: format!("{}; control arm: {of_control}, {rest}", fault.message),
            ..fault
        });
    }
}

impl Look<'_> {
    pub(super) fn faults(&self, arms: &Arms) -> Faults {
        let mut faults = Faults::default();
        self.critical(arms, &mut faults);
        self.rates(arms, &mut faults);
        self.first_token(arms, &mut faults);
        let (overload, limit) = (arms.evidence.overload, self.criteria.rollback_overload);
        if overload > limit {
            let message = format!(
                "{} of requests are turned away for want of room, more than {}",
                percent(overload),
                percent(limit)
            );
            // Not excused by the control arm: room is shared, and taking back makes some.
            let reason = ReasonCode::Overload.held(message, overload, limit);
            faults.decisive.push(reason);
        }
        faults
    }

    fn critical(&self, arms: &Arms, faults: &mut Faults) {
        let (candidate, control) = (&arms.evidence.candidate, &arms.evidence.control);
        if candidate.critical == 0 {
            return;
        }
        let by_chance = stats::chance_of_more(
            candidate.critical,
            candidate.turns(),
            control.critical,
            control.turns(),
        );
        let standing = if control.critical > 0 && by_chance > LIKE_CRITICAL {
            Control::Alike
        } else {
            Control::Better
        };
        let told = |critical: u64, all: u64| match critical {
            1 => format!("1 critical error in {}", turns(all)),
            _ => format!("{critical} critical errors in {}", turns(all)),
        };
        let fault = ReasonCode::CriticalErrors.held(
            told(candidate.critical, candidate.turns()),
            candidate.critical as f64,
            0.0,
        );
        faults.add(standing, fault, &told(control.critical, control.turns()));
    }

    fn rates(&self, arms: &Arms, faults: &mut Faults) {
        let (Some(rate), Some(lower)) =
            (arms.candidate.error_rate, arms.candidate.error_rate_lower)
        else {
            return;
        };
        // One bound for both limits: its chance of an error is spent once.
        let (errors, successes) = (
            self.criteria.rollback_error_rate,
            self.criteria.rollback_success_rate,
        );
        let of = |arm: &Arm| format!("{} of {} failed", arm.failures, turns(arm.samples()));
        let of_candidate = of(&arms.evidence.candidate);
        let mut found = Vec::new();
        if lower > errors {
            let message = format!(
                "{of_candidate} ({}): the error rate is at least {}, above {}",
                percent(rate),
                percent(lower),
                percent(errors)
            );
            found.push(ReasonCode::ErrorRate.held(message, lower, errors));
        }
        if 1.0 - lower < successes {
            let message = format!(
                "{of_candidate}: the success rate is at most {}, below {}",
                percent(1.0 - lower),
                percent(successes)
            );
            found.push(ReasonCode::SuccessRate.held(message, 1.0 - lower, successes));
        }
        if found.is_empty() {
            return;
        }
        let of_control = of(&arms.evidence.control);
        match self.control_fails(&arms.evidence.candidate, &arms.evidence.control) {
            Control::Better => faults.decisive.extend(found),
            // One excuse says it for both limits.
            standing => {
                if let Some(fault) = found.into_iter().next() {
                    faults.add(standing, fault, &of_control);
                }
            }
        }
    }

    /// How the control arm stands when the candidate fails too much.
    fn control_fails(&self, candidate: &Arm, control: &Arm) -> Control {
        let (k, n) = (candidate.failures, candidate.samples());
        let (control_k, control_n) = (control.failures, control.samples());
        if control_n == 0 {
            return Control::Better;
        }
        let blamed = -self.beginning.share(WRONG_BLAME).ln();
        if stats::ln_evidence_of_more(k, n, control_k, control_n) >= blamed {
            return Control::Better;
        }
        // It must look more like the candidate than like an arm one would let go on.
        let (rate, well) = (k as f64 / n as f64, self.criteria.advance_error_rate);
        let alike = stats::ln_likelihood_ratio(control_k, control_n, rate, well) > 0.0;
        if control_k > 0 && alike {
            return Control::Alike;
        }
        // A few turns neither excuse nor accuse; but what is this bad is not waited for without end, unless the
        // control arm itself fails more than an arm one would let go on.
        let fails_too = control_k as f64 / control_n as f64 > well;
        if k < WAIT_FAILURES || fails_too {
            return Control::Silent;
        }
        Control::Better
    }

    fn first_token(&self, arms: &Arms, faults: &mut Faults) {
        let (Some(mean), Some(lower)) = (
            arms.candidate.first_token_ms,
            arms.candidate.first_token_lower_ms,
        ) else {
            return;
        };
        let limit = self.criteria.rollback_first_token_ms;
        if lower <= limit || limit.is_nan() {
            return;
        }
        let (candidate, control) = (
            Sample::from(arms.evidence.candidate.first_token),
            Sample::from(arms.evidence.control.first_token),
        );
        let waits = candidate.count < WAIT_FIRST_TOKENS;
        // Nearer to the candidate than to what one would let go on.
        let alike = f64::midpoint(mean, limit.min(self.criteria.advance_first_token_ms));
        let standing = match stats::mean_margin(control, self.alpha) {
            _ if control.count == 0 => Control::Better,
            Some(margin) if lower > control.mean + margin => Control::Better,
            Some(_) if control.mean > alike => Control::Alike,
            _ if waits => Control::Silent,
            _ => Control::Better,
        };
        let message = format!(
            "the first token takes {} on average of {}: at least {}, more than {}",
            milliseconds(mean),
            turns(candidate.count),
            milliseconds(lower),
            milliseconds(limit)
        );
        let of_control = if control.count < FEWEST_FOR_MEAN {
            format!("{} with a first token", turns(control.count))
        } else {
            format!(
                "{} on average of {}",
                milliseconds(control.mean),
                turns(control.count)
            )
        };
        let fault = ReasonCode::FirstToken.held(message, lower, limit);
        faults.add(standing, fault, &of_control);
    }
}
