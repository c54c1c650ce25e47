//! The judgement of a step's evidence. It must not know what becomes of it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::evidence::{Arm, Evidence};
use crate::plan::Criteria;

/// What the evidence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything the step must show is shown.
    Advance,
    /// Something is not shown yet.
    Hold,
    /// A fault of the candidate is shown.
    RollBack,
    /// There is too little to judge.
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

/// Why a verdict is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The error rate is shown to be too high.
    ErrorRate,
    /// The success rate is shown to be too low.
    SuccessRate,
    /// The mean time to the first token is shown to be too long.
    FirstToken,
    /// There were critical errors.
    CriticalErrors,
    /// Too many requests were turned away for want of room.
    Overload,
    /// The control arm has the same fault.
    BothArms,
    /// The control arm cannot tell yet whether it has the same fault.
    ControlTooSmall,
    /// The step has not lasted long enough.
    Baking,
    /// The error rate is not shown to be low enough.
    ErrorRateNotShown,
    /// The success rate is not shown to be high enough.
    SuccessRateNotShown,
    /// The mean time to the first token is not shown to be short enough.
    FirstTokenNotShown,
    /// Nothing happened in the candidate.
    NoData,
    /// The source of figures is away.
    NoSource,
    /// Too little happened in the candidate.
    TooFewSamples,
    /// The figures contradict themselves.
    BadEvidence,
    /// All criteria are met.
    CriteriaMet,
}

impl ReasonCode {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ErrorRate => "error_rate",
            Self::SuccessRate => "success_rate",
            Self::FirstToken => "first_token",
            Self::CriticalErrors => "critical_errors",
            Self::Overload => "overload",
            Self::BothArms => "both_arms",
            Self::ControlTooSmall => "control_too_small",
            Self::Baking => "baking",
            Self::ErrorRateNotShown => "error_rate_not_shown",
            Self::SuccessRateNotShown => "success_rate_not_shown",
            Self::FirstTokenNotShown => "first_token_not_shown",
            Self::NoData => "no_data",
            Self::NoSource => "no_source",
            Self::TooFewSamples => "too_few_samples",
            Self::BadEvidence => "bad_evidence",
            Self::CriteriaMet => "criteria_met",
        }
    }
}

/// One reason of a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// For machines.
    pub code: ReasonCode,
    /// For people, with the numbers in it.
    pub message: String,
    /// The figure, where there is one.
    pub figure: Option<f64>,
    /// What it is held against.
    pub threshold: Option<f64>,
}

/// What one arm shows, with the bounds the decision used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArmFigures {
    /// Turns that ended well.
    pub successes: u64,
    /// Turns that failed.
    pub failures: u64,
    /// Turns ended by users.
    pub cancelled: u64,
    /// Critical errors.
    pub critical: u64,
    /// Failures among successes and failures; absent without either.
    pub error_rate: Option<f64>,
    /// What a rollback goes by.
    pub error_rate_lower: Option<f64>,
    /// What an advance goes by.
    pub error_rate_upper: Option<f64>,
    /// The mean time to the first token.
    pub first_token_ms: Option<f64>,
    /// What a rollback goes by.
    pub first_token_lower_ms: Option<f64>,
    /// What an advance goes by.
    pub first_token_upper_ms: Option<f64>,
    /// The 95th percentile of the time to the first token.
    pub first_token_p95_ms: Option<f64>,
}

/// The judgement of one look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When it was made.
    #[serde(with = "humantime_serde")]
    pub at: SystemTime,
    /// Of which step.
    pub step: usize,
    /// What the evidence says.
    pub verdict: Verdict,
    /// Why; never empty.
    pub reasons: Vec<Reason>,
    /// Those who have what is rolled out.
    pub candidate: ArmFigures,
    /// Those who do not have it yet.
    pub control: ArmFigures,
    /// Share of requests turned away for want of room, 0 to 1.
    pub overload: f64,
    /// Data is lacking for longer than the criteria allow.
    pub stalled: bool,
}

/// Where a rollout stands at a look.
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
    /// Time to be spent in this step.
    #[serde(with = "humantime_serde")]
    pub bake: Duration,
    /// Time since this step began, pauses included.
    #[serde(with = "humantime_serde")]
    pub step_age: Duration,
}

/// Judges a step. Without evidence the source of figures is away.
pub fn decide(criteria: &Criteria, evidence: Option<&Evidence>, timing: &Timing) -> Decision {
    let figures = |arm: &Arm| ArmFigures {
        successes: arm.successes,
        failures: arm.failures,
        cancelled: arm.cancelled,
        critical: arm.critical,
        error_rate: arm.error_rate(),
        ..ArmFigures::default()
    };
    let (verdict, code) = match evidence {
        None => (Verdict::Inconclusive, ReasonCode::NoSource),
        Some(evidence) if evidence.candidate.samples() == 0 => {
            (Verdict::Inconclusive, ReasonCode::NoData)
        }
        Some(evidence) if evidence.candidate.samples() < criteria.min_samples => {
            (Verdict::Inconclusive, ReasonCode::TooFewSamples)
        }
        Some(_) if timing.baked < timing.bake => (Verdict::Hold, ReasonCode::Baking),
        Some(_) => (Verdict::Hold, ReasonCode::ErrorRateNotShown),
    };
    Decision {
        at: timing.now,
        step: timing.step,
        verdict,
        reasons: vec![Reason {
            code,
            message: code.name().replace('_', " "),
            figure: None,
            threshold: None,
        }],
        candidate: evidence.map(|e| figures(&e.candidate)).unwrap_or_default(),
        control: evidence.map(|e| figures(&e.control)).unwrap_or_default(),
        overload: evidence.map_or(0.0, |evidence| evidence.overload),
        stalled: false,
    }
}
