//! Who a request is: its id and its place in a trace, taken in at the edge of each process and handed
//! on with every call. It must not know what is asked.

mod layer;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    TraceId,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tonic::metadata::MetadataMap;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use uuid::Uuid;

pub(crate) use layer::method_name;
pub use layer::{RequestLayer, RequestService, ResponseBody, ResponseFuture};

/// Carries the id of a request, from the browser to the last service.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// When the request arrived at the edge, in microseconds since 1970. Between processes alone: the edge takes it
/// from nobody.
const ARRIVED: HeaderName = HeaderName::from_static("x-arrived");

/// Who asks, as the edge verified it: opaque here. Between processes alone, as the arrival.
const CALLER: HeaderName = HeaderName::from_static("troika-caller-bin");

/// The longest that a request can have been on its way; what says otherwise comes from a clock that is wrong.
const LONGEST_WAY: Duration = Duration::from_secs(60);

/// Longest id that is taken from a client.
const LONGEST_ID: usize = 128;

/// What a request carries from process to process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// 1 to 128 of `A-Z a-z 0-9 . _ -`.
    pub request_id: String,
    /// When it arrived at the edge, by the edge's clock.
    pub arrived: SystemTime,
    /// Who asks, as the edge tells it to services. `None` where a process asks on its own behalf; empty, at the edge, until
    /// somebody is known.
    pub caller: Option<HeaderValue>,
}

impl RequestContext {
    /// A request with a new id.
    pub fn new() -> Self {
        Self {
            request_id: Uuid::now_v7().to_string(),
            arrived: SystemTime::now(),
            caller: None,
        }
    }

    /// How long ago it arrived at the edge: the time until now in all processes and between them.
    pub fn waited(&self) -> Duration {
        self.arrived.elapsed().unwrap_or_default()
    }

    /// The context that [`RequestLayer`] put there, else a new one.
    pub fn from_extensions(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Of a request at the edge: nobody's in particular, until who asks is known. Never without a caller: it would be the
    /// edge itself that asks.
    fn at_the_edge(headers: &HeaderMap) -> Self {
        Self {
            caller: Some(HeaderValue::from_static("")),
            ..Self::from_headers(headers)
        }
    }

    /// The context a client sent: its id when it is a valid one, else a new one.
    fn from_headers(headers: &HeaderMap) -> Self {
        match headers
            .get(REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .filter(|id| is_valid(id))
        {
            Some(id) => Self {
                request_id: id.to_owned(),
                ..Self::new()
            },
            None => Self::new(),
        }
    }

    /// As a neighbour tells it: with the time at which the request arrived at the edge.
    fn from_neighbour(headers: &HeaderMap) -> Self {
        let mut context = Self::from_headers(headers);
        if let Some(arrived) = arrived(headers) {
            context.arrived = arrived;
        }
        context
    }

    /// Adds `x-request-id`, `x-arrived` and the trace of the current span (`traceparent`, `tracestate`).
    pub fn inject_headers(&self, headers: &mut HeaderMap) {
        // An id that was set by hand may not be one.
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Ok(since) = self.arrived.duration_since(UNIX_EPOCH) {
            headers.insert(ARRIVED, HeaderValue::from(since.as_micros() as u64));
        }
        if let Some(caller) = &self.caller {
            headers.insert(CALLER, caller.clone());
        }
        let trace = Span::current().context();
        TraceContextPropagator::new().inject_context(&trace, &mut Headers(headers));
    }

    /// As [`inject_headers`](Self::inject_headers), for a gRPC call.
    pub fn inject_metadata(&self, metadata: &mut MetadataMap) {
        let mut headers = std::mem::take(metadata).into_headers();
        self.inject_headers(&mut headers);
        *metadata = MetadataMap::from_headers(headers);
    }
}

impl Default for RequestContext {
    fn default() -> Self {
        Self::new()
    }
}

fn is_valid(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(allowed)
}

/// What a neighbour says of a request's arrival, where that can be.
fn arrived(headers: &HeaderMap) -> Option<SystemTime> {
    let micros = headers.get(ARRIVED)?.to_str().ok()?.parse().ok()?;
    let arrived = UNIX_EPOCH.checked_add(Duration::from_micros(micros))?;
    let on_its_way = arrived.elapsed().ok()?;
    (on_its_way <= LONGEST_WAY).then_some(arrived)
}

/// A page brings some twenty files along; their log lines would bury those that matter.
const PAGE_PARTS: [&str; 4] = [".css", ".js", ".svg", ".woff2"];

/// Whether a path is one that machines ask all the time: logged at debug only, and no work that a
/// drain waits for.
pub(crate) fn is_background(path: &str) -> bool {
    path.starts_with("/grpc.health.")
        || path.starts_with("/grpc.reflection.")
        || matches!(path, "/health" | "/ready" | "/metrics")
        || (PAGE_PARTS.iter().any(|ending| path.ends_with(ending)) && !is_api(path))
}

/// Whether a path is one of an interface, whatever a name at its end looks like.
fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/ofrep/")
}

/// The id of the trace that a span belongs to, in hexadecimal digits, as logs and figures name it.
pub fn trace_id(span: &Span) -> Option<String> {
    let trace = span.context().span().span_context().trace_id();
    (trace != TraceId::INVALID).then(|| trace.to_string())
}

/// The trace that a client sent.
fn remote_trace(headers: &HeaderMap) -> opentelemetry::Context {
    TraceContextPropagator::new().extract(&Sent(headers))
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The propagator writes an empty tracestate where there is none.
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::from_str(&value)) {
            self.0.insert(name, value);
        }
    }
}

