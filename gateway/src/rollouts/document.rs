//! A rollout and its decisions as JSON. It must not know how a decision comes about.

use serde::Serialize;
use troika_proto::flags::v1::{self as proto, RolloutState, Verdict};
use utoipa::ToSchema;

use super::plan::Plan;
use crate::{
    moment::rfc3339,
    number::{optional, plain},
};

/// A flag's percentage, advanced and rolled back by evidence.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rollout {
    /// Names it.
    pub(super) id: String,
    /// The key of the flag that it steers.
    flag: String,
    /// What is rolled out, such as a version.
    candidate: String,
    /// `running`, `paused`, `awaiting_approval`, `completed`, `rolled_back` or `aborted`.
    #[schema(example = "running")]
    state: &'static str,
    /// Index into the plan's steps.
    step: u32,
    /// How many are let in now.
    #[serde(serialize_with = "plain")]
    percentage: f64,
    /// Its way.
    plan: Plan,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When its step began.
    #[schema(format = DateTime)]
    step_started_at: Option<String>,
    /// When it ended; null before.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Who started it, and why.
    started_by: Starter,
    /// The newest decision about it; null before the first.
    last_decision: Option<Decision>,
    /// No data for longer than the criteria allow.
    stalled: bool,
    /// The last change of state, in words.
    note: String,
    /// Counts up with each change.
    revision: u64,
}

/// Who started a rollout, and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct Starter {
    /// The email address or id of the token, or the name on the command line.
    name: String,
    /// What was said.
    reason: String,
}

/// What was decided about a rollout, and on which figures.
#[derive(Serialize, ToSchema)]
pub(crate) struct Decision {
    /// When.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// The step that it was decided in.
    step: u32,
    /// `advance`, `hold`, `roll_back` or `inconclusive`.
    #[schema(example = "hold")]
    verdict: &'static str,
    /// What led to it.
    reasons: Vec<Reason>,
    /// Those who are let in.
    candidate: Arm,
    /// Those who are not.
    control: Arm,
    /// Share of requests that were turned away for want of room, 0 to 1.
    #[serde(serialize_with = "plain")]
    overload: f64,
}

/// What led to a decision.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reason {
    /// Stable, such as `error_rate` or `too_few_samples`.
    code: String,
    /// For a person to read.
    message: String,
    /// The figure; null where there is none.
    #[serde(serialize_with = "optional")]
    figure: Option<f64>,
    /// What it was held against; null where there is nothing.
    #[serde(serialize_with = "optional")]
    threshold: Option<f64>,
}

/// One arm's figures. What needs samples is null without them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Arm {
    /// Turns that ended well.
    successes: u64,
    /// Turns that did not.
    failures: u64,
    /// Turns that users left: neither success nor failure.
    cancelled: u64,
    /// Failures that must not happen at all.
    critical: u64,
    /// 0 to 1.
    #[serde(serialize_with = "optional")]
    error_rate: Option<f64>,
    /// The bound from below that was decided by.
    #[serde(serialize_with = "optional")]
    error_rate_lower: Option<f64>,
    /// The bound from above that was decided by.
    #[serde(serialize_with = "optional")]
    error_rate_upper: Option<f64>,
    /// Milliseconds to the first token, on average.
    #[serde(serialize_with = "optional")]
    first_token_ms: Option<f64>,
    /// The bound from below that was decided by.
    #[serde(serialize_with = "optional")]
    first_token_lower_ms: Option<f64>,
    /// The bound from above that was decided by.
    #[serde(serialize_with = "optional")]
    first_token_upper_ms: Option<f64>,
    /// Milliseconds within which 95 % had their first token.
    #[serde(rename = "firstTokenP95Ms", serialize_with = "optional")]
    #[schema(rename = "firstTokenP95Ms")]
    first_token_p95_ms: Option<f64>,
}

/// Whether nothing can happen to a rollout any more.
pub(super) fn is_final(state: RolloutState) -> bool {
    match state {
        RolloutState::Completed | RolloutState::RolledBack | RolloutState::Aborted => true,
        RolloutState::Unspecified
        | RolloutState::Running
        | RolloutState::Paused
        | RolloutState::AwaitingApproval => false,
    }
}

fn name(state: RolloutState) -> &'static str {
    match state {
        RolloutState::Running => "running",
        RolloutState::Paused => "paused",
        RolloutState::AwaitingApproval => "awaiting_approval",
        RolloutState::Completed => "completed",
        RolloutState::RolledBack => "rolled_back",
        RolloutState::Aborted => "aborted",
        RolloutState::Unspecified => "unknown",
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Advance => "advance",
        Verdict::Hold => "hold",
        Verdict::RollBack => "roll_back",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Unspecified => "unknown",
    }
}

