//! What turns come to, for Prometheus and OpenTelemetry: each is observed once, when it ended. It must not know how a
//! turn is answered.

mod exported;
mod models;

use std::{sync::Arc, time::Duration, time::SystemTime};

use histogram::{Config, SparseHistogram};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, exemplar::HistogramWithExemplars, family::Family},
};
use troika_chassis::meters::CountedHistogram;
use troika_proto::metrics::v1::{CacheResult, FailureKind, Outcome, TurnOutcome};

use self::{exported::Exported, models::Models};
use crate::quota;

/// Upper bounds in seconds, from an answer out of memory to the longest turn.
const TURN: [f64; 21] = [
    0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0,
    20.0, 30.0, 60.0, 120.0,
];
/// Of times between tokens.
const GAP: [f64; 17] = [
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    15.0,
];
/// Of the way from the edge to the turn.
const QUEUE: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// How gaps between tokens are told: 2^7 buckets to a power of two, microseconds of 32 bits.
const GAP_BUCKETS: (u8, u8) = (7, 32);

/// Why a quota lets no question begin.
const QUOTA: [&str; 3] = ["quota_exhausted", "subscription_ended", quota::NEED_AUTH];

/// Hexadecimal digits of a trace's id.
const TRACE_DIGITS: usize = 32;

