//! What a language model is to a turn: a prompt in, deltas out. Knows no provider and no wire.

use std::{pin::Pin, time::Duration};

use futures::Stream;
use troika_chassis::context::RequestContext;

use crate::{knowledge::retriever::Passage, prompt::Prompt, usage::Usage};

mod config;
mod ladder;
mod openai;
mod quoted;

pub use config::{Config, EndpointConfig};
pub(crate) use ladder::Ladder;

/// The name of the built-in answerer, where a provider's model name would stand.
pub(crate) const KNOWLEDGE_MODEL: &str = "knowledge";

/// What a turn asks of a model.
pub(crate) struct Ask {
    pub(crate) prompt: Prompt,
    /// The bot's own model; the endpoint's when `None`.
    pub(crate) model: Option<String>,
    /// The bot's own temperature; the service's when `None`.
    pub(crate) temperature: Option<f64>,
    /// The most tokens the answer may have.
    pub(crate) max_tokens: Option<u32>,
    /// All that was retrieved, best first, for the answerer that quotes it.
    pub(crate) passages: Vec<Passage>,
    /// Carried to the provider.
    pub(crate) request: RequestContext,
}

/// A piece of a model's answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Delta {
    /// Text, as the provider cut it.
    Text(String),
    /// The provider says that it is done, and why. At most usage follows.
    Finish(Finish),
    /// The provider's own figures.
    Usage(Usage),
}

/// Why a provider ended its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    ContentFilter,
}

/// An answer that has begun: its first delta has come. Dropping it closes the provider's connection.
pub(crate) struct Answering {
    /// Who answers: a provider's model name, or [`KNOWLEDGE_MODEL`].
    pub(crate) model: String,
    /// Not the first choice: an earlier endpoint failed.
    pub(crate) fallback: bool,
    /// Attempts before the one that succeeded, at whatever endpoint.
    pub(crate) retries: u32,
    pub(crate) deltas: DeltaStream,
}

/// The deltas of an answer. Ends after its last delta, or after the first error.
pub(crate) type DeltaStream = Pin<Box<dyn Stream<Item = Result<Delta, ModelError>> + Send>>;

/// What went wrong with one endpoint. The provider's own words stay in the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    #[error("the endpoint cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("no first token within {0:?}")]
    SlowFirstToken(Duration),
    #[error("silent for {0:?} in the middle of an answer")]
    Silent(Duration),
    #[error("the endpoint asks for fewer requests")]
    Throttled { retry_after: Option<Duration> },
    #[error("the endpoint fails with HTTP status {status}")]
    Failing {
        status: u16,
        retry_after: Option<Duration>,
    },
    #[error("the endpoint refuses the request with HTTP status {status}: {reason}")]
    Refused { status: u16, reason: String },
    #[error("the endpoint answers with something that is no event stream: {0}")]
    NotAStream(String),
    #[error("the endpoint reports an error in its stream: {0}")]
    Reported(String),
    #[error("the endpoint sends a chunk that cannot be read: {0}")]
    Malformed(String),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the connection broke in the middle of an answer")]
    Interrupted(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the stream ended without a finish reason")]
    Unfinished,
    #[error("its circuit breaker is open")]
    Open,
}

impl ModelError {
    /// The endpoint is at fault, and its breaker should know. A request that was throttled, or refused
    /// for its content or for the model that one bot names, says nothing about the endpoint's health:
    /// else one visitor or one bot could take it from all others. A refused key concerns everybody.
    fn is_fault(&self) -> bool {
        match self {
            Self::Throttled { .. } | Self::Open => false,
            Self::Refused { status, .. } => *status == 401,
            _ => true,
        }
    }

    /// The same request to the same endpoint may succeed.
    fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Throttled { .. }
                | Self::Failing { .. }
                | Self::NotAStream(_)
                | Self::Reported(_)
                | Self::Malformed(_)
                | Self::Interrupted(_)
                | Self::Unfinished
        )
    }

    /// How long the endpoint asked to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Failing { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
