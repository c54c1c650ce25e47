//! The routes of the backend that came before, with its fields: rates from 0 to 100, times in milliseconds. They tell
//! everything since counting began, or since `?window=` ago.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::json;
use troika_chassis::context::RequestContext;
use troika_identity::Caller;
use troika_proto::metrics::v1::{
    self as wire, FailureKind, GetSnapshotRequest, GetSummaryRequest, ListEventsRequest, Outcome,
    ResetRequest, Window,
};
use utoipa::ToSchema;

use super::{
    Metrics, refused,
    told::{Errors, hundredths, milliseconds, now},
    window,
};
use crate::{
    admin::Admin,
    body::wrong,
    moment::rfc3339,
    number::plain,
    problem::{Problem, ProblemDocument},
    query::Query,
};

/// Events that are told at most, and where nothing is said.
const MOST_EVENTS: u32 = 1000;
const SOME_EVENTS: u32 = 50;

/// The few figures that fit into a line.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// Seconds.
    uptime: i64,
    total_requests: u64,
    #[serde(serialize_with = "plain")]
    success_rate: f64,
    active_streams: u64,
    #[serde(serialize_with = "plain")]
    avg_first_token_latency: f64,
    #[serde(serialize_with = "plain")]
    avg_complete_latency: f64,
    cache_hit_rate: HitRates,
    error_count: u64,
}

/// Per cent of looks into caches that found something.
#[derive(Serialize, ToSchema)]
pub(crate) struct HitRates {
    #[serde(serialize_with = "plain")]
    kb: f64,
    #[serde(serialize_with = "plain")]
    tts: f64,
}

impl From<wire::GetSummaryResponse> for Summary {
    fn from(sent: wire::GetSummaryResponse) -> Self {
        Self {
            uptime: sent.uptime.map_or(0, |uptime| uptime.seconds),
            total_requests: sent.requests,
            success_rate: hundredths(sent.success_rate),
            active_streams: sent.active_streams,
            avg_first_token_latency: hundredths(sent.first_token_mean),
            avg_complete_latency: hundredths(sent.complete_mean),
            cache_hit_rate: HitRates {
                kb: hundredths(sent.knowledge_hit_rate),
                tts: hundredths(sent.speech_hit_rate),
            },
            error_count: sent.errors,
        }
    }
}

/// A turn that ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// success, error, cancelled.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Of errors: openai, tts, network, validation, other.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<&'static str>,
    /// Of errors: a stable word.
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    timestamp: Option<String>,
    /// Of errors, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    data: EventData,
}

/// The figures of a turn.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventData {
    /// For admins the session; for others a name that stands for it.
    session_id: String,
    turn_id: String,
    chatbot_id: String,
    first_token_latency: Option<i64>,
    first_audio_latency: Option<i64>,
    duration: Option<i64>,
    word_count: u32,
    audio_chunks: u32,
}

impl Metrics {
    /// An event for whoever may know its session, or not.
    pub(super) fn event(&self, sent: wire::Event, knows_sessions: bool) -> Event {
        let session = match sent.session_id.as_str() {
            "" => String::new(),
            session if knows_sessions => session.to_owned(),
            session => self.sessions.name_of(session),
        };
        let (kind, error_type, message) = match sent.outcome() {
            Outcome::Success => ("success", None, None),
            Outcome::Cancelled => ("cancelled", None, None),
            Outcome::Failure | Outcome::Unspecified => {
                let (kind, message) = error_type(sent.kind());
                ("error", Some(kind), Some(message))
            }
        };
        Event {
            kind,
            error_type,
            message,
            code: sent.code,
            timestamp: sent.at.map(rfc3339),
            data: EventData {
                session_id: session,
                turn_id: if knows_sessions {
                    sent.turn_id
                } else {
                    String::new()
                },
                chatbot_id: sent.chatbot_id,
                first_token_latency: milliseconds(sent.first_token),
                first_audio_latency: milliseconds(sent.first_audio),
                duration: milliseconds(sent.duration),
                word_count: sent.words,
                audio_chunks: sent.audio_chunks,
            },
        }
    }
}

