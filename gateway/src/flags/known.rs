//! The two routes of the backend that came before, with its fields: the flags as this process knows them, for
//! everybody, and a flag's percentage, for admins. It must not know how a flag is decided.

use std::time::SystemTime;

use axum::{Extension, extract::State};
use prost_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use troika_chassis::context::RequestContext;
use troika_evaluation::{
    built_in::{self, AB_TEST, METRICS, TTS},
    check,
    flag::Flag,
    snapshot::Snapshot,
};
use troika_proto::flags::v1 as proto;
use utoipa::ToSchema;

use super::{Flags, refused};
use crate::{
    admin::Admin,
    body::{Json, wrong},
    moment::rfc3339,
    number::Plain,
    problem::{Detail, Problem, ProblemDocument},
};

/// The flags, as the replaced backend told them.
#[derive(Serialize, ToSchema)]
pub(crate) struct FeatureFlags {
    /// Always true.
    success: bool,
    /// When this was told.
    #[schema(format = DateTime)]
    timestamp: String,
    /// `streaming`, `tts`, `abTest` and `metrics`, and every further flag by its key.
    flags: Map<String, Value>,
}

/// A flag's state. `tts` has no lists here, `abTest` has `enabled` and `variant`, `metrics` has `enabled` alone.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeatureFlag {
    /// False gives everyone the off variant.
    enabled: bool,
    /// How many are let in, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout_percentage: Option<Plain>,
    /// How many identifiers are always let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    whitelist_count: Option<usize>,
    /// How many never are.
    #[serde(skip_serializing_if = "Option::is_none")]
    blacklist_count: Option<usize>,
    /// What somebody gets of whom nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

impl FeatureFlag {
    fn new(flag: &Flag, snapshot: &Snapshot) -> Self {
        let key = flag.key.as_str();
        let percentage = !matches!(key, AB_TEST | METRICS);
        let lists = !matches!(key, TTS | AB_TEST | METRICS);
        let testing = flag.ab_test.as_ref().is_some_and(|test| test.enabled);
        Self {
            enabled: flag.enabled && (key != AB_TEST || testing),
            rollout_percentage: percentage.then_some(Plain(flag.percentage)),
            whitelist_count: lists.then_some(flag.whitelist.len()),
            blacklist_count: lists.then_some(flag.blacklist.len()),
            variant: (key == AB_TEST).then(|| {
                snapshot
                    .evaluate(key, &Map::new())
                    .map_or(&flag.off_variant, |evaluation| &evaluation.variant.name)
                    .clone()
            }),
        }
    }
}

/// Tells the state of all flags, as this process knows it.
#[utoipa::path(
    get, path = "/api/metrics/feature-flags", tag = "flags",
    responses((status = 200, description = "The flags", body = FeatureFlags))
)]
pub(crate) async fn feature_flags(State(flags): State<Flags>) -> axum::Json<FeatureFlags> {
    let snapshot = flags.known.now();
    axum::Json(FeatureFlags {
        success: true,
        timestamp: rfc3339(Timestamp::from(SystemTime::now())),
        flags: by_name(&snapshot),
    })
}

fn by_name(snapshot: &Snapshot) -> Map<String, Value> {
    let built_in = built_in::flags();
    // Clients rely on these, whatever there is.
    let missing = built_in
        .iter()
        .filter(|flag| snapshot.flag(&flag.key).is_none());
    snapshot
        .flags()
        .chain(missing)
        .map(|flag| {
            let state = FeatureFlag::new(flag, snapshot);
            // A plain struct: it can be written.
            let state = serde_json::to_value(state).unwrap_or_default();
            (flag.key.clone(), state)
        })
        .collect()
}

/// Sets how many are let in. Values of any type are read, so that all that is wrong is told at once.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct ToPercentage {
    /// The flag's key.
    #[schema(value_type = String, required, example = "streaming")]
    feature: Value,
    /// From 0 to 100.
    #[schema(value_type = f64, required, minimum = 0, maximum = 100)]
    percentage: Value,
}

/// A percentage that was set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PercentageSet {
    /// Always true.
    success: bool,
    /// For a person to read.
    message: String,
    /// How many are let in now.
    new_percentage: Plain,
}

