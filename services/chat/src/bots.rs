//! What a chatbot is, and the store of them. Knows neither wire nor engine.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::store::StoreError;

pub(crate) mod cached;

/// A chatbot's identity: 12 bytes, written as 24 hex digits (a MongoDB ObjectId).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BotId(pub [u8; 12]);

/// The text is not 24 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 24 hexadecimal digits")]
pub struct BotIdError;

impl FromStr for BotId {
    type Err = BotIdError;

    fn from_str(text: &str) -> Result<Self, BotIdError> {
        let mut bytes = [0; 12];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| BotIdError)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for BotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who may talk to a bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Anonymous visitors.
    #[default]
    Public,
    /// Callers with a token.
    Private,
}

/// A bot's own bounds; `None` means the service's default.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Characters of one answer, 1 to 2000.
    pub answer_characters: Option<u32>,
    /// Tokens the model may produce in one turn.
    pub completion_tokens: Option<u32>,
    /// Messages of history in the prompt, 0 to 50.
    pub history_messages: Option<u32>,
    /// Longest turn.
    pub turn: Option<Duration>,
}

/// A chatbot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bot {
    /// Its identity.
    pub id: BotId,
    /// What visitors call it.
    pub name: String,
    /// Instructions to the model: who the bot is and how it speaks.
    pub persona: String,
    /// The model it asks; `None` means the service's default.
    pub model: Option<String>,
    /// 0 to 2; `None` means the service's default.
    pub temperature: Option<f64>,
    /// BCP 47 of a served language.
    pub language: String,
    /// Who may talk to it.
    pub access: Access,
    /// A bot that was switched off in an existing database answers nobody.
    pub active: bool,
    /// Web origins whose pages may show it; empty means any.
    pub allowed_origins: Vec<String>,
    /// Where a visitor books a meeting.
    pub booking_url: Option<String>,
    /// Its own bounds.
    pub limits: Limits,
    /// Whose it is; `None` means nobody's but the operators'.
    pub company: Option<String>,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it last changed.
    pub updated_at: SystemTime,
}

/// Where bots are kept. Every call ends within the engine's time limit; dropping a call abandons it.
#[async_trait]
pub trait BotStore: Send + Sync {
    /// Adds a bot. [`StoreError::AlreadyExists`] when its id is taken.
    async fn create(&self, bot: &Bot) -> Result<(), StoreError>;
    /// Finds a bot.
    async fn get(&self, id: BotId) -> Result<Option<Bot>, StoreError>;
    /// Replaces a bot's fields; unknown fields of an existing document stay. [`StoreError::NotFound`] when it is gone.
    async fn update(&self, bot: &Bot) -> Result<(), StoreError>;
    /// At most `limit` bots in the order of their ids, from the one after `after`.
    async fn list(&self, after: Option<BotId>, limit: usize) -> Result<Vec<Bot>, StoreError>;
    /// Removes a bot; `false` when there was none.
    async fn delete(&self, id: BotId) -> Result<bool, StoreError>;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A bot with a name and nothing else.
    pub(crate) fn named(name: &str) -> Bot {
        Bot {
            id: BotId([1; 12]),
            name: name.into(),
            persona: String::new(),
            model: None,
            temperature: None,
            language: "en-IN".into(),
            access: Access::Public,
            active: true,
            allowed_origins: Vec::new(),
            booking_url: None,
            limits: Limits::default(),
            company: None,
            created_at: std::time::UNIX_EPOCH,
            updated_at: std::time::UNIX_EPOCH,
        }
    }
}
