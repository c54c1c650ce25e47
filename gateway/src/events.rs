//! The payloads of the event stream as JSON knows them: supersets in which every client in use
//! finds the field it reads. It borrows from the turn's messages and copies nothing. It must not
//! know how an event is framed (that is [`crate::sse`]) nor where it came from.

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use prost_types::Timestamp;
use serde::{Serialize, Serializer};
use troika_proto::chat::v1 as proto;
use utoipa::ToSchema;

/// `connected`: the turn is accepted and its ids are settled.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connected<'a> {
    /// This listener's id.
    pub(crate) client_id: &'a str,
    /// The conversation, as sent or newly made; send it again with the next question.
    pub(crate) session_id: &'a str,
    /// The turn; `POST /api/chat/stop` takes it.
    pub(crate) turn_id: &'a str,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
    /// For a person to read.
    pub(crate) message: &'a str,
}

/// `status`: what the turn is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status<'a> {
    /// A short stable word: `thinking`.
    pub(crate) status: &'a str,
    /// For a person to read.
    pub(crate) message: &'a str,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// `metadata`: facts about the turn, or an action the page offers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Metadata<'a> {
    /// The model that answers; `knowledge` is the built-in answerer.
    pub(crate) model: &'a str,
    /// `show_calendly` offers the booking page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) action: Option<&'a str>,
    /// The booking page of the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calendly_url: Option<&'a str>,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// `text`: a piece of the answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Text<'a> {
    /// To be appended to what came before.
    pub(crate) content: &'a str,
}

/// `audio`: a piece of the spoken answer, about half a second of raw samples.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Audio<'a> {
    /// Samples in base64: signed 16 bit, little-endian, in whole samples.
    #[serde(serialize_with = "base64")]
    #[schema(value_type = String, format = Byte)]
    pub(crate) chunk: &'a [u8],
    /// Place among the pieces of the turn: from 0, no gaps.
    pub(crate) sequence: u64,
    /// How `chunk` is written: always `base64`.
    pub(crate) format: &'static str,
    /// What the samples are: always `LINEAR16`.
    pub(crate) encoding: &'static str,
    /// Samples a second: always 24000.
    pub(crate) sample_rate_hertz: u32,
    /// Always 1.
    pub(crate) channels: u32,
    /// What is said: the sentence, or several, that this piece belongs to.
    pub(crate) text: &'a str,
    /// The same text, for clients that read this name.
    pub(crate) sentence: &'a str,
    /// Place of the first of those sentences among the spoken ones.
    pub(crate) sentence_index: u32,
    /// The text ends with this piece.
    pub(crate) last: bool,
}

impl<'a> Audio<'a> {
    /// The payload of a piece as chat sends it.
    pub(crate) fn new(audio: &'a proto::Audio) -> Self {
        Self {
            chunk: &audio.pcm,
            sequence: audio.sequence,
            format: "base64",
            encoding: "LINEAR16",
            sample_rate_hertz: SAMPLE_RATE,
            channels: 1,
            text: &audio.text,
            sentence: &audio.text,
            sentence_index: audio.sentence,
            last: audio.last,
        }
    }
}

/// Samples a second of all sound.
const SAMPLE_RATE: u32 = 24_000;

/// Writes bytes straight into the event.
fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &STANDARD))
}

/// `suggestions`: follow-up questions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Suggestions<'a> {
    /// One to three questions of at most 150 characters.
    pub(crate) items: &'a [String],
    /// The same list, for clients that read this name.
    pub(crate) suggestions: &'a [String],
    /// How many there are.
    pub(crate) count: usize,
}

