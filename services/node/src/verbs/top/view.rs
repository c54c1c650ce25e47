//! Figures as a block of text. Pure.

use std::fmt::Write as _;

use troika_proto::metrics::v1::{
    BreakerState, CacheUse, CheckStatus, DependencyState, Event, Figures, HealthStatus, Latency,
    Outcome, WatchSummaryResponse,
};

use crate::output::printable;

/// Events that are shown.
pub(super) const EVENTS: usize = 8;

/// All of it.
pub(super) fn block(look: &WatchSummaryResponse) -> String {
    let mut text = String::new();
    health(&mut text, look);
    let snapshot = look.snapshot.clone().unwrap_or_default();
    let figures = snapshot.total.clone().unwrap_or_default();
    turns(&mut text, look, &figures);
    times(&mut text, &figures);
    uses(&mut text, &figures);
    text.push('\n');
    for source in &snapshot.sources {
        let state = source.state.clone().unwrap_or_default();
        let mut line = format!("{:<8} {:>4} open", state.role, state.active_streams);
        let down = state
            .dependencies
            .iter()
            .filter(|it| it.state() == DependencyState::Down);
        for dependency in down {
            let _ = write!(line, "  {} DOWN", dependency.name);
        }
        let troubled = state
            .breakers
            .iter()
            .filter(|it| it.state() != BreakerState::Closed);
        for breaker in troubled {
            let open = breaker.state() == BreakerState::Open;
            let word = if open { "open" } else { "half open" };
            let _ = write!(line, "  breaker {}: {word}", breaker.name);
        }
        let _ = writeln!(text, "{line}");
    }
    if !look.events.is_empty() {
        text.push('\n');
        for event in look.events.iter().take(EVENTS) {
            let _ = writeln!(text, "{}", line(event));
        }
    }
    printable(text.trim_end())
}

fn health(text: &mut String, look: &WatchSummaryResponse) {
    let health = look.health.clone().unwrap_or_default();
    let word = match health.status() {
        HealthStatus::Healthy => "healthy",
        HealthStatus::Degraded => "DEGRADED",
        HealthStatus::Unhealthy => "UNHEALTHY",
        HealthStatus::Unspecified => "unknown",
    };
    let failing = health
        .checks
        .iter()
        .filter(|check| !matches!(check.status(), CheckStatus::Pass | CheckStatus::Unspecified))
        .count();
    let _ = write!(text, "{word}");
    if failing > 0 {
        let _ = write!(text, " ({})", crate::output::count(failing as u64, "check"));
    }
    let _ = writeln!(text);
    for issue in &health.issues {
        let _ = writeln!(text, "  {issue}");
    }
}

fn turns(text: &mut String, look: &WatchSummaryResponse, figures: &Figures) {
    let summary = look.summary.unwrap_or_default();
    let errors = figures.errors.unwrap_or_default();
    let _ = writeln!(
        text,
        "\n{:.2} % of {} succeeded, {} running, {} cancelled, {} refused",
        summary.success_rate,
        crate::output::count(figures.successes + figures.failures, "turn"),
        summary.active_streams,
        figures.cancelled,
        figures.refused,
    );
    let _ = writeln!(
        text,
        "errors: openai {}, tts {}, network {}, validation {}, other {}",
        errors.openai, errors.tts, errors.network, errors.validation, errors.other,
    );
}

fn times(text: &mut String, figures: &Figures) {
    let _ = writeln!(
        text,
        "\n{:<12} {:>9} {:>9} {:>9} {:>9}",
        "ms", "mean", "p50", "p95", "p99"
    );
    for (name, told) in [
        ("first token", &figures.first_token),
        ("first audio", &figures.first_audio),
        ("complete", &figures.complete),
        ("token gap", &figures.gap),
        ("queued", &figures.queued),
    ] {
        let Latency {
            mean,
            p50,
            p95,
            p99,
            ..
        } = told.unwrap_or_default();
        let _ = writeln!(
            text,
            "{name:<12} {mean:>9.1} {p50:>9.1} {p95:>9.1} {p99:>9.1}"
        );
    }
}

fn uses(text: &mut String, figures: &Figures) {
    let rate = |uses: &Option<CacheUse>| {
        let uses = uses.clone().unwrap_or_default();
        match uses.hits + uses.misses {
            0 => "none".to_owned(),
            all => format!("{:.0} % of {all}", uses.hits as f64 * 100.0 / all as f64),
        }
    };
    let _ = writeln!(
        text,
        "\ncache hits: knowledge {}, speech {}",
        rate(&figures.knowledge),
        rate(&figures.speech),
    );
    let _ = write!(
        text,
        "tokens: {} in, {} out",
        figures.prompt_tokens, figures.completion_tokens
    );
    if figures.cost > 0.0 {
        let _ = write!(text, ", cost {:.4}", figures.cost);
    }
    let _ = writeln!(text);
}

fn line(event: &Event) -> String {
    let at = event
        .at
        .and_then(|at| std::time::SystemTime::try_from(at).ok())
        .map(|at| humantime::format_rfc3339_seconds(at).to_string())
        .unwrap_or_default();
    let word = match event.outcome() {
        Outcome::Success => "success",
        Outcome::Cancelled => "cancelled",
        Outcome::Failure | Outcome::Unspecified => event.code.as_str(),
    };
    let took = |time: Option<prost_types::Duration>| {
        let time = time.and_then(|time| std::time::Duration::try_from(time).ok());
        time.map_or_else(|| "–".to_owned(), |time| format!("{} ms", time.as_millis()))
    };
    let (first, whole) = (took(event.first_token), took(event.duration));
    format!("{at} {word:<18} first token {first:>8}, all {whole:>9}")
}

#[cfg(test)]
mod tests {
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
                        active_streams: 3,
                        dependencies: vec![Dependency {
                            name: "redis".to_owned(),
                            state: DependencyState::Down.into(),
                        }],
                        breakers: vec![Breaker {
                            name: "redis\u{1b}[2J".to_owned(),
                            state: BreakerState::Open.into(),
                        }],
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
            text.contains("chat        3 open  redis DOWN  breaker redis[2J: open"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "2027-01-15T08:00:00Z model_timeout      first token        –, all         –"
            ),
            "{text}"
        );
    }
}
