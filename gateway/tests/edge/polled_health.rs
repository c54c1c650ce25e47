//! The system's health for monitors: what each state says, what it costs when many poll, and when nobody knows.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http::StatusCode;
use prost_types::Timestamp;
use serde_json::{Value, json};
use troika_chassis::error::{Code, Error};
use troika_proto::metrics::v1::{
    Check, CheckStatus, GetHealthResponse, HealthChange, HealthStatus,
};

use crate::setup::{
    House, PATIENCE, header, json as json_of,
    metrics::{FakeMetrics, house_with},
};

const HEALTH: &str = "/api/metrics/health/streaming";

fn check(name: &str, status: CheckStatus, value: &str, threshold: &str) -> Check {
    Check {
        name: name.to_owned(),
        status: status.into(),
        value: value.to_owned(),
        threshold: threshold.to_owned(),
    }
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

async fn poll(house: &House) -> (StatusCode, Value) {
    let response = house.get(HEALTH).await;
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "cache-control"), "no-store");
    (response.status(), json_of(response).await)
}

#[tokio::test]
async fn health_has_the_old_names_with_its_changes() {
    let role = FakeMetrics::telling(|told| {
        told.health = GetHealthResponse {
            status: HealthStatus::Unhealthy.into(),
            at: at(1_771_622_898),
            checks: vec![
                check("errorRate", CheckStatus::Fail, "6.25%", "5%"),
                check("latency", CheckStatus::Warn, "1200ms", "1000ms"),
                check("redis", CheckStatus::Pass, "up", ""),
                check("activeStreams", CheckStatus::Pass, "12", ""),
            ],
            issues: vec!["6.25% of the turns of the last minute failed.".to_owned()],
            changes: vec![HealthChange {
                at: at(0),
                from: HealthStatus::Degraded.into(),
                to: HealthStatus::Unhealthy.into(),
            }],
        };
    });
    let house = role.house().await;
    let (status, document) = poll(&house).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        document,
        json!({
            "success": false, "status": "unhealthy", "timestamp": "2026-02-20T21:28:18Z",
            "checks": {
                "errorRate": {"status": "fail", "value": "6.25%", "threshold": "5%"},
                "latency": {"status": "warn", "value": "1200ms", "threshold": "1000ms"},
                "redis": {"status": "pass", "value": "up"},
                "activeStreams": {"status": "pass", "value": 12},
            },
            "issues": ["6.25% of the turns of the last minute failed."],
            "changes": [{"at": "1970-01-01T00:00:00Z", "from": "degraded", "to": "unhealthy"}],
        })
    );
}

#[tokio::test]
async fn whoever_can_do_the_work_is_200() {
    for (status, word) in [
        (HealthStatus::Healthy, "healthy"),
        (HealthStatus::Degraded, "degraded"),
    ] {
        let role = FakeMetrics::telling(|told| told.health.status = status.into());
        let house = role.house().await;
        let (status, document) = poll(&house).await;
        assert_eq!(status, StatusCode::OK, "{word}");
        assert_eq!(
            (&document["success"], &document["status"]),
            (&json!(true), &json!(word))
        );
        assert_eq!(document.get("issues"), None, "nothing is wrong");
    }
}

#[tokio::test]
async fn many_who_poll_at_once_cost_one_question() {
    let role = FakeMetrics::telling(|told| told.health.status = HealthStatus::Healthy.into());
    let house = role.house().await;
    // The first answer takes the time that connecting takes.
    poll(&house).await;
    let began = Instant::now();
    let mut polled = 0_u32;
    while began.elapsed() < Duration::from_millis(600) {
        let answers = join_all((0..8).map(|_| poll(&house))).await;
        assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
        polled += 8;
    }
    // Half a second is one question, and it began with one.
    let most = 2 + began.elapsed().as_millis() as usize / 500;
    assert!(
        polled >= 8 && role.questions() <= most,
        "{polled} polls cost {} questions",
        role.questions()
    );
    // An answer is not told for ever.
    role.tells(|told| told.health.status = HealthStatus::Unhealthy.into());
    let fresh = async { while poll(&house).await.0 == StatusCode::OK {} };
    tokio::time::timeout(PATIENCE, fresh).await.unwrap();
}

/// What is told when nobody knows.
fn is_unknown((status, document): (StatusCode, Value)) {
    assert_eq!(status, StatusCode::OK, "{document}");
    assert_eq!(document["status"], "degraded");
    assert_eq!(
        document["checks"]["metrics"],
        json!({"status": "fail", "value": "down"})
    );
    let issues = document["issues"].as_array().unwrap();
    assert!(
        issues[0].as_str().unwrap().contains("metrics"),
        "{document}"
    );
    assert!(document["timestamp"].is_string());
    assert!(!document.to_string().contains("127.0.0.1"), "{document}");
}

#[tokio::test]
async fn while_the_role_is_away_nobody_knows_and_that_is_told_at_once() {
    // Nobody listens where the role should be.
    let house = house_with(|_| {}).await;
    let began = Instant::now();
    is_unknown(poll(&house).await);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );

    let role = FakeMetrics::telling(|told| told.health.status = HealthStatus::Healthy.into());
    let house = role.house().await;
    assert_eq!(poll(&house).await.1["status"], "healthy");
    house.kill_metrics();
    let lost = async {
        loop {
            let (status, document) = poll(&house).await;
            if document["status"] == "degraded" {
                break (status, document);
            }
        }
    };
    is_unknown(tokio::time::timeout(PATIENCE, lost).await.unwrap());
}

#[tokio::test]
async fn a_role_that_hangs_keeps_nobody_who_polls_waiting() {
    let role = FakeMetrics::new();
    role.hangs();
    let house = role.house().await;
    let began = Instant::now();
    let answers = join_all((0..16).map(|_| poll(&house))).await;
    // Half a second and some slack, for all of them together.
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    answers.into_iter().for_each(is_unknown);
    assert!(role.questions() <= 2, "{}", role.questions());
}

#[tokio::test]
async fn who_leaves_while_polling_leaves_the_answer_to_others() {
    let role = FakeMetrics::new();
    role.hangs();
    let house = role.house().await;
    let polling = house.get(HEALTH);
    tokio::select! {
        _ = polling => panic!("nothing was answered yet"),
        () = role.questioned(1) => {}
    }
    is_unknown(poll(&house).await);
}

#[tokio::test]
async fn a_role_that_refuses_knows_nothing_either() {
    let role = FakeMetrics::new();
    role.refuses(|| Error::new(Code::Internal, "internal", "A secret at 127.0.0.1."));
    let house = role.house().await;
    is_unknown(poll(&house).await);
}
