//! Why a flag says what it says, over HTTP. It must not know how anything is decided.

use axum::{
    Extension,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use troika_chassis::context::RequestContext;
use troika_evaluation::wire::{from_wire_value, to_wire_value};
use troika_proto::flags::v1 as proto;
use utoipa::ToSchema;

use super::{Flags, refused};
use crate::{
    admin::Admin,
    body::Json,
    problem::{Problem, ProblemDocument},
};

/// Who would ask.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Asker {
    /// Attributes by name. The identifier is the first of `targetingKey`, `userId`, `sessionId`, `ip`, `chatbotId`.
    #[schema(value_type = Object, example = json!({"userId": "user-1", "language": "hi-IN"}))]
    context: Option<Map<String, Value>>,
}

/// What a flag says, and why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// Always true.
    success: bool,
    /// What it says.
    evaluation: Evaluation,
    /// What was looked at, in order; the last one decided.
    steps: Vec<Step>,
    /// Which attribute the identifier came from; null when there was none.
    identifier_from: Option<String>,
    /// Where the identifier falls, 0 to below 100; null without one.
    bucket: Option<f64>,
}

/// What a flag says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Evaluation {
    /// The flag's key.
    key: String,
    /// The variant's value.
    #[schema(value_type = Value)]
    value: Value,
    /// The variant's name.
    variant: String,
    /// OpenFeature's word: `DISABLED`, `TARGETING_MATCH`, `SPLIT`, `STATIC` or `DEFAULT`.
    reason: String,
    /// The step that decided, such as `blacklist` or `percentage`.
    decided_by: String,
    /// The revision at which the flag last changed.
    revision: u64,
}

/// Something that was looked at.
#[derive(Serialize, ToSchema)]
pub(crate) struct Step {
    /// Such as `kill_switch`.
    name: String,
    /// Whether it decided.
    decided: bool,
    /// What was found, in words.
    finding: String,
}

/// Tells what a flag says to whoever has these attributes, and why.
#[utoipa::path(
    post, path = "/api/flags/{key}/explain", tag = "flags", security(("admin" = [])), request_body = Asker,
    params(("key" = String, Path, description = "The flag's key")),
    responses(
        (status = 200, description = "What it says, and why", body = Explanation),
        (status = "4XX", description = "There is no such flag, or the context cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn explain(
    State(flags): State<Flags>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(key): Path<String>,
    Json(asker): Json<Asker>,
) -> Result<axum::Json<Explanation>, Problem> {
    let asked = proto::ExplainRequest {
        key,
        context: Some(flat(asker.context.unwrap_or_default())),
    };
    let explained = flags
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.explain(request).await
        })
        .await
        .map_err(refused)?;
    let said = explained.evaluation.unwrap_or_default();
    Ok(axum::Json(Explanation {
        success: true,
        evaluation: Evaluation {
            key: said.key,
            value: said
                .value
                .as_ref()
                .and_then(from_wire_value)
                .unwrap_or_default(),
            variant: said.variant,
            reason: said.reason,
            decided_by: said.decided_by,
            revision: said.revision,
        },
        steps: explained
            .steps
            .into_iter()
            .map(|step| Step {
                name: step.name,
                decided: step.decided,
                finding: step.finding,
            })
            .collect(),
        identifier_from: Some(explained.identifier_from).filter(|name| !name.is_empty()),
        bucket: explained.bucket,
    }))
}

/// The attributes, without what lies inside lists and objects: conditions cannot look into them, and what is nested
/// deeply could not be sent.
fn flat(context: Map<String, Value>) -> prost_types::Struct {
    let hollow = |value| match value {
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(Map::new()),
        value => value,
    };
    let fields = context
        .into_iter()
        .map(|(name, value)| (name, to_wire_value(&hollow(value))));
    prost_types::Struct {
        fields: fields.collect(),
    }
}
