//! A rollout's plan as JSON, both ways. It must not know what a good plan is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use troika_proto::flags::v1 as proto;
use utoipa::ToSchema;

use crate::{
    body::wrong,
    number::{optional, plain},
    problem::Problem,
    request::optional_object,
};

/// The way of a rollout. What is absent or null in a request is the default's.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Plan {
    /// Ascending; the default's when absent or empty.
    steps: Option<Vec<PlanStep>>,
    /// What lets it go on, and what brings it back.
    #[serde(deserialize_with = "optional_object")]
    criteria: Option<Criteria>,
    /// Each advance waits for a person.
    manual_approval: Option<bool>,
    /// It decides and tells, and leaves the flag as it is.
    dry_run: Option<bool>,
    /// What the flag is set to when the rollout is rolled back or aborted; 0 when absent.
    #[serde(serialize_with = "optional")]
    #[schema(minimum = 0, maximum = 100)]
    rollback_percentage: Option<f64>,
}

/// One step of a plan.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlanStep {
    /// How many are let in, above 0, at most 100.
    #[serde(serialize_with = "plain")]
    percentage: f64,
    /// The shortest time before the next step.
    #[serde(serialize_with = "plain")]
    #[schema(minimum = 0)]
    bake_seconds: f64,
}

/// Figures that decide. Rates are 0 to 1, latencies milliseconds.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Criteria {
    /// Go on when errors are shown to be below this; 0.01.
    #[serde(serialize_with = "optional")]
    advance_error_rate: Option<f64>,
    /// Go on when successes are shown to be above this; 0.95.
    #[serde(serialize_with = "optional")]
    advance_success_rate: Option<f64>,
    /// Go on when the mean first token is shown to be below this; 1000.
    #[serde(serialize_with = "optional")]
    advance_first_token_ms: Option<f64>,
    /// Back when errors are shown to be above this; 0.02.
    #[serde(serialize_with = "optional")]
    rollback_error_rate: Option<f64>,
    /// Back when successes are shown to be below this; 0.9.
    #[serde(serialize_with = "optional")]
    rollback_success_rate: Option<f64>,
    /// Back when the mean first token is shown to be above this; 2000.
    #[serde(serialize_with = "optional")]
    rollback_first_token_ms: Option<f64>,
    /// Back when more than this share of requests is turned away; 0.01.
    #[serde(serialize_with = "optional")]
    rollback_overload: Option<f64>,
    /// Fewest samples of the candidate before an advance; 300.
    min_samples: Option<u64>,
    /// How sure an advance must be; 0.95.
    #[serde(serialize_with = "optional")]
    confidence: Option<f64>,
    /// The chance of a wrong rollback that is accepted for each step; 0.01.
    #[serde(serialize_with = "optional")]
    false_rollback: Option<f64>,
    /// How far back figures are read; 3600.
    #[serde(serialize_with = "optional")]
    window_seconds: Option<f64>,
    /// How long a step may lack data before that is an alert; 1800.
    #[serde(serialize_with = "optional")]
    stall_after_seconds: Option<f64>,
}

impl Plan {
    /// The contract's plan.
    ///
    /// # Errors
    /// When a duration is none.
    pub(super) fn into_wire(self) -> Result<proto::Plan, Problem> {
        let steps = self.steps.unwrap_or_default();
        let steps = steps.into_iter().enumerate().map(|(at, step)| {
            Ok(proto::PlanStep {
                percentage: step.percentage,
                bake: duration(
                    &format!("plan.steps[{at}].bakeSeconds"),
                    Some(step.bake_seconds),
                )?,
            })
        });
        Ok(proto::Plan {
            steps: steps.collect::<Result<_, Problem>>()?,
            criteria: self.criteria.map(Criteria::into_wire).transpose()?,
            manual_approval: self.manual_approval.unwrap_or_default(),
            dry_run: self.dry_run.unwrap_or_default(),
            rollback_percentage: self.rollback_percentage.unwrap_or_default(),
        })
    }
}

impl Criteria {
    fn into_wire(self) -> Result<proto::Criteria, Problem> {
        Ok(proto::Criteria {
            advance_error_rate: self.advance_error_rate,
            advance_success_rate: self.advance_success_rate,
            advance_first_token_ms: self.advance_first_token_ms,
            rollback_error_rate: self.rollback_error_rate,
            rollback_success_rate: self.rollback_success_rate,
            rollback_first_token_ms: self.rollback_first_token_ms,
            rollback_overload: self.rollback_overload,
            min_samples: self.min_samples,
            confidence: self.confidence,
            false_rollback: self.false_rollback,
            window: duration("plan.criteria.windowSeconds", self.window_seconds)?,
            stall_after: duration("plan.criteria.stallAfterSeconds", self.stall_after_seconds)?,
        })
    }
}