/// Sets how many are let in by a flag.
#[utoipa::path(
    post, path = "/api/metrics/feature-flags/rollout", tag = "flags", security(("admin" = [])), request_body = ToPercentage,
    responses(
        (status = 200, description = "It is set", body = PercentageSet),
        (status = 404, description = "There is no such flag", content_type = "application/problem+json", body = ProblemDocument),
        (status = 409, description = "A rollout steers it: `rollout_running`", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn set_rollout(
    State(flags): State<Flags>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Json(rollout): Json<ToPercentage>,
) -> Result<axum::Json<PercentageSet>, Problem> {
    let (key, percentage) = rollout.read()?;
    let set = flags
        .peer
        .ask(
            &context,
            proto::SetPercentageRequest {
                key: key.clone(),
                percentage,
                author: Some(admin.author("rollout route".to_owned())),
            },
            |mut client, request| async move { client.set_percentage(request).await },
        )
        .await
        .map_err(refused)?;
    let new_percentage = set.flag.map_or(percentage, |flag| flag.percentage);
    Ok(axum::Json(PercentageSet {
        success: true,
        message: format!("{key} is rolled out to {new_percentage} %."),
        new_percentage: Plain(new_percentage),
    }))
}

impl ToPercentage {
    fn read(self) -> Result<(String, f64), Problem> {
        let feature = match &self.feature {
            Value::String(key) if !key.is_empty() => Ok(key),
            Value::Null | Value::String(_) => {
                Err(("any.required", "feature is required: the key of a flag"))
            }
            _ => Err(("string.base", "feature must be a string: the key of a flag")),
        };
        let percentage = match &self.percentage {
            Value::Number(number) => number
                .as_f64()
                .filter(|number| check::percentage("percentage", *number).is_ok())
                .ok_or(("number.range", "percentage must be a number from 0 to 100")),
            Value::Null => Err((
                "any.required",
                "percentage is required: a number from 0 to 100",
            )),
            Value::String(_) => Err((
                "number.base",
                "percentage must be a number from 0 to 100, and not a string",
            )),
            _ => Err(("number.base", "percentage must be a number from 0 to 100")),
        };
        match (feature, percentage) {
            (Ok(key), Ok(percentage)) if check::is_key(key) => Ok((key.clone(), percentage)),
            // It cannot be there.
            (Ok(_), Ok(_)) => Err(Problem::new(
                http::StatusCode::NOT_FOUND,
                "flag_not_found",
                "There is no flag of this name.",
            )),
            (Ok(_), Err((kind, message))) => Err(wrong("percentage", kind, message)),
            (Err((kind, message)), Ok(_)) => Err(wrong("feature", kind, message)),
            (Err((kind, message)), Err((second_kind, second))) => {
                Err(wrong("feature", kind, message).with_detail(Detail {
                    field: "percentage".to_owned(),
                    message: second.to_owned(),
                    kind: second_kind.to_owned(),
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_flags_of_the_product_have_the_fields_that_clients_read() {
        let mut streaming = Flag::boolean(built_in::STREAMING, "", 12.5);
        streaming.whitelist = vec!["a".to_owned(), "b".to_owned()];
        streaming.blacklist = vec!["c".to_owned()];
        let further = Flag::boolean("newThing", "", 5.0);
        let snapshot = Snapshot::new(1, [streaming, further]);
        assert_eq!(
            Value::Object(by_name(&snapshot)),
            json!({
                "streaming": {"enabled": true, "rolloutPercentage": 12.5, "whitelistCount": 2, "blacklistCount": 1},
                "tts": {"enabled": true, "rolloutPercentage": 100},
                "abTest": {"enabled": false, "variant": "control"},
                "metrics": {"enabled": true},
                "newThing": {"enabled": true, "rolloutPercentage": 5, "whitelistCount": 0, "blacklistCount": 0},
            })
        );
    }

    #[test]
    fn a_test_that_runs_is_enabled() {
        let mut flags = built_in::flags();
        flags[2].enabled = true;
        let told = by_name(&Snapshot::new(1, flags));
        assert_eq!(
            told["abTest"],
            json!({"enabled": true, "variant": "control"})
        );
    }

    #[test]
    fn what_is_wrong_with_a_rollout_is_told_all_at_once() {
        let table = [
            (json!({}), vec!["feature", "percentage"]),
            (
                json!({"feature": null, "percentage": null}),
                vec!["feature", "percentage"],
            ),
            (
                json!({"feature": ["streaming"], "percentage": [25]}),
                vec!["feature", "percentage"],
            ),
            (json!({"feature": "streaming"}), vec!["percentage"]),
            (json!({"percentage": 25}), vec!["feature"]),
            (json!({"feature": "", "percentage": 25}), vec!["feature"]),
            (
                json!({"feature": "streaming", "percentage": "25"}),
                vec!["percentage"],
            ),
            (
                json!({"feature": "streaming", "percentage": -1}),
                vec!["percentage"],
            ),
            (
                json!({"feature": "streaming", "percentage": 100.001}),
                vec!["percentage"],
            ),
            (
                json!({"feature": "streaming", "percentage": 1e300}),
                vec!["percentage"],
            ),
            (
                json!({"feature": "streaming", "percentage": true}),
                vec!["percentage"],
            ),
            (
                json!({"feature": "streaming", "percentage": {"valueOf": 25}}),
                vec!["percentage"],
            ),
        ];
        for (body, fields) in table {
            let rollout: ToPercentage = serde_json::from_value(body.clone()).unwrap();
            let problem = rollout.read().unwrap_err().as_json();
            assert_eq!(problem["status"], 400, "{body}");
            let details = problem["details"].as_array().unwrap();
            let told: Vec<&str> = details
                .iter()
                .filter_map(|detail| detail["field"].as_str())
                .collect();
            assert_eq!(told, fields, "{body}");
        }
        for feature in ["__proto__", "../streaming", "a b", "ü"] {
            let body = json!({"feature": feature, "percentage": 25});
            let rollout: ToPercentage = serde_json::from_value(body).unwrap();
            assert_eq!(
                rollout.read().unwrap_err().as_json()["status"],
                404,
                "{feature}"
            );
        }
    }
}
