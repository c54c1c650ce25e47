//! The system's health as monitors poll it: cheap, at once, and truthful when nobody knows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use troika_chassis::{channel::Channel, context::RequestContext};
use troika_proto::metrics::v1::{
    CheckStatus, GetHealthRequest, GetHealthResponse, HealthStatus, metrics_client::MetricsClient,
};

use super::{Metrics, told::now};
use crate::{call::Peer, moment::rfc3339};

/// How long an answer is told again: however many poll, the role is asked so often.
const FRESH: Duration = Duration::from_millis(500);

/// The last answer, and who gives the next. Cloning shares it.
#[derive(Clone)]
pub(super) struct Watched {
    peer: Peer<MetricsClient<Channel>>,
    last: Arc<Mutex<Option<Last>>>,
}

/// When the role was asked last, and what it said.
struct Last {
    at: Instant,
    answer: Option<GetHealthResponse>,
}

impl Watched {
    pub(super) fn new(peer: Peer<MetricsClient<Channel>>) -> Self {
        Self {
            peer,
            last: Arc::default(),
        }
    }

    /// `None` while the role cannot say.
    async fn now(&self, context: &RequestContext) -> Option<GetHealthResponse> {
        // Who comes meanwhile waits for the answer that is under way.
        let mut last = self.last.lock().await;
        if let Some(last) = &*last
            && last.at.elapsed() < FRESH
        {
            return last.answer.clone();
        }
        let answer = self
            .peer
            .ask(
                context,
                GetHealthRequest {},
                |mut client, request| async move { client.get_health(request).await },
            )
            .await
            .ok();
        let at = Instant::now();
        *last = Some(Last {
            at,
            answer: answer.clone(),
        });
        answer
    }
}

/// Whether the whole system does its work, over a sliding window: `healthy` and `degraded` are 200, `unhealthy` is 503.
#[utoipa::path(
    get, path = "/api/metrics/health/streaming", tag = "metrics",
    responses(
        (status = 200, description = "`{success, status, timestamp, checks, issues?, changes}`", body = serde_json::Value),
        (status = 503, description = "Unhealthy; the same document", body = serde_json::Value),
    )
)]
pub(crate) async fn health(
    State(metrics): State<Metrics>,
    Extension(context): Extension<RequestContext>,
) -> Response {
    let document = match metrics.health.now(&context).await {
        Some(answer) => document(&answer),
        None => unknown(),
    };
    let status = match document["status"].as_str() {
        Some("unhealthy") => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    (status, axum::Json(document)).into_response()
}

/// Turns may go on all the same; that nobody counts them is worth a look.
fn unknown() -> Value {
    json!({
        "success": true,
        "status": "degraded",
        "timestamp": now(),
        "checks": { "metrics": { "status": "fail", "value": "down" } },
        "issues": ["The metrics service cannot be reached: nobody knows how turns end."],
    })
}

/// The document of an answer.
pub(super) fn document(answer: &GetHealthResponse) -> Value {
    let checks: Map<String, Value> = answer
        .checks
        .iter()
        .map(|check| {
            let status = match check.status() {
                CheckStatus::Pass | CheckStatus::Unspecified => "pass",
                CheckStatus::Warn => "warn",
                CheckStatus::Fail => "fail",
            };
            // Of streams it was always a number.
            let value = match check.value.parse::<u64>() {
                Ok(number) if check.name == "activeStreams" => json!(number),
                _ => json!(check.value),
            };
            let mut told = json!({ "status": status, "value": value });
            if !check.threshold.is_empty() {
                told["threshold"] = json!(check.threshold);
            }
            (check.name.clone(), told)
        })
        .collect();
    let changes: Vec<Value> = answer
        .changes
        .iter()
        .map(|change| {
            json!({ "at": change.at.map(rfc3339), "from": word(change.from()), "to": word(change.to()) })
        })
        .collect();
    let status = answer.status();
    let mut document = json!({
        "success": status != HealthStatus::Unhealthy,
        "status": word(status),
        "timestamp": answer.at.map_or_else(now, rfc3339),
        "checks": checks,
        "changes": changes,
    });
    if !answer.issues.is_empty() {
        document["issues"] = json!(answer.issues);
    }
    document
}

fn word(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Healthy => "healthy",
        HealthStatus::Degraded | HealthStatus::Unspecified => "degraded",
        HealthStatus::Unhealthy => "unhealthy",
    }
}
