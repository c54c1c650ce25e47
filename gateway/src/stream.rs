//! The body of an event stream: chat's events, a heartbeat in silence, and an honest end. It is
//! polled by the connection and owns no task, so that dropping it (the browser left) drops the
//! gRPC stream and with it the turn; a reader that is slow leaves it unpolled and thereby slows
//! its own turn alone. It must not know how an event is written ([`crate::sse`] does) nor how the
//! stream was opened.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep};
use tonic::Status;
use troika_chassis::lifecycle::{Drain, Hold};
use troika_proto::chat::v1::TurnEvent;

use crate::{
    events,
    outcome::Listening,
    sse::{self, Encoded},
};

/// How long chat may take, once the process must end its streams, to say goodbye itself.
const FAREWELL_GRACE: Duration = Duration::from_secs(2);
/// How long the gRPC stream may take to end after its last event. Leaving at once would look like
/// a listener that ran away from a turn it has heard to the end.
const END_GRACE: Duration = Duration::from_secs(1);
/// Room for one ordinary event; a longer one grows the buffer.
const EVENT_SIZE: usize = 1024;

/// The bytes of one turn for one listener, one event a frame.
pub(crate) struct EventBody<S> {
    /// Opened before the response began, so that failures until then are HTTP errors.
    first: Option<TurnEvent>,
    /// `None` once the turn needs no listening any more.
    events: Option<S>,
    buffer: BytesMut,
    stage: Stage,
    heartbeat: Duration,
    last_write: Instant,
    timer: Pin<Box<Sleep>>,
    ending: Ending,
    /// Who is told when chat is lost.
    listening: Option<Listening>,
    turn: String,
    /// The drain waits for this stream.
    _hold: Hold,
}

