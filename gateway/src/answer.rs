//! What the routes without a stream answer, as JSON: the members that old clients read and the new
//! ones beside them. It must not know how the answer was fetched.

use serde::Serialize;
use troika_proto::chat::v1 as proto;
use utoipa::ToSchema;

use crate::{
    data_url::DataUrl,
    events::{Usage, finish_reason},
};

/// The whole answer to a question.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    /// The answer.
    answer: String,
    /// A page that belongs to the answer; always null for now.
    link: Option<String>,
    /// Tokens of the turn.
    tokens: u32,
    /// The spoken answer as a data URL, `data:audio/mpeg;base64,…`; null when none was asked for or made.
    #[schema(value_type = Option<String>)]
    audio: Option<DataUrl>,
    /// The conversation; send it again with the next question.
    session_id: String,
    /// The visitor must sign in before the next question.
    requires_auth_next: bool,
    /// How the visitor will sign in; null when none need to, or nobody said.
    #[serde(rename = "auth_method")]
    #[schema(rename = "auth_method")]
    auth_method: Option<String>,
    /// Milliseconds a client may pretend to type; the answer has taken its time already.
    typing_delay: u32,
    /// Up to three follow-up questions.
    suggestions: Vec<String>,
    /// The turn.
    turn_id: String,
    /// `stop`, `length`, `content_filter`, `stopped` or `unknown`.
    finish_reason: &'static str,
    /// The answer was cut at its limit or by the model's.
    truncated: bool,
    /// BCP 47, such as `en-IN`.
    language: String,
    /// The model that answered; `knowledge` is the built-in answerer.
    model: String,
    /// Tokens of the turn, told apart.
    usage: Usage,
    /// What was missing while answering.
    warnings: Vec<AnswerWarning>,
}

/// Something that was missing while answering.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AnswerWarning {
    /// From a fixed list.
    code: String,
    /// For a person to read.
    message: String,
}

impl Answer {
    /// The answer that chat gave; `None` when there is none in it.
    pub(crate) fn from_response(response: proto::AnswerResponse) -> Option<Self> {
        let complete = response.complete?;
        let finish_reason = finish_reason(complete.finish_reason());
        let usage = Usage::from(complete.usage.unwrap_or_default());
        Some(Self {
            answer: complete.full_answer,
            link: None,
            tokens: usage.total_tokens,
            audio: response.audio.map(|audio| DataUrl {
                content_type: audio.content_type,
                bytes: audio.data,
            }),
            session_id: complete.session_id,
            requires_auth_next: response.requires_auth_next,
            auth_method: (!response.auth_method.is_empty()).then_some(response.auth_method),
            typing_delay: 0,
            suggestions: response.suggestions,
            turn_id: response.turn_id,
            finish_reason,
            truncated: complete.truncated,
            language: complete.language,
            model: complete.model,
            usage,
            warnings: response
                .warnings
                .into_iter()
                .map(|warning| AnswerWarning {
                    code: warning.code,
                    message: warning.message,
                })
                .collect(),
        })
    }
}

/// What stopping did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stopped {
    /// The request was understood; also true when nothing was running.
    success: bool,
    /// How many running turns were told to stop.
    stopped: u32,
}

impl Stopped {
    /// `stopped` turns were told to stop.
    pub(crate) fn new(stopped: u32) -> Self {
        Self {
            success: true,
            stopped,
        }
    }
}
