//! Counts gRPC calls, those that are served and those that are made. Health checks and reflection are left out: they
//! would drown the rest. It must not know which services there are.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Instant,
};

use ::http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, transport::Channel};
use tower::{Layer, Service};

use super::call::{Ending, MeasuredBody, MeasuredFuture};
use crate::{
    channel::{Credential, Renewal},
    context::is_background,
};

/// Upper bounds in seconds: from a look into memory to a whole turn.
const BOUNDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

/// Stands for services and methods that are not ours: anybody may call any name.
const UNKNOWN: &str = "unknown";

/// A process counts its calls in one place, whoever serves or makes them.
static SERVED: LazyLock<Calls> = LazyLock::new(Calls::default);
static MADE: LazyLock<Calls> = LazyLock::new(Calls::default);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    grpc_service: String,
    grpc_method: String,
}

impl Method {
    fn unknown() -> Self {
        Self {
            grpc_service: UNKNOWN.into(),
            grpc_method: UNKNOWN.into(),
        }
    }

    /// Of `/service/method`.
    fn of(path: &str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        Some(Self {
            grpc_service: service.into(),
            grpc_method: method.into(),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handled {
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

#[derive(Clone)]
pub(super) struct Calls {
    started: Family<Method, Counter>,
    handled: Family<Handled, Counter>,
    seconds: Family<Method, Histogram>,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            started: Family::default(),
            handled: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
        }
    }
}

impl Calls {
    fn register(&self, registry: &mut Registry, side: &str, verbs: [&str; 3]) {
        let [started, handled, seconds] = verbs;
        let name = |end: &str| format!("grpc_{side}_{end}");
        registry.register(name("started"), started, self.started.clone());
        registry.register(name("handled"), handled, self.handled.clone());
        registry.register(name("handling_seconds"), seconds, self.seconds.clone());
    }

    fn begin(&self, method: Method) -> GrpcCall {
        self.started.get_or_create(&method).inc();
        GrpcCall {
            calls: self.clone(),
            method: Some(method),
            began: Instant::now(),
            code: None,
            ended: false,
            broke: false,
        }
    }
}

/// Puts the calls of this process among its figures.
pub(super) fn register(registry: &mut Registry) {
    SERVED.register(
        registry,
        "server",
        [
            "gRPC calls that this process began to serve",
            "gRPC calls that this process served to their end",
            "Time from the start of a served gRPC call to the end of its answer",
        ],
    );
    MADE.register(
        registry,
        "client",
        [
            "gRPC calls that this process began to make",
            "gRPC calls of this process that ended",
            "Time from the start of a gRPC call that was made to the end of its answer",
        ],
    );
}

/// A call that is under way; counted when it is dropped.
pub struct GrpcCall {
    calls: Calls,
    method: Option<Method>,
    began: Instant,
    code: Option<Code>,
    ended: bool,
    broke: bool,
}

impl fmt::Debug for GrpcCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcCall").finish_non_exhaustive()
    }
}

impl GrpcCall {
    fn note(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.code = Some(Code::from_bytes(status.as_bytes()));
        }
    }
}

impl Ending for GrpcCall {
    fn head(&mut self, _status: StatusCode, headers: &HeaderMap) {
        self.note(headers);
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.note(trailers);
    }

    fn ended(&mut self) {
        self.ended = true;
    }

    fn broke(&mut self) {
        self.broke = true;
    }
}

impl Drop for GrpcCall {
    fn drop(&mut self) {
        let Some(method) = self.method.take() else {
            return;
        };
        let code = match self.code {
            Some(code) => code,
            None if self.broke => Code::Unavailable,
            None if self.ended => Code::Unknown,
            None => Code::Cancelled,
        };
        self.calls
            .seconds
            .get_or_create(&method)
            .observe(self.began.elapsed().as_secs_f64());
        self.calls
            .handled
            .get_or_create(&Handled {
                grpc_service: method.grpc_service,
                grpc_method: method.grpc_method,
                grpc_code: name(code),
            })
            .inc();
    }
}

