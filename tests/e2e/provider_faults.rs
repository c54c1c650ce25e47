//! What a model provider can do wrong, and what a visitor sees of it. A retry or fallback happens only
//! before the first token; afterwards the truth is told.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;
use troika_tests::{
    listener::{Event, answer, only, order, text, warnings},
    provider::{Departure, Provider, Reply, Step},
    sandbox::{Sandbox, Troika},
    servers,
};

use crate::sandbox;

/// Limits short enough for a test; what happens at them is what happens at the real ones.
fn impatient(sandbox: Sandbox) -> Sandbox {
    sandbox
        .env("TROIKA_CHAT__MODEL__FIRST_TOKEN", "400ms")
        .env("TROIKA_CHAT__MODEL__SILENCE", "400ms")
        .env("TROIKA_CHAT__MODEL__CONNECT", "400ms")
        .env("TROIKA_CHAT__MODEL__RETRY__MIN_DELAY", "10ms")
        .env("TROIKA_CHAT__MODEL__RETRY__MAX_DELAY", "50ms")
}

/// troika without the built-in answerer behind the provider, so that a fault is told and not mended.
fn bare(provider: &Provider) -> Troika {
    impatient(sandbox())
        .provider(provider)
        .env("TROIKA_CHAT__MODEL__KNOWLEDGE_FALLBACK", "false")
        .start()
}

fn error_code(events: &[Event]) -> &str {
    assert!(!order(events).contains(&"complete"), "one terminal event");
    assert_eq!(events.last().unwrap().name, "close");
    only(events, "error").data["code"].as_str().unwrap()
}

fn refuse(status: u16) -> Reply {
    Reply::Refuse {
        status,
        retry_after: None,
    }
}

