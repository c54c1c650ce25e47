//! What was said in a conversation, and the store of it. Knows neither wire nor engine.

use std::time::SystemTime;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{bots::BotId, store::StoreError};

pub mod owners;
pub mod writer;

/// Who said a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    /// The visitor.
    User,
    /// The chatbot.
    Bot,
}

/// How the turn of a bot's message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The whole answer.
    Complete,
    /// Cut at a limit.
    Truncated,
    /// Somebody called Stop: a partial answer.
    Stopped,
    /// The listener left: a partial answer.
    Cancelled,
    /// The turn failed: a partial answer.
    Failed,
}

impl Outcome {
    /// The word in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Truncated => "truncated",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// Who a visitor says they are; personal data, never logged.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Visitor {
    /// An e-mail address.
    pub email: Option<String>,
    /// A telephone number.
    pub phone: Option<String>,
    /// A name.
    pub name: Option<String>,
}

/// One message of a conversation.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Whose bot.
    pub bot: BotId,
    /// Which conversation: a UUID in the new system, any string in old data.
    pub session: String,
    /// The turn that made it; `None` in data older than turns.
    pub turn: Option<uuid::Uuid>,
    /// Who said it.
    pub sender: Sender,
    /// What was said.
    pub content: String,
    /// When.
    pub time: SystemTime,
    /// Tokens, as far as known.
    pub tokens: Option<u32>,
    /// How the turn ended; `None` for a visitor's message and in old data.
    pub outcome: Option<Outcome>,
    /// Who the visitor says they are.
    pub visitor: Visitor,
}

/// Where messages are kept. Every call ends within the engine's time limit.
#[async_trait]
pub trait MessageStore: Send + Sync {
    /// Adds messages, all durable when this returns, in the order given. Adding a message of the same
    /// turn and sender again changes nothing, so that an uncertain write may be repeated.
    async fn append(&self, messages: &[Message]) -> Result<(), StoreError>;
    /// The newest `limit` messages of one bot's session, oldest first. Messages of one time keep the
    /// order in which they were added.
    async fn recent(
        &self,
        bot: BotId,
        session: &str,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError>;
}