fn error_type(kind: FailureKind) -> (&'static str, &'static str) {
    match kind {
        FailureKind::Openai => ("openai", "The language model failed."),
        FailureKind::Tts => ("tts", "The speech service failed."),
        FailureKind::Network => ("network", "The chat service was lost."),
        FailureKind::Validation => ("validation", "The request could not be taken as it was."),
        FailureKind::Other | FailureKind::Unspecified => ("other", "The turn failed."),
    }
}

/// All figures, by the names of the backend that came before.
#[utoipa::path(
    get, path = "/api/metrics/streaming", tag = "metrics",
    params(("window" = Option<String>, Query, description = "1m, 5m, 60m or lifetime, which is the default")),
    responses(
        (status = 200, description = "`{success, timestamp, metrics}`", body = serde_json::Value),
        (status = "4XX", description = "No such window", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn streaming(
    State(metrics): State<Metrics>,
    Extension(context): Extension<RequestContext>,
    query: Query,
) -> Result<Response, Problem> {
    let asked = GetSnapshotRequest {
        window: window(&query, Window::Lifetime)?.into(),
        ..GetSnapshotRequest::default()
    };
    let sent = metrics
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.get_snapshot(request).await
        })
        .await
        .map_err(refused)?;
    let document = json!({ "success": true, "timestamp": now(), "metrics": old_metrics(sent) });
    Ok(axum::Json(document).into_response())
}

fn old_metrics(sent: wire::GetSnapshotResponse) -> serde_json::Value {
    let figures = sent.total.unwrap_or_default();
    let uptime = sent.uptime.map_or(0, |uptime| uptime.seconds);
    let turns = figures.successes + figures.failures + figures.cancelled;
    let rate = |part: u64, whole: u64, of_nothing: f64| {
        let rate = part as f64 * 100.0 / whole as f64;
        number(if whole == 0 {
            of_nothing
        } else {
            hundredths(rate)
        })
    };
    let latency = |told: Option<wire::Latency>| {
        let told = told.unwrap_or_default();
        json!({
            "avg": number(hundredths(told.mean)),
            "p50": number(hundredths(told.p50)),
            "p95": number(hundredths(told.p95)),
            "p99": number(hundredths(told.p99)),
        })
    };
    let cache = |told: Option<wire::CacheUse>| {
        let told = told.unwrap_or_default();
        let total = told.hits + told.misses;
        json!({ "hits": told.hits, "misses": told.misses, "hitRate": rate(told.hits, total, 0.0), "total": total })
    };
    let size = answer_size(&figures);
    let ended = figures.successes + figures.failures;
    let spoken = figures.first_audio.as_ref().map_or(0, |told| told.count);
    json!({
        "uptime": uptime,
        "uptimeFormatted": formatted(uptime),
        "requests": {
            "total": turns,
            "successful": figures.successes,
            "failed": figures.failures,
            "cancelled": figures.cancelled,
            "active": sent.active_streams,
            "successRate": rate(figures.successes, ended, 100.0),
        },
        "users": { "activeUnique": sent.active_sessions, "totalSessions": sent.total_sessions },
        "latency": {
            "firstToken": latency(figures.first_token),
            "firstAudio": latency(figures.first_audio),
            "complete": latency(figures.complete),
        },
        "cache": { "kb": cache(figures.knowledge), "tts": cache(figures.speech) },
        "errors": Errors::from(figures.errors.unwrap_or_default()),
        "resources": {
            "avgResponseSize": number(hundredths(size)),
            "totalTokens": figures.prompt_tokens + figures.completion_tokens,
            "totalAudioChunks": figures.audio_chunks,
        },
        "streaming": {
            "activeStreams": sent.active_streams,
            "totalWords": figures.words,
            "retries": figures.retries,
            "fallbacks": figures.fallbacks,
            "tokenGap": latency(figures.gap),
            "queued": latency(figures.queued),
        },
        "voice": {
            "spoken": spoken,
            "sentences": figures.sentences,
            "audioChunks": figures.audio_chunks,
        },
    })
}

/// Characters of an answer on average: turns that broke off count with what was said in them, and those in which nothing
/// was said do not count.
pub(super) fn answer_size(figures: &wire::Figures) -> f64 {
    let answers = figures.first_token.map_or(0, |told| told.count);
    figures.characters as f64 / answers.max(1) as f64
}

