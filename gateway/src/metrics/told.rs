//! Figures as JSON tells them. Pure.

use prost_types::{Duration, Timestamp};
use serde::Serialize;
use troika_proto::metrics::v1::{self as wire, BreakerState, DependencyState};
use utoipa::ToSchema;

use crate::{moment::rfc3339, number::plain};

/// All figures of a window.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    /// When counting began: at first, or at the last reset.
    counting_since: Option<String>,
    /// The time that the figures are of.
    from: Option<String>,
    /// Until when.
    to: Option<String>,
    /// All turns.
    total: Figures,
    /// By the dimension that was asked for, those with most turns first.
    groups: Vec<Group>,
    /// Running now, over all processes.
    active_streams: u64,
    /// Different sessions in the window, within 2 %.
    active_sessions: u64,
    /// Different sessions since counting began.
    total_sessions: u64,
    /// How long the oldest chat process has been up.
    uptime_seconds: i64,
    /// Who was heard in the last 5 s.
    sources: Vec<Source>,
}

/// Turns that have something in common.
#[derive(Serialize, ToSchema)]
pub(crate) struct Group {
    /// What.
    value: String,
    /// Their figures.
    figures: Figures,
}

/// The sum of some turns.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    successes: u64,
    failures: u64,
    cancelled: u64,
    critical: u64,
    /// Turned away for want of room.
    refused: u64,
    errors: Errors,
    first_token: Latency,
    first_audio: Latency,
    /// Of successes alone.
    complete: Latency,
    /// Between tokens.
    gap: Latency,
    /// From the arrival at the edge to the turn's start.
    queued: Latency,
    prompt_tokens: u64,
    completion_tokens: u64,
    /// In the currency of the configured prices.
    #[serde(serialize_with = "plain")]
    cost: f64,
    words: u64,
    sentences: u64,
    characters: u64,
    audio_chunks: u64,
    retries: u64,
    fallbacks: u64,
    knowledge: Looks,
    speech: Looks,
    /// Records that never arrived.
    dropped: u64,
}

/// Failures by where they come from.
#[derive(Serialize, ToSchema)]
pub(crate) struct Errors {
    pub(crate) openai: u64,
    pub(crate) tts: u64,
    pub(crate) network: u64,
    pub(crate) validation: u64,
    pub(crate) other: u64,
}

/// Milliseconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct Latency {
    count: u64,
    #[serde(serialize_with = "plain")]
    mean: f64,
    #[serde(serialize_with = "plain")]
    p50: f64,
    #[serde(serialize_with = "plain")]
    p95: f64,
    #[serde(serialize_with = "plain")]
    p99: f64,
}

/// Looks into a cache.
#[derive(Serialize, ToSchema)]
pub(crate) struct Looks {
    hits: u64,
    misses: u64,
}

/// A role in a process.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Source {
    name: String,
    role: String,
    version: String,
    started_at: Option<String>,
    active_streams: u64,
    dependencies: Vec<Named>,
    breakers: Vec<Named>,
}

/// What a source says of something.
#[derive(Serialize, ToSchema)]
pub(crate) struct Named {
    name: String,
    /// Of dependencies up, down, unused; of breakers closed, half_open, open.
    state: &'static str,
}

/// Figures at a moment.
#[derive(Serialize, ToSchema)]
pub(crate) struct Point {
    at: Option<String>,
    figures: Figures,
}

