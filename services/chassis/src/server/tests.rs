//! Servers over real connections: health, reflection, request ids, panics, the drain.

use std::{convert::Infallible, net::SocketAddr, pin::Pin, time::Instant};

use futures::{Stream, StreamExt as _, stream};
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status, body::Body};

use super::*;
use crate::{
    channel::{Channel, ChannelConfig, channel},
    health::{
        client::HealthClient,
        v1::{
            HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
            health_check_response::ServingStatus, health_server::Health,
        },
    },
    lifecycle::DrainConfig,
};

/// A service of its own name that has the messages of the health service at hand: `Check` panics,
/// `Watch` sends one answer and then panics or stays, `List` is answered.
#[derive(Clone)]
struct Odd;

#[tonic::async_trait]
impl Health for Odd {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        panic!("a handler")
    }

    async fn list(
        &self,
        _: Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse::default()))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let first = stream::iter([Ok(HealthCheckResponse::default())]);
        let rest = match request.get_ref().service.as_str() {
            // What was sent before is flushed once the stream has nothing ready.
            "panic" => stream::once(async {
                tokio::task::yield_now().await;
                panic!("a stream")
            })
            .boxed(),
            _ => stream::pending().boxed(),
        };
        Ok(Response::new(first.chain(rest).boxed()))
    }
}

/// Serves the odd service under the name `odd.Odd`.
#[derive(Clone)]
struct Renamed(HealthServer<Odd>);

impl tonic::server::NamedService for Renamed {
    const NAME: &'static str = "odd.Odd";
}

impl tower::Service<http::Request<Body>> for Renamed {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = <HealthServer<Odd> as tower::Service<http::Request<Body>>>::Future;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        *request.uri_mut() = request
            .uri()
            .to_string()
            .replace("odd.Odd", "grpc.health.v1.Health")
            .parse()
            .unwrap();
        self.0.call(request)
    }
}

/// The client of the odd service.
#[derive(Clone)]
struct AsOdd(Channel);

impl tower::Service<http::Request<Body>> for AsOdd {
    type Response = <Channel as tower::Service<http::Request<Body>>>::Response;
    type Error = tonic::transport::Error;
    type Future = <Channel as tower::Service<http::Request<Body>>>::Future;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        *request.uri_mut() = request
            .uri()
            .to_string()
            .replace("grpc.health.v1.Health", "odd.Odd")
            .parse()
            .unwrap();
        self.0.call(request)
    }
}

struct Running {
    place: SocketAddr,
    channel: Channel,
    readiness: Readiness,
    drain: Drain,
    server: JoinHandle<Result<(), ServeError>>,
}

async fn running(drain: DrainConfig) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let (readiness, drain) = (Readiness::default(), Drain::new(drain));
    let service = GrpcService {
        routes: Routes::new(Renamed(HealthServer::new(Odd))),
        service_names: vec!["odd.Odd"],
        descriptors: vec![],
    };
    let server = tokio::spawn({
        let (readiness, drain) = (readiness.clone(), drain.clone());
        async move {
            serve_grpc(
                listener,
                service,
                &ServerConfig::default(),
                readiness,
                drain,
            )
            .await
        }
    });
    let config = ChannelConfig {
        connections: 1,
        ..ChannelConfig::default()
    };
    let channel = channel(format!("http://{place}").parse().unwrap(), &config);
    Running {
        place,
        channel,
        readiness,
        drain,
        server,
    }
}

impl Running {
    fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel.clone())
    }

    fn odd(&self) -> HealthClient<AsOdd> {
        let origin = format!("http://{}", self.place).parse().unwrap();
        HealthClient::with_origin(AsOdd(self.channel.clone()), origin)
    }
}

fn asked(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.into(),
    }
}

