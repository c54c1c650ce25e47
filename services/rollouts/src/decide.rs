//! The judgement of a step by its figures: go on, hold, roll back, or too little to say. It must not know what
//! becomes of it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::evidence::{Arm, Evidence, Moments};
use crate::looks::Beginning;
use crate::plan::Criteria;
use crate::stats::{self, Sample};

mod back;
mod forward;
mod reason;

pub use reason::{Reason, ReasonCode};

use reason::{milliseconds, percent, sure, turns};

/// What the figures say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All that a step must show is shown.
    Advance,
    /// Something is not shown yet.
    Hold,
    /// A fault of the candidate is shown.
    RollBack,
    /// There is too little to say anything.
    Inconclusive,
}

impl Verdict {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advance => "advance",
            Self::Hold => "hold",
            Self::RollBack => "roll_back",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// One arm as it was judged. Bounds are those that decided: the lower ones hold at any look, the upper ones
/// at this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ArmFigures {
    /// Turns that ended well.
    pub successes: u64,
    /// Turns that failed.
    pub failures: u64,
    /// Turns that visitors ended.
    pub cancelled: u64,
    /// Turns with a fault of ours.
    pub critical: u64,
    /// The share of failures; absent without samples, like its bounds.
    pub error_rate: Option<f64>,
    /// What a rollback goes by.
    pub error_rate_lower: Option<f64>,
    /// What an advance goes by.
    pub error_rate_upper: Option<f64>,
    /// The mean time to the first token; absent without one.
    pub first_token_ms: Option<f64>,
    /// What a rollback goes by; absent below 30 first tokens.
    pub first_token_lower_ms: Option<f64>,
    /// What an advance goes by; absent below 2 first tokens.
    pub first_token_upper_ms: Option<f64>,
    /// The 95th percentile, shown and not judged.
    pub first_token_p95_ms: Option<f64>,
}

/// What one look led to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The time of the look.
    #[serde(with = "humantime_serde")]
    pub at: SystemTime,
    /// Index into the plan's steps.
    pub step: usize,
    /// What the figures say.
    pub verdict: Verdict,
    /// Why; never empty, the weightiest first.
    pub reasons: Vec<Reason>,
    /// Who is let in.
    pub candidate: ArmFigures,
    /// Who is not.
    pub control: ArmFigures,
    /// Share of all requests that were turned away for want of room, 0 to 1.
    pub overload: f64,
    /// Data is missing for longer than the criteria allow.
    pub stalled: bool,
}

impl Decision {
    /// Whether it has a reason of this code.
    pub fn has(&self, code: ReasonCode) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }
}

/// Where a rollout is in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// The time of the look.
    #[serde(with = "humantime_serde")]
    pub now: SystemTime,
    /// Index into the plan's steps.
    pub step: usize,
    /// Time spent in this step, pauses excluded.
    #[serde(with = "humantime_serde")]
    pub baked: Duration,
    /// The shortest time before the next step.
    #[serde(with = "humantime_serde")]
    pub bake: Duration,
    /// Time since this step began, pauses included.
    #[serde(with = "humantime_serde")]
    pub step_age: Duration,
}

/// Judges one look by figures that begin where [`Rollout::figures_since`](crate::rollout::Rollout::figures_since)
/// says. Without evidence the source of figures is away.
pub fn decide(criteria: &Criteria, evidence: Option<&Evidence>, timing: &Timing) -> Decision {
    let beginning = Beginning::at(timing.step_age, criteria.window);
    Look::from(beginning, criteria, timing).decide(evidence)
}