/// `25`, and not `25.0`.
fn number(value: f64) -> serde_json::Value {
    json!(crate::number::Plain(value))
}

/// Such as `1d 2h 3m 4s`.
fn formatted(seconds: i64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    [(days, "d"), (hours, "h"), (minutes, "m")]
        .into_iter()
        .skip_while(|(count, _)| *count == 0)
        .map(|(count, unit)| format!("{count}{unit} "))
        .chain([format!("{seconds}s")])
        .collect()
}

/// The few figures that fit into a line. Also at `/api/metrics/summary`.
#[utoipa::path(
    get, path = "/api/metrics/streaming/summary", tag = "metrics",
    params(("window" = Option<String>, Query, description = "1m, 5m, 60m or lifetime, which is the default")),
    responses(
        (status = 200, description = "`{success, timestamp, summary}`", body = serde_json::Value),
        (status = "4XX", description = "No such window", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn summary(
    State(metrics): State<Metrics>,
    Extension(context): Extension<RequestContext>,
    query: Query,
) -> Result<Response, Problem> {
    let asked = GetSummaryRequest {
        window: window(&query, Window::Lifetime)?.into(),
    };
    let sent = metrics
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.get_summary(request).await
        })
        .await
        .map_err(refused)?;
    let summary = Summary::from(sent);
    let document = json!({ "success": true, "timestamp": now(), "summary": summary });
    Ok(axum::Json(document).into_response())
}

/// The newest turns, the youngest first. Who is no admin gets names in place of sessions. Also at `/api/metrics/events`.
#[utoipa::path(
    get, path = "/api/metrics/streaming/events", tag = "metrics",
    params(("limit" = Option<u32>, Query, description = "1 to 1000, 50 where nothing is said")),
    responses(
        (status = 200, description = "`{success, timestamp, events, count}`", body = serde_json::Value),
        (status = "4XX", description = "No such limit", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn events(
    State(metrics): State<Metrics>,
    Extension(context): Extension<RequestContext>,
    Extension(caller): Extension<Caller>,
    query: Query,
) -> Result<Response, Problem> {
    let limit = query.number("limit")?.unwrap_or(SOME_EVENTS);
    let rule = match limit {
        0 => Some("number.min"),
        1..=MOST_EVENTS => None,
        _ => Some("number.max"),
    };
    if let Some(rule) = rule {
        let message = format!("limit must be from 1 to {MOST_EVENTS}");
        return Err(wrong("limit", rule, message));
    }
    let sent = metrics
        .peer
        .ask(
            &context,
            ListEventsRequest { limit },
            |mut client, request| async move { client.list_events(request).await },
        )
        .await
        .map_err(refused)?;
    let told = sent.events.into_iter();
    let events: Vec<Event> = told
        .map(|event| metrics.event(event, caller.is_admin()))
        .collect();
    let count = events.len();
    let document = json!({ "success": true, "timestamp": now(), "events": events, "count": count });
    Ok(axum::Json(document).into_response())
}

/// Begins all counting anew. The history stays, and so does what rollouts are judged by. Also at `/api/metrics/reset`.
#[utoipa::path(
    post, path = "/api/metrics/streaming/reset", tag = "metrics", security(("admin" = [])),
    responses(
        (status = 200, description = "`{success, message}`", body = serde_json::Value),
        (status = "4XX", description = "No admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The metrics role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn reset(
    State(metrics): State<Metrics>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
) -> Result<Response, Problem> {
    let asked = ResetRequest { author: admin.name };
    metrics
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.reset(request).await
        })
        .await
        .map_err(refused)?;
    let document = json!({ "success": true, "message": "The metrics have been reset." });
    Ok(axum::Json(document).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uptime_reads_as_people_say_it() {
        for (seconds, told) in [
            (0, "0s"),
            (59, "59s"),
            (61, "1m 1s"),
            (3600, "1h 0m 0s"),
            (93_784, "1d 2h 3m 4s"),
        ] {
            assert_eq!(formatted(seconds), told);
        }
    }
}
