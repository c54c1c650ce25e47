//! The life of a rollout: which state and step follow from a person's word or a decision. It must not know
//! how evidence is judged or how a flag is set.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::decide::{Decision, Timing};
use crate::looks::Beginning;
use crate::plan::Plan;

mod change;

/// What a rollout is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Advances by itself.
    Running,
    /// Keeps its percentage by a person's word.
    Paused,
    /// Has shown what its step must show and waits for a person.
    AwaitingApproval,
    /// Went through all of its steps.
    Completed,
    /// Was taken back for a fault.
    RolledBack,
    /// Was taken back by a person.
    Aborted,
}

impl State {
    /// Whether nothing follows any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::RolledBack | Self::Aborted)
    }

    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Completed => "completed",
            Self::RolledBack => "rolled_back",
            Self::Aborted => "aborted",
        }
    }
}

/// A rollout of one candidate by one flag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Unique.
    pub id: String,
    /// The key of the flag.
    pub flag: String,
    /// What is rolled out, such as a version.
    pub candidate: String,
    /// Its steps and what they are judged by.
    pub plan: Plan,
    /// What it is doing.
    pub state: State,
    /// Index into the plan's steps.
    pub step: usize,
    /// When it began.
    #[serde(with = "humantime_serde")]
    pub started_at: SystemTime,
    /// When its step began.
    #[serde(with = "humantime_serde")]
    pub step_started_at: SystemTime,
    /// When it reached its final state.
    #[serde(default, with = "humantime_serde")]
    pub ended_at: Option<SystemTime>,
    /// Who began it.
    #[serde(default)]
    pub started_by: String,
    /// Why it was begun, in that person's words.
    #[serde(default)]
    pub reason: String,
    /// The last change of state, in words.
    #[serde(default)]
    pub note: String,
    /// The last judgement.
    #[serde(default)]
    pub last_decision: Option<Decision>,
    /// Data is lacking for longer than the criteria allow.
    #[serde(default)]
    pub stalled: bool,
    /// Since when it is paused, while it is.
    #[serde(default, with = "humantime_serde")]
    pub paused_at: Option<SystemTime>,
    /// How long this step was paused before that.
    #[serde(default, with = "humantime_serde")]
    pub paused_for: Duration,
}

/// What a rollout becomes, and what is to be done about its flag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// The rollout as it is from now on.
    pub rollout: Rollout,
    /// What to set the flag's percentage to, if it is to be set.
    pub set_percentage: Option<f64>,
    /// What happened, in words.
    pub note: String,
}

/// What a rollout's state does not allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct Refused {
    /// Stable: `rollout_running`, `candidate_rejected` or `rollout_not_allowed`.
    pub code: &'static str,
    /// What to do instead.
    pub message: String,
}

impl Rollout {
    /// Begins with the first step at once. The plan must be without faults.
    pub fn start(
        id: String,
        flag: String,
        candidate: String,
        plan: Plan,
        started_by: String,
        reason: String,
        now: SystemTime,
    ) -> Transition {
        let rollout = Self {
            id,
            flag,
            candidate,
            plan,
            state: State::Running,
            step: 0,
            started_at: now,
            step_started_at: now,
            ended_at: None,
            started_by,
            reason,
            note: String::new(),
            last_decision: None,
            stalled: false,
            paused_at: None,
            paused_for: Duration::ZERO,
        };
        let note = format!("began with {} %", rollout.percentage());
        rollout.enter(0, State::Running, now, note)
    }

    /// Whether a candidate may be tried, given all earlier rollouts in any order.
    ///
    /// # Errors
    /// When another rollout of the flag runs, or the candidate was rolled back before.
    pub fn may_start<'r>(
        previous: impl Iterator<Item = &'r Rollout>,
        flag: &str,
        candidate: &str,
        override_rejection: bool,
    ) -> Result<(), Refused> {
        // The last word on the candidate: a rollback stands until a rollout of it was completed.
        let mut last: Option<&Rollout> = None;
        for rollout in previous.filter(|rollout| rollout.flag == flag) {
            if !rollout.state.is_final() {
                return Err(Refused {
                    code: "rollout_running",
                    message: format!(
                        "rollout {} of this flag is {}: wait for its end or abort it",
                        rollout.id,
                        rollout.state.name().replace('_', " ")
                    ),
                });
            }
            let decisive = matches!(rollout.state, State::RolledBack | State::Completed);
            if decisive
                && !rollout.plan.dry_run
                && rollout.candidate == candidate
                && last.is_none_or(|last| last.started_at <= rollout.started_at)
            {
                last = Some(rollout);
            }
        }
        match last {
            Some(rollout) if rollout.state == State::RolledBack && !override_rejection => {
                Err(Refused {
                    code: "candidate_rejected",
                    message: format!(
                        "this candidate was rolled back by rollout {}: try another one, or override the \
                         rejection",
                        rollout.id
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    /// Where it stands.
    pub fn timing(&self, now: SystemTime) -> Timing {
        let step_age = since(self.step_started_at, now);
        Timing {
            now,
            step: self.step,
            baked: step_age.saturating_sub(self.paused_until(now)),
            bake: self
                .plan
                .steps
                .get(self.step)
                .map_or(Duration::ZERO, |step| step.bake),
            step_age,
        }
    }

    /// From when on the newest figures are to be read: between half the criteria's window and all of it, never
    /// before the step began.
    pub fn figures_since(&self, now: SystemTime) -> SystemTime {
        let age = since(self.step_started_at, now);
        self.step_started_at + Beginning::at(age, self.plan.criteria.window).after
    }

    /// The same rollout with its newest decision.
    pub fn judged(&self, decision: &Decision) -> Self {
        Self {
            last_decision: Some(decision.clone()),
            stalled: decision.stalled,
            ..self.clone()
        }
    }

    /// The percentage of its step, or of its end.
    pub fn percentage(&self) -> f64 {
        match self.state {
            State::RolledBack | State::Aborted => self.plan.rollback_percentage,
            _ => self
                .plan
                .steps
                .get(self.step)
                .map_or(self.plan.rollback_percentage, |step| step.percentage),
        }
    }

    fn paused_until(&self, now: SystemTime) -> Duration {
        let current = self.paused_at.map_or(Duration::ZERO, |at| since(at, now));
        self.paused_for.saturating_add(current)
    }
}

/// A clock that was set back counts as one that stood still.
fn since(from: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(from).unwrap_or_default()
}

#[cfg(test)]
mod tests;
