//! Watches a call from its start to the end of its response body, wherever the body is read. It must not know what
//! is counted at the end.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// Hears how a call goes. It is dropped when the call is over, and counts then: a call that nobody heard the end of
/// was left.
pub trait Ending {
    /// The response's head is there.
    fn head(&mut self, status: StatusCode, headers: &HeaderMap);
    /// What follows the body.
    fn trailers(&mut self, trailers: &HeaderMap);
    /// Nothing follows any more.
    fn ended(&mut self);
    /// The transport broke.
    fn broke(&mut self);
}

pin_project! {
    /// The work until the response's head.
    #[derive(Debug)]
    pub struct MeasuredFuture<F, E> {
        #[pin]
        inner: F,
        ending: Option<E>,
    }
}

impl<F, E> MeasuredFuture<F, E> {
    pub(super) fn new(inner: F, ending: Option<E>) -> Self {
        Self { inner, ending }
    }
}

impl<F, R, X, E> Future for MeasuredFuture<F, E>
where
    F: Future<Output = Result<Response<R>, X>>,
    R: Body,
    E: Ending,
{
    type Output = Result<Response<MeasuredBody<R, E>>, X>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.inner.poll(context));
        let mut ending = this.ending.take();
        Poll::Ready(match outcome {
            Ok(response) => {
                if let Some(ending) = &mut ending {
                    ending.head(response.status(), response.headers());
                    // A response without a body is never asked for one.
                    if response.body().is_end_stream() {
                        ending.ended();
                    }
                }
                Ok(response.map(|inner| MeasuredBody { inner, ending }))
            }
            Err(error) => {
                if let Some(ending) = &mut ending {
                    ending.broke();
                }
                Err(error)
            }
        })
    }
}

pin_project! {
    /// The response body.
    #[derive(Debug)]
    pub struct MeasuredBody<B, E> {
        #[pin]
        inner: B,
        ending: Option<E>,
    }
}

impl<B: Body, E: Ending> Body for MeasuredBody<B, E> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(context));
        if let Some(ending) = this.ending.as_mut() {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(trailers) = frame.trailers_ref() {
                        ending.trailers(trailers);
                        ending.ended();
                    }
                }
                Some(Err(_)) => ending.broke(),
                None => ending.ended(),
            }
            // Servers stop asking once a body says that it is at its end.
            if this.inner.is_end_stream() {
                ending.ended();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
