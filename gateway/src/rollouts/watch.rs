//! A rollout as it goes on, over server-sent events. It must not know what changes a rollout.

use async_stream::stream;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures::Stream;
use tonic::Streaming;
use troika_chassis::context::RequestContext;
use troika_proto::flags::v1::{self as proto, WatchRolloutResponse};

use super::{
    Rollouts,
    document::{self, Rollout},
};
use crate::{
    admin::Admin,
    flags::refused,
    live,
    problem::{Problem, ProblemDocument},
    sse,
};

/// Tells a rollout now, and again after each change and each decision.
///
/// Each event is an `event: rollout` line and one `data:` line of JSON, the rollout. A comment comes in silence. The
/// stream ends after the rollout's last state, and when the server leaves.
#[utoipa::path(
    get, path = "/api/rollouts/{id}/watch", tag = "rollouts", security(("admin" = [])),
    params(("id" = String, Path, description = "The rollout's id")),
    responses(
        (status = 200, description = "The rollout as it goes on", content_type = "text/event-stream", body = live::ServerSentEvent),
        (status = "4XX", description = "There is no such rollout, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn watch(
    State(rollouts): State<Rollouts>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let asked = proto::WatchRolloutRequest { id };
    let (first, further) = rollouts
        .peer
        .open(&context, asked, |mut client, request| async move {
            client.watch_rollout(request).await
        })
        .await
        .map_err(refused)?;
    let events = events(first, further);
    Ok(live::tell(events, rollouts.heartbeat, rollouts.drain))
}

fn events(
    first: Option<WatchRolloutResponse>,
    mut further: Streaming<WatchRolloutResponse>,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream! {
        let mut next = first;
        while let Some(told) = next {
            if let Some(rollout) = told.rollout {
                let is_over = document::is_final(rollout.state());
                let mut buffer = BytesMut::new();
                sse::write_own(&mut buffer, "rollout", &Rollout::from(rollout));
                yield buffer.freeze();
                if is_over {
                    return;
                }
            }
            next = match further.message().await {
                Ok(next) => next,
                Err(status) => {
                    // Clients come again by themselves.
                    tracing::debug!(code = ?status.code(), "a watched rollout's stream broke off");
                    return;
                }
            };
        }
    }
}
