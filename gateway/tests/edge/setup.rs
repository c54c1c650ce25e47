//! A gateway on loopback, a scripted chat role behind it, and plain HTTP to talk to it. It asserts
//! nothing by itself.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::watch,
    task::JoinHandle,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Status, metadata::MetadataMap};
use troika_chassis::{
    deps::Deps,
    lifecycle::{Drain, DrainConfig, Readiness},
};
use troika_gateway::{Config, ServeError};
use troika_proto::chat::v1::{
    self as proto, AnswerRequest, AnswerResponse, QueryRequest, StopRequest, StopResponse,
    TurnEvent,
    chat_stream_server::{ChatStream, ChatStreamServer},
    turn_event::Event,
};

/// Longer than anything here takes, for waits that would otherwise hang a broken test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The question most tests ask.
pub(crate) const QUESTION: &str = r#"{"query":"Hi?","chatbotId":"000000000000000000000001"}"#;
/// The turn that scripted events belong to.
pub(crate) const TURN: &str = "0190c3b2-7e7a-7c3a-9d5e-0f4a6b8c9d10";

pub(crate) type Events = Pin<Box<dyn Stream<Item = Result<TurnEvent, Status>> + Send>>;
type QueryScript = dyn Fn(QueryRequest) -> Result<Events, Status> + Send + Sync;
type AnswerScript = dyn Fn(AnswerRequest) -> Result<AnswerResponse, Status> + Send + Sync;

/// What the scripted chat role does, and what it saw.
#[derive(Clone)]
pub(crate) struct FakeChat {
    query: Arc<QueryScript>,
    answer: Arc<AnswerScript>,
    pub(crate) seen: Arc<Seen>,
}

/// What reached the chat role.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) metadata: Mutex<Option<MetadataMap>>,
    pub(crate) question: Mutex<Option<QueryRequest>>,
    pub(crate) stop: Mutex<Option<StopRequest>>,
    /// Streams that were open and were dropped before they had ended.
    pub(crate) abandoned: watch::Sender<usize>,
    /// Events that were taken from scripted streams.
    pub(crate) taken: AtomicUsize,
}

impl FakeChat {
    pub(crate) fn streaming(
        query: impl Fn(QueryRequest) -> Result<Events, Status> + Send + Sync + 'static,
    ) -> Self {
        Self {
            query: Arc::new(query),
            answer: Arc::new(|_| Err(Status::unimplemented("not scripted"))),
            seen: Arc::default(),
        }
    }

    pub(crate) fn answering(
        answer: impl Fn(AnswerRequest) -> Result<AnswerResponse, Status> + Send + Sync + 'static,
    ) -> Self {
        Self {
            answer: Arc::new(answer),
            ..Self::streaming(|_| Err(Status::unimplemented("not scripted")))
        }
    }

    /// Refuses every question, streamed or not.
    pub(crate) fn refusing(refuse: impl Fn() -> Status + Clone + Send + Sync + 'static) -> Self {
        let refuse_answer = refuse.clone();
        Self {
            answer: Arc::new(move |_| Err(refuse_answer())),
            ..Self::streaming(move |_| Err(refuse()))
        }
    }
}

/// Notices that a stream is dropped before its end.
struct Watched {
    events: Events,
    ended: bool,
    seen: Arc<Seen>,
}

impl Stream for Watched {
    type Item = Result<TurnEvent, Status>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let next = self.events.poll_next_unpin(context);
        if let std::task::Poll::Ready(item) = &next {
            self.ended = !matches!(item, Some(Ok(_)));
            self.seen.taken.fetch_add(1, Ordering::Relaxed);
        }
        next
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended {
            self.seen.abandoned.send_modify(|count| *count += 1);
        }
    }
}

#[tonic::async_trait]
impl ChatStream for FakeChat {
    type QueryStream = Events;

    async fn query(
        &self,
        request: tonic::Request<QueryRequest>,
    ) -> Result<tonic::Response<Events>, Status> {
        *self.seen.metadata.lock().unwrap() = Some(request.metadata().clone());
        *self.seen.question.lock().unwrap() = Some(request.get_ref().clone());
        let events = (self.query)(request.into_inner())?;
        Ok(tonic::Response::new(Box::pin(Watched {
            events,
            ended: false,
            seen: Arc::clone(&self.seen),
        })))
    }

    async fn answer(
        &self,
        request: tonic::Request<AnswerRequest>,
    ) -> Result<tonic::Response<AnswerResponse>, Status> {
        *self.seen.metadata.lock().unwrap() = Some(request.metadata().clone());
        (self.answer)(request.into_inner()).map(tonic::Response::new)
    }

    async fn stop(
        &self,
        request: tonic::Request<StopRequest>,
    ) -> Result<tonic::Response<StopResponse>, Status> {
        *self.seen.metadata.lock().unwrap() = Some(request.metadata().clone());
        *self.seen.stop.lock().unwrap() = Some(request.into_inner());
        Ok(tonic::Response::new(StopResponse { stopped: 2 }))
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
        let deps = Deps {
            mongo: None,
            redis: None,
            max_message: 4 << 20,
            data_dir: std::env::temp_dir(),
            readiness: Readiness::default(),
            drain: drain.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = troika_gateway::build(config, deps).await.unwrap();
        let served = tokio::spawn(troika_gateway::serve(listener, service, drain.clone()));
        Self {
            address,
            drain,
            seen,
            health,
            served,
            chat: Mutex::new(Some(runtime)),
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

pub(crate) fn event(sequence: u64, event: Event) -> TurnEvent {
    TurnEvent {
        turn_id: TURN.to_owned(),
        sequence,
        time: None,
        event: Some(event),
    }
}

pub(crate) fn connected() -> TurnEvent {
    let connected = proto::Connected {
        client_id: "c".to_owned(),
        session_id: "s".to_owned(),
        message: "Connected".to_owned(),
    };
    event(0, Event::Connected(connected))
}

pub(crate) fn token(sequence: u64, content: &str) -> TurnEvent {
    let content = content.to_owned();
    event(sequence, Event::Text(proto::Text { content }))
}

pub(crate) fn complete() -> proto::Complete {
    proto::Complete {
        finish_reason: proto::FinishReason::Stop.into(),
        full_answer: "Hi there.".to_owned(),
        session_id: "s".to_owned(),
        language: "en-IN".to_owned(),
        model: "knowledge".to_owned(),
        usage: Some(proto::Usage {
            prompt_tokens: 10,
            completion_tokens: 2,
            total_tokens: 12,
            estimated: false,
        }),
        ..Default::default()
    }
}

pub(crate) fn close(sequence: u64) -> TurnEvent {
    let close = proto::Close {
        reason: "complete".to_owned(),
        message: "Bye".to_owned(),
    };
    event(sequence, Event::Close(close))
}

/// A stream of `events` that ends after them.
pub(crate) fn ending(events: Vec<TurnEvent>) -> Result<Events, Status> {
    Ok(Box::pin(stream::iter(events.into_iter().map(Ok))))
}

/// A stream of `events` that stays open after them.
pub(crate) fn lingering(events: Vec<TurnEvent>) -> Result<Events, Status> {
    let events = stream::iter(events.into_iter().map(Ok)).chain(stream::pending());
    Ok(Box::pin(events))
}
