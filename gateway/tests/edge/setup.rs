//! A gateway on loopback, a scripted chat role behind it, and plain HTTP to talk to it. It asserts
//! nothing by itself.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    task::JoinHandle,
};
use tokio_stream::wrappers::TcpListenerStream;
use troika_chassis::{
    config::Secret,
    deps::Deps,
    lifecycle::{Drain, DrainConfig, Readiness},
    meters::Meters,
};
use troika_gateway::{Config, ServeError};
use troika_identity::{Doors, Secrets, Services, Sessions, Verifier};
use troika_proto::chat::v1::chat_stream_server::ChatStreamServer;

mod chat;
pub(crate) mod flags;
pub(crate) mod metrics;
pub(crate) mod speech;

pub(crate) use chat::*;

/// Longer than anything here takes, for waits that would otherwise hang a broken test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The question most tests ask.
pub(crate) const QUESTION: &str = r#"{"query":"Hi?","chatbotId":"000000000000000000000001"}"#;

/// Doors that tokens signed with the suite's secret open.
fn doors() -> Doors {
    let secrets = Secrets {
        jwt: Secret::from(flags::SECRET),
        session: Secret::from(flags::SECRET),
        ..Secrets::default()
    };
    let config = troika_identity::Config::default();
    Doors {
        verifier: Verifier::new(&config, &secrets.jwt, None),
        sessions: Sessions::new(&config, &secrets),
        services: Services::new(&secrets),
        required: false,
    }
}

/// A gateway and the chat role behind it.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) seen: Arc<Seen>,
    pub(crate) health: tonic_health::server::HealthReporter,
    pub(crate) served: JoinHandle<Result<(), ServeError>>,
    chat: Mutex<Option<Runtime>>,
    /// The data folder; it goes with the house.
    _data: TempDir,
}

impl House {
    pub(crate) async fn start(chat: FakeChat) -> Self {
        Self::start_with(chat, |_| {}).await
    }

    /// Starts both, with a configuration that `change` has changed.
    pub(crate) async fn start_with(chat: FakeChat, change: impl FnOnce(&mut Config)) -> Self {
        Self::start_draining(chat, change, Duration::ZERO).await
    }

    /// Starts both; the gateway goes on accepting for long after the drain has begun.
    pub(crate) async fn start_draining_later(chat: FakeChat) -> Self {
        Self::start_draining(chat, |_| {}, PATIENCE).await
    }

    async fn start_draining(
        chat: FakeChat,
        change: impl FnOnce(&mut Config),
        delay: Duration,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let chat_address = listener.local_addr().unwrap();
        let mut config = Config {
            chat: format!("http://{chat_address}").parse().unwrap(),
            // Nobody listens there, unless a test says otherwise.
            flags: "http://127.0.0.1:1".parse().unwrap(),
            metrics: "http://127.0.0.1:1".parse().unwrap(),
            rate_limit_ip_whitelist: vec!["127.0.0.0/8".parse().unwrap()],
            ..Config::default()
        };
        change(&mut config);
        let seen = Arc::clone(&chat.seen);
        let (health, health_service) = tonic_health::server::health_reporter();
        health
            .set_service_status(
                "troika.chat.v1.ChatStream",
                tonic_health::ServingStatus::NotServing,
            )
            .await;
        // A runtime of its own, so that it can die as a process does: with its connections.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            tonic::transport::Server::builder()
                .add_service(health_service)
                .add_service(ChatStreamServer::new(chat))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        let drain = Drain::new(DrainConfig {
            delay,
            deadline: Duration::from_secs(1),
            force: Duration::from_secs(5),
        });
        let data = tempfile::tempdir().unwrap();
        let deps = Deps {
            mongo: None,
            redis: None,
            max_message: 4 << 20,
            data_dir: data.path().to_owned(),
            readiness: Readiness::default(),
            drain: drain.clone(),
            meters: Meters::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = troika_gateway::build(config, doors(), deps).await.unwrap();
        let served = tokio::spawn(troika_gateway::serve(listener, service, drain.clone()));
        Self {
            address,
            drain,
            seen,
            health,
            served,
            chat: Mutex::new(Some(runtime)),
            _data: data,
        }
    }

    /// Ends the chat role abruptly: its connections break.
    pub(crate) fn kill_chat(&self) {
        if let Some(runtime) = self.chat.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let response = tokio::time::timeout(PATIENCE, sender.send_request(request));
        response.await.unwrap().unwrap()
    }

    pub(crate) async fn send_h2(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let response = tokio::time::timeout(PATIENCE, sender.send_request(request));
        response.await.unwrap().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Incoming> {
        self.send(request("GET", path, "")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Response<Incoming> {
        self.send(request("POST", path, body)).await
    }

    /// The pieces of an answer's body as the server wrote them: chunked coding shows where they were cut.
    pub(crate) async fn pieces(&self, path: &str, body: &str) -> Vec<String> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut raw = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut raw))
            .await
            .unwrap()
            .unwrap();
        let (_, mut rest) = raw.split_once("\r\n\r\n").unwrap();
        let mut pieces = Vec::new();
        while let Some((size, after)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                break;
            }
            pieces.push(after[..size].to_owned());
            rest = &after[size + 2..];
        }
        pieces
    }

    /// Waits until the fake has seen `count` streams dropped before their end.
    pub(crate) async fn abandoned(&self, count: usize) {
        let mut abandoned = self.seen.abandoned.subscribe();
        tokio::time::timeout(PATIENCE, abandoned.wait_for(|seen| *seen >= count))
            .await
            .expect("the stream was not cancelled")
            .unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill_chat();
        self.served.abort();
    }
}

/// A request to the gateway with a JSON content type.
pub(crate) fn request(method: &str, path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("http://gateway.test{path}"))
        .header("host", "gateway.test")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .unwrap()
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let body = tokio::time::timeout(PATIENCE, response.into_body().collect());
    let bytes = body.await.unwrap().unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) async fn json(response: Response<Incoming>) -> serde_json::Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// The next piece of a streamed body.
pub(crate) async fn frame(body: &mut Incoming) -> Option<String> {
    let frame = tokio::time::timeout(PATIENCE, body.frame())
        .await
        .unwrap()?;
    let data = frame.unwrap().into_data().unwrap();
    Some(String::from_utf8(data.to_vec()).unwrap())
}

pub(crate) fn header<'a>(response: &'a Response<Incoming>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}
