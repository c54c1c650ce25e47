//! Figures as the backend before told them, field by field; open to all, and what is different for admins.

use http::StatusCode;
use prost_types::{Duration, Timestamp};
use serde_json::{Value, json};
use troika_proto::metrics::v1::{
    CacheUse, ErrorCounts, Event, FailureKind, Figures, GetSnapshotRequest, GetSnapshotResponse,
    GetSummaryRequest, GetSummaryResponse, Latency, ListEventsRequest, Outcome, ResetRequest,
    Window,
};

use crate::setup::{
    flags::{ADMIN, SECRET, token},
    header, json as json_of,
    metrics::FakeMetrics,
    request, text,
};

const SESSION: &str = "11111111-1111-4111-8111-111111111111";

fn duration(milliseconds: u64) -> Option<Duration> {
    std::time::Duration::from_millis(milliseconds)
        .try_into()
        .ok()
}

fn latency(count: u64, mean: f64) -> Option<Latency> {
    Some(Latency {
        count,
        mean,
        p50: mean + 1.0,
        p95: mean + 2.0,
        p99: mean + 3.0,
    })
}

fn cache(hits: u64, misses: u64) -> Option<CacheUse> {
    Some(CacheUse {
        name: String::new(),
        hits,
        misses,
    })
}

/// A different number in every field.
fn snapshot() -> GetSnapshotResponse {
    GetSnapshotResponse {
        total: Some(Figures {
            successes: 90,
            failures: 5,
            cancelled: 6,
            critical: 1,
            refused: 7,
            errors: Some(ErrorCounts {
                openai: 2,
                tts: 8,
                network: 3,
                validation: 9,
                other: 4,
            }),
            first_token: latency(96, 120.123_456),
            first_audio: latency(40, 480.5),
            complete: latency(90, 1500.0),
            gap: latency(2000, 20.0),
            queued: latency(101, 0.125),
            prompt_tokens: 9000,
            completion_tokens: 450,
            cost: 0.5,
            words: 4500,
            sentences: 300,
            characters: 24_000,
            audio_chunks: 320,
            retries: 10,
            fallbacks: 11,
            knowledge: cache(1, 2),
            speech: cache(3, 1),
            dropped: 12,
        }),
        active_streams: 13,
        active_sessions: 14,
        total_sessions: 15,
        uptime: Some(Duration {
            seconds: 93_784,
            nanos: 999_000_000,
        }),
        ..GetSnapshotResponse::default()
    }
}

fn is_moment(told: &Value) -> bool {
    told.as_str().is_some_and(|told| {
        let parsed: Result<Timestamp, _> = told.parse();
        parsed.is_ok() && told.ends_with('Z')
    })
}

#[tokio::test]
async fn all_figures_have_the_old_names_and_types() {
    let role = FakeMetrics::telling(|told| told.snapshot = snapshot());
    let house = role.house().await;
    let response = house.get("/api/metrics/streaming").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "cache-control"), "no-store");
    let document = json_of(response).await;
    assert_eq!(document["success"], true);
    assert!(is_moment(&document["timestamp"]), "{document}");
    assert_eq!(
        document["metrics"],
        json!({
            "uptime": 93_784,
            "uptimeFormatted": "1d 2h 3m 4s",
            "requests": {
                "total": 101, "successful": 90, "failed": 5, "cancelled": 6, "active": 13, "successRate": 94.74,
            },
            "users": {"activeUnique": 14, "totalSessions": 15},
            "latency": {
                "firstToken": {"avg": 120.12, "p50": 121.12, "p95": 122.12, "p99": 123.12},
                "firstAudio": {"avg": 480.5, "p50": 481.5, "p95": 482.5, "p99": 483.5},
                "complete": {"avg": 1500, "p50": 1501, "p95": 1502, "p99": 1503},
            },
            "cache": {
                "kb": {"hits": 1, "misses": 2, "hitRate": 33.33, "total": 3},
                "tts": {"hits": 3, "misses": 1, "hitRate": 75, "total": 4},
            },
            "errors": {"openai": 2, "tts": 8, "network": 3, "validation": 9, "other": 4},
            // Answers in which something was said, those that broke off too.
            "resources": {"avgResponseSize": 250, "totalTokens": 9450, "totalAudioChunks": 320},
            "streaming": {
                "activeStreams": 13, "totalWords": 4500, "retries": 10, "fallbacks": 11,
                "tokenGap": {"avg": 20, "p50": 21, "p95": 22, "p99": 23},
                "queued": {"avg": 0.13, "p50": 1.13, "p95": 2.13, "p99": 3.13},
            },
            "voice": {"spoken": 40, "sentences": 300, "audioChunks": 320},
        })
    );
}

