//! Roles as separate processes on real stores: what is said survives a restart, a neighbour that is
//! away is told, and an existing database is read as it is.

use std::{process::Output, time::Duration};

use serde_json::json;
use troika_tests::{
    listener::{DEMO_BOT, ask, only, question, text},
    provider::{Provider, Reply},
    sandbox::{Sandbox, Troika},
    servers, until,
};

use crate::sandbox;

/// Runs a verb against a chat role and demands success.
fn verb(sandbox: &Sandbox, chat: &Troika, arguments: &[&str]) -> Output {
    let output = sandbox
        .command(arguments)
        .env("TROIKA_GATEWAY__CHAT", chat.chat())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

async fn ready(gateway: &Troika) {
    until(
        "the gateway is ready",
        Duration::from_secs(15),
        async || {
            troika_tests::get(format!("{}/ready", gateway.gateway()))
                .await
                .is_ok_and(|answer| answer.status() == 200)
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mongodb_and_redis_the_history_survives_a_restart_of_both_roles() {
    let (mongodb, redis) = (servers::mongodb(), servers::redis());
    let provider = Provider::start([
        Reply::tokens(["The first answer."]),
        Reply::tokens(["The second."]),
    ])
    .await;
    let sandbox = sandbox()
        .provider(&provider)
        .env(
            "MONGODB_URI",
            format!("mongodb://127.0.0.1:{}/shop", mongodb.port),
        )
        .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port));
    let made = sandbox.run(&["check", "indexes", "--create"]);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );

    let session = "0d9f3c1e-3a5b-4c55-9a67-1f6a1f8a7b21";
    for (place, query) in ["My first question", "My second question"]
        .into_iter()
        .enumerate()
    {
        let chat = sandbox.start_role("chat");
        assert!(chat.fact("store").starts_with("mongodb("), "{}", chat.ready);
        assert!(chat.fact("cache").starts_with("redis("), "{}", chat.ready);
        if place == 0 {
            verb(
                &sandbox,
                &chat,
                &["bots", "create", "--id", DEMO_BOT, "--name", "Shop"],
            );
        }
        let gateway = Sandbox::new(env!("CARGO_BIN_EXE_troika"))
            .env("TROIKA_GATEWAY__CHAT", chat.chat())
            .start_role("gateway");
        ready(&gateway).await;
        let mut asked = question(query);
        asked["sessionId"] = json!(session);
        let events = ask(gateway.gateway(), &asked).await.all().await;
        assert_eq!(only(&events, "complete").data["saved"], true);
        assert!(text(&events).starts_with("The "));
    }

    let messages = provider.asked()[1].messages();
    assert!(messages.contains(&("user".into(), "My first question".into())));
    assert!(messages.contains(&("assistant".into(), "The first answer.".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_embedded_file_the_history_survives_a_crash() {
    let provider = Provider::start([Reply::tokens(["One."]), Reply::tokens(["Two."])]).await;
    let sandbox = sandbox().provider(&provider);
    let session = "5f0c0f4e-1111-4c55-9a67-1f6a1f8a7b21";
    for query in ["First", "Second"] {
        let mut troika = sandbox.start();
        let mut asked = question(query);
        asked["sessionId"] = json!(session);
        let events = ask(troika.gateway(), &asked).await.all().await;
        assert_eq!(only(&events, "complete").data["saved"], true);
        troika.kill();
    }
    assert!(
        provider.asked()[1]
            .messages()
            .contains(&("assistant".into(), "One.".into()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_its_chat_role_lives_is_not_ready_and_recovers_by_itself() {
    let (port, edge) = (servers::free_port(), servers::free_port());
    let _gateway = sandbox()
        .env("PORT", edge.to_string())
        .env("TROIKA_GATEWAY__CHAT", format!("http://127.0.0.1:{port}"))
        .start_role_unready("gateway");
    let gateway = format!("http://127.0.0.1:{edge}");
    let status = async |path: &str| {
        Some(
            troika_tests::get(format!("{gateway}{path}"))
                .await
                .ok()?
                .status()
                .as_u16(),
        )
    };
    until("the gateway lives", Duration::from_secs(15), async || {
        status("/health").await == Some(200)
    })
    .await;
    assert_eq!(status("/ready").await, Some(503));
    let refused = ask(&gateway, &question("Q")).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.body().await["status"], 503);

    let _chat = sandbox()
        .env("TROIKA_CHAT__LISTEN", format!("127.0.0.1:{port}"))
        .start_role("chat");
    until(
        "the gateway is ready",
        Duration::from_secs(15),
        async || status("/ready").await == Some(200),
    )
    .await;
    assert!(
        !text(
            &ask(&gateway, &question("What is troika?"))
                .await
                .all()
                .await
        )
        .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_role_that_dies_in_a_turn_is_told_and_not_a_silent_cut() {
    use troika_tests::provider::Step;
    let provider =
        Provider::start([Reply::Stream(vec![Step::Token("Half".into()), Step::Hang])]).await;
    let mut chat = sandbox().provider(&provider).start_role("chat");
    let gateway = sandbox()
        .env("TROIKA_GATEWAY__CHAT", chat.chat())
        .start_role("gateway");
    ready(&gateway).await;
    let mut listening = ask(gateway.gateway(), &question("Q")).await;
    listening.wait_for("text").await;
    chat.kill();
    // The gateway's own events carry no id: they have no place in the turn.
    let rest = listening.rest().await;
    assert!(
        rest.contains("event: error\ndata: ") && rest.contains("\"upstream_lost\""),
        "{rest}"
    );
    assert!(
        rest.trim_end()
            .lines()
            .rev()
            .any(|line| line == "event: close"),
        "{rest}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_never_answers_from_another_bots_knowledge() {
    let provider = Provider::start([Reply::tokens(["ok"])]).await;
    let sandbox = sandbox().provider(&provider);
    let troika = sandbox.start();
    let other = "00000000000000000000000a";
    verb(
        &sandbox,
        &troika,
        &["bots", "create", "--id", other, "--name", "Other"],
    );
    let document = sandbox.data().join("other.md");
    std::fs::write(
        &document,
        "# Zanzibar\n\nThe zanzibar tariff is forty-two zorkmids.",
    )
    .unwrap();
    verb(
        &sandbox,
        &troika,
        &["knowledge", "import", other, document.to_str().unwrap()],
    );

    let prompt = |place: usize| format!("{:?}", provider.asked()[place].messages());
    ask(
        troika.gateway(),
        &json!({"query": "What is the zanzibar tariff?", "chatbotId": other}),
    )
    .await
    .all()
    .await;
    assert!(prompt(0).contains("zorkmids"));
    ask(troika.gateway(), &question("What is the zanzibar tariff?"))
        .await
        .all()
        .await;
    assert!(!prompt(1).contains("zorkmids"));

    verb(
        &sandbox,
        &troika,
        &["knowledge", "delete", other, "other.md"],
    );
    ask(
        troika.gateway(),
        &json!({"query": "What is the zanzibar tariff?", "chatbotId": other}),
    )
    .await
    .all()
    .await;
    assert!(
        !prompt(2).contains("zorkmids"),
        "the cached context went with the knowledge"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_find_what_words_do_not_and_their_failure_costs_only_them() {
    let provider = Provider::start([Reply::tokens(["ok"])]).await;
    let sandbox = sandbox()
        .provider(&provider)
        .env("OPENAI_EMBEDDINGS_BASE_URL", provider.url.clone());
    let troika = sandbox.start();
    assert_ne!(troika.fact("embeddings"), "none");
    let bot = "00000000000000000000000b";
    verb(
        &sandbox,
        &troika,
        &["bots", "create", "--id", bot, "--name", "Other"],
    );
    let document = sandbox.data().join("prices.txt");
    std::fs::write(&document, "Shipping to the islands costs twelve coins.").unwrap();
    let before = provider.embedded();
    verb(
        &sandbox,
        &troika,
        &["knowledge", "import", bot, document.to_str().unwrap()],
    );
    assert_eq!(
        provider.embedded(),
        before + 1,
        "the new chunk is embedded once"
    );
    verb(
        &sandbox,
        &troika,
        &["knowledge", "import", bot, document.to_str().unwrap()],
    );
    assert_eq!(
        provider.embedded(),
        before + 1,
        "a known chunk is not embedded again"
    );
    let asked = json!({"query": "shipping costs", "chatbotId": bot});
    ask(troika.gateway(), &asked).await.all().await;
    assert_eq!(provider.embedded(), before + 2, "the query is embedded");
    ask(troika.gateway(), &asked).await.all().await;
    assert_eq!(provider.embedded(), before + 2, "the context is cached");
}