/// Judges one look by the newest figures, like [`decide`], and by those since the step began. A fault that is
/// new shows in the former; a slight one, and a small number of visitors, only add up in the latter.
pub fn decide_over(
    criteria: &Criteria,
    newest: Option<&Evidence>,
    whole: Option<&Evidence>,
    timing: &Timing,
) -> Decision {
    let by_newest = decide(criteria, newest, timing);
    if by_newest.verdict == Verdict::RollBack {
        return by_newest;
    }
    let (Some(newest), Some(whole)) = (newest, whole) else {
        return by_newest;
    };
    let by_whole = Look::from(Beginning::FIRST, criteria, timing).decide(Some(whole));
    let whole_decides = match (by_newest.verdict, by_whole.verdict) {
        (_, Verdict::RollBack) => true,
        (Verdict::Inconclusive, _) => by_newest.has(ReasonCode::TooFewSamples),
        // What the step has shown stands as long as the newest figures do not look worse.
        (Verdict::Hold, Verdict::Advance) => {
            let unshown = |reason: &Reason| reason.code.is_not_shown();
            by_newest.reasons.iter().all(unshown) && looks_well(criteria, &newest.candidate)
        }
        // A good hour does not make up for a bad step, unless the control arm was as bad: with time enough,
        // one of many hours is good by chance.
        (Verdict::Advance, Verdict::Hold | Verdict::Inconclusive) => {
            !looks_well(criteria, &whole.candidate) && !by_whole.has(ReasonCode::BothArms)
        }
        _ => false,
    };
    if whole_decides { by_whole } else { by_newest }
}

/// Whether what was seen, taken for the truth, meets the criteria.
fn looks_well(criteria: &Criteria, arm: &Arm) -> bool {
    let error_rate = arm.error_rate().unwrap_or(1.0);
    error_rate < criteria.advance_error_rate
        && 1.0 - error_rate > criteria.advance_success_rate
        && (arm.first_token.count == 0 || arm.first_token.mean_ms < criteria.advance_first_token_ms)
}

/// A look, and the chance of an error it may make with each kind of bound.
struct Look<'l> {
    criteria: &'l Criteria,
    timing: &'l Timing,
    beginning: Beginning,
    /// Half for rates, half for times.
    alpha: f64,
}

/// Both arms with their bounds.
struct Arms<'e> {
    evidence: &'e Evidence,
    candidate: ArmFigures,
    control: ArmFigures,
}

impl<'l> Look<'l> {
    fn from(beginning: Beginning, criteria: &'l Criteria, timing: &'l Timing) -> Self {
        Self {
            criteria,
            timing,
            beginning,
            alpha: beginning.share(criteria.false_rollback) / 2.0,
        }
    }

    fn decide(&self, evidence: Option<&Evidence>) -> Decision {
        let Some(evidence) = evidence else {
            let reason = ReasonCode::NoSource.because("the source of figures is away");
            return self.decision(None, Verdict::Inconclusive, vec![reason]);
        };
        if let Some(fault) = evidence.fault() {
            let message = format!("the figures cannot be true: {fault}");
            let reasons = vec![ReasonCode::BadEvidence.because(message)];
            return Decision {
                candidate: ArmFigures::of_counts(&evidence.candidate),
                control: ArmFigures::of_counts(&evidence.control),
                ..self.decision(None, Verdict::Inconclusive, reasons)
            };
        }
        let arms = Arms {
            candidate: self.figures(&evidence.candidate),
            control: self.figures(&evidence.control),
            evidence,
        };
        let (verdict, reasons) = self.judge(&arms);
        self.decision(Some(&arms), verdict, reasons)
    }

    /// Rolling back first, whatever else is the case.
    fn judge(&self, arms: &Arms) -> (Verdict, Vec<Reason>) {
        let faults = self.faults(arms);
        if !faults.decisive.is_empty() {
            return (Verdict::RollBack, faults.decisive);
        }
        if !faults.excused.is_empty() {
            return (Verdict::Hold, faults.excused);
        }
        if let Some(reason) = self.silence(arms.evidence) {
            return (Verdict::Inconclusive, vec![reason]);
        }
        let mut missing: Vec<Reason> = self.baking().into_iter().collect();
        let samples = arms.evidence.candidate.samples();
        if samples < self.criteria.min_samples {
            missing.insert(0, self.too_few(samples));
            return (Verdict::Inconclusive, missing);
        }
        let shown = self.shown(arms);
        missing.extend(shown.missing);
        if missing.is_empty() {
            (Verdict::Advance, shown.met)
        } else {
            (Verdict::Hold, missing)
        }
    }

