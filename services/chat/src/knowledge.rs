//! What a bot knows: documents cut into chunks, and the store of them. Knows neither wire nor engine.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{bots::BotId, store::StoreError};

pub mod chunks;
mod config;
pub mod documents;
pub mod importer;
pub mod index;
pub mod retriever;

pub use config::Config;

/// A piece of a document: about 300 words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// SHA-256 of the content in hex; unique within a bot.
    pub hash: String,
    /// The text.
    pub content: String,
    /// The document it came from; empty in old data.
    pub file_name: String,
    /// Its place in the document, from 0.
    pub position: u32,
    /// BCP 47; empty when unknown.
    pub language: String,
    /// Its embedding and the model that made it, where an embeddings endpoint was there.
    pub embedding: Option<Embedding>,
    /// When it was imported.
    pub imported_at: SystemTime,
}

/// A vector and the model that made it; vectors of different models do not compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// The embedding model's name.
    pub model: String,
    /// The vector.
    pub vector: Arc<[f32]>,
}

/// A document as listed.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its name.
    pub file_name: String,
    /// How many chunks it has.
    pub chunks: u32,
    /// How many of them carry an embedding.
    pub embedded: u32,
    /// When its newest chunk was imported.
    pub imported_at: SystemTime,
}

/// What replacing a document did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Chunks that were not there before.
    pub added: u32,
    /// Chunks the bot knew already, in this or another document.
    pub duplicates: u32,
    /// Chunks the document no longer has.
    pub removed: u32,
}

/// Where knowledge is kept. Every call ends within the engine's time limit.
#[async_trait]
pub trait KnowledgeStore: Send + Sync {
    /// Makes `chunks` the content of a bot's document: adds those the bot has not, removes those of
    /// the document that are no longer in it, and raises the bot's revision if anything changed. A
    /// known chunk without an embedding takes the new one's.
    async fn replace(
        &self,
        bot: BotId,
        file_name: &str,
        chunks: &[Chunk],
    ) -> Result<Replaced, StoreError>;
    /// The documents of a bot, newest first.
    async fn documents(&self, bot: BotId) -> Result<Vec<Document>, StoreError>;
    /// All chunks of a bot, in a stable order.
    async fn chunks(&self, bot: BotId) -> Result<Vec<Chunk>, StoreError>;
    /// Deletes one document, or with `None` everything the bot knows; how many chunks went. Raises the
    /// revision if any did.
    async fn delete(&self, bot: BotId, file_name: Option<&str>) -> Result<u64, StoreError>;
    /// A number that changes with every change of the bot's knowledge; 0 when it never changed.
    async fn revision(&self, bot: BotId) -> Result<u64, StoreError>;
}
