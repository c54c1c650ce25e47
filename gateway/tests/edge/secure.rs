//! What holds over TLS as it does in plain text, and what bounds connections over both.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use troika_gateway::Config;
use troika_tests::certificates::Authority;

use crate::setup::{
    FakeChat, House, PATIENCE, QUESTION, connected, ending, header, lingering, request, text, token,
};

const PATH: &str = "/api/chat/query/stream";

/// A gateway that speaks TLS, and who issued its certificate.
struct Secure {
    house: House,
    authority: Authority,
    _files: TempDir,
}

async fn secure(chat: FakeChat, change: impl FnOnce(&mut Config)) -> Secure {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let files = authority.issue(&["localhost"]).write(folder.path());
    let house = House::start_with(chat, |config| {
        config.tls.cert = Some(files.cert);
        config.tls.key = Some(files.key);
        change(config);
    })
    .await;
    Secure {
        house,
        authority,
        _files: folder,
    }
}

impl Secure {
    async fn connect(&self, protocol: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.pem.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.house.address).await.unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
            .unwrap()
    }
}

fn mute() -> FakeChat {
    FakeChat::streaming(|_| lingering(Vec::new()))
}

/// Reads until the other side closes.
async fn closed(stream: &mut TlsStream<TcpStream>) {
    let mut rest = Vec::new();
    // However it ends: politely, or cut.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("the connection is closed");
}

#[tokio::test]
async fn a_turn_comes_over_both_protocols_and_browsers_are_told_to_stay() {
    let chat = FakeChat::streaming(|_| ending(vec![connected()]));
    let secure = secure(chat, |_| {}).await;
    let stream = TokioIo::new(secure.connect("http/1.1").await);
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let first = sender.send_request(request("POST", PATH, QUESTION)).await;
    let stream = TokioIo::new(secure.connect("h2").await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    let second = sender.send_request(request("POST", PATH, QUESTION)).await;
    for response in [first.unwrap(), second.unwrap()] {
        assert_eq!(response.status(), 200);
        assert_eq!(
            header(&response, "strict-transport-security"),
            "max-age=15552000"
        );
        assert!(text(response).await.contains("event: connected"));
    }
}

#[tokio::test]
async fn in_plain_text_browsers_are_told_nothing_of_tls() {
    let house = House::start(mute()).await;
    let response = house.get("/health").await;
    assert_eq!(header(&response, "strict-transport-security"), "");
}

#[tokio::test]
async fn heads_that_dawdle_are_cut_over_tls_too() {
    let secure = secure(mute(), |config| {
        config.head_timeout = Duration::from_millis(300);
    })
    .await;
    let mut stream = secure.connect("http/1.1").await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
    closed(&mut stream).await;
    let mut stream = secure.connect("h2").await;
    // The preface and empty settings, and then no request.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    closed(&mut stream).await;
    // The head of a request that is never whole: HEADERS without END_HEADERS.
    let mut stream = secure.connect("h2").await;
    stream
        .write_all(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x82",
        )
        .await
        .unwrap();
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_handshake_that_is_never_made_is_cut() {
    let secure = secure(mute(), |config| {
        config.head_timeout = Duration::from_millis(300);
    })
    .await;
    let mut stream = TcpStream::connect(secure.house.address).await.unwrap();
    stream.write_all(b"\x16\x03\x01").await.unwrap();
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection is closed");
}

#[tokio::test]
async fn readers_that_take_nothing_are_cut_over_tls_too() {
    let chat = FakeChat::streaming(|_| {
        let content = "x".repeat(1000);
        let events = stream::iter(0..).map(move |sequence| Ok(token(sequence, &content)));
        Ok(Box::pin(events))
    });
    let secure = secure(chat, |config| {
        config.write_timeout = Duration::from_millis(200);
    })
    .await;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{QUESTION}",
        QUESTION.len()
    );
    let mut stuck = secure.connect("http/1.1").await;
    stuck.write_all(head.as_bytes()).await.unwrap();
    secure.house.abandoned(1).await;
    assert!(secure.house.drain.held().is_empty());
}

#[tokio::test]
async fn bodies_that_dawdle_are_answered_over_http2_and_tls_too() {
    let secure = secure(mute(), |config| {
        config.body_timeout = Duration::from_millis(100);
    })
    .await;
    let stream = TokioIo::new(secure.connect("h2").await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    let never = stream::pending::<Result<hyper::body::Frame<Bytes>, std::io::Error>>();
    let (head, _) = request("POST", PATH, "").into_parts();
    let body = http_body_util::StreamBody::new(never).boxed_unsync();
    let asked = sender.send_request(http::Request::from_parts(head, body));
    let response = timeout(PATIENCE, asked).await.unwrap().unwrap();
    assert_eq!(response.status(), 408);
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_under_way_is_closed() {
    let chat = FakeChat::streaming(|_| lingering(vec![connected()]));
    let secure = secure(chat, |config| {
        config.idle_timeout = Duration::from_millis(400);
        config.heartbeat = Duration::from_millis(100);
    })
    .await;
    let stream = TokioIo::new(secure.connect("h2").await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let began = Instant::now();
    let response = sender
        .send_request(request("POST", PATH, QUESTION))
        .await
        .unwrap();
    let mut body = response.into_body();
    // A stream that is open is something: it outlives the limit by far.
    while began.elapsed() < Duration::from_millis(1500) {
        body.frame().await.unwrap().unwrap();
    }
    assert!(!connection.is_finished());
    drop(body);
    timeout(PATIENCE, connection)
        .await
        .expect("the connection is closed")
        .unwrap()
        .unwrap();
}