struct Sent<'a>(&'a HeaderMap);

impl Extractor for Sent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(sent: &[u8]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(sent).unwrap());
        RequestContext::from_headers(&headers).request_id
    }

    #[test]
    fn a_valid_id_is_kept() {
        for id in ["a", "A-z_0.9", &"x".repeat(128)] {
            assert_eq!(id_of(id.as_bytes()), id);
        }
    }

    #[test]
    fn any_other_id_is_replaced_by_a_new_one() {
        for id in [
            &b""[..],
            b"a b",
            b"a/b",
            b"a\"b",
            "ä".as_bytes(),
            "x".repeat(129).as_bytes(),
        ] {
            let new = id_of(id);
            assert_eq!(Uuid::parse_str(&new).unwrap().get_version_num(), 7);
        }
        assert_ne!(
            RequestContext::from_headers(&HeaderMap::new()),
            RequestContext::from_headers(&HeaderMap::new())
        );
    }

    #[test]
    fn the_id_goes_with_calls_and_other_metadata_stays() {
        let context = RequestContext {
            request_id: "r-1".into(),
            ..RequestContext::new()
        };
        let mut metadata = MetadataMap::new();
        metadata.insert("other", "x".parse().unwrap());
        context.inject_metadata(&mut metadata);
        assert_eq!(metadata.get("x-request-id").unwrap(), "r-1");
        assert_eq!(metadata.get("other").unwrap(), "x");
        let told = RequestContext::from_neighbour(&metadata.into_headers());
        assert!(told.waited() < LONGEST_WAY && told.arrived <= SystemTime::now());
        let apart = context.arrived.duration_since(told.arrived).unwrap();
        assert!(apart < Duration::from_micros(1), "{apart:?}");
    }

    #[test]
    fn an_arrival_that_cannot_be_is_now() {
        let micros = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap().as_micros();
        let now = SystemTime::now();
        let long_ago = micros(now - 2 * LONGEST_WAY).to_string();
        let ahead = micros(now + LONGEST_WAY).to_string();
        for sent in ["", "x", "-1", "18446744073709551615", &long_ago, &ahead] {
            let mut headers = HeaderMap::new();
            headers.insert(ARRIVED, sent.parse().unwrap());
            let context = RequestContext::from_neighbour(&headers);
            assert!(context.arrived >= now, "{sent}");
        }
    }

    #[test]
    fn the_edge_believes_nobody_about_the_arrival() {
        let now = SystemTime::now();
        let mut headers = HeaderMap::new();
        RequestContext {
            arrived: now - Duration::from_secs(30),
            ..RequestContext::new()
        }
        .inject_headers(&mut headers);
        assert!(RequestContext::from_headers(&headers).arrived >= now);
    }
}
