//! Makes the events of one turn: numbers them, stamps them, and holds the fixed lists of codes with
//! their words. Knows nothing of how a turn goes.

use std::time::SystemTime;

use troika_proto::chat::v1::{Failure, TurnEvent, Warning, turn_event::Event};
use uuid::Uuid;

use crate::model::ModelError;

/// The numbering of one turn.
pub(super) struct Events {
    turn: String,
    next: u64,
}

impl Events {
    pub(super) fn of(turn: Uuid) -> Self {
        Self {
            turn: turn.to_string(),
            next: 0,
        }
    }

    /// The next event, made now.
    pub(super) fn next(&mut self, event: Event) -> TurnEvent {
        let sequence = self.next;
        self.next += 1;
        TurnEvent {
            turn_id: self.turn.clone(),
            sequence,
            time: Some(SystemTime::now().into()),
            event: Some(event),
        }
    }
}

/// Something is missing from the answer: the fixed list of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    ModelFallback,
    ModelAway,
    KnowledgeUnavailable,
    EmbeddingsUnavailable,
    HistoryUnavailable,
    HistoryNotSaved,
    ContentFiltered,
    VoiceUnavailable,
    VoiceIncomplete,
}

impl From<Notice> for Event {
    fn from(notice: Notice) -> Self {
        Event::Warning(notice.into())
    }
}

impl From<Notice> for Warning {
    fn from(notice: Notice) -> Self {
        let (code, message) = match notice {
            Notice::ModelFallback => ("model_fallback", "Another model than usual is answering."),
            Notice::ModelAway => (
                "model_away",
                "The language model is away; this answer quotes what the chatbot knows.",
            ),
            Notice::KnowledgeUnavailable => (
                "knowledge_unavailable",
                "The chatbot's knowledge could not be read; this answer does without it.",
            ),
            Notice::EmbeddingsUnavailable => (
                "embeddings_unavailable",
                "The chatbot's knowledge was searched by words alone.",
            ),
            Notice::HistoryUnavailable => (
                "history_unavailable",
                "The conversation so far could not be read; this answer does without it.",
            ),
            Notice::HistoryNotSaved => (
                "history_not_saved",
                "This exchange could not be saved; later answers may not know of it.",
            ),
            Notice::ContentFiltered => (
                "content_filtered",
                "The model's content filter ended this answer.",
            ),
            Notice::VoiceUnavailable => {
                ("voice_unavailable", "The voice is not available right now.")
            }
            Notice::VoiceIncomplete => (
                "voice_incomplete",
                "A part of this answer could not be spoken.",
            ),
        };
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// The turn ends without a whole answer: the fixed list of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    ModelUnavailable,
    ModelTimeout,
    ModelRefused,
    AnswerIncomplete,
    TurnTimeout,
    ServerShutdown,
}

impl Fault {
    /// What a model's failure means for the turn: before its first token, or after.
    pub(super) fn of_model(error: &ModelError, has_begun: bool) -> Self {
        match error {
            ModelError::SlowFirstToken(_) | ModelError::Silent(_) => Self::ModelTimeout,
            _ if has_begun => Self::AnswerIncomplete,
            ModelError::Refused { .. } => Self::ModelRefused,
            ModelError::Unfinished | ModelError::Interrupted(_) | ModelError::TooLarge(_) => {
                Self::AnswerIncomplete
            }
            _ => Self::ModelUnavailable,
        }
    }

    /// The stable code.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::ModelUnavailable => "model_unavailable",
            Self::ModelTimeout => "model_timeout",
            Self::ModelRefused => "model_refused",
            Self::AnswerIncomplete => "answer_incomplete",
            Self::TurnTimeout => "turn_timeout",
            Self::ServerShutdown => "server_shutdown",
        }
    }
}

impl From<Fault> for Event {
    fn from(fault: Fault) -> Self {
        let message = match fault {
            Fault::ModelUnavailable => {
                "The language model cannot be reached right now. Please try again in a moment."
            }
            Fault::ModelTimeout => "The language model took too long. Please try again.",
            Fault::ModelRefused => "The language model did not accept this question.",
            Fault::AnswerIncomplete => "The answer was cut off before its end. Please try again.",
            Fault::TurnTimeout => {
                "The answer took longer than it may. Please try again with a shorter question."
            }
            Fault::ServerShutdown => "The server is shutting down. Please ask again.",
        };
        let can_retry = fault != Fault::ModelRefused;
        Event::Error(Failure {
            code: fault.code().into(),
            message: message.into(),
            can_retry,
        })
    }
}
