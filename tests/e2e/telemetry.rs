//! What operators see: one request id and one trace from the browser to the model, and nothing that is
//! a visitor's or a secret.

use std::time::Duration;

use serde_json::{Value, json};
use troika_tests::{
    collector::Collector,
    listener::{DEMO_BOT, ask_with, question},
    provider::{Provider, Reply, Step},
    until,
};

use crate::sandbox;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test(flavor = "multi_thread")]
async fn request_id_and_trace_reach_the_model_the_logs_and_the_collector() {
    let collector = Collector::start().await;
    let provider = Provider::start([Reply::tokens(["ok"])]).await;
    let mut troika = sandbox()
        .provider(&provider)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone())
        .env("TROIKA_LOG__FORMAT", "json")
        .start();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [
        ("x-request-id", "from-the-browser"),
        ("traceparent", parent.as_str()),
    ];
    let listening = ask_with(troika.gateway(), &question("Q"), &headers).await;
    assert_eq!(listening.headers["x-request-id"], "from-the-browser");
    listening.all().await;

    let asked = &provider.asked()[0];
    assert_eq!(asked.header("x-request-id"), Some("from-the-browser"));
    let onward = asked.header("traceparent").unwrap();
    assert_eq!(onward.split('-').nth(1), Some(TRACE), "{onward}");
    assert_ne!(onward, parent, "the model's parent is a span of ours");

    until("the turn is logged", Duration::from_secs(5), async || {
        troika.log().contains("turn ended")
    })
    .await;
    let log = troika.log();
    let turn: Value = serde_json::from_str(
        log.lines()
            .find(|line| line.contains("turn ended"))
            .unwrap(),
    )
    .unwrap();
    let line = turn.to_string();
    assert!(
        line.contains("from-the-browser") && line.contains("turn_id") && line.contains(TRACE),
        "{line}"
    );

    troika.signal("TERM");
    let code = troika.exit(Duration::from_secs(15));
    assert_eq!(code, 0, "{}", troika.log());
    let spans = collector.spans();
    let ours: Vec<&str> = spans
        .iter()
        .filter(|span| {
            span.trace_id
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                == TRACE
        })
        .map(|span| span.name.as_str())
        .collect();
    assert!(ours.contains(&"turn"), "{ours:?}");
    assert!(ours.len() >= 3, "gateway, chat and turn: {ours:?}");
}

/// Planted in every input there is.
const PRIVATE: [&str; 9] = [
    "my-private-question",
    "the-answer-itself",
    "somebody@example.org",
    "911234567890",
    "Name-of-Somebody",
    "sk-secret-key",
    "a-secret-to-sign-tokens-with-for-tests",
    "hook-secret-path",
    "token-of-a-stranger",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_visitors_say_and_what_is_secret_never_reaches_logs_or_figures() {
    let provider = Provider::start([
        Reply::tokens(["the-answer-itself"]),
        Reply::Refuse {
            status: 400,
            retry_after: None,
        },
        Reply::Stream(vec![
            Step::Token("the-answer-itself".into()),
            Step::Wait(Duration::from_millis(20)),
            Step::Break,
        ]),
    ])
    .await;
    let sandbox = sandbox()
        .provider(&provider)
        .env("OPENAI_API_KEY", "sk-secret-key")
        .env("JWT_SECRET", "a-secret-to-sign-tokens-with-for-tests")
        .env(
            "TROIKA_METRICS__ALERTS__WEBHOOK__URL",
            format!("{}/hook-secret-path", provider.url),
        )
        .env("RUST_LOG", "trace");
    let troika = sandbox.start();
    let gateway = troika.gateway();
    let asked = json!({
        "query": "my-private-question", "chatbotId": DEMO_BOT, "enableTTS": true,
        "email": "somebody@example.org", "phone": "+911234567890", "name": "Name-of-Somebody",
    });
    // A token that is none is refused, and not repeated either.
    let stranger = [("authorization", "Bearer token-of-a-stranger")];
    let refused = ask_with(gateway, &asked, &stranger).await;
    assert_eq!(refused.status, 401);
    let stranger = [("authorization", "Basic token-of-a-stranger")];
    // Answered, refused by the model, broken off; and wrong in every field.
    for _ in 0..3 {
        ask_with(gateway, &asked, &stranger).await.all().await;
    }
    let mut wrong = asked.clone();
    wrong["email"] = json!("somebody@example.org is no address");
    wrong["phone"] = json!("911234567890x");
    wrong["sessionId"] = json!("Name-of-Somebody");
    ask_with(gateway, &wrong, &stranger).await.rest().await;
    let token = sandbox.run(&["token", "--role", "admin"]);
    let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
    let tested = troika_tests::http()
        .post(format!("{gateway}/api/metrics/alerts/test"))
        .bearer_auth(&token)
        .json(&json!({}));
    let tested = tested.send().await.unwrap().text().await.unwrap();
    until(
        "the turns are counted",
        Duration::from_secs(10),
        async || {
            let told = troika_tests::get(format!("{gateway}/api/metrics/streaming/events")).await;
            let told: Value = told.unwrap().json().await.unwrap();
            told["count"] == 4
        },
    )
    .await;
    let mut shown = vec![("the log", troika.log()), ("the alert's test", tested)];
    for (name, url) in [
        ("figures", format!("{gateway}/api/metrics/streaming")),
        ("events", format!("{gateway}/api/metrics/streaming/events")),
        ("old figures", format!("{gateway}/prometheus/metrics")),
        ("own figures", format!("{}/metrics", troika.admin())),
    ] {
        let text = troika_tests::get(url).await.unwrap().text().await.unwrap();
        assert!(!text.is_empty());
        shown.push((name, text));
    }
    for (name, text) in &shown {
        for private in PRIVATE.into_iter().chain([token.as_str()]) {
            assert!(!text.contains(private), "{private} stands in {name}");
        }
    }
    assert!(shown[0].1.contains("turn ended") && shown[0].1.contains("DEBUG"));
    assert_eq!(
        provider.asked()[0].header("authorization"),
        Some("Bearer sk-secret-key")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn production_logs_are_json_lines() {
    let secret = "a-secret-that-is-long-enough-for-production";
    let troika = sandbox()
        .env("TROIKA_ENV", "production")
        .env("JWT_SECRET", secret)
        .env("SESSION_SECRET", secret)
        .start();
    let log = troika.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        let entry: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON, not {line}"));
        assert!(
            entry.get("level").is_some() && entry.get("message").is_some(),
            "{line}"
        );
    }
}
