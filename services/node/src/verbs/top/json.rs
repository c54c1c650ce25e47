//! Figures as one line of JSON, for programs. Pure.

use serde_json::{Value, json};
use troika_proto::metrics::v1::{
    BreakerState, CacheUse, DependencyState, Figures, HealthStatus, Latency, WatchSummaryResponse,
};

/// All of it, in the names of the HTTP routes.
pub(super) fn line(look: &WatchSummaryResponse) -> String {
    let summary = look.summary.unwrap_or_default();
    let snapshot = look.snapshot.clone().unwrap_or_default();
    let health = look.health.clone().unwrap_or_default();
    let sources: Vec<Value> = snapshot
        .sources
        .iter()
        .map(|source| {
            let state = source.state.clone().unwrap_or_default();
            let down = state
                .dependencies
                .iter()
                .filter(|it| it.state() == DependencyState::Down);
            let open = state
                .breakers
                .iter()
                .filter(|it| it.state() == BreakerState::Open);
            json!({
                "name": source.name,
                "role": state.role,
                "activeStreams": state.active_streams,
                "down": down.map(|it| &it.name).collect::<Vec<_>>(),
                "openBreakers": open.map(|it| &it.name).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "status": match health.status() {
            HealthStatus::Healthy => "healthy",
            HealthStatus::Degraded | HealthStatus::Unspecified => "degraded",
            HealthStatus::Unhealthy => "unhealthy",
        },
        "issues": health.issues,
        "successRate": summary.success_rate,
        "snapshot": {
            "total": figures(&snapshot.total.clone().unwrap_or_default()),
            "activeStreams": snapshot.active_streams,
            "activeSessions": snapshot.active_sessions,
            "sources": sources,
        },
    })
    .to_string()
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
        "knowledge": uses(&figures.knowledge),
        "speech": uses(&figures.speech),
    })
}

fn latency(told: Option<Latency>) -> Value {
    let told = told.unwrap_or_default();
    json!({ "count": told.count, "mean": told.mean, "p50": told.p50, "p95": told.p95, "p99": told.p99 })
}
