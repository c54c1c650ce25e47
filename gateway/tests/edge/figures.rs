//! Figures of a window and over time, for admins; and what all routes of metrics have in common.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use prost_types::Timestamp;
use serde_json::{Value, json};
use troika_chassis::error::{Code, Error};
use troika_proto::metrics::v1::{
    self as wire, BreakerState, DependencyState, Dimension, GetHistoryRequest, GetSnapshotRequest,
    Window,
};

use crate::setup::{
    PATIENCE,
    flags::{SECRET, token},
    header, json as json_of,
    metrics::FakeMetrics,
    request,
};

/// Every route that takes an admin, with a body that is right.
fn guarded() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("GET", "/api/metrics/figures", Value::Null),
        ("GET", "/api/metrics/history", Value::Null),
        ("GET", "/api/metrics/live", Value::Null),
        ("GET", "/api/metrics/alerts", Value::Null),
        (
            "POST",
            "/api/metrics/alerts/silences",
            json!({"seconds": 60}),
        ),
        ("DELETE", "/api/metrics/alerts/silences/s-1", Value::Null),
        ("POST", "/api/metrics/alerts/test", json!({})),
        ("POST", "/api/metrics/streaming/reset", json!({})),
        ("POST", "/api/metrics/reset", json!({})),
    ]
}

/// Every other one but that of health.
fn open() -> Vec<(&'static str, &'static str, Value)> {
    [
        "/api/metrics/streaming",
        "/api/metrics/streaming/summary",
        "/api/metrics/summary",
        "/api/metrics/streaming/events",
        "/api/metrics/events",
        "/prometheus/metrics",
        "/metrics",
    ]
    .into_iter()
    .map(|path| ("GET", path, Value::Null))
    .collect()
}

