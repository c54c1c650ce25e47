//! A turn that ended, as it is counted: what senders say of it, bounded. Pure.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use troika_proto::metrics::v1::{self as wire, TurnOutcome};

/// Flags that one turn may have asked, and buckets its gaps may lie in.
const MOST_EXPOSURES: usize = 100;
const MOST_BUCKETS: usize = 4096;
/// Longest name of anything, in bytes.
const LONGEST_NAME: usize = 100;

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure {
        kind: FailureKind,
        critical: bool,
    },
    /// By the visitor.
    Cancelled,
}

/// Where a failure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FailureKind {
    OpenAi,
    Tts,
    Network,
    Validation,
    Other,
}

/// What a cache said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    Unasked,
    Hit,
    Miss,
}

/// A turn that ended.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) started_at: SystemTime,
    pub(crate) outcome: Outcome,
    /// A failure's stable code.
    pub(crate) code: String,
    pub(crate) endpoint: String,
    pub(crate) bot: String,
    pub(crate) language: String,
    pub(crate) model: String,
    pub(crate) session: String,
    pub(crate) id: String,
    pub(crate) first_token: Option<Duration>,
    pub(crate) first_audio: Option<Duration>,
    pub(crate) complete: Option<Duration>,
    pub(crate) queued: Option<Duration>,
    /// Buckets and counts.
    pub(crate) gaps: Vec<(u32, u64)>,
    pub(crate) prompt_tokens: u32,
    pub(crate) completion_tokens: u32,
    pub(crate) words: u32,
    pub(crate) sentences: u32,
    pub(crate) characters: u32,
    pub(crate) audio_chunks: u32,
    pub(crate) retries: u32,
    pub(crate) fallback: bool,
    pub(crate) knowledge: Cache,
    pub(crate) voice_failed: bool,
    /// Flags, variants, and whether chance dealt them.
    pub(crate) exposures: Vec<(String, String, bool)>,
}

impl Turn {
    /// `None` for what cannot be: without an outcome or a start, with a time below zero, or with too much of
    /// anything.
    pub(crate) fn told(sent: TurnOutcome) -> Option<Self> {
        let outcome = match sent.outcome() {
            wire::Outcome::Success => Outcome::Success,
            wire::Outcome::Cancelled => Outcome::Cancelled,
            wire::Outcome::Failure => Outcome::Failure {
                kind: kind(sent.kind()),
                critical: sent.critical,
            },
            wire::Outcome::Unspecified => return None,
        };
        let knowledge = match sent.knowledge() {
            wire::CacheResult::Unspecified => Cache::Unasked,
            wire::CacheResult::Hit => Cache::Hit,
            wire::CacheResult::Miss => Cache::Miss,
        };
        let gaps = sent.gaps.unwrap_or_default();
        if sent.exposures.len() > MOST_EXPOSURES || gaps.index.len() > MOST_BUCKETS {
            return None;
        }
        Some(Self {
            started_at: SystemTime::try_from(sent.started_at?).ok()?,
            outcome,
            code: name(sent.failure)?,
            endpoint: name(sent.endpoint)?,
            bot: name(sent.chatbot_id)?,
            language: name(sent.language)?,
            model: name(sent.model)?,
            session: name(sent.session_id)?,
            id: name(sent.turn_id)?,
            first_token: time(sent.first_token)?,
            first_audio: time(sent.first_audio)?,
            complete: time(sent.complete)?,
            queued: time(sent.queued)?,
            gaps: gaps.index.into_iter().zip(gaps.count).collect(),
            prompt_tokens: sent.prompt_tokens,
            completion_tokens: sent.completion_tokens,
            words: sent.words,
            sentences: sent.sentences,
            characters: sent.characters,
            audio_chunks: sent.audio_chunks,
            retries: sent.retries,
            fallback: sent.fallback,
            knowledge,
            voice_failed: sent.voice_failed,
            exposures: sent
                .exposures
                .into_iter()
                .map(|asked| Some((name(asked.flag)?, name(asked.variant)?, asked.by_chance)))
                .collect::<Option<_>>()?,
        })
    }
}

fn kind(sent: wire::FailureKind) -> FailureKind {
    match sent {
        wire::FailureKind::Openai => FailureKind::OpenAi,
        wire::FailureKind::Tts => FailureKind::Tts,
        wire::FailureKind::Network => FailureKind::Network,
        wire::FailureKind::Validation => FailureKind::Validation,
        wire::FailureKind::Other | wire::FailureKind::Unspecified => FailureKind::Other,
    }
}

fn name(sent: String) -> Option<String> {
    (sent.len() <= LONGEST_NAME).then_some(sent)
}

/// `Some(None)` where nothing was said.
#[allow(clippy::option_option)]
fn time(sent: Option<prost_types::Duration>) -> Option<Option<Duration>> {
    sent.map(|sent| Duration::try_from(sent).ok())
        .map_or(Some(None), |time| time.map(Some))
}
