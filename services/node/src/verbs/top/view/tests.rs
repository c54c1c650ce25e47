//! Figures in words.

use prost_types::Timestamp;
use troika_proto::metrics::v1::{
    Breaker, Dependency, GetHealthResponse, GetSnapshotResponse, GetSummaryResponse, Source,
    SourceState,
};

use super::*;

#[test]
fn what_matters_at_night_stands_at_the_top() {
    let look = WatchSummaryResponse {
        summary: Some(GetSummaryResponse {
            success_rate: 94.74,
            active_streams: 3,
            ..GetSummaryResponse::default()
        }),
        health: Some(GetHealthResponse {
            status: HealthStatus::Unhealthy.into(),
            issues: vec!["6.25% of the turns of the last minute failed.".to_owned()],
            ..GetHealthResponse::default()
        }),
        snapshot: Some(GetSnapshotResponse {
            total: Some(Figures {
                successes: 90,
                failures: 5,
                cancelled: 5,
                first_token: Some(Latency {
                    count: 95,
                    mean: 120.04,
                    p50: 110.0,
                    p95: 400.0,
                    p99: 900.0,
                }),
                knowledge: Some(CacheUse {
                    name: String::new(),
                    hits: 1,
                    misses: 3,
                }),
                ..Figures::default()
            }),
            sources: vec![Source {
                name: "x".to_owned(),
                state: Some(SourceState {
                    role: "chat".to_owned(),
                    version: "1.2.3".to_owned(),
                    active_streams: 3,
                    dependencies: vec![
                        Dependency {
                            name: "redis".to_owned(),
                            state: DependencyState::Down.into(),
                        },
                        Dependency {
                            name: "openai".to_owned(),
                            state: DependencyState::Up.into(),
                        },
                    ],
                    breakers: vec![
                        Breaker {
                            name: "redis\u{1b}[2J".to_owned(),
                            state: BreakerState::Open.into(),
                        },
                        Breaker {
                            name: "model".to_owned(),
                            state: BreakerState::Closed.into(),
                        },
                    ],
                    ..SourceState::default()
                }),
            }],
            ..GetSnapshotResponse::default()
        }),
        events: vec![Event {
            at: Some(Timestamp {
                seconds: 1_800_000_000,
                nanos: 0,
            }),
            outcome: Outcome::Failure.into(),
            code: "model_timeout".to_owned(),
            ..Event::default()
        }],
    };
    let text = block(&look);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "UNHEALTHY");
    assert_eq!(lines[1], "  6.25% of the turns of the last minute failed.");
    assert_eq!(
        lines[3],
        "94.74 % of 95 turns succeeded, 3 running, 5 cancelled, 0 refused"
    );
    assert!(
        text.contains("first token      120.0     110.0     400.0     900.0"),
        "{text}"
    );
    assert!(
        text.contains("cache hits: knowledge 25 % of 4, speech none"),
        "{text}"
    );
    assert!(
        text.contains("chat     1.2.3       3 open  redis DOWN  openai up  breaker redis[2J: open"),
        "{text}"
    );
    assert!(
        text.ends_with(
            "2027-01-15T08:00:00Z model_timeout      first token        –, all         –"
        ),
        "{text}"
    );
}

#[test]
fn what_was_not_measured_is_no_zero() {
    let text = block(&WatchSummaryResponse::default());
    assert!(
        text.contains("first audio          –         –         –         –"),
        "{text}"
    );
    assert!(text.starts_with("unknown"), "{text}");
}