fn all() -> Vec<(&'static str, &'static str, Value)> {
    guarded().into_iter().chain(open()).collect()
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn latency(mean: f64) -> Option<wire::Latency> {
    Some(wire::Latency {
        count: 3,
        mean,
        p50: 2.0,
        p95: 3.5,
        p99: 4.004,
    })
}

fn cache(hits: u64, misses: u64) -> Option<wire::CacheUse> {
    Some(wire::CacheUse {
        name: String::new(),
        hits,
        misses,
    })
}

/// A different number in every field.
fn figures() -> wire::Figures {
    wire::Figures {
        successes: 1,
        failures: 2,
        cancelled: 3,
        critical: 4,
        refused: 5,
        errors: Some(wire::ErrorCounts {
            openai: 6,
            tts: 7,
            network: 8,
            validation: 9,
            other: 10,
        }),
        first_token: latency(11.0),
        first_audio: latency(12.0),
        complete: latency(13.0),
        gap: latency(14.0),
        queued: latency(15.0),
        prompt_tokens: 16,
        completion_tokens: 17,
        cost: 0.000_18,
        words: 19,
        sentences: 20,
        characters: 21,
        audio_chunks: 22,
        retries: 23,
        fallbacks: 24,
        knowledge: cache(25, 26),
        speech: cache(27, 28),
        dropped: 29,
    }
}

fn figures_in_json() -> Value {
    let latency = |mean: u64| json!({"count": 3, "mean": mean, "p50": 2, "p95": 3.5, "p99": 4});
    json!({
        "successes": 1, "failures": 2, "cancelled": 3, "critical": 4, "refused": 5,
        "errors": {"openai": 6, "tts": 7, "network": 8, "validation": 9, "other": 10},
        "firstToken": latency(11), "firstAudio": latency(12), "complete": latency(13), "gap": latency(14),
        "queued": latency(15),
        "promptTokens": 16, "completionTokens": 17, "cost": 0.000_18, "words": 19, "sentences": 20,
        "characters": 21, "audioChunks": 22, "retries": 23, "fallbacks": 24,
        "knowledge": {"hits": 25, "misses": 26}, "speech": {"hits": 27, "misses": 28}, "dropped": 29,
    })
}

fn source() -> wire::Source {
    let dependency = |name: &str, state: DependencyState| wire::Dependency {
        name: name.to_owned(),
        state: state.into(),
    };
    let breaker = |name: &str, state: BreakerState| wire::Breaker {
        name: name.to_owned(),
        state: state.into(),
    };
    wire::Source {
        name: "chat-1".to_owned(),
        state: Some(wire::SourceState {
            role: "chat".to_owned(),
            version: "2.4.0".to_owned(),
            started_at: at(1_771_622_898),
            active_streams: 30,
            dependencies: vec![
                dependency("mongodb", DependencyState::Up),
                dependency("redis", DependencyState::Down),
                dependency("tts", DependencyState::Unused),
            ],
            breakers: vec![
                breaker("mongodb", BreakerState::Closed),
                breaker("redis", BreakerState::Open),
                breaker("openai", BreakerState::HalfOpen),
            ],
        }),
    }
}

#[tokio::test]
async fn a_window_is_told_in_all_and_by_a_dimension() {
    let role = FakeMetrics::telling(|told| {
        told.snapshot = wire::GetSnapshotResponse {
            counting_since: at(0),
            from: at(1_771_622_598),
            to: at(1_771_622_898),
            total: Some(figures()),
            groups: vec![wire::Group {
                value: "streaming=on".to_owned(),
                figures: Some(figures()),
            }],
            active_streams: 31,
            active_sessions: 32,
            total_sessions: 33,
            sources: vec![source()],
            uptime: Some(prost_types::Duration {
                seconds: 34,
                nanos: 5,
            }),
        };
    });
    let house = role.house().await;
    let path = "/api/metrics/figures?window=1m&by=variant";
    let response = house.ask_as_admin("GET", path, &Value::Null).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(
        json_of(response).await,
        json!({
            "countingSince": "1970-01-01T00:00:00Z",
            "from": "2026-02-20T21:23:18Z",
            "to": "2026-02-20T21:28:18Z",
            "total": figures_in_json(),
            "groups": [{"value": "streaming=on", "figures": figures_in_json()}],
            "activeStreams": 31, "activeSessions": 32, "totalSessions": 33, "uptimeSeconds": 34,
            "sources": [{
                "name": "chat-1", "role": "chat", "version": "2.4.0", "startedAt": "2026-02-20T21:28:18Z",
                "activeStreams": 30,
                "dependencies": [
                    {"name": "mongodb", "state": "up"},
                    {"name": "redis", "state": "down"},
                    {"name": "tts", "state": "unused"},
                ],
                "breakers": [
                    {"name": "mongodb", "state": "closed"},
                    {"name": "redis", "state": "open"},
                    {"name": "openai", "state": "half_open"},
                ],
            }],
        })
    );
}

#[tokio::test]
async fn the_window_and_the_dimension_reach_the_role() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    for (query, window, by) in [
        ("", Window::Window5Minutes, Dimension::Unspecified),
        ("?by=endpoint", Window::Window5Minutes, Dimension::Endpoint),
        ("?by=bot&window=1m", Window::Window1Minute, Dimension::Bot),
        (
            "?by=language&window=60m",
            Window::Window60Minutes,
            Dimension::Language,
        ),
        (
            "?by=outcome&window=lifetime",
            Window::Lifetime,
            Dimension::Outcome,
        ),
        ("?by=model", Window::Window5Minutes, Dimension::Model),
        ("?by=variant", Window::Window5Minutes, Dimension::Variant),
    ] {
        let path = format!("/api/metrics/figures{query}");
        let response = house.ask_as_admin("GET", &path, &Value::Null).await;
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        let asked: GetSnapshotRequest = role.asked().unwrap();
        assert_eq!((asked.window(), asked.by()), (window, by), "{query}");
    }
    let questions = role.questions();
    for (query, field) in [
        ("figures?window=1h", "window"),
        ("figures?by=session", "by"),
        ("figures?by=bot&by=bot", "by"),
        ("live?window=1s", "window"),
        ("history?range=1y", "range"),
    ] {
        let path = format!("/api/metrics/{query}");
        let response = house.ask_as_admin("GET", &path, &Value::Null).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        let problem = json_of(response).await;
        assert_eq!(problem["details"][0]["field"], field, "{problem}");
    }
    assert_eq!(role.questions(), questions);
}

#[tokio::test]
async fn history_is_told_in_steps_that_fit_its_range() {
    let role = FakeMetrics::telling(|told| {
        told.points = vec![wire::Point {
            at: at(1_771_622_880),
            figures: Some(figures()),
        }];
    });
    let house = role.house().await;
    for (query, range, length, step) in [
        ("", "1h", 3600, 60),
        ("?range=1h", "1h", 3600, 60),
        ("?range=24h", "24h", 24 * 3600, 15 * 60),
        ("?range=7d", "7d", 7 * 24 * 3600, 2 * 3600),
        ("?range=30d", "30d", 30 * 24 * 3600, 6 * 3600),
    ] {
        let path = format!("/api/metrics/history{query}");
        let response = house.ask_as_admin("GET", &path, &Value::Null).await;
        let document = json_of(response).await;
        let asked: GetHistoryRequest = role.asked().unwrap();
        let (from, to) = (asked.from.unwrap(), asked.to.unwrap());
        assert_eq!(asked.step.unwrap().seconds, step, "{query}");
        assert_eq!(to.seconds - from.seconds, length, "{query}");
        assert_eq!((asked.dimension, asked.value.as_str()), (0, ""));
        let age = SystemTime::now()
            .duration_since(SystemTime::try_from(to).unwrap())
            .unwrap();
        assert!(age < PATIENCE, "{age:?}");
        let told = |name: &str| -> Timestamp { document[name].as_str().unwrap().parse().unwrap() };
        assert_eq!(
            (told("from").seconds, told("to").seconds),
            (from.seconds, to.seconds)
        );
        assert_eq!(document["range"], range);
        assert_eq!(document["stepSeconds"], step);
        assert_eq!(
            document["points"],
            json!([{"at": "2026-02-20T21:28:00Z", "figures": figures_in_json()}])
        );
    }
}

