//! The gateway's surface over the real binary: headers, framing, clients of old, problem documents.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use troika_tests::{
    listener::{DEMO_BOT, ask, question},
    provider::{Provider, Reply, Step},
};

use crate::sandbox;

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_has_its_headers_and_every_event_its_fields() {
    let provider = Provider::start([Reply::tokens(["Hi.", "[SUGGESTIONS: More?]"])]).await;
    let troika = sandbox().provider(&provider).start();
    let listening = ask(troika.gateway(), &question("Q")).await;
    assert_eq!(listening.status, 200);
    let header = |name: &str| listening.headers[name].to_str().unwrap().to_owned();
    assert!(header("content-type").starts_with("text/event-stream"));
    assert_eq!(header("cache-control"), "no-cache, no-transform");
    assert_eq!(header("x-accel-buffering"), "no");
    assert!(!listening.headers.contains_key("content-encoding"));
    let fields: &[(&str, &[&str])] = &[
        (
            "connected",
            &["clientId", "sessionId", "turnId", "timestamp", "message"],
        ),
        ("status", &["status", "message", "timestamp"]),
        ("text", &["content"]),
        ("suggestions", &["items", "suggestions", "count"]),
        (
            "complete",
            &[
                "success",
                "duration",
                "wordCount",
                "sentenceCount",
                "audioChunks",
                "firstTokenLatency",
                "firstAudioLatency",
                "language",
                "sessionId",
                "fullAnswer",
                "finishReason",
                "truncated",
                "usage",
                "metrics",
                "timestamp",
            ],
        ),
        ("close", &["reason", "message", "timestamp"]),
    ];
    for event in listening.all().await {
        let Some((_, names)) = fields.iter().find(|(name, _)| *name == event.name) else {
            continue;
        };
        for name in *names {
            assert!(
                event.data.get(name).is_some(),
                "{} has {name}: {}",
                event.name,
                event.data
            );
        }
    }
}

/// One client in use splits each network chunk on newlines and takes the line after `event:` for its data.
#[tokio::test(flavor = "multi_thread")]
async fn a_naive_client_finds_each_event_in_one_network_chunk() {
    let steps = (0..50).flat_map(|n| {
        [
            Step::Token(format!("t{n} ")),
            Step::Wait(Duration::from_millis(3)),
        ]
    });
    let steps = steps.chain([Step::Finish("stop"), Step::Done]).collect();
    let provider = Provider::start([Reply::Stream(steps)]).await;
    let troika = sandbox().provider(&provider).start();
    let address = troika.gateway().strip_prefix("http://").unwrap();
    let body = question("Q").to_string();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /api/chat/query/stream HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut names = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let read = socket.read(&mut chunk).await.unwrap();
        if read == 0 {
            break;
        }
        let text = std::str::from_utf8(&chunk[..read]).expect("no chunk ends inside a character");
        let lines: Vec<&str> = text.split('\n').collect();
        for (place, line) in lines.iter().enumerate() {
            if let Some(name) = line.strip_prefix("event: ") {
                let data = lines
                    .get(place + 1)
                    .and_then(|line| line.strip_prefix("data: "))
                    .expect("data follows in the same chunk");
                let _: Value = serde_json::from_str(data).expect("whole data in the same chunk");
                names.push(name.to_owned());
            }
        }
    }
    assert_eq!(names.iter().filter(|name| *name == "text").count(), 50);
    assert_eq!(names.last().map(String::as_str), Some("close"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_stream_is_kept_awake_by_comments() {
    let provider =
        Provider::start([Reply::Stream(vec![Step::Token("Half".into()), Step::Hang])]).await;
    let troika = sandbox()
        .provider(&provider)
        .env("TROIKA_GATEWAY__HEARTBEAT", "100ms")
        .env("TROIKA_CHAT__MODEL__SILENCE", "1s")
        .start();
    let mut listening = ask(troika.gateway(), &question("Q")).await;
    listening.wait_for("close").await;
    assert!(listening.heartbeats >= 5, "{}", listening.heartbeats);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_before_the_stream_are_problem_documents_that_old_clients_read_too() {
    let troika = sandbox().start();
    let client = troika_tests::http();
    let stream = format!("{}/api/chat/query/stream", troika.gateway());
    let cases = [
        (
            client
                .post(&stream)
                .json(&json!({"query": "Q", "chatbotId": "ffffffffffffffffffffffff"})),
            404,
            "bot_not_found",
        ),
        (
            client
                .post(&stream)
                .json(&json!({"query": " ", "chatbotId": "x", "phone": "1"})),
            400,
            "invalid_argument",
        ),
        (
            client
                .post(&stream)
                .header("content-type", "application/json")
                .body("{"),
            400,
            "malformed_json",
        ),
        (
            client.post(&stream).body("query=x"),
            415,
            "unsupported_media_type",
        ),
        (
            client
                .post(&stream)
                .json(&json!({"query": "x".repeat(2_000_000), "chatbotId": DEMO_BOT})),
            413,
            "body_too_large",
        ),
        (client.get(&stream), 405, "method_not_allowed"),
        (
            client.get(format!("{}/nowhere", troika.gateway())),
            404,
            "path_not_found",
        ),
    ];
    for (request, status, code) in cases {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{code}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        for field in ["type", "title", "detail", "error", "message", "details"] {
            assert!(body.get(field).is_some(), "{code} has {field}");
        }
        if code == "invalid_argument" {
            let fields: Vec<&str> = body["details"]
                .as_array()
                .unwrap()
                .iter()
                .map(|fault| fault["field"].as_str().unwrap())
                .collect();
            assert_eq!(fields, ["query", "chatbotId", "phone"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_old_clients_send_is_taken() {
    let troika = sandbox().start();
    let body = json!({
        "query": "What is troika?", "chatbotId": DEMO_BOT, "sessionId": "7b0f3f7e-8a46-4d3c-9f4e-0f0d5f6a7b8c",
        "enableTTS": true, "phone": "+911234567890", "email": null, "name": "", "language": "en-IN", "context": {"page": 1}, "unknown": true
    });
    assert_eq!(ask(troika.gateway(), &body).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interface_describes_itself() {
    let troika = sandbox().start();
    let described: Value = troika_tests::get(format!("{}/openapi.json", troika.gateway()))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    for path in [
        "/api/chat/query/stream",
        "/api/chat/query",
        "/api/chat/stop",
        "/health",
        "/ready",
    ] {
        assert!(described["paths"].get(path).is_some(), "{path}");
    }
    let docs = troika_tests::get(format!("{}/docs/", troika.gateway()))
        .await
        .unwrap();
    assert_eq!(docs.status(), 200);
    assert!(docs.text().await.unwrap().contains("swagger"));
}
