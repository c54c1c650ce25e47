//! The scripted provider in a process of its own: every answer has as many tokens at the same pace, on
//! the true wire of a chat completion. Knows nothing of troika.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    response::{IntoResponse as _, Response},
    routing::post,
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{FIRST_TOKEN, TOKENS};

/// Serves until it is killed; prints its port as the first line. The pace comes from `BENCH_PACE_MS`;
/// with `BENCH_SENTENCES` the words are sentences.
pub(crate) async fn serve() {
    let pace = std::env::var("BENCH_PACE_MS")
        .ok()
        .and_then(|ms| ms.parse().ok())
        .map_or(Duration::from_millis(20), Duration::from_millis);
    let sentences = std::env::var_os("BENCH_SENTENCES").is_some();
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = move |Json(_): Json<serde_json::Value>| async move {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        answer(pace, sentences.then_some(number))
    };
    let Ok(listener) = tokio::net::TcpListener::bind("127.0.0.1:0").await else {
        crate::fail("no port for the provider")
    };
    let port = listener.local_addr().map_or(0, |address| address.port());
    crate::print(&port.to_string());
    if let Err(error) = axum::serve(
        listener,
        Router::new().route("/v1/chat/completions", post(answer)),
    )
    .await
    {
        crate::fail(&error.to_string());
    }
}

/// `sentences`: the answer's number, when it is to have sentences that no other answer has.
fn answer(pace: Duration, sentences: Option<usize>) -> Response {
    let mut ticks = interval_at(Instant::now() + FIRST_TOKEN, pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let tokens = stream::unfold((ticks, 0), move |(mut ticks, sent)| async move {
        if sent == TOKENS {
            return None;
        }
        ticks.tick().await;
        let word = match sentences {
            None => format!("word{sent} "),
            // Ten words a sentence.
            Some(answer) if sent % 10 == 9 => format!("number {sent} of answer{answer}. "),
            Some(_) if sent % 10 == 0 => "Here ".to_owned(),
            Some(_) => "word ".to_owned(),
        };
        Some((token(&word), (ticks, sent + 1)))
    });
    let end = concat!(
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":100,\"total_tokens\":110}}\n\n",
        "data: [DONE]\n\n"
    );
    let body = tokens
        .chain(stream::iter([Bytes::from_static(end.as_bytes())]))
        .map(Ok::<_, Infallible>);
    (
        [("content-type", "text/event-stream")],
        Body::from_stream(body),
    )
        .into_response()
}

fn token(word: &str) -> Bytes {
    Bytes::from(format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}]}}\n\n"
    ))
}
