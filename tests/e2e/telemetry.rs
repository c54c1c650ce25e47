//! What operators see: one request id and one trace from the browser to the model, and nothing that is
//! a visitor's or a secret.

use std::time::Duration;

use serde_json::Value;
use troika_tests::{
    collector::Collector,
    listener::{ask_with, question},
    provider::{Provider, Reply},
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

#[tokio::test(flavor = "multi_thread")]
async fn what_visitors_say_and_what_is_secret_never_reaches_the_logs() {
    let provider = Provider::start([Reply::tokens(["the-answer-itself"])]).await;
    let troika = sandbox()
        .provider(&provider)
        .env("OPENAI_API_KEY", "sk-secret-key")
        .env("RUST_LOG", "debug")
        .start();
    let mut asked = question("my-private-question");
    asked["email"] = "somebody@example.org".into();
    asked["phone"] = "+911234567890".into();
    ask_with(troika.gateway(), &asked, &[]).await.all().await;
    until("the turn is logged", Duration::from_secs(5), async || {
        troika.log().contains("turn ended")
    })
    .await;
    let log = troika.log();
    for private in [
        "my-private-question",
        "somebody@example.org",
        "911234567890",
        "the-answer-itself",
        "sk-secret-key",
    ] {
        assert!(!log.contains(private), "{private} stands in the log");
    }
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
