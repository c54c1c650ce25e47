//! Changes of flags as OFREP's event stream: that something has changed, and not what.

use std::time::SystemTime;

use async_stream::stream;
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures::Stream;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use troika_evaluation::follow;
use utoipa::ToSchema;

use super::{
    Ofrep,
    answer::{ErrorCode, EvaluationFailure, Refused},
};
use crate::{etag, live, sse};

/// The last event that a listener has heard.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// When to come back to a stream that has no room, in seconds.
const RETRY_AFTER: u64 = 30;

/// Flags have changed: ask again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refetch {
    /// `refetchEvaluation`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The revision of all flags as an entity tag; goes back as `flagConfigEtag`.
    etag: String,
    /// When a flag changed last, in seconds since 1970; goes back as `flagConfigLastModified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<u64>,
}

/// Tells that flags have changed.
///
/// Events are named `message`; their data is `{"type":"refetchEvaluation","etag":…,"lastModified":…}`, their id the revision. Who comes
/// back with `Last-Event-ID` is told at once when something has changed since. A comment comes in silence, and the stream
/// ends when the server leaves.
#[utoipa::path(
    get, path = "/ofrep/v1/events", tag = "ofrep",
    params(("Last-Event-ID" = Option<String>, Header, description = "The last event that was heard")),
    responses(
        (status = 200, description = "Changes, as they happen", content_type = "text/event-stream", body = live::ServerSentEvent),
        (status = 503, description = "Too many listen already", body = EvaluationFailure),
    )
)]
pub(crate) async fn events(State(ofrep): State<Ofrep>, headers: HeaderMap) -> Response {
    let Ok(place) = ofrep.listeners.clone().try_acquire_owned() else {
        return Refused::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::General,
            "Too many clients listen to changes already. Please ask now and then instead.",
        )
        .until(RETRY_AFTER)
        .into_response();
    };
    let heard = headers
        .get(LAST_EVENT_ID)
        .and_then(|id| id.to_str().ok())
        .and_then(|id| id.parse().ok());
    let changes = changes(ofrep.known, heard, place);
    live::tell(changes, ofrep.heartbeat, ofrep.drain)
}

/// An event for each change; changes in between may be left out for who reads slowly.
fn changes(
    known: follow::Flags,
    heard: Option<u64>,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let mut changes = known.changes();
    let mut told = heard.unwrap_or(*changes.borrow_and_update());
    stream! {
        let _place = place;
        loop {
            let revision = *changes.borrow_and_update();
            if revision != told {
                told = revision;
                yield event(revision, last_modified(&known));
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

fn event(revision: u64, last_modified: Option<u64>) -> Bytes {
    let mut buffer = BytesMut::new();
    buffer.put_slice(format!("id: {revision}\n").as_bytes());
    let payload = Refetch {
        kind: "refetchEvaluation",
        etag: etag::of_revision(revision),
        last_modified,
    };
    sse::write_own(&mut buffer, "message", &payload);
    buffer.freeze()
}

fn last_modified(known: &follow::Flags) -> Option<u64> {
    let snapshot = known.now();
    let newest = snapshot.flags().filter_map(|flag| flag.updated_at).max()?;
    let since = newest.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_an_id_a_name_and_one_line_of_data() {
        assert_eq!(
            event(7, Some(1_771_622_898)),
            "id: 7\nevent: message\ndata: {\"type\":\"refetchEvaluation\",\"etag\":\"\\\"7\\\"\",\"lastModified\":1771622898}\n\n"
        );
        assert!(
            !std::str::from_utf8(&event(0, None))
                .unwrap()
                .contains("lastModified")
        );
    }
}
