//! Alerts over HTTP, for admins: what is wrong, silence, and whether people would hear of it.

use std::time::Duration;

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use troika_chassis::{
    context::RequestContext,
    error::{Error, Violation},
};
use troika_proto::metrics::v1::{
    self as wire, AlertState, LiftSilenceRequest, ListAlertsRequest, SilenceRequest,
    TestAlertRequest,
};
use utoipa::ToSchema;

use super::{Metrics, refused};
use crate::{
    admin::Admin,
    body::Json,
    moment::rfc3339,
    number::plain,
    problem::{Problem, ProblemDocument},
};

/// How long the role may take for a test: it asks mail servers.
pub(super) const TEST_DEADLINE: Duration = Duration::from_secs(30);

/// What is wrong, and what is silent.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alerts {
    alerts: Vec<Alert>,
    silences: Vec<Silence>,
}

/// An alert.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    name: String,
    /// warning or critical.
    severity: String,
    /// pending, firing, resolved.
    state: &'static str,
    since: Option<String>,
    #[serde(serialize_with = "plain")]
    value: f64,
    #[serde(serialize_with = "plain")]
    threshold: f64,
    summary: String,
    silenced: bool,
    /// When receivers were told last.
    sent_at: Option<String>,
}

/// A time in which an alert is not sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct Silence {
    id: String,
    /// Empty: all.
    alert: String,
    until: Option<String>,
    author: String,
    reason: String,
}

/// Silence that is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedSilence {
    /// A rule's name; empty or absent: all.
    #[serde(default)]
    alert: String,
    /// For how long.
    seconds: u32,
    /// Why.
    #[serde(default)]
    reason: String,
}

/// A test that is asked for.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WantedTest {
    /// A receiver's name; empty or absent: all.
    receiver: String,
}

/// What became of a test.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deliveries {
    deliveries: Vec<Delivery>,
}

/// One receiver's part.
#[derive(Serialize, ToSchema)]
pub(crate) struct Delivery {
    receiver: String,
    delivered: bool,
    /// Why not.
    problem: String,
}

impl From<wire::Alert> for Alert {
    fn from(sent: wire::Alert) -> Self {
        Self {
            state: match sent.state() {
                AlertState::Pending | AlertState::Unspecified => "pending",
                AlertState::Firing => "firing",
                AlertState::Resolved => "resolved",
            },
            name: sent.name,
            severity: sent.severity,
            since: sent.since.map(rfc3339),
            value: sent.value,
            threshold: sent.threshold,
            summary: sent.summary,
            silenced: sent.silenced,
            sent_at: sent.sent_at.map(rfc3339),
        }
    }
}

impl From<wire::ActiveSilence> for Silence {
    fn from(sent: wire::ActiveSilence) -> Self {
        Self {
            id: sent.id,
            alert: sent.alert,
            until: sent.until.map(rfc3339),
            author: sent.author,
            reason: sent.reason,
        }
    }
}

/// Alerts that are pending or firing, those that were resolved lately, and silences.
#[utoipa::path(
    get, path = "/api/metrics/alerts", tag = "metrics", security(("admin" = [])),
    responses(
        (status = 200, description = "Alerts and silences", body = Alerts),
        (status = "4XX", description = "No admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn list(
    State(metrics): State<Metrics>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
) -> Result<axum::Json<Alerts>, Problem> {
    let sent = metrics
        .alerts
        .ask(
            &context,
            ListAlertsRequest {},
            |mut client, request| async move { client.list_alerts(request).await },
        )
        .await
        .map_err(refused)?;
    Ok(axum::Json(Alerts {
        alerts: sent.alerts.into_iter().map(Into::into).collect(),
        silences: sent.silences.into_iter().map(Into::into).collect(),
    }))
}

/// Keeps an alert, or all, from being sent for a while.
#[utoipa::path(
    post, path = "/api/metrics/alerts/silences", tag = "metrics", security(("admin" = [])), request_body = WantedSilence,
    responses(
        (status = 201, description = "The silence", body = Silence),
        (status = "4XX", description = "No such alert or time, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn silence(
    State(metrics): State<Metrics>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Json(wanted): Json<WantedSilence>,
) -> Result<Response, Problem> {
    let asked = SilenceRequest {
        alert: wanted.alert,
        duration: Some(prost_types::Duration {
            seconds: wanted.seconds.into(),
            nanos: 0,
        }),
        author: admin.name,
        reason: wanted.reason,
    };
    let sent = metrics
        .alerts
        .ask(&context, asked, |mut client, request| async move {
            client.silence(request).await
        })
        .await
        .map_err(|error| refused(in_json(error)))?;
    let silence = Silence::from(sent.silence.unwrap_or_default());
    Ok((StatusCode::CREATED, axum::Json(silence)).into_response())
}

/// A refusal in the names of the JSON: what is a `duration` to the role are `seconds` here.
fn in_json(error: Error) -> Error {
    if error.violations().is_empty() {
        return error;
    }
    let named = |text: &str| text.replace("duration", "seconds");
    let violations = error.violations().iter().map(|violation| Violation {
        field: named(&violation.field),
        message: named(&violation.message),
        kind: violation.kind.clone(),
    });
    Error::new(
        error.code(),
        error.reason().to_owned(),
        named(error.message()),
    )
    .with_violations(violations)
}

/// Ends a silence before its time. One that is over already is no error.
#[utoipa::path(
    delete, path = "/api/metrics/alerts/silences/{id}", tag = "metrics", security(("admin" = [])),
    params(("id" = String, Path, description = "The silence's id")),
    responses(
        (status = 204, description = "It is over"),
        (status = "4XX", description = "No admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn lift(
    State(metrics): State<Metrics>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    metrics
        .alerts
        .ask(
            &context,
            LiftSilenceRequest { id },
            |mut client, request| async move { client.lift_silence(request).await },
        )
        .await
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test to the receivers, and says for each what became of it.
#[utoipa::path(
    post, path = "/api/metrics/alerts/test", tag = "metrics", security(("admin" = [])), request_body = WantedTest,
    responses(
        (status = 200, description = "What became of it", body = Deliveries),
        (status = "4XX", description = "No such receiver, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn test(
    State(metrics): State<Metrics>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    Json(wanted): Json<WantedTest>,
) -> Result<axum::Json<Deliveries>, Problem> {
    let asked = TestAlertRequest {
        receiver: wanted.receiver,
    };
    let sent = metrics
        .receivers
        .ask(&context, asked, |mut client, request| async move {
            client.test_alert(request).await
        })
        .await
        .map_err(refused)?;
    let deliveries = sent.deliveries.into_iter().map(|delivery| Delivery {
        receiver: delivery.receiver,
        delivered: delivery.delivered,
        problem: delivery.problem,
    });
    Ok(axum::Json(Deliveries {
        deliveries: deliveries.collect(),
    }))
}