/// As dashboards know them.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Cancelled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// The methods that a server has, by their paths. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownMethods(Arc<HashMap<String, Method>>);

impl KnownMethods {
    /// Those in these encoded `FileDescriptorSet`s. What cannot be read is left out: reflection reports it.
    pub(crate) fn of(descriptors: &[&[u8]]) -> Self {
        let mut known = HashMap::new();
        let sets = descriptors
            .iter()
            .filter_map(|set| FileDescriptorSet::decode(*set).ok());
        for file in sets.flat_map(|set| set.file) {
            for service in &file.service {
                let service_name = match file.package() {
                    "" => service.name().to_owned(),
                    package => format!("{package}.{}", service.name()),
                };
                for method in &service.method {
                    let path = format!("/{service_name}/{}", method.name());
                    if let Some(method) = Method::of(&path) {
                        known.insert(path, method);
                    }
                }
            }
        }
        Self(Arc::new(known))
    }

    fn method(&self, path: &str) -> Method {
        self.0.get(path).cloned().unwrap_or_else(Method::unknown)
    }
}

/// Counts the calls that a server serves.
#[derive(Clone)]
pub(crate) struct MeasuredServerLayer {
    calls: Calls,
    known: KnownMethods,
}

impl MeasuredServerLayer {
    pub(crate) fn new(known: KnownMethods) -> Self {
        Self {
            calls: SERVED.clone(),
            known,
        }
    }
}

impl<S> Layer<S> for MeasuredServerLayer {
    type Service = MeasuredServer<S>;

    fn layer(&self, inner: S) -> MeasuredServer<S> {
        MeasuredServer {
            inner,
            calls: self.calls.clone(),
            known: self.known.clone(),
        }
    }
}

/// A server whose calls are counted.
#[derive(Clone)]
pub(crate) struct MeasuredServer<S> {
    inner: S,
    calls: Calls,
    known: KnownMethods,
}

impl<S, B, R> Service<Request<B>> for MeasuredServer<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Response = Response<MeasuredBody<R, GrpcCall>>;
    type Error = S::Error;
    type Future = MeasuredFuture<S::Future, GrpcCall>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let call = (!is_background(path)).then(|| self.calls.begin(self.known.method(path)));
        MeasuredFuture::new(self.inner.call(request), call)
    }
}

/// A channel whose calls are counted, and show who makes them.
#[derive(Clone, Debug)]
pub struct MeasuredChannel {
    inner: Channel,
    credential: Credential,
    renewal: Option<Arc<Renewal>>,
}

impl MeasuredChannel {
    /// Shows `credential` with each call; with `renewal` its certificates may change.
    pub(crate) fn new(
        inner: Channel,
        credential: Credential,
        renewal: Option<Arc<Renewal>>,
    ) -> Self {
        Self {
            inner,
            credential,
            renewal,
        }
    }
}

impl From<Channel> for MeasuredChannel {
    fn from(inner: Channel) -> Self {
        Self::new(inner, Credential::default(), None)
    }
}

impl Service<Request<tonic::body::Body>> for MeasuredChannel {
    type Response = Response<MeasuredBody<tonic::body::Body, GrpcCall>>;
    type Error = tonic::transport::Error;
    type Future =
        MeasuredFuture<<Channel as Service<Request<tonic::body::Body>>>::Future, GrpcCall>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.inner, context)
    }

    fn call(&mut self, mut request: Request<tonic::body::Body>) -> Self::Future {
        if let Some(renewal) = &self.renewal {
            renewal.look();
        }
        self.credential.show(request.headers_mut());
        let path = request.uri().path();
        // The names of what is called come from generated code, and are as few.
        let call = (!is_background(path))
            .then(|| MADE.begin(Method::of(path).unwrap_or_else(Method::unknown)));
        MeasuredFuture::new(Service::call(&mut self.inner, request), call)
    }
}

#[cfg(test)]
mod tests;
