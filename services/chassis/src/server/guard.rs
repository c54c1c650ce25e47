//! Guards each call of a server: it holds the drain while it runs, and a panic in it becomes the
//! status INTERNAL. Library layers catch panics of handlers only, not those of the streams they
//! return, where most of the work happens. It must not know what the calls do.

use std::{
    any::Any,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;
use tower::{Layer, Service};

use crate::{
    context::is_background,
    error::{Code, Error},
    lifecycle::{Drain, Hold},
};

/// Wraps a gRPC service so that each of its calls is guarded.
#[derive(Clone)]
pub(super) struct GuardLayer {
    drain: Drain,
}

impl GuardLayer {
    pub(super) fn new(drain: Drain) -> Self {
        Self { drain }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard {
            inner,
            drain: self.drain.clone(),
        }
    }
}

/// A guarded service.
#[derive(Clone)]
pub(super) struct Guard<S> {
    inner: S,
    drain: Drain,
}

impl<S, B, R> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    S::Future: Send + 'static,
    R: Default,
{
    type Response = Response<GuardedBody<R>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // A watch on health never ends by itself: the drain must not wait for it.
        let hold = (!is_background(request.uri().path())).then(|| self.drain.hold("gRPC calls"));
        let call = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(async move {
            let answer = match call {
                Ok(call) => AssertUnwindSafe(call).catch_unwind().await,
                Err(panic) => Err(panic),
            };
            let answer = match answer {
                Ok(Ok(answer)) => answer,
                Err(panic) => {
                    let (head, ()) = status(&*panic).into_http::<()>().into_parts();
                    Response::from_parts(head, R::default())
                }
            };
            Ok(answer.map(|body| GuardedBody {
                inner: Some(body),
                _hold: hold,
            }))
        })
    }
}

/// The panic hook has told where and why; clients learn neither.
fn status(_: &(dyn Any + Send)) -> Status {
    let source = "a panic, see the log before this";
    Error::of(Code::Internal).with_source(source).into()
}

pin_project! {
    /// A response body that ends with a status when it panics.
    pub(super) struct GuardedBody<B> {
        #[pin]
        inner: Option<B>,
        // Lives as long as the body: until its end was sent or nobody reads it any more.
        _hold: Option<Hold>,
    }
}

impl<B: Body> Body for GuardedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        match catch_unwind(AssertUnwindSafe(|| inner.poll_frame(context))) {
            Ok(frame) => frame,
            Err(panic) => {
                this.inner.set(None);
                let mut trailers = HeaderMap::new();
                // Ours is always a valid header; without one the client still learns that the stream broke.
                let _ = status(&*panic).add_header(&mut trailers);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}