#[tokio::test]
async fn of_nothing_every_figure_is_a_number_still() {
    let house = FakeMetrics::new().house().await;
    let document = json_of(house.get("/api/metrics/streaming").await).await;
    let metrics = &document["metrics"];
    assert_eq!(metrics["uptimeFormatted"], "0s");
    assert_eq!(metrics["requests"]["successRate"], 100);
    assert_eq!(metrics["cache"]["kb"]["hitRate"], 0);
    assert_eq!(metrics["resources"]["avgResponseSize"], 0);
    assert_eq!(
        metrics["latency"]["firstToken"],
        json!({"avg": 0, "p50": 0, "p95": 0, "p99": 0})
    );
    assert!(!document.to_string().contains("null"), "{document}");
}

#[tokio::test]
async fn the_summary_has_the_old_names_on_both_its_routes() {
    let role = FakeMetrics::telling(|told| {
        told.summary = GetSummaryResponse {
            uptime: duration(61_999),
            requests: 101,
            success_rate: 94.736_842,
            active_streams: 13,
            first_token_mean: 120.126,
            complete_mean: 1500.0,
            knowledge_hit_rate: 33.333,
            speech_hit_rate: 75.0,
            errors: 26,
        };
    });
    let house = role.house().await;
    for path in ["/api/metrics/streaming/summary", "/api/metrics/summary"] {
        let document = json_of(house.get(path).await).await;
        assert_eq!(document["success"], true, "{path}");
        assert!(is_moment(&document["timestamp"]), "{document}");
        assert_eq!(
            document["summary"],
            json!({
                "uptime": 61, "totalRequests": 101, "successRate": 94.74, "activeStreams": 13,
                "avgFirstTokenLatency": 120.13, "avgCompleteLatency": 1500,
                "cacheHitRate": {"kb": 33.33, "tts": 75}, "errorCount": 26,
            }),
            "{path}"
        );
    }
}

#[tokio::test]
async fn figures_are_of_all_time_unless_a_window_is_named() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    for (query, window) in [
        ("", Window::Lifetime),
        ("?window=", Window::Lifetime),
        ("?window=lifetime", Window::Lifetime),
        ("?window=1m", Window::Window1Minute),
        ("?window=5m", Window::Window5Minutes),
        ("?window=60m&more=x", Window::Window60Minutes),
    ] {
        house.get(&format!("/api/metrics/streaming{query}")).await;
        let asked: GetSnapshotRequest = role.asked().unwrap();
        assert_eq!(asked.window(), window, "{query}");
        house.get(&format!("/api/metrics/summary{query}")).await;
        let asked: GetSummaryRequest = role.asked().unwrap();
        assert_eq!(asked.window(), window, "{query}");
    }
    let questions = role.questions();
    for query in ["?window=2m", "?window=5M", "?window=1m&window=5m"] {
        for path in ["/api/metrics/streaming", "/api/metrics/summary"] {
            let response = house.get(&format!("{path}{query}")).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}{query}");
            let problem = json_of(response).await;
            assert_eq!(problem["details"][0]["field"], "window", "{problem}");
        }
    }
    assert_eq!(role.questions(), questions);
}

fn events() -> Vec<Event> {
    let turn = |outcome: Outcome| Event {
        at: Some(Timestamp {
            seconds: 1_771_622_898,
            nanos: 816_004_058,
        }),
        outcome: outcome.into(),
        session_id: SESSION.to_owned(),
        turn_id: "t-1".to_owned(),
        chatbot_id: "000000000000000000000001".to_owned(),
        first_token: duration(120),
        duration: Some(Duration {
            seconds: 1,
            nanos: 500_999_999,
        }),
        words: 12,
        audio_chunks: 3,
        ..Event::default()
    };
    let failed = |kind: FailureKind, code: &str| Event {
        kind: kind.into(),
        code: code.to_owned(),
        first_token: None,
        ..turn(Outcome::Failure)
    };
    vec![
        turn(Outcome::Success),
        turn(Outcome::Cancelled),
        failed(FailureKind::Openai, "model_timeout"),
        failed(FailureKind::Tts, "voice"),
        failed(FailureKind::Network, "upstream_lost"),
        failed(FailureKind::Validation, "invalid_argument"),
        Event {
            session_id: String::new(),
            ..failed(FailureKind::Other, "internal")
        },
    ]
}