impl From<proto::Rollout> for Rollout {
    fn from(rollout: proto::Rollout) -> Self {
        let state = rollout.state();
        let started_by = rollout.started_by.unwrap_or_default();
        Self {
            state: name(state),
            id: rollout.id,
            flag: rollout.flag,
            candidate: rollout.candidate,
            step: rollout.step,
            percentage: rollout.percentage,
            plan: rollout.plan.unwrap_or_default().into(),
            started_at: rollout.started_at.map(rfc3339),
            step_started_at: rollout.step_started_at.map(rfc3339),
            ended_at: rollout.ended_at.map(rfc3339),
            started_by: Starter {
                name: started_by.name,
                reason: started_by.reason,
            },
            last_decision: rollout.last_decision.map(Decision::from),
            stalled: rollout.stalled,
            note: rollout.note,
            revision: rollout.revision,
        }
    }
}

impl From<proto::Decision> for Decision {
    fn from(decision: proto::Decision) -> Self {
        Self {
            verdict: verdict(decision.verdict()),
            at: decision.at.map(rfc3339),
            step: decision.step,
            reasons: decision
                .reasons
                .into_iter()
                .map(|reason| Reason {
                    code: reason.code,
                    message: reason.message,
                    figure: reason.figure,
                    threshold: reason.threshold,
                })
                .collect(),
            candidate: decision.candidate.unwrap_or_default().into(),
            control: decision.control.unwrap_or_default().into(),
            overload: decision.overload,
        }
    }
}

impl From<proto::ArmFigures> for Arm {
    fn from(arm: proto::ArmFigures) -> Self {
        Self {
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
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rollout_has_all_of_its_fields_and_null_where_there_is_nothing() {
        let rollout = proto::Rollout {
            id: "r-1".to_owned(),
            flag: "streaming".to_owned(),
            candidate: "2.4.0".to_owned(),
            state: RolloutState::AwaitingApproval.into(),
            step: 2,
            percentage: 10.0,
            started_at: Some(prost_types::Timestamp {
                seconds: 0,
                nanos: 0,
            }),
            last_decision: Some(proto::Decision {
                verdict: Verdict::RollBack.into(),
                step: 2,
                reasons: vec![proto::Reason {
                    code: "error_rate".to_owned(),
                    message: "5 % fail".to_owned(),
                    figure: Some(0.05),
                    threshold: None,
                }],
                candidate: Some(proto::ArmFigures {
                    failures: 5,
                    error_rate: Some(0.05),
                    first_token_p95_ms: Some(900.0),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let nobody = json!({
            "successes": 0, "failures": 0, "cancelled": 0, "critical": 0,
            "errorRate": null, "errorRateLower": null, "errorRateUpper": null,
            "firstTokenMs": null, "firstTokenLowerMs": null, "firstTokenUpperMs": null, "firstTokenP95Ms": null,
        });
        let mut candidate = nobody.clone();
        candidate["failures"] = json!(5);
        candidate["errorRate"] = json!(0.05);
        candidate["firstTokenP95Ms"] = json!(900);
        assert_eq!(
            serde_json::to_value(Rollout::from(rollout)).unwrap(),
            json!({
                "id": "r-1", "flag": "streaming", "candidate": "2.4.0", "state": "awaiting_approval", "step": 2,
                "percentage": 10,
                "plan": {
                    "steps": [],
                    "criteria": {
                        "advanceErrorRate": null, "advanceSuccessRate": null, "advanceFirstTokenMs": null,
                        "rollbackErrorRate": null, "rollbackSuccessRate": null, "rollbackFirstTokenMs": null,
                        "rollbackOverload": null, "minSamples": null, "confidence": null, "falseRollback": null,
                        "windowSeconds": null, "stallAfterSeconds": null,
                    },
                    "manualApproval": false, "dryRun": false, "rollbackPercentage": 0,
                },
                "startedAt": "1970-01-01T00:00:00Z", "stepStartedAt": null, "endedAt": null,
                "startedBy": {"name": "", "reason": ""},
                "lastDecision": {
                    "at": null, "step": 2, "verdict": "roll_back",
                    "reasons": [{"code": "error_rate", "message": "5 % fail", "figure": 0.05, "threshold": null}],
                    "candidate": candidate, "control": nobody, "overload": 0,
                },
                "stalled": false, "note": "", "revision": 0,
            })
        );
    }

    #[test]
    fn three_states_are_final() {
        let states = (0..=6).filter_map(|state| RolloutState::try_from(state).ok());
        let last: Vec<&str> = states.filter(|state| is_final(*state)).map(name).collect();
        assert_eq!(last, ["completed", "rolled_back", "aborted"]);
    }
}