fn token(text: &str) -> Step {
    Step::Token(text.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_first_token_is_cut_at_its_limit() {
    let provider = Provider::start([Reply::Stream(vec![Step::Hang])]).await;
    let troika = bare(&provider);
    let begun = Instant::now();
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(error_code(&events), "model_timeout");
    assert_eq!(only(&events, "error").data["canRetry"], true);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        provider.asked().len(),
        1,
        "what was slow once is not asked again"
    );
    assert!(matches!(provider.ended(1).await[0], Departure::Left(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_response_at_all_is_cut_at_the_same_limit() {
    let provider = Provider::start([Reply::Silence]).await;
    let troika = bare(&provider);
    assert_eq!(
        error_code(&answer(troika.gateway(), "Q").await),
        "model_timeout"
    );
    provider.ended(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_in_the_middle_is_cut_and_told() {
    let provider = Provider::start([Reply::Stream(vec![token("Half"), Step::Hang])]).await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "Half");
    assert_eq!(error_code(&events), "model_timeout");
    provider.ended(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_request_is_retried_after_the_time_the_provider_asks_for() {
    let throttled = Reply::Refuse {
        status: 429,
        retry_after: Some("1"),
    };
    let provider = Provider::start([throttled, Reply::tokens(["Fine."])]).await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "Fine.");
    let asked = provider.asked();
    let waited = asked[1].at - asked[0].at;
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_asks_for_too_long_a_wait_is_not_waited_for() {
    let provider = Provider::start([Reply::Refuse {
        status: 429,
        retry_after: Some("60"),
    }])
    .await;
    let troika = bare(&provider);
    let begun = Instant::now();
    assert_eq!(
        error_code(&answer(troika.gateway(), "Q").await),
        "model_unavailable"
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_error_is_retried() {
    let provider = Provider::start([refuse(500), refuse(503), Reply::tokens(["Fine."])]).await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "Fine.");
    assert!(warnings(&events).is_empty());
    assert_eq!(provider.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_not_retried_and_the_providers_words_stay_inside() {
    let provider = Provider::start([refuse(400)]).await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(error_code(&events), "model_refused");
    assert_eq!(only(&events, "error").data["canRetry"], false);
    assert_eq!(provider.asked().len(), 1);
    let seen = format!("{events:?}{}", troika.log());
    assert!(!seen.contains("provider words"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_falls_back_to_the_next_endpoint_with_a_warning() {
    let second = Provider::start([Reply::tokens(["From the second."])]).await;
    let sandbox = impatient(sandbox()).env(
        "OPENAI_BASE_URL",
        format!("http://{}/v1", servers::refusing()),
    );
    let file = format!(
        "[[chat.model.fallbacks]]\nbase_url = {:?}\nname = \"second\"\n",
        second.url
    );
    std::fs::write(sandbox.data().join("troika.toml"), file).unwrap();
    let troika = sandbox.start();
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "From the second.");
    assert_eq!(warnings(&events), ["model_fallback"]);
    assert_eq!(only(&events, "metadata").data["model"], "second");
    assert_eq!(second.asked()[0].body["model"], "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_endpoint_is_down_the_knowledge_is_quoted_with_a_warning() {
    let troika = impatient(sandbox())
        .env(
            "OPENAI_BASE_URL",
            format!("http://{}/v1", servers::refusing()),
        )
        .start();
    let events = answer(troika.gateway(), "Which port does the gateway listen on?").await;
    assert_eq!(warnings(&events), ["model_away"]);
    assert_eq!(only(&events, "metadata").data["model"], "knowledge");
    assert!(text(&events).contains("5000"));
    assert_eq!(only(&events, "complete").data["finishReason"], "stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_that_cannot_be_trusted_is_refused() {
    // A plain HTTP port behind an https address: the handshake fails at the first byte.
    let provider = Provider::start([Reply::tokens(["never"])]).await;
    let troika = impatient(sandbox())
        .env(
            "OPENAI_BASE_URL",
            provider.url.replace("http://", "https://"),
        )
        .env("TROIKA_CHAT__MODEL__KNOWLEDGE_FALLBACK", "false")
        .start();
    assert_eq!(
        error_code(&answer(troika.gateway(), "Q").await),
        "model_unavailable"
    );
    assert!(provider.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_error_with_status_200_is_an_error() {
    let provider = Provider::start([Reply::Json(
        json!({"error": {"message": "provider words", "type": "x"}}),
    )])
    .await;
    let troika = bare(&provider);
    assert_eq!(
        error_code(&answer(troika.gateway(), "Q").await),
        "model_unavailable"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_object_in_the_stream_is_an_error() {
    let error = Bytes::from_static(
        b"data: {\"error\":{\"message\":\"provider words\",\"type\":\"server_error\"}}\n\n",
    );
    let provider = Provider::start([Reply::Stream(vec![token("Half"), Step::Raw(error)])]).await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "Half");
    assert_eq!(error_code(&events), "answer_incomplete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_chunk_before_the_first_token_is_retried_and_after_it_is_told() {
    let malformed = || Step::Raw(Bytes::from_static(b"data: {\"choices\": [\n\n"));
    let provider = Provider::start([
        Reply::Stream(vec![malformed()]),
        Reply::Stream(vec![token("Half"), malformed()]),
    ])
    .await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "Half");
    assert_eq!(error_code(&events), "answer_incomplete");
    assert_eq!(provider.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_cut_at_every_byte_are_put_together_inside_utf8_characters_too() {
    let words = ["नमस्ते ", "दुनिया। ", "¿Qué tal? ", "🙂"];
    let provider = Provider::start([Reply::tokens(words).bytewise()]).await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), words.concat());
    assert_eq!(
        only(&events, "complete").data["usage"]["completionTokens"],
        4
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_without_a_finish_reason_is_never_success() {
    for end in [
        vec![token("Half")],
        vec![token("Half"), Step::Done],
        vec![
            token("Half"),
            Step::Wait(Duration::from_millis(100)),
            Step::Break,
        ],
    ] {
        let provider = Provider::start([Reply::Stream(end.clone())]).await;
        let troika = bare(&provider);
        let events = answer(troika.gateway(), "Q").await;
        assert_eq!(text(&events), "Half", "{end:?}");
        assert_eq!(error_code(&events), "answer_incomplete", "{end:?}");
        assert_eq!(
            provider.asked().len(),
            1,
            "{end:?}: text was sent, so nothing is asked again"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_own_length_limit_is_told() {
    let provider = Provider::start([Reply::Stream(vec![
        token("Cut off"),
        Step::Finish("length"),
        Step::Done,
    ])])
    .await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    let complete = &only(&events, "complete").data;
    assert_eq!(complete["finishReason"], "length");
    assert_eq!(complete["truncated"], true);
    assert_eq!(
        complete["usage"]["estimated"], true,
        "the usage chunk never came"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_filter_is_told() {
    let provider = Provider::start([Reply::Stream(vec![
        token("No"),
        Step::Finish("content_filter"),
        Step::Done,
    ])])
    .await;
    let troika = bare(&provider);
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(
        only(&events, "complete").data["finishReason"],
        "content_filter"
    );
    assert_eq!(warnings(&events), ["content_filtered"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_usage_chunk_does_not_hold_the_answer_up() {
    let provider = Provider::start([Reply::Stream(vec![
        token("Done."),
        Step::Finish("stop"),
        Step::Hang,
    ])])
    .await;
    let troika = bare(&provider);
    let begun = Instant::now();
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(only(&events, "complete").data["finishReason"], "stop");
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_turn_has_a_limit_though_tokens_keep_coming() {
    let steps = (0..200)
        .flat_map(|_| [token("x"), Step::Wait(Duration::from_millis(50))])
        .collect();
    let provider = Provider::start([Reply::Stream(steps)]).await;
    let troika = sandbox()
        .provider(&provider)
        .env("TROIKA_CHAT__TURN__TOTAL", "700ms")
        .start();
    let begun = Instant::now();
    assert_eq!(
        error_code(&answer(troika.gateway(), "Q").await),
        "turn_timeout"
    );
    assert!(begun.elapsed() < Duration::from_secs(4));
    provider.ended(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_opens_after_repeated_failures_and_spares_the_provider() {
    let provider = Provider::start([refuse(500)]).await;
    let troika = impatient(sandbox())
        .provider(&provider)
        .env("TROIKA_CHAT__MODEL__KNOWLEDGE_FALLBACK", "false")
        .env("TROIKA_CHAT__MODEL__BREAKER__OPEN_FOR", "60s")
        .start();
    for _ in 0..4 {
        assert_eq!(
            error_code(&answer(troika.gateway(), "Q").await),
            "model_unavailable"
        );
    }
    assert_eq!(provider.asked().len(), 5, "five failures open it");
}
