//! Calls as they are counted, over a real server and a real channel.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http_body::Frame;
use prometheus_client::encoding::EncodeMetric as _;
use tower::{ServiceExt as _, service_fn};

use super::*;

const DESCRIPTORS: &[&[u8]] = &[crate::health::v1::FILE_DESCRIPTOR_SET];

/// A body that gives its frames and then ends, or goes on for ever.
struct Frames(Vec<Frame<Bytes>>, bool);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match (self.0.pop(), self.1) {
            (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
            (None, true) => Poll::Ready(None),
            (None, false) => Poll::Pending,
        }
    }
}

fn trailers(status: &'static str) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    Frame::trailers(trailers)
}

/// The layer with counts of its own, over a handler that answers with such a body.
async fn call(path: &str, frames: Vec<Frame<Bytes>>, ends: bool, read: usize) -> Calls {
    let layer = MeasuredServerLayer {
        calls: Calls::default(),
        known: KnownMethods(Arc::new(HashMap::from([(
            "/troika.x.v1.X/Do".to_owned(),
            Method::of("/troika.x.v1.X/Do").unwrap(),
        )]))),
    };
    let mut frames = Some(Frames(frames, ends));
    let handler = service_fn(move |_: Request<()>| {
        let body = frames.take().unwrap();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let request = Request::builder().uri(path).body(()).unwrap();
    let body = layer
        .layer(handler)
        .oneshot(request)
        .await
        .unwrap()
        .into_body();
    let mut body = Box::pin(body);
    for _ in 0..read {
        std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await;
    }
    drop(body);
    layer.calls
}

fn handled(calls: &Calls, service: &str, method: &str, code: &'static str) -> u64 {
    let labels = Handled {
        grpc_service: service.into(),
        grpc_method: method.into(),
        grpc_code: code,
    };
    calls.handled.get(&labels).map_or(0, |count| count.get())
}

#[tokio::test]
async fn a_stream_is_handled_when_its_body_ends_with_the_status_of_its_trailers() {
    let frames = || vec![trailers("5"), Frame::data(Bytes::from_static(b"x"))];
    let calls = call("/troika.x.v1.X/Do", frames(), true, 2).await;
    assert_eq!(handled(&calls, "troika.x.v1.X", "Do", "NotFound"), 1);
    let method = Method::of("/troika.x.v1.X/Do").unwrap();
    assert_eq!(calls.started.get(&method).unwrap().get(), 1);
    assert!(calls.seconds.get(&method).is_some());
}

#[tokio::test]
async fn a_stream_that_is_dropped_is_cancelled() {
    let frames = vec![Frame::data(Bytes::from_static(b"x"))];
    let calls = call("/troika.x.v1.X/Do", frames, false, 1).await;
    assert_eq!(handled(&calls, "troika.x.v1.X", "Do", "Cancelled"), 1);
}

#[tokio::test]
async fn methods_that_are_not_ours_share_one_name_and_probes_are_left_out() {
    let calls = call("/any.Thing/Goes", vec![trailers("12")], true, 1).await;
    assert_eq!(handled(&calls, UNKNOWN, UNKNOWN, "Unimplemented"), 1);
    let calls = call("/grpc.health.v1.Health/Check", vec![trailers("0")], true, 1).await;
    assert!(calls.started.is_empty() && calls.handled.is_empty());
}

#[test]
fn the_methods_of_a_server_are_read_from_its_descriptors() {
    let known = KnownMethods::of(DESCRIPTORS);
    let method = known.method("/grpc.health.v1.Health/Check");
    assert_eq!(method.grpc_service, "grpc.health.v1.Health");
    assert_eq!(
        known.method("/grpc.health.v1.Health/Guess"),
        Method::unknown()
    );
}

#[tokio::test]
async fn a_call_that_nobody_takes_is_counted_as_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_timeout(Duration::from_secs(5));
    let mut channel = MeasuredChannel::from(endpoint.connect_lazy());
    let request = Request::builder()
        .uri(format!("http://{address}/troika.x.v1.X/Do"))
        .body(tonic::body::Body::empty())
        .unwrap();
    channel.ready().await.unwrap();
    assert!(channel.call(request).await.is_err());
    assert_eq!(handled(&MADE, "troika.x.v1.X", "Do", "Unavailable"), 1);
}
