//! What a bot may use: turns begin while they fit, are settled by what the model counted, and visitors sign in in time.

use serde_json::{Value, json};
use troika_tests::{
    exposition::Exposition,
    listener::{DEMO_BOT, ask, ask_with, only, order, question},
    provider::{Provider, Reply, Step},
    sandbox::{Sandbox, Troika},
    servers,
};

use crate::sandbox;

/// `troika bots …`, which must succeed.
fn bots(sandbox: &Sandbox, troika: &Troika, arguments: &[&str]) -> String {
    let output = sandbox
        .command(&["bots"])
        .args(arguments)
        .args(["--addr", troika.chat()])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

fn update(sandbox: &Sandbox, troika: &Troika, arguments: &[&str]) {
    bots(
        sandbox,
        troika,
        &[&["update", DEMO_BOT][..], arguments].concat(),
    );
}

fn used(sandbox: &Sandbox, troika: &Troika) -> u64 {
    let shown = bots(sandbox, troika, &["show", DEMO_BOT, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        shown["quota"]["usedTokens"], shown["quota"]["monthlyUsed"],
        "{shown}"
    );
    shown["quota"]["usedTokens"].as_u64().unwrap()
}

/// Waits until so much is used: a turn is settled after its last event.
fn await_used(sandbox: &Sandbox, troika: &Troika, expected: impl Fn(u64) -> bool) {
    let begun = std::time::Instant::now();
    loop {
        let used = used(sandbox, troika);
        if expected(used) {
            return;
        }
        assert!(begun.elapsed().as_secs() < 20, "{used} are used");
    }
}

/// The status and body of a question that is not taken.
async fn refused(troika: &Troika) -> (u16, Value) {
    let refused = ask(troika.gateway(), &question("Why?")).await;
    (refused.status, refused.body().await)
}

async fn limits_are_kept(sandbox: Sandbox, provider: Provider) {
    let troika = sandbox.start();
    if troika.fact("store").starts_with("mongodb") {
        bots(
            &sandbox,
            &troika,
            &["create", "--id", DEMO_BOT, "--name", "Shop"],
        );
    }
    update(
        &sandbox,
        &troika,
        &["--company", "c1", "--token-limit", "10000"],
    );
    let events = ask(troika.gateway(), &question("Why?")).await.all().await;
    assert_eq!(only(&events, "complete").data["usage"]["totalTokens"], 9);
    await_used(&sandbox, &troika, |used| used == 9);

    // The listener leaves in the middle: what was asked and said counts.
    let mut listening = ask(troika.gateway(), &question("And then?")).await;
    listening.wait_for("text").await;
    drop(listening);
    await_used(&sandbox, &troika, |used| used > 9);

    // More than this can a turn use: it does not begin.
    update(&sandbox, &troika, &["--monthly-limit", "3000"]);
    let (status, problem) = refused(&troika).await;
    assert_eq!(
        (status, &problem["code"]),
        (403, &json!("quota_exhausted")),
        "{problem}"
    );
    let told = problem["message"].as_str().unwrap();
    assert!(!told.contains(|c: char| c.is_ascii_digit()), "{told}");
    update(&sandbox, &troika, &["--clear", "monthly-limit"]);
    let events = ask(troika.gateway(), &question("Why?")).await.all().await;
    only(&events, "complete");

    update(&sandbox, &troika, &["--subscription-ends", "2020-01-01"]);
    let (status, problem) = refused(&troika).await;
    assert_eq!(
        (status, &problem["code"]),
        (403, &json!("subscription_ended"))
    );
    update(&sandbox, &troika, &["--subscription-ends", "2100-01-01"]);
    let events = ask(troika.gateway(), &question("Why?")).await.all().await;
    only(&events, "complete");
    let shown = bots(&sandbox, &troika, &["show", DEMO_BOT]);
    for expected in ["c1", "of 10000", "2100-01-01T00:00:00Z"] {
        assert!(shown.contains(expected), "{shown}");
    }
    assert_eq!(provider.asked().len(), 4, "who is refused asks no model");
    let figures = Exposition::of(troika.admin()).await;
    for reason in ["quota_exhausted", "subscription_ended"] {
        let refused = figures.value("troika_quota_refusals_total", &[("reason", reason)]);
        assert_eq!(refused, Some(1.0), "{reason}");
    }
}

async fn provider() -> Provider {
    let first = Step::Token("One".into());
    Provider::start([
        Reply::tokens(["One.", " Two."]),
        Reply::Stream(vec![first, Step::Hang]),
        Reply::tokens(["One."]),
        Reply::tokens(["One."]),
    ])
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept_in_the_embedded_store() {
    let provider = provider().await;
    limits_are_kept(sandbox().provider(&provider), provider).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept_in_mongodb() {
    let server = servers::mongodb();
    let provider = provider().await;
    let uri = format!("mongodb://127.0.0.1:{}/troika", server.port);
    let sandbox = sandbox().provider(&provider).env("MONGODB_URI", uri);
    limits_are_kept(sandbox, provider).await;
}

async fn whole(troika: &Troika, question: &Value) -> (u16, Value) {
    let response = troika_tests::http()
        .post(format!("{}/api/chat/query", troika.gateway()))
        .json(question)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_signs_in_when_the_free_questions_are_asked() {
    let sandbox = sandbox();
    let troika = sandbox.start();
    update(
        &sandbox,
        &troika,
        &["--free-messages", "2", "--auth-method", "whatsapp"],
    );
    let mut question = question("Which port does the gateway listen on?");
    question["sessionId"] = json!("3d2a7c52-6f0e-4d8e-9a53-0c8d5b0f6a11");
    for (next, method) in [(false, Value::Null), (true, json!("whatsapp"))] {
        let (status, answer) = whole(&troika, &question).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(
            (&answer["requiresAuthNext"], &answer["auth_method"]),
            (&json!(next), &method)
        );
    }
    let (status, problem) = whole(&troika, &question).await;
    assert_eq!((status, &problem["code"]), (403, &json!("NEED_AUTH")));
    let events = ask(troika.gateway(), &question).await.all().await;
    assert_eq!(order(&events), ["connected", "error", "close"]);
    let error = &only(&events, "error").data;
    assert_eq!(
        (&error["code"], &error["canRetry"]),
        (&json!("NEED_AUTH"), &json!(false))
    );

    let token = sandbox.run(&["token", "--role", "visitor", "--bot", DEMO_BOT]);
    let bearer = format!("Bearer {}", String::from_utf8_lossy(&token.stdout).trim());
    let headers = [("authorization", bearer.as_str())];
    let events = ask_with(troika.gateway(), &question, &headers).await;
    only(&events.all().await, "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_tokens_of_a_day_are_held_while_a_turn_runs_and_counted_for_all_processes() {
    let redis = servers::redis();
    let hang = Reply::Stream(vec![Step::Token("Half".into()), Step::Hang]);
    let first = Provider::start([hang, Reply::tokens(["Yes."])]).await;
    let second = Provider::start([Reply::tokens(["Yes."])]).await;
    let system = |provider: &Provider| {
        sandbox()
            .limited()
            .env("TROIKA_GATEWAY__LIMITS__API__LIMIT", "0")
            .env("TROIKA_GATEWAY__LIMITS__STREAM__LIMIT", "0")
            .provider(provider)
            .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port))
            // One turn at most, and not two.
            .env("TROIKA_CHAT__LIMITS__DAILY_TOKENS__CLIENT", "8000")
    };
    let (first_sandbox, second_sandbox) = (system(&first), system(&second));
    let (here, there) = (first_sandbox.start(), second_sandbox.start());
    let mut running = ask(here.gateway(), &question("Why?")).await;
    running.wait_for("text").await;

    let refused = ask(there.gateway(), &question("Why?")).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(wait > 0 && wait <= 24 * 3600, "{wait}");
    assert_eq!(refused.body().await["code"], "daily_budget_exhausted");
    // Whoever is known has a day of their own.
    let token = troika_tests::sandbox::token(json!({"userId": "u1", "chatbotId": DEMO_BOT}));
    let known = [("authorization", format!("Bearer {token}"))];
    let known = known
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let answered = ask_with(here.gateway(), &question("Why?"), &known).await;
    assert_eq!(answered.status, 200);
    only(&answered.all().await, "complete");

    // The listener leaves: what was asked and said counts, and the rest comes back.
    drop(running);
    let begun = std::time::Instant::now();
    loop {
        let asked = ask(there.gateway(), &question("Why?")).await;
        if asked.status == 200 {
            only(&asked.all().await, "complete");
            break;
        }
        assert!(begun.elapsed().as_secs() < 20, "nothing came back");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_on_as_text_when_its_bot_may_speak_no_more_today() {
    let provider = Provider::start([
        Reply::tokens(["Good morning. ", "It is nine o'clock now."]),
        Reply::tokens(["Good evening. ", "It is late."]),
    ])
    .await;
    let troika = sandbox()
        .provider(&provider)
        .env("TROIKA_TTS__DAILY_CHARACTERS__BOT", "20")
        .env("TROIKA_TTS__DAILY_CHARACTERS__CLIENT", "12")
        .start();
    let aloud = json!({"query": "Q", "chatbotId": DEMO_BOT, "enableTTS": true});
    // One sentence fits.
    let events = ask(troika.gateway(), &aloud).await.all().await;
    assert!(events.iter().any(|event| event.name == "audio"));
    assert_eq!(only(&events, "warning").data["code"], "voice_incomplete");
    assert_eq!(
        only(&events, "complete").data["fullAnswer"],
        "Good morning. It is nine o'clock now."
    );
    let events = ask(troika.gateway(), &aloud).await.all().await;
    assert!(!events.iter().any(|event| event.name == "audio"));
    assert_eq!(only(&events, "warning").data["code"], "voice_unavailable");
    assert_eq!(only(&events, "complete").data["saved"], true);

    // A text of its own is refused in one piece.
    let token = troika_tests::sandbox::token(
        json!({"userId": "u1", "chatbotId": "0123456789abcdef01234567"}),
    );
    let speak = async |text: &str| {
        let answer = troika_tests::http()
            .post(format!("{}/api/text-to-speech", troika.gateway()))
            .bearer_auth(&token)
            .json(&json!({"text": text}))
            .send()
            .await
            .unwrap();
        let status = answer.status();
        (status.as_u16(), answer.bytes().await.unwrap())
    };
    assert_eq!(speak("Hello you.").await.0, 200);
    let (status, problem) = speak("And again.").await;
    let problem: Value = serde_json::from_slice(&problem).unwrap();
    assert_eq!(
        (status, &problem["code"]),
        (429, &json!("daily_budget_exhausted"))
    );
}
