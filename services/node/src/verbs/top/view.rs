//! Figures as a block of text. Pure.

use std::fmt::Write as _;

use troika_proto::metrics::v1::{
    BreakerState, CacheUse, CheckStatus, DependencyState, Event, Figures, HealthStatus, Latency,
    Outcome, SourceState, WatchSummaryResponse,
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
        process(&mut text, &source.state.clone().unwrap_or_default());
    }
    if !look.events.is_empty() {
        text.push('\n');
        for event in look.events.iter().take(EVENTS) {
            let _ = writeln!(text, "{}", line(event));
        }
    }
    printable(text.trim_end())
}

/// A role in a process with what it needs, and the breakers that are not closed.
fn process(text: &mut String, state: &SourceState) {
    let _ = write!(
        text,
        "{:<8} {:<8} {:>4} open",
        state.role, state.version, state.active_streams
    );
    for dependency in &state.dependencies {
        let word = match dependency.state() {
            DependencyState::Up => "up",
            DependencyState::Down => "DOWN",
            DependencyState::Unused => "unused",
            DependencyState::Unspecified => "unknown",
        };
        let _ = write!(text, "  {} {word}", dependency.name);
    }
    for breaker in &state.breakers {
        let word = match breaker.state() {
            BreakerState::Closed => continue,
            BreakerState::HalfOpen => "half open",
            BreakerState::Open => "open",
            BreakerState::Unspecified => "unknown",
        };
        let _ = write!(text, "  breaker {}: {word}", breaker.name);
    }
    text.push('\n');
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
            count,
            mean,
            p50,
            p95,
            p99,
        } = told.unwrap_or_default();
        let _ = write!(text, "{name:<12}");
        for time in [mean, p50, p95, p99] {
            // Nothing was measured: that is no time of zero.
            let _ = match count {
                0 => write!(text, " {:>9}", "–"),
                _ => write!(text, " {time:>9.1}"),
            };
        }
        text.push('\n');
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
mod tests;