#[tokio::test]
async fn nobody_but_an_admin_is_let_in_and_the_role_hears_nothing() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    let admin = json!({"id": "s-1", "role": "admin"});
    let staff = json!({"id": "s-1", "role": "user"});
    let table = [
        (None, 401, "auth_required"),
        (Some("garbage".to_owned()), 401, "invalid_token"),
        (
            Some(token(&admin, 60, "another secret of thirty-two bytes")),
            401,
            "invalid_token",
        ),
        (Some(token(&admin, -60, SECRET)), 401, "token_expired"),
        (Some(token(&staff, 60, SECRET)), 403, "admin_required"),
    ];
    for (method, path, body) in guarded() {
        for (bearer, status, code) in &table {
            // A body that cannot be read is not looked at either.
            for body in [body.to_string(), "{".to_owned()] {
                let mut request = request(method, path, &body);
                if let Some(bearer) = bearer {
                    let value = format!("Bearer {bearer}").parse().unwrap();
                    request.headers_mut().insert("authorization", value);
                }
                let response = house.send(request).await;
                assert_eq!(response.status().as_u16(), *status, "{method} {path}");
                assert_eq!(json_of(response).await["code"], *code, "{method} {path}");
            }
        }
    }
    assert_eq!(role.questions(), 0);
}

#[tokio::test]
async fn a_role_that_is_away_is_503_everywhere_and_tells_no_address() {
    let house = FakeMetrics::new().house().await;
    house.kill_metrics();
    for (method, path, body) in all() {
        let away = async {
            loop {
                let response = house.ask_as_admin(method, path, &body).await;
                // A connection that has just broken may be told otherwise once.
                if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                    break response;
                }
            }
        };
        let response = tokio::time::timeout(PATIENCE, away).await.unwrap();
        assert_eq!(header(&response, "retry-after"), "5", "{method} {path}");
        assert_eq!(
            header(&response, "content-type"),
            "application/problem+json"
        );
        let problem = json_of(response).await;
        assert_eq!(problem["code"], "metrics_unavailable", "{method} {path}");
        assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
    }
}

#[tokio::test]
async fn a_role_that_does_not_answer_is_504_in_time() {
    let role = FakeMetrics::new();
    let house = role
        .house_with(|config| config.metrics_deadline = Duration::from_millis(20))
        .await;
    role.hangs();
    // Mail servers, which a test waits for, may take longer.
    for (method, path, body) in all()
        .into_iter()
        .filter(|(_, path, _)| !path.ends_with("/test"))
    {
        let response = house.ask_as_admin(method, path, &body).await;
        assert_eq!(
            response.status(),
            StatusCode::GATEWAY_TIMEOUT,
            "{method} {path}"
        );
        assert_eq!(json_of(response).await["code"], "deadline_exceeded");
    }
}

#[tokio::test]
async fn what_the_role_refuses_is_a_problem_everywhere() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    for (code, reason, status) in [
        (Code::InvalidArgument, "invalid_argument", 400),
        (Code::Conflict, "no_receivers", 409),
        (Code::ResourceExhausted, "too_many_silences", 429),
        (Code::Unavailable, "store_unavailable", 503),
        (Code::Internal, "internal", 500),
    ] {
        role.refuses(move || Error::new(code, reason, "Read it again."));
        for (method, path, body) in all() {
            let response = house.ask_as_admin(method, path, &body).await;
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
            let problem = json_of(response).await;
            assert_eq!(problem["code"], reason, "{method} {path}");
            assert_eq!(problem["detail"], "Read it again.", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_request_id_goes_along_and_the_token_stays() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    for (asked, (method, path, body)) in all().into_iter().enumerate() {
        let response = house.ask_as_admin(method, path, &body).await;
        assert!(
            response.status().is_success(),
            "{method} {path}: {}",
            response.status()
        );
        assert_eq!(role.questions(), asked + 1, "{method} {path}");
        let metadata = role.metadata();
        let id = metadata.get("x-request-id").unwrap().to_str().unwrap();
        assert_eq!(header(&response, "x-request-id"), id, "{method} {path}");
        assert!(metadata.get("authorization").is_none(), "{method} {path}");
    }
}
