//! Counts HTTP requests by their routes. What machines ask all the time is left out. It must not know the routes.

use std::{
    fmt,
    sync::LazyLock,
    task::{Context, Poll},
    time::Instant,
};

use ::http::{Extensions, HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use tower::{Layer, Service};

use super::call::{Ending, MeasuredBody, MeasuredFuture};
use crate::context::{is_background, method_name};

/// Upper bounds in seconds: from a file of the page to a whole turn.
const BOUNDS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
];

/// Stands for paths that are no route of ours: anybody may ask for any path.
const OTHER: &str = "other";

/// The status of requests whose client left before there was one, as proxies write it.
const LEFT: u16 = 499;

static SERVED: LazyLock<Requests> = LazyLock::new(Requests::default);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    route: String,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone)]
struct Requests {
    count: Family<Answered, Counter>,
    seconds: Family<Asked, Histogram>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            count: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        }
    }
}

/// Puts the requests of this process among its figures.
pub(super) fn register(registry: &mut Registry) {
    registry.register(
        "http_server_requests",
        "HTTP requests that were answered, by route",
        SERVED.count.clone(),
    );
    registry.register(
        "http_server_request_duration_seconds",
        "Time from an HTTP request to the end of its answer",
        SERVED.seconds.clone(),
    );
}

type Route = fn(&Extensions) -> Option<&str>;

/// Counts the requests that a server serves.
#[derive(Clone, Copy, Debug)]
pub struct HttpLayer {
    route: Route,
}

impl HttpLayer {
    /// Names each request by the route that `route` finds in its extensions; those without one share a name.
    pub fn with_route(route: fn(&Extensions) -> Option<&str>) -> Self {
        Self { route }
    }
}

impl<S> Layer<S> for HttpLayer {
    type Service = MeasuredHttp<S>;

    fn layer(&self, inner: S) -> MeasuredHttp<S> {
        MeasuredHttp {
            inner,
            route: self.route,
        }
    }
}

/// A server whose requests are counted.
#[derive(Clone, Debug)]
pub struct MeasuredHttp<S> {
    inner: S,
    route: Route,
}

impl<S, B, R> Service<Request<B>> for MeasuredHttp<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<MeasuredBody<R, HttpExchange>>;
    type Error = S::Error;
    type Future = MeasuredFuture<S::Future, HttpExchange>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let exchange = (!is_background(request.uri().path())).then(|| HttpExchange {
            asked: Some(Asked {
                route: (self.route)(request.extensions())
                    .unwrap_or(OTHER)
                    .to_owned(),
                method: method_name(request.method()),
            }),
            began: Instant::now(),
            status: LEFT,
        });
        MeasuredFuture::new(self.inner.call(request), exchange)
    }
}

/// A request that is being answered; counted when it is dropped.
pub struct HttpExchange {
    asked: Option<Asked>,
    began: Instant,
    status: u16,
}

impl fmt::Debug for HttpExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpExchange").finish_non_exhaustive()
    }
}

impl Ending for HttpExchange {
    fn head(&mut self, status: StatusCode, _headers: &HeaderMap) {
        self.status = status.as_u16();
    }

    fn trailers(&mut self, _trailers: &HeaderMap) {}

    fn ended(&mut self) {}

    fn broke(&mut self) {}
}

impl Drop for HttpExchange {
    fn drop(&mut self) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        SERVED
            .seconds
            .get_or_create(&asked)
            .observe(self.began.elapsed().as_secs_f64());
        SERVED
            .count
            .get_or_create(&Answered {
                route: asked.route,
                method: asked.method,
                status: self.status,
            })
            .inc();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[derive(Clone)]
    struct Matched(&'static str);

    async fn ask(method: &str, path: &str, route: Option<&'static str>) {
        let layer =
            HttpLayer::with_route(|extensions| extensions.get::<Matched>().map(|route| route.0));
        let handler =
            service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(())
            .unwrap();
        if let Some(route) = route {
            request.extensions_mut().insert(Matched(route));
        }
        drop(layer.layer(handler).oneshot(request).await.unwrap());
    }

    fn counted(route: &str, method: &'static str, status: u16) -> u64 {
        let answered = Answered {
            route: route.into(),
            method,
            status,
        };
        SERVED.count.get(&answered).map_or(0, |count| count.get())
    }

    #[tokio::test]
    async fn requests_are_counted_by_their_routes_and_nothing_of_a_client_is_a_name() {
        ask("GET", "/api/things/17", Some("/api/things/{id}")).await;
        ask("GET", "/api/things/18", Some("/api/things/{id}")).await;
        ask("BREW", "/any/path", None).await;
        ask("GET", "/health", Some("/health")).await;
        assert_eq!(counted("/api/things/{id}", "GET", 200), 2);
        assert_eq!(counted(OTHER, "OTHER", 200), 1);
        assert_eq!(counted("/health", "GET", 200), 0);
    }

    #[tokio::test]
    async fn a_client_that_leaves_before_the_answer_is_counted_apart() {
        let layer = HttpLayer::with_route(|_| None);
        let mut service = layer.layer(service_fn(|_: Request<()>| {
            std::future::pending::<Result<Response<String>, Infallible>>()
        }));
        let left = counted(OTHER, "GET", LEFT);
        drop(service.call(Request::builder().uri("/slow").body(()).unwrap()));
        assert_eq!(counted(OTHER, "GET", LEFT), left + 1);
    }
}
