//! Figures as they change, for the dashboard: what an event holds, and how a stream ends.

use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;
use prost_types::Timestamp;
use serde_json::{Value, json};
use troika_proto::metrics::v1::{
    Event, GetHealthResponse, GetSnapshotResponse, GetSummaryResponse, HealthStatus, Outcome,
    WatchSummaryRequest, WatchSummaryResponse, Window,
};

use crate::setup::{
    PATIENCE, frame, header, json as json_of,
    metrics::{FakeMetrics, MetricsHouse},
};

const LIVE: &str = "/api/metrics/live";

fn look(requests: u64) -> WatchSummaryResponse {
    WatchSummaryResponse {
        summary: Some(GetSummaryResponse {
            requests,
            success_rate: 100.0,
            ..GetSummaryResponse::default()
        }),
        snapshot: Some(GetSnapshotResponse {
            active_streams: 2,
            ..GetSnapshotResponse::default()
        }),
        health: Some(GetHealthResponse {
            status: HealthStatus::Healthy.into(),
            at: Some(Timestamp::default()),
            ..GetHealthResponse::default()
        }),
        events: vec![Event {
            outcome: Outcome::Success.into(),
            session_id: "a session\u{2028}\n".to_owned(),
            turn_id: "t-1".to_owned(),
            ..Event::default()
        }],
    }
}

async fn listen(house: &MetricsHouse) -> Response<Incoming> {
    house.ask_as_admin("GET", LIVE, &Value::Null).await
}

/// The figures of an event, whose lines are what naive clients need.
fn told(event: &str) -> Value {
    let lines: Vec<&str> = event.split(['\n', '\u{2028}']).collect();
    assert_eq!(lines.len(), 4, "{event}");
    assert_eq!((lines[0], lines[2], lines[3]), ("event: figures", "", ""));
    serde_json::from_str(lines[1].strip_prefix("data: ").unwrap()).unwrap()
}

#[tokio::test]
async fn figures_are_told_at_once_and_as_they_change() {
    let role = FakeMetrics::new();
    role.shows(look(1));
    let house = role.house().await;
    let response = listen(&house).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "text/event-stream");
    assert_eq!(header(&response, "cache-control"), "no-cache, no-transform");
    assert_eq!(header(&response, "x-accel-buffering"), "no");
    let mut body = response.into_body();
    let first = told(&frame(&mut body).await.unwrap());
    assert_eq!(
        first["summary"],
        json!({
            "uptime": 0, "totalRequests": 1, "successRate": 100, "activeStreams": 0, "avgFirstTokenLatency": 0,
            "avgCompleteLatency": 0, "cacheHitRate": {"kb": 0, "tts": 0}, "errorCount": 0,
        })
    );
    assert_eq!(first["snapshot"]["activeStreams"], 2);
    assert_eq!(first["snapshot"]["total"]["successes"], 0);
    assert_eq!(first["snapshot"]["groups"], json!([]));
    assert_eq!(
        first["health"],
        json!({
            "success": true, "status": "healthy", "timestamp": "1970-01-01T00:00:00Z", "checks": {}, "changes": [],
        })
    );
    // An admin reads which session it was.
    assert_eq!(
        first["events"][0]["data"]["sessionId"],
        "a session\u{2028}\n"
    );
    assert_eq!(first["events"][0]["data"]["turnId"], "t-1");
    assert_eq!(
        first.as_object().unwrap().keys().collect::<Vec<_>>().len(),
        4
    );
    role.shows(look(2));
    let next = told(&frame(&mut body).await.unwrap());
    assert_eq!(next["summary"]["totalRequests"], 2);
}

#[tokio::test]
async fn the_window_reaches_the_role() {
    let role = FakeMetrics::new();
    let house = role.house().await;
    for (query, window) in [
        ("", Window::Window5Minutes),
        ("?window=1m", Window::Window1Minute),
        ("?window=60m", Window::Window60Minutes),
        ("?window=lifetime", Window::Lifetime),
    ] {
        let path = format!("{LIVE}{query}");
        let response = house.ask_as_admin("GET", &path, &Value::Null).await;
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        let asked: WatchSummaryRequest = role.asked().unwrap();
        assert_eq!(asked.window(), window, "{query}");
    }
}

#[tokio::test]
async fn silence_is_bridged_and_who_leaves_lets_go() {
    let role = FakeMetrics::new();
    let house = role
        .house_with(|config| config.heartbeat = Duration::from_millis(10))
        .await;
    let mut body = listen(&house).await.into_body();
    frame(&mut body).await.unwrap();
    for _ in 0..2 {
        assert_eq!(frame(&mut body).await.unwrap(), ": heartbeat\n\n");
    }
    role.watched_by(1).await;
    drop(body);
    role.watched_by(0).await;
}

#[tokio::test]
async fn a_place_is_for_one_and_is_free_again_when_its_listener_left() {
    let role = FakeMetrics::new();
    let house = role.house_with(|config| config.max_listeners = 1).await;
    let mut first = listen(&house).await.into_body();
    frame(&mut first).await.unwrap();
    let refused = listen(&house).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&refused, "retry-after"), "5");
    assert_eq!(json_of(refused).await["code"], "too_many_listeners");
    role.watched_by(1).await;
    drop(first);
    role.watched_by(0).await;
    let again = async { while listen(&house).await.status() != StatusCode::OK {} };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_never_opened_takes_no_place() {
    let role = FakeMetrics::new();
    role.hangs();
    let house = role
        .house_with(|config| {
            config.max_listeners = 1;
            config.metrics_deadline = Duration::from_millis(20);
        })
        .await;
    for _ in 0..2 {
        assert_eq!(listen(&house).await.status(), StatusCode::GATEWAY_TIMEOUT);
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_process_and_with_the_role() {
    let role = FakeMetrics::new();
    let mut house = role.house().await;
    let mut body = listen(&house).await.into_body();
    frame(&mut body).await.unwrap();
    house.house.drain.begin();
    assert_eq!(frame(&mut body).await, None);
    drop(body);
    let served = tokio::time::timeout(PATIENCE, &mut house.house.served).await;
    served.unwrap().unwrap().unwrap();

    let house = role.house().await;
    let mut body = listen(&house).await.into_body();
    frame(&mut body).await.unwrap();
    house.kill_metrics();
    assert_eq!(frame(&mut body).await, None);
}
