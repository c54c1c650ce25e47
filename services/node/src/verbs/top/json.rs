//! Figures as one line of JSON, for programs: in the names and the shape of the gateway's `/api/metrics/live`. Pure.

use prost_types::{Duration, Timestamp};
use serde_json::{Map, Value, json};
use troika_proto::metrics::v1::{
    BreakerState, CacheUse, CheckStatus, DependencyState, Event, FailureKind, Figures,
    GetHealthResponse, GetSnapshotResponse, GetSummaryResponse, HealthStatus, Latency, Outcome,
    Source, WatchSummaryResponse,
};

/// All of it.
pub(super) fn line(look: &WatchSummaryResponse) -> String {
    let events: Vec<Value> = look.events.iter().map(event).collect();
    json!({
        "summary": summary(&look.summary.unwrap_or_default()),
        "snapshot": snapshot(&look.snapshot.clone().unwrap_or_default()),
        "health": health(&look.health.clone().unwrap_or_default()),
        "events": events,
    })
    .to_string()
}

fn summary(told: &GetSummaryResponse) -> Value {
    json!({
        "uptime": seconds(told.uptime),
        "totalRequests": told.requests,
        "successRate": hundredths(told.success_rate),
        "activeStreams": told.active_streams,
        "avgFirstTokenLatency": hundredths(told.first_token_mean),
        "avgCompleteLatency": hundredths(told.complete_mean),
        "cacheHitRate": {
            "kb": hundredths(told.knowledge_hit_rate),
            "tts": hundredths(told.speech_hit_rate),
        },
        "errorCount": told.errors,
    })
}

fn snapshot(told: &GetSnapshotResponse) -> Value {
    let groups = told.groups.iter().map(|group| {
        let figures = figures(&group.figures.clone().unwrap_or_default());
        json!({ "value": group.value, "figures": figures })
    });
    json!({
        "countingSince": told.counting_since.map(moment),
        "from": told.from.map(moment),
        "to": told.to.map(moment),
        "total": figures(&told.total.clone().unwrap_or_default()),
        "groups": groups.collect::<Vec<_>>(),
        "activeStreams": told.active_streams,
        "activeSessions": told.active_sessions,
        "totalSessions": told.total_sessions,
        "uptimeSeconds": seconds(told.uptime),
        "sources": told.sources.iter().map(source).collect::<Vec<_>>(),
    })
}

fn source(source: &Source) -> Value {
    let state = source.state.clone().unwrap_or_default();
    let dependencies = state.dependencies.iter().map(|dependency| {
        let word = match dependency.state() {
            DependencyState::Up => "up",
            DependencyState::Unused => "unused",
            DependencyState::Down | DependencyState::Unspecified => "down",
        };
        json!({ "name": dependency.name, "state": word })
    });
    let breakers = state.breakers.iter().map(|breaker| {
        let word = match breaker.state() {
            BreakerState::Closed | BreakerState::Unspecified => "closed",
            BreakerState::HalfOpen => "half_open",
            BreakerState::Open => "open",
        };
        json!({ "name": breaker.name, "state": word })
    });
    json!({
        "name": source.name,
        "role": state.role,
        "version": state.version,
        "startedAt": state.started_at.map(moment),
        "activeStreams": state.active_streams,
        "dependencies": dependencies.collect::<Vec<_>>(),
        "breakers": breakers.collect::<Vec<_>>(),
    })
}

