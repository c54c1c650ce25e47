//! What those who run troika read from outside: figures for Prometheus and OpenTelemetry, readiness, and what is
//! logged, on each process's own admin port.

use std::time::Duration;

use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    metrics::v1::{HistogramDataPoint, metric::Data},
};
use troika_tests::{
    collector::Collector,
    exposition::Exposition,
    listener::{ask, ask_with, question},
    provider::{Provider, Reply, Step},
    sandbox::Troika,
    until,
};

use crate::sandbox;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SOON: Duration = Duration::from_secs(10);

/// What `figures` says, once it says what is wanted.
async fn wait_for(what: &str, troika: &Troika, holds: impl Fn(&Exposition) -> bool) -> Exposition {
    until(what, SOON, async || {
        holds(&Exposition::of(troika.admin()).await)
    })
    .await;
    Exposition::of(troika.admin()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_shows_figures_that_promtool_has_nothing_against() {
    let provider = Provider::start([Reply::tokens(["One", " two."])]).await;
    let all = sandbox().provider(&provider).start();
    ask(all.gateway(), &question("Q")).await.all().await;
    wait_for("the turn is counted", &all, |figures| {
        figures.value("troika_turns_total", &[("outcome", "success")]) == Some(1.0)
    })
    .await;
    let metrics = sandbox().start_role("metrics");
    let flags = sandbox()
        .env("TROIKA_FLAGS__METRICS__ADDRESS", metrics.metrics())
        .start_role("flags");
    let tts = sandbox()
        .env("TROIKA_TTS__FLAGS__ADDRESS", flags.flags())
        .start_role("tts");
    let chat = sandbox()
        .env("TROIKA_CHAT__FLAGS__ADDRESS", flags.flags())
        .env("TROIKA_CHAT__METRICS__ADDRESS", metrics.metrics())
        .start_role("chat");
    let gateway = sandbox()
        .env("TROIKA_GATEWAY__CHAT", chat.chat())
        .start_role("gateway");
    for (troika, roles) in [
        (
            &all,
            &["chat", "flags", "gateway", "metrics", "tts"] as &[&str],
        ),
        (&metrics, &["metrics"]),
        (&flags, &["flags"]),
        (&tts, &["tts"]),
        (&chat, &["chat"]),
        (&gateway, &["gateway"]),
    ] {
        let figures = Exposition::of(troika.admin()).await;
        assert_eq!(figures.objections(), "", "{}", figures.text);
        assert_eq!(figures.labels("troika_build_info", "role"), roles);
        for role in roles {
            assert_eq!(figures.value("troika_ready", &[("role", role)]), Some(1.0));
        }
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_threads",
            "process_start_time_seconds",
            "troika_tasks",
        ] {
            assert!(
                figures.value(name, &[]).is_some(),
                "{name} of {roles:?}: {}",
                figures.text
            );
        }
        let open = Exposition::open(troika.admin()).await;
        assert!(open.text.ends_with("# EOF\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn known_turns_are_counted_as_they_were() {
    // The break must not overtake the token before it.
    let half = |then| {
        let pause = Step::Wait(Duration::from_millis(20));
        Reply::Stream(vec![Step::Token("Half".into()), pause, then])
    };
    let provider = Provider::start([
        Reply::tokens(["One", " two", " three."]),
        Reply::tokens(["One", " two", " three."]),
        Reply::tokens(["One", " two", " three."]),
        half(Step::Break),
        half(Step::Hang),
    ])
    .await;
    let troika = sandbox().provider(&provider).start();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [("traceparent", parent.as_str())];
    for _ in 0..4 {
        ask_with(troika.gateway(), &question("Q"), &headers)
            .await
            .all()
            .await;
    }
    let mut leaving = ask_with(troika.gateway(), &question("Q"), &headers).await;
    leaving.wait_for("text").await;
    drop(leaving);
    troika_tests::get(format!("{}/no/such/path/17", troika.gateway()))
        .await
        .unwrap();

    let turns = |figures: &Exposition, outcome: &str| {
        figures.value(
            "troika_turns_total",
            &[("endpoint", "query"), ("outcome", outcome)],
        )
    };
    let figures = wait_for("every turn is counted", &troika, |figures| {
        turns(figures, "cancelled") == Some(1.0)
            && figures.value("http_server_requests_total", &[("route", "other")]) == Some(1.0)
    })
    .await;
    assert_eq!(figures.objections(), "", "{}", figures.text);
    assert_eq!(turns(&figures, "success"), Some(3.0));
    assert_eq!(turns(&figures, "failure"), Some(1.0));
    for (name, labels, count) in [
        (
            "troika_turns_total",
            &[("outcome", "failure"), ("kind", "openai")] as &[(&str, &str)],
            1.0,
        ),
        (
            "troika_first_token_seconds_count",
            &[("endpoint", "query")],
            5.0,
        ),
        ("troika_turn_seconds_count", &[("outcome", "success")], 3.0),
        ("troika_turn_queue_seconds_count", &[], 5.0),
        ("troika_token_gap_seconds_count", &[], 6.0),
        ("troika_tokens_total", &[("type", "prompt")], 21.0),
        (
            "troika_answer_characters_total",
            &[],
            3.0 * 14.0 + 2.0 * 4.0,
        ),
        (
            "http_server_requests_total",
            &[
                ("route", "/api/chat/query/stream"),
                ("method", "POST"),
                ("status", "200"),
            ],
            5.0,
        ),
        (
            "http_server_request_duration_seconds_count",
            &[("route", "/api/chat/query/stream")],
            5.0,
        ),
        (
            "grpc_server_started_total",
            &[
                ("grpc_service", "troika.chat.v1.ChatStream"),
                ("grpc_method", "Query"),
            ],
            5.0,
        ),
        (
            "grpc_server_handled_total",
            &[("grpc_method", "Query"), ("grpc_code", "OK")],
            4.0,
        ),
        (
            "grpc_server_handled_total",
            &[("grpc_method", "Query"), ("grpc_code", "Cancelled")],
            1.0,
        ),
        (
            "grpc_client_started_total",
            &[("grpc_method", "Query")],
            5.0,
        ),
        ("troika_ready", &[], 5.0),
    ] {
        assert_eq!(
            figures.value(name, labels),
            Some(count),
            "{name} {labels:?} in {}",
            figures.text
        );
    }
    assert!(!figures.text.contains("/no/such/path"));
    assert!(!figures.text.contains("trace_id"));

    let open = Exposition::open(troika.admin()).await;
    let exemplar = open.text.lines().find(|line| {
        line.starts_with("troika_first_token_seconds_bucket") && line.contains(" # {")
    });
    assert!(
        exemplar.is_some_and(|line| line.contains(&format!("trace_id=\"{TRACE}\""))),
        "{}",
        open.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_figures_reach_a_collector_by_their_common_names() {
    let collector = Collector::start().await;
    let provider = Provider::start([
        Reply::tokens(["One", " two", " three."]),
        Reply::tokens(["One", " two", " three."]),
    ])
    .await;
    let mut troika = sandbox()
        .provider(&provider)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone())
        .start();
    for _ in 0..2 {
        ask(troika.gateway(), &question("Q")).await.all().await;
    }
    wait_for("the turns are counted", &troika, |figures| {
        figures.value("troika_turns_total", &[("outcome", "success")]) == Some(2.0)
    })
    .await;
    troika.signal("TERM");
    assert_eq!(troika.exit(Duration::from_secs(15)), 0, "{}", troika.log());

    let sent = collector.metrics();
    let points = |name: &str, unit: &str| {
        let metric = sent.iter().rfind(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("no {name} in {sent:?}"));
        assert_eq!(metric.unit, unit);
        let Some(Data::Histogram(histogram)) = &metric.data else {
            panic!("{name} is no histogram");
        };
        histogram.data_points.clone()
    };
    for (name, count) in [
        ("gen_ai.server.time_to_first_token", 2),
        ("gen_ai.server.time_per_output_token", 2),
        ("gen_ai.client.operation.duration", 2),
    ] {
        let points = points(name, "s");
        assert_eq!(points.len(), 1, "{name}: {points:?}");
        assert_eq!(points[0].count, count, "{name}");
    }
    let tokens = points("gen_ai.client.token.usage", "{token}");
    let says = |point: &HistogramDataPoint, key: &str, wanted: &str| {
        point.attributes.iter().any(|attribute| {
            let value = attribute.value.as_ref().and_then(|it| it.value.as_ref());
            attribute.key == key
                && matches!(value, Some(Value::StringValue(text)) if text == wanted)
        })
    };
    let of = |kind: &str| {
        let found = tokens.iter().find(|point| {
            says(point, "gen_ai.operation.name", "chat")
                && says(point, "gen_ai.provider.name", "openai")
                && says(point, "gen_ai.token.type", kind)
        });
        found.and_then(|point| point.sum)
    };
    assert_eq!(of("input"), Some(14.0), "{tokens:?}");
    assert_eq!(of("output"), Some(6.0), "{tokens:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_of_the_log_change_while_a_process_runs() {
    let provider = Provider::start([Reply::tokens(["One."]), Reply::tokens(["Two."])]).await;
    let troika = sandbox().provider(&provider).start();
    let address = format!("{}/log", troika.admin());
    let put = async |level: &'static str| {
        let answer = troika_tests::http().put(&address).body(level);
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let now = async || {
        let answer = troika_tests::get(&address).await.unwrap();
        answer.text().await.unwrap()
    };
    assert_eq!(now().await, r#"{"level":"info"}"#);

    let (status, said) = put("chatty").await;
    assert_eq!(status, 400);
    assert!(said.contains("`chatty` is no level"), "{said}");
    assert_eq!(now().await, r#"{"level":"info"}"#);

    assert_eq!(put("off").await, (200, r#"{"level":"off"}"#.into()));
    let silent = async || {
        until("the change is logged", SOON, async || {
            troika.log().contains("the levels of the log are changed")
        })
        .await;
        troika.log()
    };
    let before = silent().await;
    ask(troika.gateway(), &question("Q")).await.all().await;
    assert_eq!(troika.log(), before, "nothing is logged while it is off");

    assert_eq!(put("info,troika_chassis=debug").await.0, 200);
    troika_tests::get(format!("{}/health", troika.gateway()))
        .await
        .unwrap();
    until("probes are logged at debug", SOON, async || {
        troika.log().contains("GET /health") || troika.log().contains("/health")
    })
    .await;
    assert!(troika.log().contains("info,troika_chassis=debug"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_leaves_is_still_looked_at() {
    let provider =
        Provider::start([Reply::Stream(vec![Step::Token("Half".into()), Step::Hang])]).await;
    let mut troika = sandbox()
        .provider(&provider)
        .env("TROIKA_DRAIN__DEADLINE", "60s")
        .start();
    let mut listening = ask(troika.gateway(), &question("Q")).await;
    listening.wait_for("text").await;
    troika.signal("TERM");
    let ready = format!("{}/ready", troika.admin());
    until("it says that it leaves", SOON, async || {
        let answer = troika_tests::get(&ready).await.unwrap();
        answer.status() == 503 && answer.text().await.unwrap().contains("draining")
    })
    .await;
    let figures = Exposition::of(troika.admin()).await;
    assert_eq!(
        figures.value("troika_ready", &[("role", "chat")]),
        Some(0.0)
    );
    let health = troika_tests::get(format!("{}/health", troika.admin())).await;
    assert_eq!(health.unwrap().status(), 200);
    drop(listening);
    assert_eq!(troika.exit(Duration::from_secs(15)), 0, "{}", troika.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_says_for_what() {
    let gateway = sandbox()
        .env("TROIKA_GATEWAY__CHAT", "http://127.0.0.1:1")
        .env("TROIKA_LOG__FORMAT", "json")
        .start_role_unready("gateway");
    // Without a ready line yet, the log alone says where it is.
    let place = || {
        let log = gateway.log();
        let line = log
            .lines()
            .find(|line| line.contains("admin port listens"))?;
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(format!("http://{}", line["address"].as_str()?))
    };
    until("the admin port is told", SOON, async || place().is_some()).await;
    let admin = place().unwrap();
    until("it waits for chat alone", SOON, async || {
        let answer = troika_tests::get(format!("{admin}/ready")).await.unwrap();
        assert_eq!(answer.status(), 503);
        answer.text().await.unwrap() == r#"{"status":"not_ready","waitingFor":["chat"]}"#
    })
    .await;
}
