//! The network between gateway and chat: slow, cut, silent. The listener is told the truth in bounded
//! time, and the provider is let go.

use std::time::{Duration, Instant};

use troika_tests::{
    listener::{ask, only, question, text, texts},
    provider::{Departure, Provider, Reply, Step},
    proxy::Proxy,
    sandbox::Troika,
    until,
};

use crate::sandbox;

/// Two processes with a network between them.
struct Apart {
    chat: Troika,
    way: Proxy,
    gateway: Troika,
}

async fn apart(provider: &Provider) -> Apart {
    let chat = sandbox()
        .provider(provider)
        .env("TROIKA_GRPC__KEEPALIVE_INTERVAL", "300ms")
        .env("TROIKA_GRPC__KEEPALIVE_TIMEOUT", "300ms")
        .start_role("chat");
    let way = Proxy::to_url(chat.chat()).await;
    let gateway = sandbox()
        .env("TROIKA_GATEWAY__CHAT", way.url())
        .env("TROIKA_GATEWAY__OPEN_TIMEOUT", "1s")
        .env("TROIKA_GATEWAY__CHANNEL__KEEPALIVE_INTERVAL", "300ms")
        .env("TROIKA_GATEWAY__CHANNEL__KEEPALIVE_TIMEOUT", "300ms")
        .start_role("gateway");
    Apart { chat, way, gateway }
}

async fn ready(gateway: &Troika) {
    until(
        "the gateway is ready",
        Duration::from_secs(20),
        async || {
            troika_tests::get(format!("{}/ready", gateway.gateway()))
                .await
                .is_ok_and(|answer| answer.status() == 200)
        },
    )
    .await;
}

fn half() -> Reply {
    Reply::Stream(vec![Step::Token("Half".into()), Step::Hang])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_leaves_the_gateway_closes_the_provider_of_another_process() {
    for steps in [
        vec![Step::Hang],
        vec![Step::Token("Half".into()), Step::Hang],
    ] {
        let provider = Provider::start([Reply::Stream(steps)]).await;
        let apart = apart(&provider).await;
        let mut listening = ask(apart.gateway.gateway(), &question("Q")).await;
        listening.wait_for("status").await;
        provider.asked_times(1).await;
        let left = Instant::now();
        drop(listening);
        let [Departure::Left(closed)] = provider.ended(1).await[..] else {
            panic!("the provider was left")
        };
        let lived = closed.saturating_duration_since(left);
        assert!(lived < Duration::from_secs(1), "{lived:?}");
    }
}

/// The connection stays open and nothing passes: only the keepalive can tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_falls_silent_in_an_answer_is_told_and_the_provider_is_closed() {
    let provider = Provider::start([half()]).await;
    let apart = apart(&provider).await;
    let mut listening = ask(apart.gateway.gateway(), &question("Q")).await;
    listening.wait_for("text").await;
    let begun = Instant::now();
    apart.way.hold();
    let rest = listening.rest().await;
    assert!(rest.contains("\"upstream_lost\""), "{rest}");
    assert!(rest.contains("event: close\ndata: "), "{rest}");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    provider.ended(1).await;
    assert!(apart.chat.log().contains("turn ended"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_cut_in_an_answer_is_told_and_mends_by_itself() {
    let provider = Provider::start([half(), Reply::tokens(["Whole."])]).await;
    let apart = apart(&provider).await;
    let mut listening = ask(apart.gateway.gateway(), &question("Q")).await;
    listening.wait_for("text").await;
    apart.way.cut();
    let rest = listening.rest().await;
    assert!(rest.contains("\"upstream_lost\""), "{rest}");
    provider.ended(1).await;

    apart.way.open();
    ready(&apart.gateway).await;
    let events = ask(apart.gateway.gateway(), &question("Again"))
        .await
        .all()
        .await;
    assert_eq!(text(&events), "Whole.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_role_that_cannot_be_reached_is_an_http_error_in_bounded_time() {
    let provider = Provider::start([Reply::tokens(["Whole."])]).await;
    let apart = apart(&provider).await;
    apart.way.hold();
    let begun = Instant::now();
    let refused = ask(apart.gateway.gateway(), &question("Q")).await;
    assert!(
        matches!(refused.status, 503 | 504),
        "status {}",
        refused.status
    );
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    let status = refused.status;
    let body = refused.body().await;
    assert_eq!(body["status"], status);
    assert!(
        matches!(
            body["code"].as_str(),
            Some("unavailable" | "deadline_exceeded")
        ),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_network_changes_nothing_but_the_time() {
    let tokens: Vec<String> = (0..50).map(|n| format!("t{n} ")).collect();
    let provider = Provider::start([Reply::tokens(tokens.clone())]).await;
    let apart = apart(&provider).await;
    apart.way.slow(Duration::from_millis(50));
    let events = ask(apart.gateway.gateway(), &question("Q"))
        .await
        .all()
        .await;
    assert_eq!(texts(&events), tokens);
    assert_eq!(only(&events, "complete").data["finishReason"], "stop");
}

/// Chat stands still as a process does that is out of memory or in a debugger.
#[tokio::test(flavor = "multi_thread")]
async fn a_chat_role_that_stands_still_is_told_and_goes_on_afterwards() {
    let provider = Provider::start([half(), Reply::tokens(["Whole."])]).await;
    let apart = apart(&provider).await;
    let mut listening = ask(apart.gateway.gateway(), &question("Q")).await;
    listening.wait_for("text").await;
    apart.chat.signal("STOP");
    let rest = listening.rest().await;
    assert!(rest.contains("\"upstream_lost\""), "{rest}");
    apart.chat.signal("CONT");
    provider.ended(1).await;
    ready(&apart.gateway).await;
    let events = ask(apart.gateway.gateway(), &question("Again"))
        .await
        .all()
        .await;
    assert_eq!(text(&events), "Whole.");
}

/// Visitors come the moment a balancer hears "ready": none of them may meet a connection that still
/// remembers the time before.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_says_it_is_ready_answers_whoever_asks_then() {
    let provider = Provider::start([Reply::tokens(["Whole."])]).await;
    let apart = apart(&provider).await;
    let at = format!("{}/ready", apart.gateway.gateway());
    let says = async |status: u16| {
        until("/ready says so", Duration::from_secs(20), async || {
            troika_tests::get(&at)
                .await
                .is_ok_and(|answer| answer.status() == status)
        })
        .await;
    };
    for time in 0..10 {
        apart.way.cut();
        says(503).await;
        // Questions of the time when chat is away, on whatever connection they get.
        for _ in 0..4 {
            ask(apart.gateway.gateway(), &question("Q")).await;
        }
        apart.way.open();
        says(200).await;
        for place in 0..8 {
            let answered = ask(apart.gateway.gateway(), &question("Q")).await;
            assert_eq!(
                answered.status, 200,
                "question {place} after recovery {time}"
            );
            answered.all().await;
        }
    }
}
