//! Stores that refuse, hang or die: the stated degraded result, and the time it took.

use std::time::{Duration, Instant};

use serde_json::json;
use troika_tests::{
    listener::{DEMO_BOT, answer, ask, only, question, text, warnings},
    provider::{Provider, Reply},
    sandbox::{Sandbox, Troika},
    servers, until,
};

use crate::sandbox;

struct OnMongo {
    sandbox: Sandbox,
    troika: Troika,
    mongodb: servers::Server,
    _provider: Provider,
}

/// troika on MongoDB with one bot that has been asked once, so that it is known.
async fn on_mongo() -> OnMongo {
    let mongodb = servers::mongodb();
    let provider = Provider::start([Reply::tokens(["An answer."])]).await;
    let sandbox = sandbox()
        .provider(&provider)
        .env(
            "MONGODB_URI",
            format!("mongodb://127.0.0.1:{}/shop", mongodb.port),
        )
        .env("TROIKA_MONGODB__OPERATION_TIMEOUT", "1s");
    let troika = sandbox.start();
    let made = sandbox
        .command(&["bots", "create", "--id", DEMO_BOT, "--name", "Shop"])
        .env("TROIKA_GATEWAY__CHAT", troika.chat())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let events = answer(troika.gateway(), "Hello").await;
    assert_eq!(only(&events, "complete").data["saved"], true);
    OnMongo {
        sandbox,
        troika,
        mongodb,
        _provider: provider,
    }
}

async fn degraded_answer(troika: &Troika) {
    let begun = Instant::now();
    let events = answer(troika.gateway(), "Are you there?").await;
    let took = begun.elapsed();
    assert_eq!(text(&events), "An answer.");
    let told = warnings(&events);
    assert!(
        told.contains(&"history_unavailable") && told.contains(&"history_not_saved"),
        "{told:?}"
    );
    assert_eq!(only(&events, "complete").data["saved"], false);
    // A second for the context, two for the store to say that it cannot.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mongodb_that_dies_costs_the_history_and_not_the_answer_and_is_found_again_when_it_comes_back()
 {
    let mut on = on_mongo().await;
    on.mongodb.kill();
    degraded_answer(&on.troika).await;

    let unknown = ask(
        on.troika.gateway(),
        &json!({"query": "Q", "chatbotId": "00000000000000000000000f"}),
    )
    .await;
    assert_eq!(unknown.status, 503, "an unknown bot cannot be looked up");
    assert!(unknown.headers.contains_key("retry-after"));

    on.mongodb.restart_mongodb();
    until(
        "answers are saved again",
        Duration::from_secs(30),
        async || {
            let events = answer(on.troika.gateway(), "And now?").await;
            events
                .iter()
                .any(|event| event.name == "complete" && event.data["saved"] == true)
        },
    )
    .await;
    drop(on.sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mongodb_that_hangs_costs_the_history_and_not_the_answer() {
    let on = on_mongo().await;
    on.mongodb.freeze();
    degraded_answer(&on.troika).await;
    on.mongodb.thaw();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_mongodb_troika_starts_and_says_503() {
    let troika = sandbox()
        .env(
            "MONGODB_URI",
            format!("mongodb://{}/shop", servers::refusing()),
        )
        .env("TROIKA_MONGODB__SERVER_SELECTION_TIMEOUT", "500ms")
        .start();
    let refused = ask(troika.gateway(), &question("Q")).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.body().await["code"], "store_unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_hangs_or_dies_is_a_cache_miss_and_nothing_more() {
    let provider = Provider::start([Reply::tokens(["An answer."])]).await;
    let mut redis = servers::redis();
    let troika = sandbox()
        .provider(&provider)
        .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port))
        .start();
    let quick = async |state: &str| {
        let begun = Instant::now();
        let events = answer(troika.gateway(), "What is troika?").await;
        assert_eq!(text(&events), "An answer.", "{state}");
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "{state}: {:?}",
            begun.elapsed()
        );
        only(&events, "complete").data["saved"].as_bool()
    };
    assert_eq!(quick("running").await, Some(true));
    redis.freeze();
    assert_eq!(quick("hanging").await, Some(true));
    redis.thaw();
    redis.kill();
    assert_eq!(quick("dead").await, Some(true));
    let last = format!("{:?}", provider.asked().last().unwrap().messages());
    assert!(
        last.contains("<passages>"),
        "the knowledge is still in the prompt"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_redis_troika_starts_and_answers() {
    let troika = sandbox()
        .env("REDIS_URL", format!("redis://{}", servers::refusing()))
        .start();
    let events = answer(troika.gateway(), "Which port does the gateway listen on?").await;
    assert!(text(&events).contains("5000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_that_cannot_be_used_ends_the_start_with_a_reason() {
    let sandbox = sandbox();
    std::fs::write(sandbox.data().join("chat.redb"), "this is no database").unwrap();
    let output = sandbox.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("chat.redb"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_file_ends_with_a_reason() {
    let sandbox = sandbox();
    let _first = sandbox.start();
    let output = sandbox.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    let reason = String::from_utf8_lossy(&output.stderr);
    // Whichever of the roles is the first to find its file taken.
    assert!(
        reason.contains(".redb is in use by another process") && reason.contains("TROIKA_DATA_DIR"),
        "{reason}"
    );
}
