//! Why a decision is what it is, for machines and for people. It must not know how it came about.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A reason for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The candidate has critical errors.
    CriticalErrors,
    /// The error rate is shown to be too high.
    ErrorRate,
    /// The success rate is shown to be too low.
    SuccessRate,
    /// The mean time to the first token is shown to be too long.
    FirstToken,
    /// Too many requests are turned away for want of room.
    Overload,
    /// The control arm has the same fault: it is not the candidate's.
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
    /// Nobody meets the candidate.
    NoData,
    /// The source of figures is away.
    NoSource,
    /// Too few have met the candidate.
    TooFewSamples,
    /// The figures cannot be true.
    BadEvidence,
    /// A criterion of an advance is met.
    CriteriaMet,
}

impl ReasonCode {
    /// All there are.
    pub const ALL: [Self; 16] = [
        Self::CriticalErrors,
        Self::ErrorRate,
        Self::SuccessRate,
        Self::FirstToken,
        Self::Overload,
        Self::BothArms,
        Self::ControlTooSmall,
        Self::Baking,
        Self::ErrorRateNotShown,
        Self::SuccessRateNotShown,
        Self::FirstTokenNotShown,
        Self::NoData,
        Self::NoSource,
        Self::TooFewSamples,
        Self::BadEvidence,
        Self::CriteriaMet,
    ];

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::CriticalErrors => "critical_errors",
            Self::ErrorRate => "error_rate",
            Self::SuccessRate => "success_rate",
            Self::FirstToken => "first_token",
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

    /// Whether it says that a criterion of an advance is not shown to be met.
    pub(super) fn is_not_shown(self) -> bool {
        matches!(
            self,
            Self::ErrorRateNotShown | Self::SuccessRateNotShown | Self::FirstTokenNotShown
        )
    }

    /// A reason without figures.
    pub(super) fn because(self, message: impl Into<String>) -> Reason {
        Reason {
            code: self,
            message: message.into(),
            figure: None,
            threshold: None,
        }
    }

    /// A reason by a figure held against a threshold.
    pub(super) fn held(self, message: impl Into<String>, figure: f64, threshold: f64) -> Reason {
        Reason {
            figure: Some(figure).filter(|figure| figure.is_finite()),
            threshold: Some(threshold).filter(|threshold| threshold.is_finite()),
            ..self.because(message)
        }
    }
}

/// Why a decision is what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// For machines.
    pub code: ReasonCode,
    /// For people, with the numbers in it.
    pub message: String,
    /// What decided: a bound, a count, or a time in seconds.
    #[serde(default)]
    pub figure: Option<f64>,
    /// What it was held against.
    #[serde(default)]
    pub threshold: Option<f64>,
}

/// A rate in words: with as many digits as it takes to see it.
pub(super) fn percent(rate: f64) -> String {
    let percent = 100.0 * rate;
    if percent == 0.0 || percent.abs() >= 0.01 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.2e} %")
    }
}

/// A confidence in words.
pub(super) fn sure(confidence: f64) -> String {
    format!("{} % sure", (confidence * 1e4).round() / 100.0)
}

/// A time to the first token in words.
pub(super) fn milliseconds(time: f64) -> String {
    format!("{time:.0} ms")
}

/// A number of turns in words.
pub(super) fn turns(count: u64) -> String {
    match count {
        1 => "1 turn".to_owned(),
        count => format!("{count} turns"),
    }
}

/// A time in words, to the second.
pub(super) fn duration(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}