/// How far the turn has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Events are coming.
    Running,
    /// The terminal event is out; `close` with this reason is due, from chat.
    Decided(&'static str),
    /// The gateway has told an error itself; it tells `close` with this reason next.
    Abandoned(&'static str),
    /// `close` is out; the gRPC stream may end in its own time.
    Closed,
    /// The body has ended.
    Done,
}

/// The process's wish that streams end.
enum Ending {
    /// Resolves when streams must end.
    Watching(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// Chat is given this long to end the turn itself.
    Grace(Pin<Box<Sleep>>),
    /// Nothing more to wait for.
    Over,
}

impl<S> EventBody<S>
where
    S: Stream<Item = Result<TurnEvent, Status>> + Unpin,
{
    /// A body that tells `first` and then `events`, with a comment after every `heartbeat` of silence.
    pub(crate) fn new(first: TurnEvent, events: S, heartbeat: Duration, drain: &Drain) -> Self {
        let watched = drain.clone();
        Self {
            turn: first.turn_id.clone(),
            listening: None,
            first: Some(first),
            events: Some(events),
            buffer: BytesMut::with_capacity(EVENT_SIZE),
            stage: Stage::Running,
            heartbeat,
            last_write: Instant::now(),
            timer: Box::pin(tokio::time::sleep(heartbeat)),
            ending: Ending::Watching(Box::pin(async move { watched.ending().await })),
            _hold: drain.hold("event stream"),
        }
    }

    /// Tells when chat is lost, and counts as open until then.
    pub(crate) fn heard_by(mut self, listening: Listening) -> Self {
        self.listening = Some(listening);
        self
    }

    /// The next frame that chat's events give, if they give one now.
    fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take()
            && let Some(bytes) = self.tell(&first)
        {
            return Poll::Ready(Some(bytes));
        }
        loop {
            let Some(events) = &mut self.events else {
                return Poll::Ready(None);
            };
            match Pin::new(events).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(_) if self.stage == Stage::Closed => return Poll::Ready(None),
                Poll::Ready(Some(Ok(event))) => {
                    if let Some(bytes) = self.tell(&event) {
                        return Poll::Ready(Some(bytes));
                    }
                }
                Poll::Ready(end) => {
                    match end {
                        Some(Err(status)) => {
                            tracing::warn!(code = ?status.code(), message = status.message(), "chat's stream broke off");
                        }
                        _ => tracing::warn!("chat's stream ended without close"),
                    }
                    return Poll::Ready(Some(self.abandon(Abandoned::UpstreamLost)));
                }
            }
        }
    }

    /// The bytes of `event`, and what it means for this stream.
    fn tell(&mut self, event: &TurnEvent) -> Option<Bytes> {
        self.buffer.reserve(EVENT_SIZE);
        match sse::encode(event, &mut self.buffer) {
            Encoded::Progress => {}
            Encoded::Terminal(reason) => self.stage = Stage::Decided(reason),
            Encoded::Close => {
                self.stage = Stage::Closed;
                self.timer.as_mut().reset(Instant::now() + END_GRACE);
            }
            Encoded::Unknown => return None,
        }
        Some(self.written())
    }

    /// Ends a stream that chat has not ended: the next event of `error`, `close` that is due.
    fn abandon(&mut self, why: Abandoned) -> Bytes {
        self.events = None;
        if let Stage::Decided(reason) = self.stage {
            return self.close(reason);
        }
        if let (Abandoned::UpstreamLost, Some(listening)) = (why, self.listening.take()) {
            listening.lost(&self.turn);
        }
        let (code, message, reason) = why.words();
        self.stage = Stage::Abandoned(reason);
        let payload = events::Failure {
            message,
            error: message,
            code,
            can_retry: true,
            timestamp: now(),
        };
        sse::write_own(&mut self.buffer, "error", &payload);
        self.written()
    }

    /// The gateway's own `close`, after which the body ends.
    fn close(&mut self, reason: &'static str) -> Bytes {
        self.stage = Stage::Done;
        let payload = events::Close {
            reason,
            message: match reason {
                "complete" => "The answer is complete.",
                "stopped" => "The answer was stopped.",
                "server_shutdown" => "The server is shutting down.",
                _ => "The answer ended with an error.",
            },
            timestamp: now(),
        };
        sse::write_own(&mut self.buffer, "close", &payload);
        self.written()
    }

    fn written(&mut self) -> Bytes {
        self.last_write = Instant::now();
        self.buffer.split().freeze()
    }

    /// Whether the process must end now and chat did not say goodbye in time.
    fn poll_ending(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Ending::Watching(ending) = &mut self.ending {
            if ending.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.ending = Ending::Grace(Box::pin(tokio::time::sleep(FAREWELL_GRACE)));
        }
        if let Ending::Grace(grace) = &mut self.ending {
            if grace.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.ending = Ending::Over;
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Whether the stream has been silent for a whole heartbeat (or, after `close`, long enough).
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // The timer is not moved with every event, which would cost each of them; it is moved when
        // it fires, to the moment that the last event calls for.
        while self.timer.as_mut().poll(context).is_ready() {
            let due = self.last_write + self.heartbeat;
            if self.stage == Stage::Closed || due <= Instant::now() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }

    fn end(&mut self) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.stage = Stage::Done;
        self.events = None;
        Poll::Ready(None)
    }
}

impl<S> Body for EventBody<S>
where
    S: Stream<Item = Result<TurnEvent, Status>> + Unpin,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        match this.stage {
            Stage::Done => return Poll::Ready(None),
            Stage::Abandoned(reason) => {
                let bytes = this.close(reason);
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Stage::Running | Stage::Decided(_) | Stage::Closed => {}
        }
        match this.poll_events(context) {
            Poll::Ready(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(None) => return this.end(),
            Poll::Pending => {}
        }
        if this.stage != Stage::Closed && this.poll_ending(context).is_ready() {
            let bytes = this.abandon(Abandoned::ServerShutdown);
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if this.poll_silence(context).is_ready() {
            if this.stage == Stage::Closed {
                return this.end();
            }
            this.last_write = Instant::now();
            this.timer.as_mut().reset(this.last_write + this.heartbeat);
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(sse::HEARTBEAT)))));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.stage == Stage::Done
    }
}

/// Why the gateway ends a stream itself.
#[derive(Clone, Copy)]
enum Abandoned {
    /// Chat, or the way to it, broke off.
    UpstreamLost,
    /// The process must go and chat said nothing.
    ServerShutdown,
}

impl Abandoned {
    /// The error's code and message, and the reason of the `close` that follows.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::UpstreamLost => (
                "upstream_lost",
                "The connection to the chat service was lost. Please ask again.",
                "error",
            ),
            Self::ServerShutdown => (
                "server_shutdown",
                "The server is shutting down. Please ask again in a moment.",
                "server_shutdown",
            ),
        }
    }
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests;