    /// Nothing happened, or nothing any more: an advance must not go by figures of a candidate that is dead.
    fn silence(&self, evidence: &Evidence) -> Option<Reason> {
        let Arm { cancelled, .. } = evidence.candidate;
        if evidence.candidate.samples() == 0 {
            let message = match cancelled {
                0 => "nobody has met the candidate".to_owned(),
                _ => format!("visitors ended all {} of the candidate", turns(cancelled)),
            };
            return Some(ReasonCode::NoData.held(message, 0.0, self.criteria.min_samples as f64));
        }
        let silent = self.silent_for(evidence)?;
        (silent > self.criteria.stall_after).then(|| {
            let message = format!(
                "nobody has met the candidate for {}",
                reason::duration(silent)
            );
            let limit = self.criteria.stall_after.as_secs_f64();
            ReasonCode::NoData.held(message, silent.as_secs_f64(), limit)
        })
    }

    /// How long nobody has met the candidate; unknown when there were turns and the source does not say when.
    fn silent_for(&self, evidence: &Evidence) -> Option<Duration> {
        match evidence.latest {
            // A clock ahead of this one.
            Some(latest) => Some(self.timing.now.duration_since(latest).unwrap_or_default())
                .map(|silent| silent.min(self.timing.step_age)),
            None => (evidence.candidate.turns() == 0).then_some(self.timing.step_age),
        }
    }

    fn baking(&self) -> Option<Reason> {
        let Timing { baked, bake, .. } = *self.timing;
        (baked < bake).then(|| {
            let message = format!(
                "baking for {} of {}",
                reason::duration(baked),
                reason::duration(bake)
            );
            ReasonCode::Baking.held(message, baked.as_secs_f64(), bake.as_secs_f64())
        })
    }

    fn too_few(&self, samples: u64) -> Reason {
        let least = self.criteria.min_samples;
        let message = format!("{} of at least {least} have ended", turns(samples));
        ReasonCode::TooFewSamples.held(message, samples as f64, least as f64)
    }

    /// What lacks data for too long: a step that should long be over, or one that nobody meets.
    fn is_stalled(&self, arms: Option<&Arms>, reasons: &[Reason]) -> bool {
        let slow =
            |spent: Duration| spent > self.timing.bake.saturating_add(self.criteria.stall_after);
        let silent = arms
            .and_then(|arms| self.silent_for(arms.evidence))
            .is_some_and(|silent| silent > self.criteria.stall_after);
        let few = reasons
            .iter()
            .any(|reason| reason.code == ReasonCode::TooFewSamples);
        silent
            || slow(if few {
                self.timing.baked
            } else {
                self.timing.step_age
            })
    }

    fn decision(&self, arms: Option<&Arms>, verdict: Verdict, reasons: Vec<Reason>) -> Decision {
        Decision {
            at: self.timing.now,
            step: self.timing.step,
            verdict,
            stalled: verdict == Verdict::Inconclusive && self.is_stalled(arms, &reasons),
            reasons,
            candidate: arms.map(|arms| arms.candidate).unwrap_or_default(),
            control: arms.map(|arms| arms.control).unwrap_or_default(),
            overload: arms.map_or(0.0, |arms| arms.evidence.overload),
        }
    }

    fn figures(&self, arm: &Arm) -> ArmFigures {
        let (k, n) = (arm.failures, arm.samples());
        let sample = Sample::from(arm.first_token);
        let seen = |figure: f64| (n > 0).then_some(figure);
        ArmFigures {
            error_rate: arm.error_rate(),
            error_rate_lower: seen(stats::rate_lower(k, n, self.alpha)),
            error_rate_upper: seen(stats::rate_upper(k, n, self.criteria.confidence)),
            first_token_ms: (sample.count > 0).then_some(sample.mean),
            first_token_lower_ms: stats::mean_margin(sample, self.alpha)
                .map(|margin| (sample.mean - margin).max(0.0)),
            first_token_upper_ms: stats::mean_upper(sample, self.criteria.confidence),
            first_token_p95_ms: arm.first_token_p95_ms.filter(|_| sample.count > 0),
            ..ArmFigures::of_counts(arm)
        }
    }
}

impl ArmFigures {
    fn of_counts(arm: &Arm) -> Self {
        Self {
            successes: arm.successes,
            failures: arm.failures,
            cancelled: arm.cancelled,
            critical: arm.critical,
            ..Self::default()
        }
    }
}

impl From<Moments> for Sample {
    fn from(moments: Moments) -> Self {
        Self {
            count: moments.count,
            mean: moments.mean_ms,
            variance: moments.variance,
        }
    }
}

#[cfg(test)]
mod tests;
