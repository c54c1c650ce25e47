//! Rules: what is measured, and when it is too much. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Failed among successful and failed turns, in per cent.
    ErrorRate,
    /// Turned away for want of room among all requests, in per cent.
    RefusedRate,
    /// Mean time to the first token, in milliseconds.
    FirstTokenMean,
    /// 95th percentile of the time to the first token, in milliseconds.
    FirstTokenP95,
    /// 95th percentile of the time to the first sound, in milliseconds.
    FirstAudioP95,
    /// 95th percentile of a whole turn, in milliseconds.
    CompleteP95,
    /// 0 healthy, 1 degraded, 2 unhealthy.
    Health,
    /// Dependencies that some process misses.
    DependenciesDown,
    /// Breakers that are open, over all processes.
    BreakersOpen,
    /// Chat processes that are heard.
    ChatProcesses,
    /// Outcomes that never arrived.
    Dropped,
    /// How many times faster than allowed the error budget of the objective (99 % success) goes, in the rule's window and in
    /// the last five minutes: the smaller of both, so that it falls soon after the trouble is over.
    BurnRate,
}

/// How far back a figure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Window {
    /// One minute.
    #[serde(rename = "1m")]
    Minute,
    /// Five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// Sixty minutes.
    #[serde(rename = "60m")]
    Hour,
}

/// When a value is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Greater than the threshold.
    Above,
    /// Less than the threshold.
    Below,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Look at it today.
    Warning,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// In the figure's unit.
    pub value: f64,
    /// Turns that it is made of.
    pub turns: u64,
}

/// Who shows figures.
pub trait Readings {
    /// A figure over a window; `None` of what cannot be measured now: then nothing begins to fire, and nothing is over.
    fn read(&self, figure: Figure, window: Window) -> Option<Reading>;
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What is measured.
    pub figure: Figure,
    /// Over how long.
    pub window: Window,
    /// On which side of the threshold it is too much.
    pub comparison: Comparison,
    /// In the figure's unit.
    pub threshold: f64,
    /// How long it must hold before it fires.
    pub hold: Duration,
    /// How long it must be well before it is resolved.
    pub keep: Duration,
    /// With fewer turns in the window it says nothing.
    pub min_turns: u64,
    /// How bad it is.
    pub severity: Severity,
    /// In a sentence.
    pub summary: String,
}

impl Rule {
    fn new(figure: Figure, threshold: f64, severity: Severity, summary: &str) -> Self {
        Self {
            figure,
            window: Window::FiveMinutes,
            comparison: Comparison::Above,
            threshold,
            hold: Duration::from_secs(60),
            keep: Duration::from_secs(5 * 60),
            min_turns: 0,
            severity,
            summary: summary.to_owned(),
        }
    }

    fn over(self, window: Window) -> Self {
        Self { window, ..self }
    }

    fn after(self, seconds: u64) -> Self {
        Self {
            hold: Duration::from_secs(seconds),
            ..self
        }
    }

    fn of_turns(self, min_turns: u64) -> Self {
        Self { min_turns, ..self }
    }

    /// Whether a reading is too much; `None` when it says nothing.
    pub(crate) fn holds(&self, reading: Option<Reading>) -> Option<bool> {
        let reading = reading?;
        if reading.turns < self.min_turns || !reading.value.is_finite() {
            return None;
        }
        Some(match self.comparison {
            Comparison::Above => reading.value > self.threshold,
            Comparison::Below => reading.value < self.threshold,
        })
    }
}

/// The rules that come with the product, by name. Thresholds of errors and latency are those of health; burn rates and their
/// windows follow chapter 5 of Google's SRE workbook ("Alerting on SLOs"): 14.4 over an hour is 2 % of a month's budget.
pub fn built_in() -> BTreeMap<String, Rule> {
    use Figure as F;
    use Severity::{Critical, Warning};
    let below = |rule: Rule| Rule {
        comparison: Comparison::Below,
        ..rule
    };
    [
        (
            "unhealthy",
            Rule::new(F::Health, 1.0, Critical, "The system is unhealthy.").after(30),
        ),
        (
            "degraded",
            Rule::new(F::Health, 0.0, Warning, "The system is degraded.").after(5 * 60),
        ),
        (
            "errors",
            Rule::new(F::ErrorRate, 2.0, Warning, "More than 2 % of turns fail.").of_turns(20),
        ),
        (
            "many_errors",
            Rule::new(F::ErrorRate, 5.0, Critical, "More than 5 % of turns fail.").of_turns(20),
        ),
        (
            "slow_first_token",
            Rule::new(
                F::FirstTokenP95,
                1000.0,
                Warning,
                "One first token in twenty takes more than a second.",
            )
            .after(5 * 60)
            .of_turns(20),
        ),
        (
            "very_slow_first_token",
            Rule::new(
                F::FirstTokenMean,
                2000.0,
                Critical,
                "First tokens take more than two seconds on average.",
            )
            .of_turns(20),
        ),
        (
            "slow_first_sound",
            Rule::new(
                F::FirstAudioP95,
                1500.0,
                Warning,
                "One first sound in twenty takes more than 1.5 seconds.",
            )
            .after(5 * 60)
            .of_turns(20),
        ),
        (
            "error_budget",
            Rule::new(
                F::BurnRate,
                14.4,
                Critical,
                "At this rate a month's error budget lasts two days.",
            )
            .over(Window::Hour)
            .of_turns(100),
        ),
        (
            "error_budget_slowly",
            Rule::new(
                F::BurnRate,
                6.0,
                Warning,
                "At this rate a month's error budget lasts five days.",
            )
            .over(Window::Hour)
            .after(15 * 60)
            .of_turns(100),
        ),
        (
            "overload",
            Rule::new(
                F::RefusedRate,
                1.0,
                Critical,
                "More than 1 % of requests are turned away for want of room.",
            ),
        ),
        (
            "dependency_down",
            Rule::new(
                F::DependenciesDown,
                0.0,
                Warning,
                "Something that the system needs is away.",
            ),
        ),
        (
            "breaker_open",
            Rule::new(
                F::BreakersOpen,
                0.0,
                Warning,
                "A peer fails so often that it is left alone.",
            ),
        ),
        (
            "no_chat",
            below(Rule::new(
                F::ChatProcesses,
                1.0,
                Critical,
                "No chat process is heard.",
            ))
            .after(30),
        ),
        (
            "outcomes_lost",
            Rule::new(F::Dropped, 0.0, Warning, "Outcomes of turns get lost."),
        ),
    ]
    .into_iter()
    .map(|(name, rule)| (name.to_owned(), rule))
    .collect()
}
