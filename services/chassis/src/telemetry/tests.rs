//! Traces through the request layer, and what the settings accept.

use std::sync::{Arc, Mutex};

use http::{HeaderMap, Request, Response};
use tower::{Layer as _, ServiceExt as _, service_fn};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tokio::sync::mpsc;
use tonic::service::Routes;

use super::*;
use crate::{
    context::{RequestContext, RequestLayer},
    lifecycle::{Drain, Readiness},
    server::{GrpcService, ServerConfig, serve_grpc},
};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn subscriber() -> impl Subscriber {
    let provider = export::traces("test", &OtlpConfig::default()).unwrap();
    tracing_subscriber::registry().with(spans(&provider))
}

/// What a handler behind the layer sends on to the next process.
async fn sent_on(request: Request<String>) -> HeaderMap {
    let sent = Arc::new(Mutex::new(HeaderMap::new()));
    let handler = service_fn({
        let sent = Arc::clone(&sent);
        move |request: Request<String>| {
            let sent = Arc::clone(&sent);
            async move {
                let context = RequestContext::from_extensions(request.extensions());
                context.inject_headers(&mut sent.lock().unwrap());
                Ok::<_, std::convert::Infallible>(Response::new(String::new()))
            }
        }
    });
    let answer = RequestLayer::new()
        .layer(handler)
        .oneshot(request)
        .await
        .unwrap();
    let sent = sent.lock().unwrap().clone();
    assert_eq!(answer.headers()["x-request-id"], sent["x-request-id"]);
    sent
}

#[tokio::test]
async fn the_trace_and_the_id_of_a_request_go_on_to_the_next_process() {
    let _default = tracing::subscriber::set_default(subscriber());
    let request = Request::builder()
        .header("traceparent", PARENT)
        .header("x-request-id", "r-1")
        .body(String::new());
    let sent = sent_on(request.unwrap()).await;
    assert_eq!(sent["x-request-id"], "r-1");
    let trace: Vec<_> = sent["traceparent"]
        .to_str()
        .unwrap()
        .split('-')
        .map(str::to_owned)
        .collect();
    assert_eq!(trace[1], "0af7651916cd43dd8448eb211c80319c");
    assert_ne!(
        trace[2], "b7ad6b7169203331",
        "the request has a span of its own"
    );
    assert_eq!(
        trace[3], "01",
        "who began the trace decides that it is kept"
    );
}

#[tokio::test]
async fn a_request_without_a_trace_begins_one_even_where_no_traces_leave() {
    let _default = tracing::subscriber::set_default(subscriber());
    let sent = sent_on(Request::new(String::new())).await;
    assert_eq!(sent["traceparent"].len(), PARENT.len());
    assert!(!sent.contains_key("tracestate"));
}

#[tokio::test]
async fn a_span_knows_its_trace() {
    let _default = tracing::subscriber::set_default(subscriber());
    let trace = crate::context::trace_id(&tracing::info_span!("turn")).unwrap();
    assert!(trace.len() == 32 && trace.bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert_eq!(crate::context::trace_id(&tracing::Span::none()), None);
}

/// A collector that hands on what it is sent.
struct Collector(mpsc::UnboundedSender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.0
            .send(request.into_inner())
            .map_err(|_| tonic::Status::unavailable("over"))?;
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_reach_the_collector_when_the_process_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let (sender, mut received) = mpsc::unbounded_channel();
    let collector = GrpcService {
        routes: Routes::new(TraceServiceServer::new(Collector(sender))),
        ..GrpcService::default()
    };
    tokio::spawn(async move {
        let config = ServerConfig::default();
        serve_grpc(
            listener,
            collector,
            &config,
            Readiness::default(),
            Drain::default(),
        )
        .await
    });
    let config = OtlpConfig {
        endpoint: Some(endpoint),
        ..OtlpConfig::default()
    };
    let provider = export::traces("chat", &config).unwrap();
    let layer = spans(&provider);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info_span!("answering").in_scope(|| {});
    });
    let guard = TelemetryGuard {
        provider,
        figures: None,
        levels: LogLevels::new("info", |_| true),
    };
    tokio::task::spawn_blocking(move || guard.flush())
        .await
        .unwrap();
    let sent = format!("{:?}", received.recv().await.unwrap());
    assert!(
        sent.contains("answering") && sent.contains("troika-chat"),
        "{sent}"
    );
}

#[test]
fn levels_are_checked_before_they_are_used() {
    let problems = |level: &str| {
        Problems::of(&LogConfig {
            level: level.into(),
            ..LogConfig::default()
        })
        .to_string()
    };
    assert_eq!(problems("info"), "");
    assert_eq!(problems("info,troika_chat=debug,h2=trace"), "");
    assert!(problems("chatty=loud").starts_with("level: `chatty=loud` is no level"));
    assert!(problems("loud").starts_with("level: `loud` is no level"));
}

#[test]
fn a_ratio_outside_of_its_bounds_is_refused() {
    let config = OtlpConfig {
        sample_ratio: 1.5,
        ..OtlpConfig::default()
    };
    assert_eq!(
        Problems::of(&config).to_string(),
        "sample_ratio: must be from 0 to 1"
    );
}

#[test]
fn a_collector_with_a_password_in_its_address_is_refused_without_showing_it() {
    let config = OtlpConfig {
        endpoint: Some("http://me:hunter2@127.0.0.1:4317".parse().unwrap()),
        ..OtlpConfig::default()
    };
    assert_eq!(
        Problems::of(&config).to_string(),
        "endpoint: must be an address without a user and a password"
    );
}