fn duration(field: &str, seconds: Option<f64>) -> Result<Option<prost_types::Duration>, Problem> {
    let Some(seconds) = seconds else {
        return Ok(None);
    };
    Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|duration| prost_types::Duration::try_from(duration).ok())
        .map(Some)
        .ok_or_else(|| {
            let message = format!("{field} must be a number of seconds that is not negative");
            wrong(field, "number.min", message)
        })
}

impl From<proto::Plan> for Plan {
    fn from(plan: proto::Plan) -> Self {
        let steps = plan.steps.into_iter().map(|step| PlanStep {
            percentage: step.percentage,
            bake_seconds: seconds(step.bake).unwrap_or_default(),
        });
        Self {
            steps: Some(steps.collect()),
            criteria: Some(plan.criteria.unwrap_or_default().into()),
            manual_approval: Some(plan.manual_approval),
            dry_run: Some(plan.dry_run),
            rollback_percentage: Some(plan.rollback_percentage),
        }
    }
}

impl From<proto::Criteria> for Criteria {
    fn from(criteria: proto::Criteria) -> Self {
        Self {
            advance_error_rate: criteria.advance_error_rate,
            advance_success_rate: criteria.advance_success_rate,
            advance_first_token_ms: criteria.advance_first_token_ms,
            rollback_error_rate: criteria.rollback_error_rate,
            rollback_success_rate: criteria.rollback_success_rate,
            rollback_first_token_ms: criteria.rollback_first_token_ms,
            rollback_overload: criteria.rollback_overload,
            min_samples: criteria.min_samples,
            confidence: criteria.confidence,
            false_rollback: criteria.false_rollback,
            window_seconds: seconds(criteria.window),
            stall_after_seconds: seconds(criteria.stall_after),
        }
    }
}

fn seconds(duration: Option<prost_types::Duration>) -> Option<f64> {
    let duration = Duration::try_from(duration?).ok()?;
    Some(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::body::of_value;

    fn sent(plan: Value) -> Result<proto::Plan, Value> {
        of_value::<Plan>(plan)
            .and_then(Plan::into_wire)
            .map_err(|problem| problem.as_json())
    }

    #[test]
    fn a_plan_comes_back_as_it_was_sent() {
        let plan = json!({
            "steps": [{"percentage": 1, "bakeSeconds": 7200}, {"percentage": 12.5, "bakeSeconds": 0.5}],
            "criteria": {
                "advanceErrorRate": 0.01, "advanceSuccessRate": 0.95, "advanceFirstTokenMs": 1000,
                "rollbackErrorRate": 0.02, "rollbackSuccessRate": 0.9, "rollbackFirstTokenMs": 2000,
                "rollbackOverload": 0.01, "minSamples": 300, "confidence": 0.95, "falseRollback": 0.01,
                "windowSeconds": 3600, "stallAfterSeconds": 1800,
            },
            "manualApproval": true, "dryRun": true, "rollbackPercentage": 5,
        });
        let told = Plan::from(sent(plan.clone()).unwrap());
        assert_eq!(
            serde_json::to_string(&told).unwrap(),
            serde_json::to_string(&plan_order(&plan)).unwrap()
        );
    }

    /// The same, read back: only the order of the fields is the type's.
    fn plan_order(plan: &Value) -> Plan {
        serde_json::from_value(plan.clone()).unwrap()
    }

    #[test]
    fn what_is_absent_or_null_is_left_to_the_role() {
        for plan in [
            json!({}),
            json!({"steps": null, "criteria": null, "dryRun": null}),
        ] {
            assert_eq!(sent(plan).unwrap(), proto::Plan::default());
        }
        let partly = sent(json!({"criteria": {"minSamples": 50, "windowSeconds": null}})).unwrap();
        assert_eq!(partly.criteria.unwrap().min_samples, Some(50));
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_field() {
        let step = |seconds: Value| json!({"steps": [{"percentage": 1, "bakeSeconds": seconds}]});
        let table = [
            (step(json!(-1)), "plan.steps[0].bakeSeconds"),
            (step(json!(1e300)), "plan.steps[0].bakeSeconds"),
            (step(json!("2h")), "steps[0].bakeSeconds"),
            (
                json!({"steps": [{"percentage": 1}]}),
                "steps[0].bakeSeconds",
            ),
            (
                json!({"steps": [{"percentage": "1", "bakeSeconds": 1}]}),
                "steps[0].percentage",
            ),
            (json!({"criteria": []}), "criteria"),
            (
                json!({"criteria": {"minSamples": -1}}),
                "criteria.minSamples",
            ),
            (
                json!({"criteria": {"minSamples": 1.5}}),
                "criteria.minSamples",
            ),
            (
                json!({"criteria": {"errorRate": 0.5}}),
                "criteria.errorRate",
            ),
            (
                json!({"criteria": {"windowSeconds": -5}}),
                "plan.criteria.windowSeconds",
            ),
            (json!({"step": []}), "step"),
        ];
        for (plan, field) in table {
            let problem = sent(plan.clone()).unwrap_err();
            assert_eq!(problem["status"], 400, "{plan}");
            assert_eq!(problem["details"][0]["field"], field, "{problem}");
        }
    }
}
