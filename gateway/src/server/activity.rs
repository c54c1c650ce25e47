//! Whether anything is under way on a connection. It must not know what.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

/// The requests of one connection. Cloning is cheap; every clone is the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    under_way: AtomicUsize,
    changed: Notify,
}

/// A request that is under way while this lives.
#[derive(Debug)]
pub(super) struct Busy(Activity);

impl Activity {
    /// A request begins.
    pub(super) fn begin(&self) -> Busy {
        self.shared.under_way.fetch_add(1, Ordering::Relaxed);
        self.shared.changed.notify_one();
        Busy(self.clone())
    }

    /// Whether nothing is under way.
    pub(super) fn is_none(&self) -> bool {
        self.shared.under_way.load(Ordering::Relaxed) == 0
    }

    /// Waits until something began or ended.
    pub(super) async fn changed(&self) {
        self.shared.changed.notified().await;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.shared.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.shared.changed.notify_one();
    }
}

/// The body of an answer, whose request is under way until it is sent or given up.
#[derive(Debug)]
pub(super) struct Answer {
    body: axum::body::Body,
    _busy: Busy,
}

impl Answer {
    pub(super) fn new(body: axum::body::Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl Body for Answer {
    type Data = <axum::body::Body as Body>::Data;
    type Error = <axum::body::Body as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
