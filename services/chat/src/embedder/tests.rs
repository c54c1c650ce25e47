//! The client against an endpoint that speaks the real wire, well and badly.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};

use super::*;

/// How the endpoint behaves, and what it saw.
#[derive(Default)]
pub(crate) struct Endpoint {
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<Vec<String>>>,
    authorization: Mutex<String>,
    failures: AtomicU16,
}

#[derive(Clone, Copy, Default)]
pub(crate) enum Behaviour {
    #[default]
    Good,
    /// In the order of the texts' length, to show that the index decides.
    Shuffled,
    Fails(u16),
    Hangs,
    Malformed,
    OneTooFew,
    Empty,
}

impl Endpoint {
    /// Starts one on a free port.
    pub(crate) async fn start(behaviour: Behaviour) -> (Arc<Self>, SocketAddr) {
        let endpoint = Arc::new(Self {
            behaviour: Mutex::new(behaviour),
            ..Self::default()
        });
        let router = Router::new()
            .route("/v1/embeddings", post(answer))
            .with_state(Arc::clone(&endpoint));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        (endpoint, address)
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    /// The texts of each request that it answered well.
    pub(crate) fn requests(&self) -> Vec<Vec<String>> {
        self.requests.lock().unwrap().clone()
    }
}

/// Two numbers that tell texts apart: 1, and how long the text is.
fn vector(text: &str) -> Vec<f32> {
    vec![1.0, text.chars().count() as f32]
}

async fn answer(
    State(endpoint): State<Arc<Endpoint>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let authorization = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    *endpoint.authorization.lock().unwrap() = authorization.to_owned();
    let texts: Vec<String> = serde_json::from_value(request["input"].clone()).unwrap();
    let behaviour = *endpoint.behaviour.lock().unwrap();
    let mut data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({ "object": "embedding", "index": index, "embedding": vector(text) }))
        .collect();
    match behaviour {
        Behaviour::Good => {}
        Behaviour::Shuffled => data.reverse(),
        Behaviour::Fails(status) => {
            endpoint.failures.fetch_add(1, Ordering::Relaxed);
            let body = json!({ "error": { "message": format!("cannot embed {texts:?}"), "type": "server_error" } });
            return (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
        }
        Behaviour::Hangs => std::future::pending().await,
        Behaviour::Malformed => return "no JSON".into_response(),
        Behaviour::OneTooFew => drop(data.pop()),
        Behaviour::Empty => data[0]["embedding"] = json!([]),
    }
    endpoint.requests.lock().unwrap().push(texts);
    let usage = json!({ "prompt_tokens": 1, "total_tokens": 1 });
    Json(json!({ "object": "list", "model": request["model"], "data": data, "usage": usage }))
        .into_response()
}

/// A client of the endpoint with these limits.
pub(crate) fn client(address: SocketAddr, limit: Duration) -> Embedder {
    let config = Config {
        base_url: Some(Url::parse(&format!("http://{address}/v1/")).unwrap()),
        api_key: Secret::from("k-123"),
        timeout: limit,
        query_timeout: limit,
        breaker: BreakerConfig {
            failures: 3,
            ..BreakerConfig::default()
        },
        ..Config::default()
    };
    Embedder::new(&config, http()).unwrap()
}

/// An HTTP client without TLS: these tests stay on loopback.
pub(crate) fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(100);

#[test]
fn without_an_address_there_is_no_embedder() {
    assert!(Embedder::new(&Config::default(), http()).is_none());
}

#[tokio::test]
async fn texts_become_vectors_in_their_order() {
    for behaviour in [Behaviour::Good, Behaviour::Shuffled] {
        let (endpoint, address) = Endpoint::start(behaviour).await;
        let vectors = client(address, LONG)
            .embed(&["a", "bbb", "cc"])
            .await
            .unwrap();
        assert_eq!(vectors, [[1.0, 1.0], [1.0, 3.0], [1.0, 2.0]]);
        assert_eq!(*endpoint.authorization.lock().unwrap(), "Bearer k-123");
    }
}

#[tokio::test]
async fn many_texts_go_in_batches_and_long_ones_are_cut() {
    let (endpoint, address) = Endpoint::start(Behaviour::Good).await;
    let long = "क".repeat(9000);
    let texts: Vec<&str> = std::iter::repeat_n("x", 130)
        .chain([long.as_str()])
        .collect();
    let vectors = client(address, LONG).embed(&texts).await.unwrap();
    assert_eq!(vectors.len(), 131);
    assert_eq!(vectors[130], [1.0, 8000.0]);
    assert_eq!(
        endpoint.requests().iter().map(Vec::len).collect::<Vec<_>>(),
        [64, 64, 3]
    );
}

#[tokio::test]
async fn a_question_has_one_vector() {
    let (_endpoint, address) = Endpoint::start(Behaviour::Good).await;
    assert_eq!(
        client(address, LONG).embed_query("four").await.unwrap(),
        [1.0, 4.0]
    );
}

#[tokio::test]
async fn a_refusal_is_named_without_the_words_of_the_endpoint() {
    let (_endpoint, address) = Endpoint::start(Behaviour::Fails(400)).await;
    let error = client(address, LONG)
        .embed_query("secret question")
        .await
        .unwrap_err();
    assert_eq!(error, EmbedError::Refused(400));
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[tokio::test]
async fn a_failing_endpoint_is_left_alone_after_a_while() {
    let (endpoint, address) = Endpoint::start(Behaviour::Fails(500)).await;
    let client = client(address, LONG);
    for _ in 0..3 {
        assert_eq!(client.embed_query("q").await, Err(EmbedError::Refused(500)));
    }
    assert_eq!(client.embed_query("q").await, Err(EmbedError::Paused));
    assert_eq!(
        endpoint.failures.load(Ordering::Relaxed),
        3,
        "a question is tried once, and not while paused"
    );
    // Batches have a breaker of their own, and are tried again.
    assert_eq!(client.embed(&["q"]).await, Err(EmbedError::Refused(500)));
    assert!(endpoint.failures.load(Ordering::Relaxed) > 4);
}

#[tokio::test]
async fn texts_that_are_refused_do_not_open_the_breaker() {
    let (endpoint, address) = Endpoint::start(Behaviour::Fails(400)).await;
    let client = client(address, LONG);
    for _ in 0..5 {
        assert_eq!(client.embed_query("q").await, Err(EmbedError::Refused(400)));
    }
    endpoint.behave(Behaviour::Good);
    assert!(client.embed_query("q").await.is_ok());
}

#[tokio::test]
async fn an_endpoint_that_hangs_costs_the_limit() {
    let (_endpoint, address) = Endpoint::start(Behaviour::Hangs).await;
    let client = client(address, SHORT);
    assert_eq!(
        client.embed_query("q").await,
        Err(EmbedError::TimedOut(SHORT))
    );
    assert_eq!(client.embed(&["q"]).await, Err(EmbedError::TimedOut(SHORT)));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_eq!(
        client(address, LONG).embed_query("q").await,
        Err(EmbedError::Unreachable)
    );
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_errors() {
    for behaviour in [Behaviour::Malformed, Behaviour::OneTooFew, Behaviour::Empty] {
        let (_endpoint, address) = Endpoint::start(behaviour).await;
        assert!(matches!(
            client(address, LONG).embed(&["a", "b"]).await,
            Err(EmbedError::Unusable(_))
        ));
    }
}

#[test]
fn settings_that_cannot_work_are_told() {
    let config = Config {
        base_url: Some(Url::parse("ftp://example.com").unwrap()),
        api_key: Secret::from("two words"),
        model: String::new(),
        timeout: Duration::ZERO,
        ..Config::default()
    };
    let problems = Problems::of(&config);
    let keys: Vec<&str> = problems.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["base_url", "api_key", "model", "timeout"]);
}
