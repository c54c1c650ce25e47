//! Rollouts, plans and decisions as messages, both ways.

use std::time::Duration;

use prost_types::Timestamp;
use troika_chassis::error::Violation;
use troika_proto::flags::v1 as wire;
use troika_rollouts::{
    decide::{ArmFigures, Decision, Verdict},
    plan::{Criteria, Plan, Step},
    rollout::State,
};

use crate::state::RolloutAt;

/// A rollout with the newest decision about it.
pub(super) fn rollout(at: &RolloutAt, newest: Option<&Decision>) -> wire::Rollout {
    let rollout = &at.rollout;
    let last = newest.or(rollout.last_decision.as_ref());
    wire::Rollout {
        id: rollout.id.clone(),
        flag: rollout.flag.clone(),
        candidate: rollout.candidate.clone(),
        plan: Some(plan_out(&rollout.plan)),
        state: state(rollout.state).into(),
        step: count(rollout.step),
        percentage: rollout.percentage(),
        started_at: Some(Timestamp::from(rollout.started_at)),
        step_started_at: Some(Timestamp::from(rollout.step_started_at)),
        ended_at: rollout.ended_at.map(Timestamp::from),
        started_by: Some(wire::Author {
            name: rollout.started_by.clone(),
            reason: rollout.reason.clone(),
        }),
        last_decision: last.map(decision),
        stalled: last.map_or(rollout.stalled, |last| last.stalled),
        note: rollout.note.clone(),
        revision: at.revision,
    }
}

/// A decision with all of its figures.
pub(super) fn decision(decision: &Decision) -> wire::Decision {
    wire::Decision {
        at: Some(Timestamp::from(decision.at)),
        step: count(decision.step),
        verdict: match decision.verdict {
            Verdict::Advance => wire::Verdict::Advance,
            Verdict::Hold => wire::Verdict::Hold,
            Verdict::RollBack => wire::Verdict::RollBack,
            Verdict::Inconclusive => wire::Verdict::Inconclusive,
        }
        .into(),
        reasons: decision
            .reasons
            .iter()
            .map(|reason| wire::Reason {
                code: reason.code.name().to_owned(),
                message: reason.message.clone(),
                figure: reason.figure,
                threshold: reason.threshold,
            })
            .collect(),
        candidate: Some(arm(&decision.candidate)),
        control: Some(arm(&decision.control)),
        overload: decision.overload,
    }
}

fn arm(arm: &ArmFigures) -> wire::ArmFigures {
    wire::ArmFigures {
        successes: arm.successes,
        failures: arm.failures,
        cancelled: arm.cancelled,
        critical: arm.critical,
        error_rate: arm.error_rate,
        error_rate_lower: arm.error_rate_lower,
        error_rate_upper: arm.error_rate_upper,
        first_token_ms: arm.first_token_ms,
        first_token_lower_ms: arm.first_token_lower_ms,
        first_token_upper_ms: arm.first_token_upper_ms,
        first_token_p95_ms: arm.first_token_p95_ms,
    }
}

fn state(state: State) -> wire::RolloutState {
    match state {
        State::Running => wire::RolloutState::Running,
        State::Paused => wire::RolloutState::Paused,
        State::AwaitingApproval => wire::RolloutState::AwaitingApproval,
        State::Completed => wire::RolloutState::Completed,
        State::RolledBack => wire::RolloutState::RolledBack,
        State::Aborted => wire::RolloutState::Aborted,
    }
}

fn plan_out(plan: &Plan) -> wire::Plan {
    let of = &plan.criteria;
    wire::Plan {
        steps: plan
            .steps
            .iter()
            .map(|step| wire::PlanStep {
                percentage: step.percentage,
                bake: duration_out(step.bake),
            })
            .collect(),
        criteria: Some(wire::Criteria {
            advance_error_rate: Some(of.advance_error_rate),
            advance_success_rate: Some(of.advance_success_rate),
            advance_first_token_ms: Some(of.advance_first_token_ms),
            rollback_error_rate: Some(of.rollback_error_rate),
            rollback_success_rate: Some(of.rollback_success_rate),
            rollback_first_token_ms: Some(of.rollback_first_token_ms),
            rollback_overload: Some(of.rollback_overload),
            min_samples: Some(of.min_samples),
            confidence: Some(of.confidence),
            false_rollback: Some(of.false_rollback),
            window: duration_out(of.window),
            stall_after: duration_out(of.stall_after),
        }),
        manual_approval: plan.manual_approval,
        dry_run: plan.dry_run,
        rollback_percentage: plan.rollback_percentage,
    }
}

/// The plan that was sent; what it leaves out is the default's.
///
/// # Errors
/// When a duration is none. The plan is not checked otherwise.
pub(super) fn plan(sent: Option<wire::Plan>) -> Result<Plan, Vec<Violation>> {
    let mut plan = Plan::default();
    let Some(sent) = sent else {
        return Ok(plan);
    };
    let mut faults = Vec::new();
    let mut duration = |field: String, sent: Option<prost_types::Duration>| {
        let given = Duration::try_from(sent?);
        if given.is_err() {
            faults.push(Violation {
                message: format!("{field} must be a duration that is not negative"),
                field,
                kind: "number.min".to_owned(),
            });
        }
        given.ok()
    };
    if !sent.steps.is_empty() {
        let steps = sent.steps.into_iter().enumerate();
        plan.steps = steps
            .map(|(at, step)| Step {
                percentage: step.percentage,
                bake: duration(format!("plan.steps[{at}].bake"), step.bake).unwrap_or_default(),
            })
            .collect();
    }
    if let Some(sent) = sent.criteria {
        let default = plan.criteria;
        let window = duration("plan.criteria.window".to_owned(), sent.window);
        let stall_after = duration("plan.criteria.stallAfter".to_owned(), sent.stall_after);
        plan.criteria = Criteria {
            advance_error_rate: sent
                .advance_error_rate
                .unwrap_or(default.advance_error_rate),
            advance_success_rate: sent
                .advance_success_rate
                .unwrap_or(default.advance_success_rate),
            advance_first_token_ms: sent
                .advance_first_token_ms
                .unwrap_or(default.advance_first_token_ms),
            rollback_error_rate: sent
                .rollback_error_rate
                .unwrap_or(default.rollback_error_rate),
            rollback_success_rate: sent
                .rollback_success_rate
                .unwrap_or(default.rollback_success_rate),
            rollback_first_token_ms: sent
                .rollback_first_token_ms
                .unwrap_or(default.rollback_first_token_ms),
            rollback_overload: sent.rollback_overload.unwrap_or(default.rollback_overload),
            min_samples: sent.min_samples.unwrap_or(default.min_samples),
            confidence: sent.confidence.unwrap_or(default.confidence),
            false_rollback: sent.false_rollback.unwrap_or(default.false_rollback),
            window: window.unwrap_or(default.window),
            stall_after: stall_after.unwrap_or(default.stall_after),
        };
    }
    plan.manual_approval = sent.manual_approval;
    plan.dry_run = sent.dry_run;
    plan.rollback_percentage = sent.rollback_percentage;
    if faults.is_empty() {
        Ok(plan)
    } else {
        Err(faults)
    }
}

fn duration_out(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok()
}

fn count(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