#[tokio::test]
async fn health_follows_readiness_on_the_wire() {
    let running = running(DrainConfig::default()).await;
    let condition = running.readiness.condition("store");
    let mut watch = running
        .health()
        .watch(asked("odd.Odd"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    condition.met();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    let list = running
        .health()
        .list(HealthListRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(list.statuses.len(), 2);
}

#[tokio::test]
async fn the_request_id_comes_back() {
    let running = running(DrainConfig::default()).await;
    let mut request = Request::new(HealthListRequest {});
    request
        .metadata_mut()
        .insert("x-request-id", "r-1".parse().unwrap());
    let answer = running.odd().list(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "r-1");
    let answer = running.odd().list(HealthListRequest {}).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap().len(), 36);
}

#[tokio::test]
async fn panics_in_handlers_and_streams_become_internal_and_the_connection_lives() {
    let running = running(DrainConfig::default()).await;
    let status = running.odd().check(asked("")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Internal);
    assert!(!status.message().contains("handler"));
    let mut watch = running
        .odd()
        .watch(asked("panic"))
        .await
        .unwrap()
        .into_inner();
    watch.message().await.unwrap().unwrap();
    assert_eq!(
        watch.message().await.unwrap_err().code(),
        tonic::Code::Internal
    );
    running.odd().list(HealthListRequest {}).await.unwrap();
}

#[tokio::test]
async fn one_connection_carries_more_streams_than_http2_begins_with() {
    let running = running(DrainConfig::default()).await;
    let mut watches = Vec::new();
    for _ in 0..500 {
        let mut watch = running.odd().watch(asked("")).await.unwrap().into_inner();
        watch.message().await.unwrap();
        watches.push(watch);
    }
    assert_eq!(running.drain.held(), [("gRPC calls", 500)]);
}

#[tokio::test]
async fn an_idle_server_leaves_at_once_though_health_is_watched() {
    let running = running(DrainConfig::default()).await;
    let mut watch = running
        .health()
        .watch(asked(""))
        .await
        .unwrap()
        .into_inner();
    watch.message().await.unwrap();
    let began = Instant::now();
    running.drain.begin();
    running.server.await.unwrap().unwrap();
    assert!(began.elapsed() < LAST_BYTES, "{:?}", began.elapsed());
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert_eq!(watch.message().await.unwrap(), None);
}

#[tokio::test]
async fn an_open_stream_holds_the_server_until_it_ends() {
    let running = running(DrainConfig::default()).await;
    let mut watch = running.odd().watch(asked("")).await.unwrap().into_inner();
    watch.message().await.unwrap();
    assert_eq!(running.drain.held(), [("gRPC calls", 1)]);
    running.drain.begin();
    // The listener closes although the stream is open.
    let refused = async {
        while tokio::net::TcpStream::connect(running.place).await.is_ok() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused)
        .await
        .unwrap();
    assert!(!running.server.is_finished());
    drop(watch);
    tokio::time::timeout(Duration::from_secs(10), running.server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_stream_that_never_ends_is_left_when_the_drain_is_forced() {
    let short = Duration::from_millis(50);
    let running = running(DrainConfig {
        delay: Duration::ZERO,
        deadline: short,
        force: short,
    })
    .await;
    let mut watch = running.odd().watch(asked("")).await.unwrap().into_inner();
    watch.message().await.unwrap();
    running.drain.begin();
    tokio::time::timeout(Duration::from_secs(10), running.server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(running.drain.held(), [("gRPC calls", 1)]);
}

#[tokio::test]
async fn reflection_lists_health_in_both_versions() {
    use tonic_reflection::pb;

    let running = running(DrainConfig::default()).await;
    let ask = pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            pb::v1::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    let mut client =
        pb::v1::server_reflection_client::ServerReflectionClient::new(running.channel.clone());
    let mut answers = client
        .server_reflection_info(stream::iter([ask]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    assert!(
        format!("{answer:?}").contains("grpc.health.v1.Health"),
        "{answer:?}"
    );

    let ask = pb::v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            pb::v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "grpc.health.v1.Health".into(),
            ),
        ),
    };
    let mut client =
        pb::v1alpha::server_reflection_client::ServerReflectionClient::new(running.channel.clone());
    let mut answers = client
        .server_reflection_info(stream::iter([ask]))
        .await
        .unwrap()
        .into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap().unwrap());
    assert!(answer.contains("FileDescriptorResponse"), "{answer}");
}

#[tokio::test]
async fn joined_services_are_all_served_and_what_nobody_has_is_told_so() {
    let of = |routes, name| GrpcService {
        routes,
        service_names: vec![name],
        descriptors: vec![name.as_bytes()],
    };
    let odd = of(Routes::new(Renamed(HealthServer::new(Odd))), "odd.Odd");
    let even = of(Routes::new(HealthServer::new(Odd)), "grpc.health.v1.Health");
    let both = odd.join(even);
    assert_eq!(both.service_names, ["odd.Odd", "grpc.health.v1.Health"]);
    assert_eq!(both.descriptors.len(), 2);
    for (method, is_served) in [
        ("/odd.Odd/List", true),
        ("/grpc.health.v1.Health/List", true),
        ("/even.Even/List", false),
    ] {
        let request = http::Request::post(method)
            .header("content-type", "application/grpc")
            .body(Body::empty())
            .unwrap();
        let response = tower::ServiceExt::oneshot(both.routes.clone(), request).await;
        let status = Status::from_header_map(response.unwrap().headers());
        let unknown = status.is_some_and(|status| status.code() == tonic::Code::Unimplemented);
        assert_eq!(unknown, !is_served, "{method}");
    }
}
