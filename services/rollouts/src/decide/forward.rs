//! What an advance takes: that each criterion is shown, not only not refuted. It must not know what brings a
//! candidate back.

use super::{Arms, Look, Reason, ReasonCode, milliseconds, percent, sure, turns};
use crate::stats::FEWEST_FOR_MEAN;

/// The criteria of an advance.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) met: Vec<Reason>,
    pub(super) missing: Vec<Reason>,
}

impl Shown {
    fn add(&mut self, met: bool, missing: ReasonCode, message: String, figure: f64, limit: f64) {
        if met {
            let reason = ReasonCode::CriteriaMet.held(message, figure, limit);
            self.met.push(reason);
        } else {
            self.missing.push(missing.held(message, figure, limit));
        }
    }
}

impl Look<'_> {
    pub(super) fn shown(&self, arms: &Arms) -> Shown {
        let mut shown = Shown::default();
        self.shown_rates(arms, &mut shown);
        self.shown_first_token(arms, &mut shown);
        shown
    }

    fn shown_rates(&self, arms: &Arms, shown: &mut Shown) {
        // Without samples nothing is known: everything may fail.
        let upper = arms.candidate.error_rate_upper.unwrap_or(1.0);
        let candidate = &arms.evidence.candidate;
        let seen = format!(
            "{} of {} failed",
            candidate.failures,
            turns(candidate.samples())
        );
        let sure = sure(self.criteria.confidence);
        let limit = self.criteria.advance_error_rate;
        let met = upper < limit;
        shown.add(
            met,
            ReasonCode::ErrorRateNotShown,
            format!(
                "{seen}: the error rate may be up to {} ({sure}), {} {}",
                percent(upper),
                if met { "below" } else { "and must be below" },
                percent(limit)
            ),
            upper,
            limit,
        );
        let (lower, limit) = (1.0 - upper, self.criteria.advance_success_rate);
        let met = lower > limit;
        shown.add(
            met,
            ReasonCode::SuccessRateNotShown,
            format!(
                "{seen}: the success rate may be down to {} ({sure}), {} {}",
                percent(lower),
                if met { "above" } else { "and must be above" },
                percent(limit)
            ),
            lower,
            limit,
        );
    }

    fn shown_first_token(&self, arms: &Arms, shown: &mut Shown) {
        let count = arms.evidence.candidate.first_token.count;
        let limit = self.criteria.advance_first_token_ms;
        let fewest = FEWEST_FOR_MEAN.min(self.criteria.min_samples);
        let (mean, upper) = match (
            arms.candidate.first_token_ms,
            arms.candidate.first_token_upper_ms,
        ) {
            (Some(mean), Some(upper)) if count >= fewest => (mean, upper),
            _ => {
                let message = format!(
                    "{} with a first token: it takes at least {} to know that it is below {}",
                    turns(count),
                    fewest.max(2),
                    milliseconds(limit)
                );
                let figure = count as f64;
                shown.missing.push(ReasonCode::FirstTokenNotShown.held(
                    message,
                    figure,
                    fewest.max(2) as f64,
                ));
                return;
            }
        };
        let met = upper < limit;
        let message = format!(
            "the first token takes {} on average of {}: it may be up to {} ({}), {} {}",
            milliseconds(mean),
            turns(count),
            milliseconds(upper),
            sure(self.criteria.confidence),
            if met { "below" } else { "and must be below" },
            milliseconds(limit)
        );
        shown.add(met, ReasonCode::FirstTokenNotShown, message, upper, limit);
    }
}
