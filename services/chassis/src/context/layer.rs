//! The layer around every server, gRPC and HTTP alike: takes in request id and trace, runs the request
//! and its response body in one span, logs one line at the end. It must never look into bodies.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Buf;
use http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{REQUEST_ID, RequestContext, is_background, remote_trace, trace_id};

/// Longest path that is put into a span.
const LONGEST_PATH: usize = 128;

type Route = fn(&Extensions) -> Option<&str>;

/// Puts a [`RequestContext`] into each request's extensions and a `request` span around its work.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestLayer {
    route: Option<Route>,
}

impl RequestLayer {
    /// Names each request by its path.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names each request by the route that matched, where `route` finds one in its extensions, so that
    /// paths with ids in them share a name.
    #[must_use]
    pub fn with_route(route: fn(&Extensions) -> Option<&str>) -> Self {
        Self { route: Some(route) }
    }
}

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> RequestService<S> {
        RequestService {
            inner,
            route: self.route,
        }
    }
}

/// A service with the request layer around it.
#[derive(Clone, Debug)]
pub struct RequestService<S> {
    inner: S,
    route: Option<Route>,
}

impl<S, B, R> Service<Request<B>> for RequestService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Where requests have routes is the edge.
        let context = match self.route {
            Some(_) => RequestContext::at_the_edge(request.headers()),
            None => RequestContext::from_neighbour(request.headers()),
        };
        let background = is_background(request.uri().path());
        let span = span(&request, self.route, &context, background);
        let id = HeaderValue::from_str(&context.request_id).ok();
        request.extensions_mut().insert(context);
        let end = End {
            span,
            began: Instant::now(),
            background,
            status: None,
            grpc_status: None,
            bytes: 0,
            done: false,
        };
        let inner = end.span.in_scope(|| self.inner.call(request));
        ResponseFuture {
            inner,
            end: Some(end),
            id,
        }
    }
}

fn span<B>(
    request: &Request<B>,
    route: Option<Route>,
    context: &RequestContext,
    background: bool,
) -> Span {
    let path = request.uri().path();
    let is_grpc = request
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let route = route
        .and_then(|route| route(request.extensions()))
        .unwrap_or(path);
    let route = &route[..route.floor_char_boundary(LONGEST_PATH)];
    let name = if is_grpc {
        route.trim_start_matches('/').to_owned()
    } else {
        format!("{} {route}", method_name(request.method()))
    };
    macro_rules! request_span {
        ($span:ident) => {
            tracing::$span!(
                "request",
                otel.name = name,
                otel.kind = "server",
                http.route = route,
                request_id = context.request_id,
                trace_id = Empty,
                otel.status_code = Empty,
            )
        };
    }
    let span = if background {
        request_span!(debug_span)
    } else {
        request_span!(info_span)
    };
    if !span.is_disabled() {
        // Fails only where no OpenTelemetry layer is there to know a parent.
        let _ = span.set_parent(remote_trace(request.headers()));
        if let Some(trace) = trace_id(&span) {
            span.record("trace_id", trace);
        }
    }
    span
}

/// Clients may send any word for a method.
pub(crate) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// What is logged when a request ends, however it ends.
struct End {
    span: Span,
    began: Instant,
    background: bool,
    status: Option<StatusCode>,
    grpc_status: Option<i32>,
    bytes: u64,
    done: bool,
}

impl End {
    fn headers(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.grpc_status = Some(tonic::Code::from_bytes(status.as_bytes()) as i32);
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let outcome = if self.done { "done" } else { "left" };
        let failed = self.status.is_some_and(|status| status.is_server_error())
            || self.grpc_status.is_some_and(|status| {
                matches!(
                    tonic::Code::from_i32(status),
                    tonic::Code::Unknown
                        | tonic::Code::Internal
                        | tonic::Code::Unavailable
                        | tonic::Code::DataLoss
                        | tonic::Code::Unimplemented
                        | tonic::Code::DeadlineExceeded
                )
            });
        if failed {
            self.span.record("otel.status_code", "ERROR");
        }
        let _entered = self.span.enter();
        let (status, grpc_status, bytes) = (
            self.status.map(|status| status.as_u16()),
            self.grpc_status,
            self.bytes,
        );
        let milliseconds = self.began.elapsed().as_secs_f64() * 1000.0;
        if self.background {
            tracing::debug!(outcome, status, grpc_status, milliseconds, bytes, "request");
        } else {
            tracing::info!(outcome, status, grpc_status, milliseconds, bytes, "request");
        }
    }
}

pin_project! {
    /// The work until the response head.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        end: Option<End>,
        id: Option<HeaderValue>,
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = {
            let _entered = this.end.as_ref().map(|end| end.span.enter());
            ready!(this.inner.poll(context))
        };
        let mut end = this.end.take();
        let id = this.id.take();
        Poll::Ready(outcome.map(|mut response| {
            if let Some(end) = &mut end {
                end.status = Some(response.status());
                end.headers(response.headers());
                // A response without a body is never asked for one.
                end.done = response.body().is_end_stream();
            }
            if let Some(id) = id {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            response.map(|inner| ResponseBody { inner, end })
        }))
    }
}

pin_project! {
    /// The response body, read in the span of its request.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        end: Option<End>,
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = {
            let _entered = this.end.as_ref().map(|end| end.span.enter());
            ready!(this.inner.as_mut().poll_frame(context))
        };
        if let Some(end) = this.end.as_mut() {
            if let Some(Ok(frame)) = &frame {
                end.bytes += frame.data_ref().map_or(0, |data| data.remaining() as u64);
                if let Some(trailers) = frame.trailers_ref() {
                    end.headers(trailers);
                    end.done = true;
                }
            }
            // Servers stop asking once a body says that it is at its end.
            end.done |= frame.is_none() || this.inner.is_end_stream();
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
