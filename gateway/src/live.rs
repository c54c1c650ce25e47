//! Event streams that tell what changes, for as long as somebody listens: a comment in silence, and the end when the
//! process leaves, early enough to go to another one. They own no task: who leaves lets go of everything. It must not
//! know what changes.

use std::{convert::Infallible, time::Duration};

use async_stream::stream;
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{
    HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use troika_chassis::lifecycle::Drain;
use utoipa::ToSchema;

use crate::sse::HEARTBEAT;

/// One event of a stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says in the API's document what the wire carries")]
pub(crate) struct ServerSentEvent {
    /// What to come back with.
    id: Option<String>,
    /// Its kind.
    event: String,
    /// A document of JSON.
    data: String,
}

/// A response that tells `events`, each one a whole event of the stream.
pub(crate) fn tell(
    events: impl Stream<Item = Bytes> + Send + 'static,
    heartbeat: Duration,
    drain: Drain,
) -> Response {
    let told = told(events, heartbeat, drain).map(Ok::<_, Infallible>);
    event_stream(Body::from_stream(told))
}

/// An event stream with this body, which neither caches nor proxies may keep.
pub(crate) fn event_stream(body: Body) -> Response {
    (
        [
            (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
            (
                CACHE_CONTROL,
                HeaderValue::from_static("no-cache, no-transform"),
            ),
            (
                HeaderName::from_static("x-accel-buffering"),
                HeaderValue::from_static("no"),
            ),
        ],
        body,
    )
        .into_response()
}

fn told(
    events: impl Stream<Item = Bytes> + Send + 'static,
    heartbeat: Duration,
    drain: Drain,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream! {
        let mut events = Box::pin(events);
        loop {
            tokio::select! {
                biased;
                () = drain.refusing() => return,
                event = events.next() => match event {
                    Some(event) => yield event,
                    None => return,
                },
                () = tokio::time::sleep(heartbeat) => yield Bytes::from_static(HEARTBEAT),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{channel::mpsc::unbounded, stream};
    use tokio::time::Instant;

    use super::*;

    const HEART: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn silence_is_bridged_by_comments() {
        let (send, events) = unbounded();
        let mut told = Box::pin(told(events, HEART, Drain::default()));
        let began = Instant::now();
        assert_eq!(told.next().await.unwrap(), HEARTBEAT);
        assert_eq!(began.elapsed(), HEART);
        tokio::time::advance(HEART / 2).await;
        send.unbounded_send(Bytes::from_static(b"event")).unwrap();
        assert_eq!(told.next().await.unwrap(), "event");
        let spoke = Instant::now();
        assert_eq!(told.next().await.unwrap(), HEARTBEAT);
        assert_eq!(spoke.elapsed(), HEART);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_what_it_tells_and_with_the_process() {
        let one = stream::iter([Bytes::from_static(b"event")]);
        let all: Vec<Bytes> = told(one, HEART, Drain::default()).collect().await;
        assert_eq!(all, ["event"]);
        let drain = Drain::default();
        let mut told = Box::pin(told(stream::pending(), HEART, drain.clone()));
        assert_eq!(told.next().await.unwrap(), HEARTBEAT);
        drain.begin();
        assert_eq!(told.next().await, None);
    }
}