fn figures(figures: &Figures) -> Value {
    let errors = figures.errors.unwrap_or_default();
    let uses = |uses: &Option<CacheUse>| {
        let uses = uses.clone().unwrap_or_default();
        json!({ "hits": uses.hits, "misses": uses.misses })
    };
    json!({
        "successes": figures.successes,
        "failures": figures.failures,
        "cancelled": figures.cancelled,
        "critical": figures.critical,
        "refused": figures.refused,
        "errors": {
            "openai": errors.openai,
            "tts": errors.tts,
            "network": errors.network,
            "validation": errors.validation,
            "other": errors.other,
        },
        "firstToken": latency(figures.first_token),
        "firstAudio": latency(figures.first_audio),
        "complete": latency(figures.complete),
        "gap": latency(figures.gap),
        "queued": latency(figures.queued),
        "promptTokens": figures.prompt_tokens,
        "completionTokens": figures.completion_tokens,
        "cost": figures.cost,
        "words": figures.words,
        "sentences": figures.sentences,
        "characters": figures.characters,
        "audioChunks": figures.audio_chunks,
        "retries": figures.retries,
        "fallbacks": figures.fallbacks,
        "knowledge": uses(&figures.knowledge),
        "speech": uses(&figures.speech),
        "dropped": figures.dropped,
    })
}

fn latency(told: Option<Latency>) -> Value {
    let told = told.unwrap_or_default();
    json!({
        "count": told.count,
        "mean": hundredths(told.mean),
        "p50": hundredths(told.p50),
        "p95": hundredths(told.p95),
        "p99": hundredths(told.p99),
    })
}

fn health(told: &GetHealthResponse) -> Value {
    let checks = told.checks.iter().map(|check| {
        let status = match check.status() {
            CheckStatus::Pass | CheckStatus::Unspecified => "pass",
            CheckStatus::Warn => "warn",
            CheckStatus::Fail => "fail",
        };
        // Of streams it is a number there, too.
        let value = match check.value.parse::<u64>() {
            Ok(number) if check.name == "activeStreams" => json!(number),
            _ => json!(check.value),
        };
        let mut document = json!({ "status": status, "value": value });
        if !check.threshold.is_empty() {
            document["threshold"] = json!(check.threshold);
        }
        (check.name.clone(), document)
    });
    let changes = told.changes.iter().map(|change| {
        json!({
            "at": change.at.map(moment),
            "from": word(change.from()),
            "to": word(change.to()),
        })
    });
    let mut document = json!({
        "success": told.status() != HealthStatus::Unhealthy,
        "status": word(told.status()),
        "timestamp": told.at.map(moment),
        "checks": checks.collect::<Map<String, Value>>(),
        "changes": changes.collect::<Vec<_>>(),
    });
    if !told.issues.is_empty() {
        document["issues"] = json!(told.issues);
    }
    document
}

fn word(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Healthy => "healthy",
        HealthStatus::Degraded | HealthStatus::Unspecified => "degraded",
        HealthStatus::Unhealthy => "unhealthy",
    }
}

/// Without the sentence of an error: its code says more.
fn event(told: &Event) -> Value {
    let mut document = json!({
        "timestamp": told.at.map(moment),
        "data": {
            "sessionId": told.session_id,
            "turnId": told.turn_id,
            "chatbotId": told.chatbot_id,
            "firstTokenLatency": milliseconds(told.first_token),
            "firstAudioLatency": milliseconds(told.first_audio),
            "duration": milliseconds(told.duration),
            "wordCount": told.words,
            "audioChunks": told.audio_chunks,
        },
    });
    document["type"] = json!(match told.outcome() {
        Outcome::Success => "success",
        Outcome::Cancelled => "cancelled",
        Outcome::Failure | Outcome::Unspecified => {
            document["errorType"] = json!(match told.kind() {
                FailureKind::Openai => "openai",
                FailureKind::Tts => "tts",
                FailureKind::Network => "network",
                FailureKind::Validation => "validation",
                FailureKind::Other | FailureKind::Unspecified => "other",
            });
            document["code"] = json!(told.code);
            "error"
        }
    });
    document
}

/// RFC 3339, to the millisecond.
fn moment(at: Timestamp) -> String {
    let nanos = at.nanos / 1_000_000 * 1_000_000;
    Timestamp { nanos, ..at }.to_string()
}

fn seconds(time: Option<Duration>) -> i64 {
    time.map_or(0, |time| time.seconds)
}

fn milliseconds(time: Option<Duration>) -> Option<i64> {
    time.map(|time| {
        time.seconds
            .saturating_mul(1000)
            .saturating_add(i64::from(time.nanos) / 1_000_000)
    })
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
