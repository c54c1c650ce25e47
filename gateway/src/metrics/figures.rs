//! Figures of a window, and over time, for admins.

use std::time::{Duration, SystemTime};

use axum::{Extension, extract::State};
use serde::Serialize;
use troika_chassis::context::RequestContext;
use troika_proto::metrics::v1::{Dimension, GetHistoryRequest, GetSnapshotRequest, Window};
use utoipa::ToSchema;

use super::{
    Metrics, refused,
    told::{Point, Snapshot},
    window,
};
use crate::{
    admin::Admin,
    body::wrong,
    moment::rfc3339,
    problem::{Problem, ProblemDocument},
    query::Query,
};

/// Figures over a range of time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    /// As it was asked for.
    range: &'static str,
    from: String,
    to: String,
    step_seconds: u64,
    /// By rising time; times without turns are left out.
    points: Vec<Point>,
}

/// All figures of a window, in all and by one dimension.
#[utoipa::path(
    get, path = "/api/metrics/figures", tag = "metrics", security(("admin" = [])),
    params(
        ("window" = Option<String>, Query, description = "1m, 5m (the default), 60m or lifetime"),
        ("by" = Option<String>, Query, description = "endpoint, bot, language, outcome, model or variant"),
    ),
    responses(
        (status = 200, description = "The figures", body = Snapshot),
        (status = "4XX", description = "No such window or dimension, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn figures(
    State(metrics): State<Metrics>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    query: Query,
) -> Result<axum::Json<Snapshot>, Problem> {
    let asked = GetSnapshotRequest {
        window: window(&query, Window::Window5Minutes)?.into(),
        by: dimension(&query)?.into(),
    };
    let sent = metrics
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.get_snapshot(request).await
        })
        .await
        .map_err(refused)?;
    Ok(axum::Json(sent.into()))
}

fn dimension(query: &Query) -> Result<Dimension, Problem> {
    Ok(match query.text("by")? {
        None => Dimension::Unspecified,
        Some("endpoint") => Dimension::Endpoint,
        Some("bot") => Dimension::Bot,
        Some("language") => Dimension::Language,
        Some("outcome") => Dimension::Outcome,
        Some("model") => Dimension::Model,
        Some("variant") => Dimension::Variant,
        Some(_) => {
            let message = "by must be endpoint, bot, language, outcome, model or variant";
            return Err(wrong("by", "any.only", message.to_owned()));
        }
    })
}

/// Figures over the last hour, day, week or month.
#[utoipa::path(
    get, path = "/api/metrics/history", tag = "metrics", security(("admin" = [])),
    params(("range" = Option<String>, Query, description = "1h (the default), 24h, 7d or 30d")),
    responses(
        (status = 200, description = "The figures", body = History),
        (status = "4XX", description = "No such range, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn history(
    State(metrics): State<Metrics>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    query: Query,
) -> Result<axum::Json<History>, Problem> {
    const HOUR: u64 = 60 * 60;
    let (range, length, step) = match query.text("range")? {
        None | Some("1h") => ("1h", HOUR, 60),
        Some("24h") => ("24h", 24 * HOUR, 15 * 60),
        Some("7d") => ("7d", 7 * 24 * HOUR, 2 * HOUR),
        Some("30d") => ("30d", 30 * 24 * HOUR, 6 * HOUR),
        Some(_) => {
            let message = "range must be 1h, 24h, 7d or 30d";
            return Err(wrong("range", "any.only", message.to_owned()));
        }
    };
    let to = SystemTime::now();
    let from = to.checked_sub(Duration::from_secs(length)).unwrap_or(to);
    let asked = GetHistoryRequest {
        from: Some(from.into()),
        to: Some(to.into()),
        step: Duration::from_secs(step).try_into().ok(),
        ..GetHistoryRequest::default()
    };
    let sent = metrics
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.get_history(request).await
        })
        .await
        .map_err(refused)?;
    Ok(axum::Json(History {
        range,
        from: rfc3339(from.into()),
        to: rfc3339(to.into()),
        step_seconds: step,
        points: sent.points.into_iter().map(Into::into).collect(),
    }))
}