impl From<wire::GetSnapshotResponse> for Snapshot {
    fn from(sent: wire::GetSnapshotResponse) -> Self {
        Self {
            counting_since: sent.counting_since.map(rfc3339),
            from: sent.from.map(rfc3339),
            to: sent.to.map(rfc3339),
            total: sent.total.unwrap_or_default().into(),
            groups: sent.groups.into_iter().map(Into::into).collect(),
            active_streams: sent.active_streams,
            active_sessions: sent.active_sessions,
            total_sessions: sent.total_sessions,
            uptime_seconds: sent.uptime.map_or(0, |uptime| uptime.seconds),
            sources: sent.sources.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<wire::Group> for Group {
    fn from(sent: wire::Group) -> Self {
        Self {
            value: sent.value,
            figures: sent.figures.unwrap_or_default().into(),
        }
    }
}

impl From<wire::Figures> for Figures {
    fn from(sent: wire::Figures) -> Self {
        Self {
            successes: sent.successes,
            failures: sent.failures,
            cancelled: sent.cancelled,
            critical: sent.critical,
            refused: sent.refused,
            errors: sent.errors.unwrap_or_default().into(),
            first_token: sent.first_token.into(),
            first_audio: sent.first_audio.into(),
            complete: sent.complete.into(),
            gap: sent.gap.into(),
            queued: sent.queued.into(),
            prompt_tokens: sent.prompt_tokens,
            completion_tokens: sent.completion_tokens,
            cost: sent.cost,
            words: sent.words,
            sentences: sent.sentences,
            characters: sent.characters,
            audio_chunks: sent.audio_chunks,
            retries: sent.retries,
            fallbacks: sent.fallbacks,
            knowledge: sent.knowledge.into(),
            speech: sent.speech.into(),
            dropped: sent.dropped,
        }
    }
}

impl From<wire::ErrorCounts> for Errors {
    fn from(sent: wire::ErrorCounts) -> Self {
        Self {
            openai: sent.openai,
            tts: sent.tts,
            network: sent.network,
            validation: sent.validation,
            other: sent.other,
        }
    }
}

impl From<Option<wire::Latency>> for Latency {
    fn from(sent: Option<wire::Latency>) -> Self {
        let sent = sent.unwrap_or_default();
        Self {
            count: sent.count,
            mean: hundredths(sent.mean),
            p50: hundredths(sent.p50),
            p95: hundredths(sent.p95),
            p99: hundredths(sent.p99),
        }
    }
}

impl From<Option<wire::CacheUse>> for Looks {
    fn from(sent: Option<wire::CacheUse>) -> Self {
        let sent = sent.unwrap_or_default();
        Self {
            hits: sent.hits,
            misses: sent.misses,
        }
    }
}

impl From<wire::Source> for Source {
    fn from(sent: wire::Source) -> Self {
        let state = sent.state.unwrap_or_default();
        let dependencies = state.dependencies.into_iter().map(|dependency| Named {
            state: match dependency.state() {
                DependencyState::Up => "up",
                DependencyState::Unused => "unused",
                DependencyState::Down | DependencyState::Unspecified => "down",
            },
            name: dependency.name,
        });
        let breakers = state.breakers.into_iter().map(|breaker| Named {
            state: match breaker.state() {
                BreakerState::Closed | BreakerState::Unspecified => "closed",
                BreakerState::HalfOpen => "half_open",
                BreakerState::Open => "open",
            },
            name: breaker.name,
        });
        Self {
            name: sent.name,
            role: state.role,
            version: state.version,
            started_at: state.started_at.map(rfc3339),
            active_streams: state.active_streams,
            dependencies: dependencies.collect(),
            breakers: breakers.collect(),
        }
    }
}

impl From<wire::Point> for Point {
    fn from(sent: wire::Point) -> Self {
        Self {
            at: sent.at.map(rfc3339),
            figures: sent.figures.unwrap_or_default().into(),
        }
    }
}

/// With two digits after the point, which is more than anybody reads.
pub(super) fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Whole milliseconds of a time.
pub(super) fn milliseconds(time: Option<Duration>) -> Option<i64> {
    time.map(|time| time.seconds * 1000 + i64::from(time.nanos) / 1_000_000)
}

/// Now, as the old routes tell it.
pub(super) fn now() -> String {
    rfc3339(Timestamp::from(std::time::SystemTime::now()))
}