/// `warning`: the answer goes on with something missing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Warning<'a> {
    /// For a person to read.
    pub(crate) message: &'a str,
    /// The same text, for clients that read this name.
    pub(crate) warning: &'a str,
    /// From a fixed list.
    pub(crate) code: &'a str,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// `error`: the turn ended without a whole answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure<'a> {
    /// For a person to read.
    pub(crate) message: &'a str,
    /// The same text, for clients that read this name.
    pub(crate) error: &'a str,
    /// From a fixed list, never a provider's text.
    pub(crate) code: &'a str,
    /// The same question may succeed when sent again.
    pub(crate) can_retry: bool,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// `complete`: the turn ended with an answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Complete<'a> {
    /// The answer ended for a reason the model or a person gave.
    pub(crate) success: bool,
    /// The figures, flat.
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// BCP 47, such as `en-IN`.
    pub(crate) language: &'a str,
    /// The model that answered; `knowledge` is the built-in answerer.
    pub(crate) model: &'a str,
    /// The conversation.
    pub(crate) session_id: &'a str,
    /// The turn.
    pub(crate) turn_id: &'a str,
    /// The answer in one piece.
    pub(crate) full_answer: &'a str,
    /// `stop`, `length`, `content_filter`, `stopped` or `unknown`.
    pub(crate) finish_reason: &'static str,
    /// The answer was cut at its limit or by the model's.
    pub(crate) truncated: bool,
    /// Both messages of the turn are in the history.
    pub(crate) saved: bool,
    /// Tokens of the turn.
    pub(crate) usage: Usage,
    /// The figures again, for clients that read them here.
    pub(crate) metrics: Figures,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// How long and how much a turn was.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figures {
    /// Milliseconds from the question's arrival to the end.
    pub(crate) duration: u64,
    /// Words of the answer.
    pub(crate) word_count: u32,
    /// Sentences of the answer.
    pub(crate) sentence_count: u32,
    /// Pieces of speech that were sent.
    pub(crate) audio_chunks: u32,
    /// Milliseconds to the first text; null when none was sent.
    pub(crate) first_token_latency: Option<u64>,
    /// Milliseconds to the first speech; null when none was sent.
    pub(crate) first_audio_latency: Option<u64>,
}

/// Tokens of one turn.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    /// Tokens of the question with its context.
    pub(crate) prompt_tokens: u32,
    /// Tokens of the answer.
    pub(crate) completion_tokens: u32,
    /// Both together.
    pub(crate) total_tokens: u32,
    /// Counted by troika, because the provider sent no figures.
    pub(crate) estimated: bool,
}

/// `close`: nothing follows.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Close<'a> {
    /// `complete`, `error`, `stopped` or `server_shutdown`.
    pub(crate) reason: &'a str,
    /// For a person to read.
    pub(crate) message: &'a str,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
}

impl<'a> Complete<'a> {
    /// The payload for `complete` of the turn `turn_id`, made at `timestamp` milliseconds.
    pub(crate) fn new(complete: &'a proto::Complete, turn_id: &'a str, timestamp: i64) -> Self {
        let figures = Figures {
            duration: complete.duration_ms,
            word_count: complete.word_count,
            sentence_count: complete.sentence_count,
            audio_chunks: complete.audio_chunks,
            first_token_latency: complete.first_token_ms,
            first_audio_latency: complete.first_audio_ms,
        };
        Self {
            success: complete.finish_reason() != proto::FinishReason::Unspecified,
            figures,
            language: &complete.language,
            model: &complete.model,
            session_id: &complete.session_id,
            turn_id,
            full_answer: &complete.full_answer,
            finish_reason: finish_reason(complete.finish_reason()),
            truncated: complete.truncated,
            saved: complete.saved,
            usage: Usage::from(complete.usage.unwrap_or_default()),
            metrics: figures,
            timestamp,
        }
    }
}

impl From<proto::Usage> for Usage {
    fn from(usage: proto::Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.total_tokens,
            estimated: usage.estimated,
        }
    }
}

/// The word clients read for why an answer ended.
pub(crate) fn finish_reason(reason: proto::FinishReason) -> &'static str {
    match reason {
        proto::FinishReason::Unspecified => "unknown",
        proto::FinishReason::Stop => "stop",
        proto::FinishReason::Length => "length",
        proto::FinishReason::ContentFilter => "content_filter",
        proto::FinishReason::Stopped => "stopped",
    }
}

/// Milliseconds since 1970 of a time on the wire; 0 when the time is absent.
pub(crate) fn milliseconds(time: Option<&Timestamp>) -> i64 {
    time.map_or(0, |time| {
        time.seconds
            .saturating_mul(1000)
            .saturating_add(i64::from(time.nanos) / 1_000_000)
    })
}
