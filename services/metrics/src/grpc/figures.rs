//! Figures as messages.

use std::time::{Duration, SystemTime};

use troika_proto::metrics::v1::{
    Arm as WireArm, CacheUse, ErrorCounts, Event as WireEvent, FailureKind as WireKind,
    Figures as WireFigures, GetSnapshotResponse, GetSummaryResponse, Group, Latency as WireLatency,
    Moments, Outcome, Point, Source, SourceState,
};

use crate::{
    delta::{Event, EventEnd, Heard},
    figures::{Figures, Looks},
    latency::Latency,
    ledger::{Ledger, Span},
    moment::time,
    slice::{Total, Values},
    turn::FailureKind,
    window::Dated,
};

pub(super) fn snapshot(
    ledger: &Ledger,
    span: Span,
    total: &Total,
    now: SystemTime,
) -> GetSnapshotResponse {
    let sources = ledger.sources(now);
    GetSnapshotResponse {
        counting_since: Some(ledger.counting_since().into()),
        from: Some(ledger.begins(span, now).into()),
        to: Some(now.into()),
        total: Some(told(&total.figures)),
        groups: Vec::new(),
        active_streams: active(&sources),
        active_sessions: total.sessions.count(),
        total_sessions: ledger.sessions().count(),
        uptime: uptime(&sources, now),
        sources: sources
            .into_iter()
            .map(|heard| Source {
                name: heard.name.clone(),
                state: Some(heard.state.clone()),
            })
            .collect(),
    }
}

pub(super) fn summary(ledger: &Ledger, total: &Total, now: SystemTime) -> GetSummaryResponse {
    let (figures, sources) = (&total.figures, ledger.sources(now));
    GetSummaryResponse {
        uptime: uptime(&sources, now),
        requests: figures.turns(),
        success_rate: figures.success_rate().unwrap_or(100.0),
        active_streams: active(&sources),
        first_token_mean: figures.first_token.percentiles().mean,
        complete_mean: figures.complete.percentiles().mean,
        knowledge_hit_rate: figures.knowledge.hit_rate(),
        speech_hit_rate: figures.speech.hit_rate(),
        errors: figures.errors.total(),
    }
}

pub(super) fn groups(values: Values) -> Vec<Group> {
    let mut groups: Vec<Group> = values
        .into_iter()
        .map(|(value, figures)| Group {
            value,
            figures: Some(told(&figures)),
        })
        .collect();
    let turns = |group: &Group| {
        let figures = group.figures.as_ref();
        figures.map_or(0, |it| it.successes + it.failures + it.cancelled)
    };
    groups.sort_by(|a, b| turns(b).cmp(&turns(a)).then(a.value.cmp(&b.value)));
    groups
}

pub(super) fn point(at: u64, figures: &Figures) -> Point {
    Point {
        at: Some(time(at).into()),
        figures: Some(told(figures)),
    }
}

/// The chat processes among those that are heard.
fn chats<'a>(sources: &'a [&Heard]) -> impl Iterator<Item = &'a SourceState> {
    let states = sources.iter().map(|heard| &heard.state);
    states.filter(|state| state.role == "chat")
}

/// Streams that chat processes have open.
fn active(sources: &[&Heard]) -> u64 {
    chats(sources).map(|chat| chat.active_streams).sum()
}

/// Of the oldest chat process.
fn uptime(sources: &[&Heard], now: SystemTime) -> Option<prost_types::Duration> {
    let started = chats(sources).filter_map(|chat| SystemTime::try_from(chat.started_at?).ok());
    let up = started.filter_map(|at| now.duration_since(at).ok()).max();
    up.unwrap_or_default().try_into().ok()
}

fn told(figures: &Figures) -> WireFigures {
    let errors = figures.errors;
    WireFigures {
        successes: figures.successes,
        failures: figures.failures,
        cancelled: figures.cancelled,
        critical: figures.critical,
        refused: figures.refused,
        errors: Some(ErrorCounts {
            openai: errors.openai,
            tts: errors.tts,
            network: errors.network,
            validation: errors.validation,
            other: errors.other,
        }),
        first_token: latency(&figures.first_token),
        first_audio: latency(&figures.first_audio),
        complete: latency(&figures.complete),
        gap: latency(&figures.gap),
        queued: latency(&figures.queued),
        prompt_tokens: figures.prompt_tokens,
        completion_tokens: figures.completion_tokens,
        cost: figures.cost as f64 / 1e9,
        words: figures.words,
        sentences: figures.sentences,
        characters: figures.characters,
        audio_chunks: figures.audio_chunks,
        retries: figures.retries,
        fallbacks: figures.fallbacks,
        knowledge: looks("knowledge", figures.knowledge),
        speech: looks("speech", figures.speech),
        dropped: figures.dropped,
    }
}

fn latency(latency: &Latency) -> Option<WireLatency> {
    let told = latency.percentiles();
    Some(WireLatency {
        count: told.count,
        mean: told.mean,
        p50: told.p50,
        p95: told.p95,
        p99: told.p99,
    })
}

fn looks(name: &str, looks: Looks) -> Option<CacheUse> {
    Some(CacheUse {
        name: name.to_owned(),
        hits: looks.hits,
        misses: looks.misses,
    })
}

pub(super) fn event(event: &Event) -> WireEvent {
    let (outcome, kind, code) = match &event.end {
        EventEnd::Success => (Outcome::Success, WireKind::Unspecified, ""),
        EventEnd::Cancelled => (Outcome::Cancelled, WireKind::Unspecified, ""),
        EventEnd::Failure { kind, code } => (Outcome::Failure, self::kind(*kind), code.as_str()),
    };
    let took = |time: Option<Duration>| time.and_then(|time| time.try_into().ok());
    WireEvent {
        at: Some(event.at.into()),
        outcome: outcome.into(),
        kind: kind.into(),
        code: code.to_owned(),
        session_id: event.session.clone(),
        turn_id: event.turn.clone(),
        chatbot_id: event.bot.clone(),
        first_token: took(event.first_token),
        first_audio: took(event.first_audio),
        duration: took(event.duration),
        words: event.words,
        audio_chunks: event.audio_chunks,
    }
}

fn kind(kind: FailureKind) -> WireKind {
    match kind {
        FailureKind::OpenAi => WireKind::Openai,
        FailureKind::Tts => WireKind::Tts,
        FailureKind::Network => WireKind::Network,
        FailureKind::Validation => WireKind::Validation,
        FailureKind::Other => WireKind::Other,
    }
}

pub(super) fn arm(dated: &Dated) -> WireArm {
    let arm = &dated.arm;
    WireArm {
        successes: arm.successes,
        failures: arm.failures,
        cancelled: arm.cancelled,
        critical: arm.critical,
        first_token: Some(Moments {
            count: arm.first_token.count,
            mean: arm.first_token.mean,
            variance: arm.first_token.variance(),
        }),
        first_token_p95: arm.first_token_p95(),
        latest: dated.latest.map(Into::into),
    }
}
