//! See `../health.rs`.

use proptest::prelude::*;
use troika_proto::metrics::v1::Dependency;

use super::*;

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn chat(dependencies: &[(&str, DependencyState)]) -> SourceState {
    SourceState {
        role: "chat".to_owned(),
        active_streams: 2,
        dependencies: dependencies
            .iter()
            .map(|(name, state)| Dependency {
                name: (*name).to_owned(),
                state: (*state).into(),
            })
            .collect(),
        ..SourceState::default()
    }
}

fn figures(successes: u64, failures: u64) -> Figures {
    Figures {
        successes,
        failures,
        ..Figures::default()
    }
}

/// Looks once a second for a while; when the status changed, in seconds from the start.
fn looks(health: &mut Health, figures: &Figures, from: u64, seconds: u64) -> Vec<(u64, Status)> {
    let source = chat(&[]);
    let mut changes = Vec::new();
    for second in from..from + seconds {
        let before = health.report().status;
        let seen = Seen {
            figures,
            sources: vec![&source],
            store: None,
        };
        health.look(&seen, start() + Duration::from_secs(second));
        if health.report().status != before {
            changes.push((second, health.report().status));
        }
    }
    changes
}

fn health() -> Health {
    Health::new(config::Health::default(), start())
}

#[test]
fn it_gets_worse_after_five_seconds_and_better_after_thirty() {
    let mut health = health();
    assert_eq!(looks(&mut health, &figures(100, 0), 0, 60), []);
    let worse = looks(&mut health, &figures(97, 3), 60, 20);
    assert_eq!(worse, [(65, Status::Degraded)]);
    let worst = looks(&mut health, &figures(90, 10), 80, 20);
    assert_eq!(worst, [(85, Status::Unhealthy)]);
    let better = looks(&mut health, &figures(1000, 0), 100, 60);
    assert_eq!(better, [(130, Status::Healthy)]);
    let changes: Vec<_> = health
        .report()
        .changes
        .iter()
        .map(|it| (it.from, it.to))
        .collect();
    assert_eq!(
        changes,
        [
            (Status::Unhealthy, Status::Healthy),
            (Status::Degraded, Status::Unhealthy),
            (Status::Healthy, Status::Degraded),
        ]
    );
}

#[test]
fn a_limit_that_was_passed_is_kept_again_only_by_a_margin() {
    let mut health = health();
    looks(&mut health, &figures(970, 30), 0, 10);
    assert_eq!(health.report().status, Status::Degraded);
    // Below 2 %, but not below 1.6 %.
    assert_eq!(looks(&mut health, &figures(981, 19), 10, 100), []);
    assert_eq!(
        looks(&mut health, &figures(985, 15), 110, 100),
        [(140, Status::Healthy)]
    );
}

#[test]
fn a_blip_and_few_turns_change_nothing() {
    let mut health = health();
    assert_eq!(looks(&mut health, &figures(0, 9), 0, 60), []);
    assert_eq!(looks(&mut health, &figures(50, 50), 60, 4), []);
    assert_eq!(looks(&mut health, &figures(100, 0), 64, 60), []);
}

#[test]
fn slow_first_tokens_count_as_failures_do() {
    let slow = |milliseconds| {
        let mut figures = figures(10, 0);
        (0..10).for_each(|_| figures.first_token.add(Duration::from_millis(milliseconds)));
        figures
    };
    let mut health = health();
    looks(&mut health, &slow(1000), 0, 10);
    assert_eq!(health.report().status, Status::Healthy);
    looks(&mut health, &slow(1001), 10, 10);
    assert_eq!(health.report().status, Status::Degraded);
    looks(&mut health, &slow(2001), 20, 10);
    assert_eq!(health.report().status, Status::Unhealthy);
    let latency = &health.report().checks[1];
    assert_eq!(
        (latency.name, latency.value.as_str()),
        ("latency", "2001ms")
    );
    assert!(latency.issue.as_deref().unwrap().contains("2001 ms"));
}

#[test]
fn what_is_away_degrades_and_without_chat_it_is_unhealthy() {
    use DependencyState::{Down, Unused, Up};
    let (a, b) = (
        chat(&[("redis", Up), ("mongodb", Up), ("tts", Unused)]),
        chat(&[("redis", Down), ("mongodb", Up), ("something", Down)]),
    );
    let none = Figures::default();
    let mut health = health();
    let mut look = |sources: Vec<&SourceState>, store| {
        for second in 0..40 {
            let seen = Seen {
                figures: &none,
                sources: sources.clone(),
                store,
            };
            health.look(&seen, start() + Duration::from_secs(second));
        }
        let report = health.report();
        let values: Vec<String> = report
            .checks
            .iter()
            .map(|check| check.value.clone())
            .collect();
        (report.status, values)
    };
    let (status, values) = look(vec![&a, &b], Some(true));
    assert_eq!(status, Status::Degraded);
    assert_eq!(
        values,
        [
            "0.00%",
            "0ms",
            "down for 1 of 2",
            "up",
            "unknown",
            "unused",
            "unknown",
            "4"
        ]
    );
    let (status, values) = look(vec![&a], Some(false));
    assert_eq!(
        (status, values[3].as_str()),
        (Status::Degraded, "down for 1 of 2")
    );
    assert_eq!(look(vec![], None).0, Status::Unhealthy);
    assert_eq!(look(vec![&a], None).0, Status::Healthy);
}

proptest! {
    #[test]
    fn it_never_changes_twice_within_the_shorter_patience(
        rates in prop::collection::vec(0_u64..12, 1..300)
    ) {
        let mut health = health();
        for (second, rate) in rates.iter().enumerate() {
            looks(&mut health, &figures(100 - rate, *rate), second as u64, 1);
        }
        let changes = &health.report().changes;
        for (younger, older) in changes.iter().zip(changes.iter().skip(1)) {
            let apart = younger.at.duration_since(older.at).unwrap();
            let patience = if younger.to > younger.from { 5 } else { 30 };
            prop_assert!(apart >= Duration::from_secs(patience));
            prop_assert_eq!(younger.from, older.to);
        }
    }
}
