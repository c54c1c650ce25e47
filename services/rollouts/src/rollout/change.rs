//! How a rollout changes: by a person's word, or by a decision. It must not know how evidence is judged.

use std::time::{Duration, SystemTime};

use super::{Refused, Rollout, State, Transition};
use crate::decide::{Decision, Verdict};

impl Rollout {
    /// Holds the percentage; rolling back is still judged.
    ///
    /// # Errors
    /// When it neither runs nor waits for approval.
    pub fn pause(&self, now: SystemTime) -> Result<Transition, Refused> {
        self.allowed("pause", &[State::Running, State::AwaitingApproval])?;
        let mut next = self.clone();
        next.state = State::Paused;
        next.paused_at = Some(now);
        Ok(next.told(None, format!("paused at {} %", self.percentage())))
    }

    /// Goes on where it was paused.
    ///
    /// # Errors
    /// When it is not paused.
    pub fn resume(&self, now: SystemTime) -> Result<Transition, Refused> {
        self.allowed("resume", &[State::Paused])?;
        let mut next = self.clone();
        next.state = State::Running;
        next.paused_for = self.paused_until(now);
        next.paused_at = None;
        Ok(next.told(None, format!("resumed at {} %", self.percentage())))
    }

    /// Ends it and sets the plan's rollback percentage.
    ///
    /// # Errors
    /// When it has ended.
    pub fn abort(&self, now: SystemTime) -> Result<Transition, Refused> {
        self.allowed(
            "abort",
            &[State::Running, State::Paused, State::AwaitingApproval],
        )?;
        let note = format!("aborted at {} %", self.percentage());
        Ok(self.end(State::Aborted, now, note))
    }

    /// Lets a step that waits for a person go on.
    ///
    /// # Errors
    /// When it does not wait for approval.
    pub fn approve(&self, now: SystemTime) -> Result<Transition, Refused> {
        self.allowed("approve", &[State::AwaitingApproval])?;
        Ok(self.advance(now))
    }

    /// Goes to a step by a person's word; its bake begins anew. A paused rollout stays paused.
    ///
    /// # Errors
    /// When it has ended, or there is no such step.
    pub fn set_step(&self, step: usize, now: SystemTime) -> Result<Transition, Refused> {
        self.allowed(
            "set the step of",
            &[State::Running, State::Paused, State::AwaitingApproval],
        )?;
        let Some(target) = self.plan.steps.get(step) else {
            return Err(Refused {
                code: "rollout_not_allowed",
                message: format!(
                    "there is no step {step}: give one of 0 to {}",
                    self.plan.steps.len().saturating_sub(1)
                ),
            });
        };
        let state = match self.state {
            State::Paused => State::Paused,
            _ => State::Running,
        };
        let note = format!(
            "set from {} % to {} %",
            self.percentage(),
            target.percentage
        );
        Ok(self.enter(step, state, now, note))
    }

    /// What follows from a decision. None: nothing but the decision itself changes.
    pub fn judge(&self, decision: &Decision, now: SystemTime) -> Option<Transition> {
        if self.state.is_final() || decision.step != self.step {
            return None;
        }
        let judged = self.judged(decision);
        let why = || match decision.reasons.first() {
            Some(reason) => reason.message.clone(),
            None => decision.verdict.name().to_owned(),
        };
        match decision.verdict {
            Verdict::RollBack => {
                let note = format!("rolled back at {} %: {}", self.percentage(), why());
                Some(judged.end(State::RolledBack, now, note))
            }
            // Not by a look from before a person began this step anew.
            Verdict::Advance
                if self.state == State::Running && decision.at >= self.step_started_at =>
            {
                if self.plan.manual_approval {
                    let mut next = judged;
                    next.state = State::AwaitingApproval;
                    Some(next.told(None, format!("{} % waits for approval", self.percentage())))
                } else {
                    Some(judged.advance(now))
                }
            }
            _ if judged.stalled != self.stalled => {
                let note = match judged.stalled {
                    true => format!("stalled at {} %: {}", self.percentage(), why()),
                    false => format!("no longer stalled at {} %", self.percentage()),
                };
                Some(Transition {
                    rollout: judged,
                    set_percentage: None,
                    note,
                })
            }
            _ => None,
        }
    }

    fn allowed(&self, verb: &str, states: &[State]) -> Result<(), Refused> {
        if states.contains(&self.state) {
            return Ok(());
        }
        let names: Vec<_> = states
            .iter()
            .map(|state| state.name().replace('_', " "))
            .collect();
        Err(Refused {
            code: "rollout_not_allowed",
            message: format!(
                "cannot {verb} a rollout that is {}: it must be {}",
                self.state.name().replace('_', " "),
                names.join(" or ")
            ),
        })
    }

    fn advance(&self, now: SystemTime) -> Transition {
        match self.plan.steps.get(self.step + 1) {
            Some(next) => {
                let note = format!(
                    "advanced from {} % to {} %",
                    self.percentage(),
                    next.percentage
                );
                self.enter(self.step + 1, State::Running, now, note)
            }
            None => {
                let note = format!("completed at {} %", self.percentage());
                let mut next = self.clone();
                next.state = State::Completed;
                next.ended_at = Some(now);
                next.told(None, note)
            }
        }
    }

    pub(super) fn enter(
        &self,
        step: usize,
        state: State,
        now: SystemTime,
        note: String,
    ) -> Transition {
        let mut next = self.clone();
        next.step = step;
        next.state = state;
        next.step_started_at = now;
        next.paused_at = (state == State::Paused).then_some(now);
        next.paused_for = Duration::ZERO;
        next.stalled = false;
        let percentage = next.plan.steps.get(step).map(|step| step.percentage);
        next.told(percentage, note)
    }

    fn end(&self, state: State, now: SystemTime, note: String) -> Transition {
        let mut next = self.clone();
        next.state = state;
        next.ended_at = Some(now);
        next.paused_for = self.paused_until(now);
        next.paused_at = None;
        let percentage = next.plan.rollback_percentage;
        next.told(Some(percentage), note)
    }

    fn told(mut self, percentage: Option<f64>, note: String) -> Transition {
        self.note.clone_from(&note);
        Transition {
            // A dry run decides and tells, and leaves the flag as it is.
            set_percentage: percentage.filter(|_| !self.plan.dry_run),
            rollout: self,
            note,
        }
    }
}
