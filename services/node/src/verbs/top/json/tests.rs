//! Figures for programs.

use troika_proto::metrics::v1::{Breaker, Check, Dependency, HealthChange, SourceState};

use super::*;

const AT: Timestamp = Timestamp {
    seconds: 1_800_000_000,
    nanos: 250_999_999,
};
const IN_JSON: &str = "2027-01-15T08:00:00.250Z";

fn told(look: &WatchSummaryResponse) -> Value {
    let line = line(look);
    assert!(!line.contains('\n'), "{line}");
    serde_json::from_str(&line).unwrap()
}

#[test]
fn a_look_at_nothing_has_every_part() {
    let told = told(&WatchSummaryResponse::default());
    assert_eq!(told["summary"]["totalRequests"], 0);
    assert_eq!(told["snapshot"]["total"]["successes"], 0);
    assert_eq!(told["snapshot"]["countingSince"], Value::Null);
    assert_eq!(told["health"]["status"], "degraded");
    assert_eq!(told["events"], json!([]));
}

#[test]
fn health_has_its_checks_by_name_and_its_changes() {
    let health = GetHealthResponse {
        status: HealthStatus::Unhealthy.into(),
        at: Some(AT),
        checks: vec![
            Check {
                name: "errorRate".to_owned(),
                status: CheckStatus::Fail.into(),
                value: "6.25%".to_owned(),
                threshold: "5%".to_owned(),
            },
            Check {
                name: "activeStreams".to_owned(),
                status: CheckStatus::Pass.into(),
                value: "3".to_owned(),
                threshold: String::new(),
            },
        ],
        issues: vec!["6.25% of the turns failed.".to_owned()],
        changes: vec![HealthChange {
            at: Some(AT),
            from: HealthStatus::Healthy.into(),
            to: HealthStatus::Unhealthy.into(),
        }],
    };
    let told = told(&WatchSummaryResponse {
        health: Some(health),
        ..WatchSummaryResponse::default()
    });
    assert_eq!(
        told["health"],
        json!({
            "success": false,
            "status": "unhealthy",
            "timestamp": IN_JSON,
            "checks": {
                "errorRate": { "status": "fail", "value": "6.25%", "threshold": "5%" },
                "activeStreams": { "status": "pass", "value": 3 },
            },
            "issues": ["6.25% of the turns failed."],
            "changes": [{ "at": IN_JSON, "from": "healthy", "to": "unhealthy" }],
        })
    );
}

#[test]
fn a_process_is_told_with_what_it_needs() {
    let state = SourceState {
        role: "chat".to_owned(),
        version: "1.2.3".to_owned(),
        started_at: Some(AT),
        active_streams: 3,
        dependencies: vec![Dependency {
            name: "redis".to_owned(),
            state: DependencyState::Down.into(),
        }],
        breakers: vec![Breaker {
            name: "redis".to_owned(),
            state: BreakerState::HalfOpen.into(),
        }],
    };
    let snapshot = GetSnapshotResponse {
        sources: vec![Source {
            name: "x".to_owned(),
            state: Some(state),
        }],
        ..GetSnapshotResponse::default()
    };
    let told = told(&WatchSummaryResponse {
        snapshot: Some(snapshot),
        ..WatchSummaryResponse::default()
    });
    assert_eq!(
        told["snapshot"]["sources"],
        json!([{
            "name": "x",
            "role": "chat",
            "version": "1.2.3",
            "startedAt": IN_JSON,
            "activeStreams": 3,
            "dependencies": [{ "name": "redis", "state": "down" }],
            "breakers": [{ "name": "redis", "state": "half_open" }],
        }])
    );
}

#[test]
fn an_error_has_its_code_and_what_was_not_measured_is_null() {
    let failed = Event {
        at: Some(AT),
        outcome: Outcome::Failure.into(),
        kind: FailureKind::Openai.into(),
        code: "model_timeout".to_owned(),
        turn_id: "t".to_owned(),
        duration: Some(Duration {
            seconds: 2,
            nanos: 5_999_999,
        }),
        ..Event::default()
    };
    let told = told(&WatchSummaryResponse {
        events: vec![failed],
        ..WatchSummaryResponse::default()
    });
    assert_eq!(
        told["events"],
        json!([{
            "type": "error",
            "errorType": "openai",
            "code": "model_timeout",
            "timestamp": IN_JSON,
            "data": {
                "sessionId": "",
                "turnId": "t",
                "chatbotId": "",
                "firstTokenLatency": null,
                "firstAudioLatency": null,
                "duration": 2005,
                "wordCount": 0,
                "audioChunks": 0,
            },
        }])
    );
}