/// Points from a bucket of a histogram to a trace.
type Exemplar = [(&'static str, String); 1];
type Times = HistogramWithExemplars<Exemplar>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    endpoint: &'static str,
    outcome: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct At {
    endpoint: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lasted {
    endpoint: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Spent {
    model: String,
    r#type: &'static str,
}

/// The figures of turns. Cloning is cheap; every clone is the same figures.
#[derive(Clone, Debug)]
pub struct Meters {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    process: troika_chassis::meters::Meters,
    models: Models,
    exported: Exported,
    turns: Family<Ended, Counter>,
    first_token: Family<At, Times>,
    first_audio: Family<At, Times>,
    complete: Family<Lasted, Times>,
    gaps: CountedHistogram,
    queued: Times,
    tokens: Family<Spent, Counter>,
    retries: Counter,
    fallbacks: Counter,
    voice_failures: Counter,
    refused: Counter,
    quota: Family<[(&'static str, &'static str); 1], Counter>,
    characters: Counter,
    audio_chunks: Counter,
}

fn times<L: Clone + std::hash::Hash + Eq>() -> Family<L, Times> {
    Family::new_with_constructor(|| Times::new(TURN.into_iter()))
}

impl Meters {
    /// Puts turns among the figures of the process.
    pub fn new(process: &troika_chassis::meters::Meters) -> Self {
        let turns = process.metric("troika_turns", "Turns that ended, by how", || {
            let turns = Family::<Ended, Counter>::default();
            // Known before they happen: a rate from nothing to one is no rate otherwise.
            for endpoint in ["query", "answer"] {
                for (outcome, kind) in [
                    ("success", "none"),
                    ("cancelled", "none"),
                    ("failure", "openai"),
                    ("failure", "other"),
                ] {
                    drop(turns.get_or_create(&Ended {
                        endpoint,
                        outcome,
                        kind,
                    }));
                }
            }
            turns
        });
        let count = |name, help| process.metric(name, help, Counter::default);
        let shared = Shared {
            turns,
            first_token: process.metric(
                "troika_first_token_seconds",
                "Time from the arrival of a question at the edge to the first token of its answer",
                times,
            ),
            first_audio: process.metric(
                "troika_first_audio_seconds",
                "Time from the arrival of a question at the edge to the first sound of its answer",
                times,
            ),
            complete: process.metric(
                "troika_turn_seconds",
                "Time from the arrival of a question at the edge to the end of its answer",
                times,
            ),
            gaps: process.metric(
                "troika_token_gap_seconds",
                "Time between two tokens of an answer",
                || CountedHistogram::new(&GAP),
            ),
            queued: process.metric(
                "troika_turn_queue_seconds",
                "Time from the arrival of a question at the edge to the start of its turn",
                || Times::new(QUEUE.into_iter()),
            ),
            tokens: process.metric(
                "troika_tokens",
                "Tokens that models read and wrote",
                Family::default,
            ),
            retries: count("troika_turn_retries", "Further attempts at a model"),
            fallbacks: count(
                "troika_turn_fallbacks",
                "Turns that another model than the first answered",
            ),
            voice_failures: count(
                "troika_voice_failures",
                "Turns of which something was not heard though it should have been",
            ),
            refused: count(
                "troika_turns_refused",
                "Turns that were turned away because the process was full",
            ),
            quota: process.metric(
                "troika_quota_refusals",
                "Questions that a bot's quota did not let begin",
                || {
                    let refused = Family::<[(&'static str, &'static str); 1], Counter>::default();
                    for reason in QUOTA {
                        drop(refused.get_or_create(&[("reason", reason)]));
                    }
                    refused
                },
            ),
            characters: count("troika_answer_characters", "Characters that were answered"),
            audio_chunks: count("troika_audio_chunks", "Pieces of sound that were sent"),
            models: Models::default(),
            exported: Exported::new(),
            process: process.clone(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A turn was turned away because the process was full.
    pub fn refused(&self) {
        self.shared.refused.inc();
    }

    /// A bot's quota did not let a question begin. A reason that is none of the list is not counted.
    pub fn quota_refused(&self, reason: &str) {
        if let Some(reason) = QUOTA.into_iter().find(|known| *known == reason) {
            let refused = &self.shared.quota;
            refused.get_or_create(&[("reason", reason)]).inc();
        }
    }

    /// A turn ended; with the id of its trace, so that a slow one can be looked at.
    pub fn turn(&self, outcome: &TurnOutcome, trace: Option<String>) {
        let shared = &*self.shared;
        let (ended, model) = (ended(outcome), shared.models.bounded(&outcome.model));
        let at = At {
            endpoint: ended.endpoint,
        };
        let lasted = Lasted {
            endpoint: ended.endpoint,
            outcome: ended.outcome,
        };
        let exemplar = trace.filter(|trace| {
            trace.len() == TRACE_DIGITS && trace.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        let now = SystemTime::now();
        let observe = |times: &Times, time: Option<Duration>| {
            if let Some(time) = time {
                let exemplar = exemplar.clone().map(|trace| [("trace_id", trace)]);
                times.observe(time.as_secs_f64(), exemplar, Some(now));
            }
        };
        let first_token = time(outcome.first_token);
        let first_audio = time(outcome.first_audio);
        let complete = time(outcome.complete);
        if first_token.is_some() {
            observe(&shared.first_token.get_or_create(&at), first_token);
        }
        if first_audio.is_some() {
            observe(&shared.first_audio.get_or_create(&at), first_audio);
        }
        if complete.is_some() {
            observe(&shared.complete.get_or_create(&lasted), complete);
        }
        observe(&shared.queued, time(outcome.queued));
        let gaps = gaps(outcome);
        shared.gaps.add(gaps.iter().copied());
        for (r#type, tokens) in [
            ("prompt", outcome.prompt_tokens),
            ("completion", outcome.completion_tokens),
        ] {
            if tokens > 0 {
                let spent = Spent {
                    model: model.clone(),
                    r#type,
                };
                shared.tokens.get_or_create(&spent).inc_by(tokens.into());
            }
        }
        shared.retries.inc_by(outcome.retries.into());
        shared.fallbacks.inc_by(outcome.fallback.into());
        shared.voice_failures.inc_by(outcome.voice_failed.into());
        shared.characters.inc_by(outcome.characters.into());
        shared.audio_chunks.inc_by(outcome.audio_chunks.into());
        match outcome.knowledge() {
            CacheResult::Hit => shared.process.looked("knowledge", 1, 0),
            CacheResult::Miss => shared.process.looked("knowledge", 0, 1),
            CacheResult::Unspecified => {}
        }
        shared.exported.turn(outcome, &model, &gaps);
        shared.turns.get_or_create(&ended).inc();
    }
}

/// The labels of a turn, all of them ours.
fn ended(outcome: &TurnOutcome) -> Ended {
    let endpoint = match outcome.endpoint.as_str() {
        "query" => "query",
        "answer" => "answer",
        _ => "other",
    };
    let (told, kind) = match outcome.outcome() {
        Outcome::Success => ("success", "none"),
        Outcome::Cancelled => ("cancelled", "none"),
        Outcome::Failure | Outcome::Unspecified => {
            let kind = match outcome.kind() {
                FailureKind::Openai => "openai",
                FailureKind::Tts => "tts",
                FailureKind::Network => "network",
                FailureKind::Validation => "validation",
                FailureKind::Other | FailureKind::Unspecified => "other",
            };
            ("failure", kind)
        }
    };
    Ended {
        endpoint,
        outcome: told,
        kind,
    }
}

fn time(told: Option<prost_types::Duration>) -> Option<Duration> {
    told.and_then(|told| told.try_into().ok())
}

/// Seconds between tokens, each with how often: the middles of the buckets in which they are told. What cannot be read
/// is left out.
fn gaps(outcome: &TurnOutcome) -> Vec<(f64, u64)> {
    let Some(told) = &outcome.gaps else {
        return Vec::new();
    };
    let (grouping_power, max_value_power) = GAP_BUCKETS;
    let read = Config::new(grouping_power, max_value_power).and_then(|config| {
        SparseHistogram::from_parts(config, told.index.clone(), told.count.clone())
    });
    let Ok(read) = read else {
        return Vec::new();
    };
    read.iter()
        .map(|bucket| {
            let middle = (bucket.start() + bucket.end()) as f64 / 2.0;
            (middle / 1e6, bucket.count())
        })
        .collect()
}

#[cfg(test)]
mod tests;
