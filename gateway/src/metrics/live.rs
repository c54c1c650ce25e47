//! Figures as they change, over server-sent events, for the dashboard.

use async_stream::stream;
use axum::{Extension, extract::State, response::Response};
use bytes::{Bytes, BytesMut};
use futures::Stream;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Streaming;
use troika_chassis::{
    context::RequestContext,
    error::{Code, Error},
};
use troika_proto::metrics::v1::{WatchSummaryRequest, WatchSummaryResponse, Window};

use super::{
    Metrics, health,
    old::{Event, Summary},
    refused,
    told::Snapshot,
    window,
};
use crate::{
    admin::Admin,
    live,
    problem::{Problem, ProblemDocument},
    query::Query,
    sse,
};

/// What a dashboard shows.
#[derive(Serialize)]
struct Figures {
    summary: Summary,
    snapshot: Snapshot,
    health: Value,
    events: Vec<Event>,
}

/// Tells the figures of a window at once, and again each second.
///
/// Each event is an `event: figures` line and one `data:` line of JSON: `summary`, `snapshot`, `health`, and the turns that
/// ended since the last event. The stream ends when the server leaves.
#[utoipa::path(
    get, path = "/api/metrics/live", tag = "metrics", security(("admin" = [])),
    params(("window" = Option<String>, Query, description = "1m, 5m (the default), 60m or lifetime")),
    responses(
        (status = 200, description = "The figures as they change", content_type = "text/event-stream", body = live::ServerSentEvent),
        (status = "4XX", description = "No such window, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn live(
    State(metrics): State<Metrics>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    query: Query,
) -> Result<Response, Problem> {
    let asked = WatchSummaryRequest {
        window: window(&query, Window::Window5Minutes)?.into(),
        interval: None,
    };
    let place = metrics.listeners.clone().try_acquire_owned().map_err(|_| {
        Error::new(
            Code::ResourceExhausted,
            "too_many_listeners",
            "Too many dashboards are open at once. Please close one, or try again later.",
        )
        .with_retry_after(super::RETRY_AFTER)
    })?;
    let (first, further) = metrics
        .peer
        .open(&context, asked, |mut client, request| async move {
            client.watch_summary(request).await
        })
        .await
        .map_err(refused)?;
    let (heartbeat, drain) = (metrics.heartbeat, metrics.drain.clone());
    let events = events(metrics, first, further, place);
    Ok(live::tell(events, heartbeat, drain))
}

fn events(
    metrics: Metrics,
    first: Option<WatchSummaryResponse>,
    mut further: Streaming<WatchSummaryResponse>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream! {
        let _place = place;
        let mut next = first;
        while let Some(told) = next {
            let events = told.events.into_iter();
            let figures = Figures {
                summary: told.summary.unwrap_or_default().into(),
                snapshot: told.snapshot.unwrap_or_default().into(),
                health: health::document(&told.health.unwrap_or_default()),
                events: events.map(|event| metrics.event(event, true)).collect(),
            };
            let mut buffer = BytesMut::new();
            sse::write_own(&mut buffer, "figures", &figures);
            yield buffer.freeze();
            next = match further.message().await {
                Ok(next) => next,
                Err(status) => {
                    // Clients come again by themselves.
                    tracing::debug!(code = ?status.code(), "the figures' stream broke off");
                    return;
                }
            };
        }
    }
}