#[tokio::test]
async fn an_admin_reads_events_with_their_sessions() {
    let role = FakeMetrics::telling(|told| told.events = events());
    let house = role.house().await;
    for path in ["/api/metrics/streaming/events", "/api/metrics/events"] {
        let response = house.ask_as_admin("GET", path, &Value::Null).await;
        assert_eq!(response.status(), StatusCode::OK);
        let document = json_of(response).await;
        assert_eq!(document["success"], true);
        assert_eq!(document["count"], 7);
        assert!(is_moment(&document["timestamp"]), "{document}");
        let events = document["events"].as_array().unwrap();
        assert_eq!(
            events[0],
            json!({
                "type": "success", "timestamp": "2026-02-20T21:28:18.816Z",
                "data": {
                    "sessionId": SESSION, "turnId": "t-1", "chatbotId": "000000000000000000000001",
                    "firstTokenLatency": 120, "firstAudioLatency": null, "duration": 1500, "wordCount": 12,
                    "audioChunks": 3,
                },
            })
        );
        assert_eq!(events[1]["type"], "cancelled");
        assert_eq!(events[1]["errorType"], Value::Null);
        let failures: Vec<[&str; 3]> = events[2..]
            .iter()
            .map(|event| {
                assert!(event["message"].as_str().unwrap().ends_with('.'), "{event}");
                ["type", "errorType", "code"].map(|name| event[name].as_str().unwrap())
            })
            .collect();
        assert_eq!(
            failures,
            [
                ["error", "openai", "model_timeout"],
                ["error", "tts", "voice"],
                ["error", "network", "upstream_lost"],
                ["error", "validation", "invalid_argument"],
                ["error", "other", "internal"],
            ]
        );
        assert_eq!(events[2]["data"]["firstTokenLatency"], Value::Null);
    }
}

#[tokio::test]
async fn others_read_names_in_place_of_sessions() {
    let role = FakeMetrics::telling(|told| told.events = events());
    let house = role.house().await;
    let admin = json!({"id": "s-1", "role": "admin"});
    for bad in [
        "garbage".to_owned(),
        token(&admin, 60, "another secret of thirty-two bytes"),
        token(&admin, -60, SECRET),
    ] {
        let mut request = request("GET", "/api/metrics/streaming/events", "");
        let value = format!("Bearer {bad}").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        assert_eq!(house.send(request).await.status(), StatusCode::UNAUTHORIZED);
    }
    let bearers = [
        None,
        Some(token(&json!({"id": "s-1", "role": "user"}), 60, SECRET)),
        Some(token(
            &json!({"userId": "v-1", "phone": "+4915112345678"}),
            60,
            SECRET,
        )),
    ];
    let mut names = Vec::new();
    for bearer in bearers {
        let mut request = request("GET", "/api/metrics/streaming/events", "");
        if let Some(bearer) = &bearer {
            let value = format!("Bearer {bearer}").parse().unwrap();
            request.headers_mut().insert("authorization", value);
        }
        let response = house.send(request).await;
        assert_eq!(response.status(), StatusCode::OK, "{bearer:?}");
        let document = json_of(response).await;
        let told = document.to_string();
        assert!(!told.contains(SESSION) && !told.contains("t-1"), "{told}");
        let events = document["events"].as_array().unwrap();
        let name = events[0]["data"]["sessionId"].as_str().unwrap();
        assert!(
            name.len() == 16 && name.bytes().all(|digit| digit.is_ascii_hexdigit()),
            "{name}"
        );
        assert_eq!(events[1]["data"]["sessionId"], name);
        // No session has no name.
        assert_eq!(events[6]["data"]["sessionId"], "");
        assert_eq!(events[0]["data"]["duration"], 1500);
        names.push(name.to_owned());
    }
    names.dedup();
    assert_eq!(names.len(), 1);
    // Another gateway with the same secret makes the same name.
    let another = role.house().await;
    let document = json_of(another.get("/api/metrics/events").await).await;
    assert_eq!(document["events"][0]["data"]["sessionId"], names[0]);
}

#[tokio::test]
async fn as_many_events_are_asked_for_as_the_limit_says() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    for (query, limit) in [
        ("", 50),
        ("?limit=", 50),
        ("?limit=1", 1),
        ("?limit=1000", 1000),
    ] {
        let response = house.get(&format!("/api/metrics/events{query}")).await;
        assert_eq!(json_of(response).await["events"], json!([]));
        let asked: ListEventsRequest = role.asked().unwrap();
        assert_eq!(asked.limit, limit, "{query}");
    }
    for (limit, rule) in [
        ("0", "number.min"),
        ("1001", "number.max"),
        ("-1", "number.integer"),
        ("ten", "number.integer"),
        ("4294967296", "number.integer"),
    ] {
        let response = house
            .get(&format!("/api/metrics/events?limit={limit}"))
            .await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{limit}");
        let problem = json_of(response).await;
        assert_eq!(problem["details"][0]["field"], "limit", "{problem}");
        assert_eq!(problem["details"][0]["type"], rule, "{problem}");
    }
    assert_eq!(role.questions(), 4);
}

