//! What a group of turns adds up to. Sums merge in any order, over seconds and over processes. Pure.

use serde::{Deserialize, Serialize};

use crate::{
    latency::Latency,
    turn::{Cache, FailureKind, Outcome, Turn},
};

/// The sum of some turns. Stored under short names; what is zero is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    #[serde(rename = "ok", skip_serializing_if = "is_zero")]
    pub(crate) successes: u64,
    #[serde(rename = "no", skip_serializing_if = "is_zero")]
    pub(crate) failures: u64,
    #[serde(rename = "ca", skip_serializing_if = "is_zero")]
    pub(crate) cancelled: u64,
    #[serde(rename = "cr", skip_serializing_if = "is_zero")]
    pub(crate) critical: u64,
    /// Turned away for want of room.
    #[serde(rename = "re", skip_serializing_if = "is_zero")]
    pub(crate) refused: u64,
    /// Records that never arrived, as far as their senders counted them.
    #[serde(rename = "dr", skip_serializing_if = "is_zero")]
    pub(crate) dropped: u64,
    #[serde(rename = "er", skip_serializing_if = "Errors::are_none")]
    pub(crate) errors: Errors,
    #[serde(rename = "ft", skip_serializing_if = "Latency::is_empty")]
    pub(crate) first_token: Latency,
    #[serde(rename = "fa", skip_serializing_if = "Latency::is_empty")]
    pub(crate) first_audio: Latency,
    /// Of successes alone.
    #[serde(rename = "co", skip_serializing_if = "Latency::is_empty")]
    pub(crate) complete: Latency,
    #[serde(rename = "ga", skip_serializing_if = "Latency::is_empty")]
    pub(crate) gap: Latency,
    #[serde(rename = "qu", skip_serializing_if = "Latency::is_empty")]
    pub(crate) queued: Latency,
    #[serde(rename = "ti", skip_serializing_if = "is_zero")]
    pub(crate) prompt_tokens: u64,
    #[serde(rename = "to", skip_serializing_if = "is_zero")]
    pub(crate) completion_tokens: u64,
    /// In billionths of the currency.
    #[serde(rename = "$", skip_serializing_if = "is_zero")]
    pub(crate) cost: u64,
    #[serde(rename = "wo", skip_serializing_if = "is_zero")]
    pub(crate) words: u64,
    #[serde(rename = "se", skip_serializing_if = "is_zero")]
    pub(crate) sentences: u64,
    #[serde(rename = "ch", skip_serializing_if = "is_zero")]
    pub(crate) characters: u64,
    #[serde(rename = "au", skip_serializing_if = "is_zero")]
    pub(crate) audio_chunks: u64,
    #[serde(rename = "rt", skip_serializing_if = "is_zero")]
    pub(crate) retries: u64,
    #[serde(rename = "fb", skip_serializing_if = "is_zero")]
    pub(crate) fallbacks: u64,
    #[serde(rename = "kb", skip_serializing_if = "Looks::are_none")]
    pub(crate) knowledge: Looks,
    #[serde(rename = "sp", skip_serializing_if = "Looks::are_none")]
    pub(crate) speech: Looks,
}

/// Failures by where they come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Errors {
    pub(crate) openai: u64,
    pub(crate) tts: u64,
    pub(crate) network: u64,
    pub(crate) validation: u64,
    pub(crate) other: u64,
}

/// Looks into a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Looks {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Errors {
    fn are_none(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn total(&self) -> u64 {
        self.openai + self.tts + self.network + self.validation + self.other
    }

    fn add(&mut self, kind: FailureKind) {
        *match kind {
            FailureKind::OpenAi => &mut self.openai,
            FailureKind::Tts => &mut self.tts,
            FailureKind::Network => &mut self.network,
            FailureKind::Validation => &mut self.validation,
            FailureKind::Other => &mut self.other,
        } += 1;
    }

    fn merge(&mut self, other: &Self) {
        self.openai += other.openai;
        self.tts += other.tts;
        self.network += other.network;
        self.validation += other.validation;
        self.other += other.other;
    }
}

impl Looks {
    fn are_none(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.hits += other.hits;
        self.misses += other.misses;
    }

    /// 0 to 100; 0 without any.
    pub(crate) fn hit_rate(&self) -> f64 {
        percent(self.hits, self.hits + self.misses).unwrap_or(0.0)
    }
}

/// `None` of nothing.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

impl Figures {
    /// Takes a turn in. A request that could not be taken as it was is an error of the visitor's, and no turn.
    pub(crate) fn add(&mut self, turn: &Turn, cost: u64) {
        if turn.voice_failed {
            self.errors.add(FailureKind::Tts);
        }
        match turn.outcome {
            Outcome::Success => {
                self.successes += 1;
                turn.complete.inspect(|time| self.complete.add(*time));
            }
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::Failure { kind, critical } => {
                self.errors.add(kind);
                if kind == FailureKind::Validation {
                    return;
                }
                self.failures += 1;
                self.critical += u64::from(critical);
            }
        }
        turn.first_token.inspect(|time| self.first_token.add(*time));
        turn.first_audio.inspect(|time| self.first_audio.add(*time));
        turn.queued.inspect(|time| self.queued.add(*time));
        self.gap.add_counted(turn.gaps.iter().copied());
        self.prompt_tokens += u64::from(turn.prompt_tokens);
        self.completion_tokens += u64::from(turn.completion_tokens);
        self.cost += cost;
        self.words += u64::from(turn.words);
        self.sentences += u64::from(turn.sentences);
        self.characters += u64::from(turn.characters);
        self.audio_chunks += u64::from(turn.audio_chunks);
        self.retries += u64::from(turn.retries);
        self.fallbacks += u64::from(turn.fallback);
        match turn.knowledge {
            Cache::Unasked => {}
            Cache::Hit => self.knowledge.hits += 1,
            Cache::Miss => self.knowledge.misses += 1,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.successes += other.successes;
        self.failures += other.failures;
        self.cancelled += other.cancelled;
        self.critical += other.critical;
        self.refused += other.refused;
        self.dropped += other.dropped;
        self.errors.merge(&other.errors);
        self.first_token.merge(&other.first_token);
        self.first_audio.merge(&other.first_audio);
        self.complete.merge(&other.complete);
        self.gap.merge(&other.gap);
        self.queued.merge(&other.queued);
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.cost += other.cost;
        self.words += other.words;
        self.sentences += other.sentences;
        self.characters += other.characters;
        self.audio_chunks += other.audio_chunks;
        self.retries += other.retries;
        self.fallbacks += other.fallbacks;
        self.knowledge.merge(&other.knowledge);
        self.speech.merge(&other.speech);
    }

    /// Turns that ended.
    pub(crate) fn turns(&self) -> u64 {
        self.successes + self.failures + self.cancelled
    }

    /// Of successes and failures, 0 to 100; `None` without any.
    pub(crate) fn success_rate(&self) -> Option<f64> {
        percent(self.successes, self.successes + self.failures)
    }
}
