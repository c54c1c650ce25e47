//! Many listeners at once: each gets its own answer, and a slow one holds up nobody.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use troika_tests::{
    listener::{DEMO_BOT, ask, only, question, texts},
    raw_provider::{Act, RawProvider, STREAM_HEAD, asked, finish, token},
};

use crate::sandbox;

/// Twenty tokens that name the question, ten milliseconds apart.
fn named(body: &Value) -> Vec<Act> {
    let question = asked(body).to_owned();
    let tokens = (0..20).flat_map(|place| {
        [
            Act::Send(token(&format!("{question}/{place} "))),
            Act::Pause(Duration::from_millis(10)),
        ]
    });
    let mut acts = vec![Act::Send(STREAM_HEAD.to_vec())];
    acts.extend(tokens);
    acts.push(Act::Send(finish()));
    acts
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_listeners_each_get_their_own_answer_whole_and_in_order() {
    let provider = RawProvider::start(named).await;
    let troika = sandbox()
        .env("OPENAI_BASE_URL", provider.url.clone())
        .start();
    let listeners = (0..200).map(|place| {
        let gateway = troika.gateway().to_owned();
        tokio::spawn(async move {
            let query = format!("question-{place}");
            let body = json!({"query": query, "chatbotId": DEMO_BOT});
            let events = ask(&gateway, &body).await.all().await;
            let expected: Vec<String> = (0..20).map(|n| format!("{query}/{n} ")).collect();
            assert_eq!(texts(&events), expected);
            assert_eq!(only(&events, "complete").data["finishReason"], "stop");
            assert_eq!(only(&events, "complete").data["saved"], true);
        })
    });
    for listener in listeners.collect::<Vec<_>>() {
        listener.await.unwrap();
    }
    assert_eq!(provider.requests(), 200, "each question asked once");
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_that_do_not_read_hold_up_nobody() {
    // As much as an answer may have, as fast as it goes, to listeners that never read.
    let provider = RawProvider::start(|body| {
        if asked(body) == "greedy" {
            let mut acts = vec![Act::Send(STREAM_HEAD.to_vec())];
            acts.extend((0..2000).map(|_| Act::Send(token("x"))));
            acts.push(Act::Send(finish()));
            acts
        } else {
            named(body)
        }
    })
    .await;
    let troika = sandbox()
        .env("OPENAI_BASE_URL", provider.url.clone())
        .start();
    let address = troika.gateway().strip_prefix("http://").unwrap();
    let body = question("greedy").to_string();
    let mut idle = Vec::new();
    for _ in 0..50 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        // A small window: what is not read stays with the sender.
        socket.set_recv_buffer_size(4096).unwrap();
        let mut socket = socket.connect(address.parse().unwrap()).await.unwrap();
        let head = format!(
            "POST /api/chat/query/stream HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(body.as_bytes()).await.unwrap();
        // The head of the answer: it is under way.
        socket.read_u8().await.unwrap();
        idle.push(socket);
    }
    let begun = Instant::now();
    let events = ask(troika.gateway(), &question("quick")).await.all().await;
    assert_eq!(texts(&events).len(), 20);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

/// One browser opens many pages: over HTTP/2 they share a connection.
#[tokio::test(flavor = "multi_thread")]
async fn many_streams_of_one_http2_connection_run_at_the_same_time() {
    let provider = RawProvider::start(named).await;
    let troika = sandbox()
        .env("OPENAI_BASE_URL", provider.url.clone())
        .start();
    let _ = troika_tests::http();
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let begun = Instant::now();
    let streams = (0..50).map(|place| {
        let body = json!({"query": format!("page-{place}"), "chatbotId": DEMO_BOT});
        let request = client
            .post(format!("{}/api/chat/query/stream", troika.gateway()))
            .json(&body);
        tokio::spawn(async move {
            let response = request.send().await.unwrap();
            assert_eq!(response.version(), reqwest::Version::HTTP_2);
            let text = response.text().await.unwrap();
            assert!(text.contains(&format!("page-{place}/19 ")), "{text}");
            assert!(text.contains("event: close\n"));
        })
    });
    for stream in streams.collect::<Vec<_>>() {
        stream.await.unwrap();
    }
    // Each takes a fifth of a second; one after another they would take ten.
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