#[tokio::test]
async fn an_admin_resets_by_name_and_nobody_else_does() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    for path in ["/api/metrics/streaming/reset", "/api/metrics/reset"] {
        assert_eq!(
            house.post(path, "{}").await.status(),
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(role.asked::<ResetRequest>(), None);
    }
    // Old clients send a body or none.
    for (path, body) in [
        ("/api/metrics/streaming/reset", Value::Null),
        ("/api/metrics/reset", json!({})),
    ] {
        let response = house.ask_as_admin("POST", path, &body).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(
            json_of(response).await,
            json!({"success": true, "message": "The metrics have been reset."})
        );
        let asked: ResetRequest = role.asked().unwrap();
        assert_eq!(asked.author, ADMIN);
    }
    assert_eq!(role.questions(), 2);
}

#[tokio::test]
async fn dashboards_read_the_old_names_from_prometheus_text() {
    let role = FakeMetrics::telling(|told| told.snapshot = snapshot());
    let house = role.house().await;
    for path in ["/prometheus/metrics", "/metrics"] {
        let response = house.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(
            header(&response, "content-type"),
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let asked: GetSnapshotRequest = role.asked().unwrap();
        assert_eq!(asked.window(), Window::Lifetime);
        let page = text(response).await;
        let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                r#"chatbot_requests_total{type="success"} 90"#,
                r#"chatbot_requests_total{type="failed"} 5"#,
                "chatbot_active_streams 13",
                "chatbot_success_rate 94.73684210526316",
                "chatbot_active_users_unique 14",
                "chatbot_total_sessions 15",
                r#"chatbot_latency_milliseconds{type="first_token",percentile="avg"} 120.123456"#,
                r#"chatbot_latency_milliseconds{type="first_token",percentile="p50"} 121.123456"#,
                r#"chatbot_latency_milliseconds{type="first_token",percentile="p95"} 122.123456"#,
                r#"chatbot_latency_milliseconds{type="first_token",percentile="p99"} 123.123456"#,
                r#"chatbot_latency_milliseconds{type="first_audio",percentile="avg"} 480.5"#,
                r#"chatbot_latency_milliseconds{type="first_audio",percentile="p50"} 481.5"#,
                r#"chatbot_latency_milliseconds{type="first_audio",percentile="p95"} 482.5"#,
                r#"chatbot_latency_milliseconds{type="first_audio",percentile="p99"} 483.5"#,
                r#"chatbot_latency_milliseconds{type="complete",percentile="avg"} 1500"#,
                r#"chatbot_latency_milliseconds{type="complete",percentile="p50"} 1501"#,
                r#"chatbot_latency_milliseconds{type="complete",percentile="p95"} 1502"#,
                r#"chatbot_latency_milliseconds{type="complete",percentile="p99"} 1503"#,
                r#"chatbot_cache_hit_rate{type="knowledge_base"} 33.333333333333336"#,
                r#"chatbot_cache_hit_rate{type="tts"} 75"#,
                r#"chatbot_cache_operations_total{type="knowledge_base",result="hit"} 1"#,
                r#"chatbot_cache_operations_total{type="knowledge_base",result="miss"} 2"#,
                r#"chatbot_cache_operations_total{type="tts",result="hit"} 3"#,
                r#"chatbot_cache_operations_total{type="tts",result="miss"} 1"#,
                r#"chatbot_errors_total{type="openai"} 2"#,
                r#"chatbot_errors_total{type="tts"} 8"#,
                r#"chatbot_errors_total{type="network"} 3"#,
                r#"chatbot_errors_total{type="validation"} 9"#,
                r#"chatbot_errors_total{type="other"} 4"#,
                "chatbot_uptime_seconds 93784",
                r#"chatbot_resources_total{type="tokens"} 9450"#,
                r#"chatbot_resources_total{type="audio_chunks"} 320"#,
                "chatbot_avg_response_size 250",
            ]
        );
        // Each name is described once, before its first sample.
        let mut known = Vec::new();
        for line in page.lines() {
            let name = line.split([' ', '{']).next().unwrap();
            if let Some(help) = line.strip_prefix("# HELP ") {
                let name = help.split(' ').next().unwrap();
                assert!(!known.contains(&name), "{name}");
                known.push(name);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(known.last(), Some(&name));
                let counts = name.ends_with("_total");
                assert_eq!(kind, if counts { "counter" } else { "gauge" }, "{name}");
            } else {
                assert_eq!(known.last(), Some(&name), "{line}");
            }
        }
        assert_eq!(known.len(), 12);
        assert!(page.ends_with('\n'));
    }
}
