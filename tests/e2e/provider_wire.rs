//! What a provider's connection can do that no HTTP server would: on bare sockets, against the turn.

use std::time::{Duration, Instant};

use troika_tests::{
    listener::{Event, answer, only, order, text},
    raw_provider::{Act, RawProvider, STREAM_HEAD, finish, token},
    sandbox::Troika,
};

use crate::sandbox;

/// troika with this provider and nothing behind it, so that a fault is told and not mended.
fn bare(provider: &RawProvider) -> Troika {
    sandbox()
        .env("OPENAI_BASE_URL", provider.url.clone())
        .env("TROIKA_CHAT__MODEL__KNOWLEDGE_FALLBACK", "false")
        .env("TROIKA_CHAT__MODEL__CONNECT", "2s")
        .env("TROIKA_CHAT__MODEL__FIRST_TOKEN", "2s")
        .env("TROIKA_CHAT__MODEL__SILENCE", "2s")
        .env("TROIKA_CHAT__MODEL__RETRY__MIN_DELAY", "10ms")
        .env("TROIKA_CHAT__MODEL__RETRY__MAX_DELAY", "50ms")
        .start()
}

fn error_code(events: &[Event]) -> &str {
    assert!(!order(events).contains(&"complete"), "one terminal event");
    assert_eq!(events.last().unwrap().name, "close");
    only(events, "error").data["code"].as_str().unwrap()
}

/// An answer whose body is these bytes.
fn body(bytes: impl Into<Vec<u8>>) -> Vec<Act> {
    vec![Act::Send(STREAM_HEAD.to_vec()), Act::Send(bytes.into())]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_in_the_answer_is_told_and_not_asked_again() {
    let provider = RawProvider::start(|_| {
        let mut acts = body(token("Half"));
        acts.extend([Act::Pause(Duration::from_millis(200)), Act::Reset]);
        acts
    })
    .await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "Half");
    assert_eq!(error_code(&events), "answer_incomplete");
    assert_eq!(provider.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_before_the_first_token_is_asked_again() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let provider = RawProvider::start(move |_| {
        if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            vec![Act::Send(STREAM_HEAD.to_vec()), Act::Reset]
        } else {
            body([token("Whole."), finish()].concat())
        }
    })
    .await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "Whole.");
    assert_eq!(only(&events, "complete").data["finishReason"], "stop");
    assert_eq!(provider.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_trusts_is_refused_and_learns_nothing() {
    let provider = RawProvider::untrusted().await;
    let troika = bare(&provider);
    let begun = Instant::now();
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(error_code(&events), "model_unavailable");
    assert!(provider.handshakes() >= 1, "it was tried");
    assert_eq!(provider.requests(), 0, "no byte of a question left");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_segments_of_one_byte_is_put_together() {
    let words = ["नमस्ते ", "दुनिया। ", "¿Qué tal? ", "🙂"];
    let wire: Vec<u8> = words
        .iter()
        .flat_map(|word| token(word))
        .chain(finish())
        .collect();
    let provider = RawProvider::start(move |_| {
        vec![Act::Send(STREAM_HEAD.to_vec()), Act::Trickle(wire.clone())]
    })
    .await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), words.concat());
    assert_eq!(only(&events, "complete").data["finishReason"], "stop");
}

/// Servers in use write comments, carriage returns, `data:` without a space, events with a name, and a
/// first chunk without choices; one sends two chunks for one token and never `[DONE]`.
#[tokio::test(flavor = "multi_thread")]
async fn the_dialects_of_compatible_servers_are_read() {
    let provider = RawProvider::start(|_| {
        body(concat!(
            ": OPENROUTER PROCESSING\r\n\r\n",
            "data:{\"choices\":[],\"prompt_filter_results\":[{}]}\r\n\r\n",
            "event: message\r\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\r\n\r\n",
            "id: 7\ndata: {\"choices\":[{\"delta\":{\"content\":\"All \"},\"logprobs\":null}],\"x_groq\":{}}\n\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"well.\"},\"finish_reason\":\"stop\"}]}\n\n",
        ))
    })
    .await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "All well.");
    assert_eq!(only(&events, "complete").data["finishReason"], "stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_line_fills_no_memory() {
    let provider = RawProvider::start(|_| {
        let mut acts = body("data: ");
        acts.extend((0..64).map(|_| Act::Send(vec![b'x'; 64 * 1024])));
        acts
    })
    .await;
    let troika = sandbox()
        .env("OPENAI_BASE_URL", provider.url.clone())
        .env("TROIKA_CHAT__MODEL__KNOWLEDGE_FALLBACK", "false")
        .env("TROIKA_CHAT__MODEL__MAX_RESPONSE", "256KiB")
        .env("TROIKA_CHAT__MODEL__RETRY__ATTEMPTS", "0")
        .start();
    let begun = Instant::now();
    let events = answer(troika.gateway(), "Q").await;
    assert!(matches!(
        error_code(&events),
        "model_unavailable" | "answer_incomplete"
    ));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
