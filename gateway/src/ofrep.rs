//! OFREP, OpenFeature's remote evaluation protocol (<https://openfeature.dev/docs/reference/other-technologies/ofrep/>):
//! what flags say, to any client of that protocol. Answered from this process's snapshot, so that it works while the
//! flags role is away. It must not know how a flag is decided.

pub(crate) mod answer;
mod asked;
mod events;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{FromRef, Path, State, rejection::PathRejection},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_TYPE, ETAG},
};
use tokio::sync::Semaphore;
use troika_chassis::lifecycle::Drain;
use troika_evaluation::{evaluate::Evaluation, follow};

use crate::{body::BodyLimits, config::Config, etag, query::Query};
use answer::{
    Bulk, ErrorCode, EvaluationFailure, EvaluationSuccess, EventStream, FlagAnswer, Refused,
};
use asked::Asked;

pub(crate) use events::*;

/// Where changes are told.
const EVENTS: &str = "/ofrep/v1/events";

/// How long an answer waits for a change that the client has heard of, and this process has not yet.
const LATEST_CHANGE: Duration = Duration::from_secs(1);

/// What the routes of OFREP share.
#[derive(Clone)]
pub(crate) struct Ofrep {
    known: follow::Flags,
    limits: BodyLimits,
    listeners: Arc<Semaphore>,
    heartbeat: Duration,
    drain: Drain,
}

impl Ofrep {
    /// Tells what `known` knows, within the bounds of `config`.
    pub(crate) fn new(known: follow::Flags, config: &Config, drain: Drain) -> Self {
        let listeners = config.max_listeners.min(Semaphore::MAX_PERMITS);
        Self {
            known,
            limits: config.body_limits(),
            listeners: Arc::new(Semaphore::new(listeners)),
            heartbeat: config.heartbeat,
            drain,
        }
    }

    /// Its routes.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/ofrep/v1/evaluate/flags/{key}", post(evaluate))
            .route("/ofrep/v1/evaluate/flags", post(evaluate_all))
            .route(EVENTS, get(events::events))
            .with_state(self)
    }
}

impl FromRef<Ofrep> for BodyLimits {
    fn from_ref(ofrep: &Ofrep) -> Self {
        ofrep.limits
    }
}

/// Tells what a flag says to whoever asks.
///
/// OpenFeature's remote evaluation protocol (OFREP), version 0.3.
#[utoipa::path(
    post, path = "/ofrep/v1/evaluate/flags/{key}", tag = "ofrep", request_body = answer::EvaluationRequest,
    params(("key" = String, Path, description = "The flag's key")),
    responses(
        (status = 200, description = "What it says", body = EvaluationSuccess),
        (status = 400, description = "`PARSE_ERROR`, `INVALID_CONTEXT`, or `TARGETING_KEY_MISSING` when there is nothing to deal by", body = EvaluationFailure),
        (status = 404, description = "`FLAG_NOT_FOUND`", body = EvaluationFailure),
        (status = "4XX", description = "The body cannot be taken", body = EvaluationFailure),
    )
)]
pub(crate) async fn evaluate(
    State(ofrep): State<Ofrep>,
    key: Result<Path<String>, PathRejection>,
    asked: Result<Asked, Refused>,
) -> Response {
    // What is no text is no flag's key either.
    let Path(key) = key.unwrap_or_else(|_| Path(String::new()));
    let Asked(context) = match asked {
        Ok(asked) => asked,
        Err(refused) => return refused.about(key).into_response(),
    };
    let snapshot = ofrep.known.now();
    let Some(evaluation) = snapshot.evaluate(&key, &context) else {
        let refused = Refused::new(
            StatusCode::NOT_FOUND,
            ErrorCode::FlagNotFound,
            "There is no such flag.",
        );
        return refused.about(key).into_response();
    };
    match FlagAnswer::new(&evaluation) {
        FlagAnswer::Success(success) => axum::Json(success).into_response(),
        FlagAnswer::Failure(failure) => {
            (StatusCode::BAD_REQUEST, axum::Json(failure)).into_response()
        }
    }
}

/// Tells what all flags say to whoever asks.
///
/// OpenFeature's remote evaluation protocol (OFREP), version 0.3. `eventStreams` names where changes are told.
#[utoipa::path(
    post, path = "/ofrep/v1/evaluate/flags", tag = "ofrep", request_body = answer::EvaluationRequest,
    params(
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer the client has"),
        ("flagConfigEtag" = Option<String>, Query, description = "The `etag` of the event that led to this request"),
        ("flagConfigLastModified" = Option<String>, Query, description = "Its `lastModified`"),
    ),
    responses(
        (status = 200, description = "What they say, by key; `ETag` names this answer", body = Bulk),
        (status = 304, description = "The client has this answer"),
        (status = 400, description = "`PARSE_ERROR` or `INVALID_CONTEXT`", body = EvaluationFailure),
        (status = "4XX", description = "The body cannot be taken", body = EvaluationFailure),
    )
)]
pub(crate) async fn evaluate_all(
    State(ofrep): State<Ofrep>,
    query: Query,
    headers: HeaderMap,
    asked: Result<Asked, Refused>,
) -> Response {
    let Asked(context) = match asked {
        Ok(asked) => asked,
        Err(refused) => return refused.into_response(),
    };
    ofrep.catch_up(&query).await;
    let body = {
        let snapshot = ofrep.known.now();
        let mut evaluations: Vec<Evaluation<'_>> = snapshot
            .flags()
            .filter_map(|flag| snapshot.evaluate(&flag.key, &context))
            .collect();
        evaluations.sort_unstable_by(|one, other| one.flag.key.cmp(&other.flag.key));
        let bulk = Bulk::new(
            evaluations.iter().map(FlagAnswer::new).collect(),
            EventStream::at(EVENTS),
            snapshot.revision(),
        );
        serde_json::to_vec(&bulk)
    };
    let Ok(body) = body else {
        tracing::error!("what flags say cannot be written");
        let message = "Something went wrong on our side. Please try again.";
        return Refused::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::General,
            message,
        )
        .into_response();
    };
    let tag = etag::of_bytes(&body);
    let tagged = [(ETAG, etag::value(&tag))];
    if etag::is_known(&headers, &tag) {
        return (StatusCode::NOT_MODIFIED, tagged).into_response();
    }
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (tagged, kind, body).into_response()
}

impl Ofrep {
    /// Waits a moment for a change that the client has heard of, maybe from another process.
    async fn catch_up(&self, query: &Query) {
        let heard = query.text("flagConfigEtag").ok().flatten();
        let Some(revision) = heard.and_then(|tag| tag.trim_matches('"').parse::<u64>().ok()) else {
            return;
        };
        let mut changes = self.known.changes();
        let known = changes.wait_for(|known| *known >= revision);
        // Late or never: what is known now is told.
        let _ = tokio::time::timeout(LATEST_CHANGE, known).await;
    }
}
