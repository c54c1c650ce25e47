//! The listener leaves: before the first token, during the answer, in a silence. The provider's
//! connection is closed within a second, and what was said is kept.

use std::time::{Duration, Instant};

use serde_json::json;
use troika_tests::{
    listener::{ask, question},
    provider::{Departure, Provider, Reply, Step},
    until,
};

use crate::{acknowledged::messages, sandbox};

/// Leaves after `seen` has come; how long the provider's connection lived on.
async fn leave_after(seen: &str, steps: Vec<Step>) -> Duration {
    let provider = Provider::start([Reply::Stream(steps)]).await;
    let troika = sandbox().provider(&provider).start();
    let mut listening = ask(troika.gateway(), &question("Q")).await;
    listening.wait_for(seen).await;
    provider.asked_times(1).await;
    let left = Instant::now();
    drop(listening);
    let [Departure::Left(closed)] = provider.ended(1).await[..] else {
        panic!("the provider was left")
    };
    closed.saturating_duration_since(left)
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_token() {
    let lived = leave_after("status", vec![Step::Hang]).await;
    assert!(lived < Duration::from_secs(1), "{lived:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_silence() {
    let lived = leave_after("text", vec![Step::Token("Half".into()), Step::Hang]).await;
    assert!(lived < Duration::from_secs(1), "{lived:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_tokens_flow() {
    let steps = (0..1000)
        .flat_map(|n| {
            [
                Step::Token(format!("{n} ")),
                Step::Wait(Duration::from_millis(10)),
            ]
        })
        .collect();
    let lived = leave_after("text", steps).await;
    assert!(lived < Duration::from_secs(1), "{lived:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_provider_answers_at_all() {
    let provider = Provider::start([Reply::Silence]).await;
    let troika = sandbox().provider(&provider).start();
    let mut listening = ask(troika.gateway(), &question("Q")).await;
    listening.wait_for("status").await;
    provider.asked_times(1).await;
    let left = Instant::now();
    drop(listening);
    provider.ended(1).await;
    assert!(left.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_that_nobody_waits_for_is_given_up() {
    let provider = Provider::start([Reply::Stream(vec![Step::Hang])]).await;
    let troika = sandbox().provider(&provider).start();
    let request = troika_tests::http()
        .post(format!("{}/api/chat/query", troika.gateway()))
        .json(&question("Q"));
    let waiting = tokio::spawn(request.send());
    provider.asked_times(1).await;
    let left = Instant::now();
    waiting.abort();
    provider.ended(1).await;
    assert!(left.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_in_the_history() {
    let provider = Provider::start([
        Reply::Stream(vec![Step::Token("Half an answer".into()), Step::Hang]),
        Reply::tokens(["ok"]),
    ])
    .await;
    let troika = sandbox().provider(&provider).start();
    let mut listening = ask(troika.gateway(), &question("First")).await;
    let session = listening.wait_for("connected").await.data["sessionId"].clone();
    listening.wait_for("text").await;
    drop(listening);
    provider.ended(1).await;
    // Who left does not wait for the store.
    until("both are kept", Duration::from_secs(10), async || {
        messages(&troika, session.as_str().unwrap()).await.len() == 2
    })
    .await;
    let mut second = question("Second");
    second["sessionId"] = session;
    ask(troika.gateway(), &second).await.all().await;
    let messages = provider.asked()[1].messages();
    assert!(messages.contains(&("user".into(), "First".into())));
    assert!(
        messages.contains(&("assistant".into(), "Half an answer".into())),
        "{}",
        json!(messages)
    );
    assert!(
        troika.log().contains("\"outcome\":\"cancelled\"") || troika.log().contains("cancelled")
    );
}
