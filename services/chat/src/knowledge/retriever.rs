//! Finds the passages of a bot's knowledge that belong to a question. Knows stores, caches and
//! embeddings by their traits and errors; knows nothing of prompts or the wire.
//!
//! What is found depends on the bot, its revision and the question: keys hold all three, so a change of
//! knowledge drops what was kept before it, in every replica, without anybody being told.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use moka::{future::Cache as Indexes, policy::EvictionPolicy};
use sha2::{Digest, Sha256};
use tokio::{task::spawn_blocking, time::timeout};
use tracing::{debug, warn};
use troika_chassis::cache::Cache;

use super::{Config, KnowledgeStore, index::Index};
use crate::{bots::BotId, embedder::Embedder, store::StoreError};

/// A cache that takes longer than this is slower than the search it saves.
const CACHE_PATIENCE: Duration = Duration::from_millis(150);

/// A passage that may answer a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// The text.
    pub content: Arc<str>,
    /// The document it came from; empty in old data.
    pub file_name: Arc<str>,
    /// Higher is better; comparable within one retrieval only.
    pub score: f32,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retrieved {
    /// Best first.
    pub passages: Vec<Passage>,
    /// The bot has vectors, but the question's could not be made: only its words were searched.
    pub lexical_only: bool,
    /// They were found before, for the same question to the same knowledge.
    pub cached: bool,
}

/// Finds passages; shared by all turns of a process.
pub struct Retriever {
    store: Arc<dyn KnowledgeStore>,
    cache: Arc<dyn Cache>,
    embedder: Option<Arc<Embedder>>,
    indexes: Indexes<(BotId, u64), Arc<Index>>,
    config: Config,
}

impl Retriever {
    /// A retriever over a store, with a cache for what it finds. Without an embedder it searches by
    /// words alone.
    pub fn new(
        store: Arc<dyn KnowledgeStore>,
        cache: Arc<dyn Cache>,
        embedder: Option<Arc<Embedder>>,
        config: Config,
    ) -> Self {
        let indexes = Indexes::builder()
            .max_capacity(kibibytes(config.index_cache.as_u64()).into())
            .weigher(|_, index: &Arc<Index>| kibibytes(index.bytes() as u64))
            .eviction_policy(EvictionPolicy::lru())
            // Those of earlier revisions are never asked for again, and what another program wrote
            // without raising the revision is seen at last, however busy the bot is.
            .time_to_live(config.cache_lifetime)
            .build();
        Self {
            store,
            cache,
            embedder,
            indexes,
            config,
        }
    }

    /// The passages of `bot` that belong to `query`, at most `kept` of them. A failure or slowness of
    /// the embeddings endpoint costs the search by vectors alone. Dropping the call abandons it; the
    /// building of an index goes on for those who ask next.
    pub async fn retrieve(&self, bot: BotId, query: &str) -> Result<Retrieved, StoreError> {
        let revision = self.store.revision(bot).await?;
        let key = self.key(bot, revision, query);
        let kept = timeout(CACHE_PATIENCE, self.cache.get(&key))
            .await
            .ok()
            .flatten();
        if let Some(passages) = kept.and_then(|bytes| decode(&bytes)) {
            return Ok(Retrieved {
                passages,
                lexical_only: false,
                cached: true,
            });
        }
        let index = self.index(bot, revision).await?;
        let (vector, lexical_only) = match &self.embedder {
            Some(embedder) if index.has_vectors() => match embedder.embed_query(query).await {
                Ok(vector) => (Some(vector), false),
                Err(error) => {
                    warn!(%bot, %error, "searching by words alone");
                    (None, true)
                }
            },
            _ => (None, false),
        };
        let passages = self.search(bot, index, query.to_owned(), vector).await?;
        // What was found without vectors is not kept: the endpoint may be back at the next question.
        if !lexical_only && let Some(bytes) = encode(&passages) {
            // Nobody waits for it; the cache's own time limit ends it.
            let (cache, lifetime) = (Arc::clone(&self.cache), self.config.cache_lifetime);
            tokio::spawn(async move { cache.put(&key, bytes, lifetime).await });
        }
        Ok(Retrieved {
            passages,
            lexical_only,
            cached: false,
        })
    }

    /// Searches off the async threads: exact search takes milliseconds where a bot knows much.
    async fn search(
        &self,
        bot: BotId,
        index: Arc<Index>,
        query: String,
        vector: Option<Vec<f32>>,
    ) -> Result<Vec<Passage>, StoreError> {
        let (nearest, kept) = (self.config.nearest, self.config.kept);
        let search = move || {
            let hits = index.search(&query, vector.as_deref(), nearest, kept);
            hits.into_iter()
                .map(|hit| Passage {
                    content: hit.entry.content.clone(),
                    file_name: hit.entry.file_name.clone(),
                    score: hit.score,
                })
                .collect()
        };
        spawn_blocking(search).await.map_err(|_| unsearchable(bot))
    }

    /// The bot's index, built once however many ask for it, and to its end even when all of them leave:
    /// a turn waits for its knowledge for a short while only.
    async fn index(&self, bot: BotId, revision: u64) -> Result<Arc<Index>, StoreError> {
        let key = (bot, revision);
        if let Some(index) = self.indexes.get(&key).await {
            return Ok(index);
        }
        let (indexes, store) = (self.indexes.clone(), Arc::clone(&self.store));
        let model = self
            .embedder
            .as_ref()
            .map(|embedder| embedder.model().to_owned());
        let room = self.config.index_cache;
        let building = tokio::spawn(async move {
            let build = async {
                let chunks = store.chunks(bot).await?;
                let index = spawn_blocking(move || Index::build(chunks, model.as_deref())).await;
                let index = index.map_err(|_| unsearchable(bot))?;
                if index.bytes() as u64 > room.as_u64() {
                    warn!(%bot, bytes = index.bytes(), "the bot's index is rebuilt at each question: raise knowledge.index_cache");
                }
                debug!(%bot, revision, bytes = index.bytes(), "built a search index");
                Ok(Arc::new(index))
            };
            indexes.try_get_with(key, build).await
        });
        building
            .await
            .map_err(|_| unsearchable(bot))?
            .map_err(shared)
    }

    fn key(&self, bot: BotId, revision: u64, query: &str) -> String {
        let model = self
            .embedder
            .as_ref()
            .map(|embedder| embedder.model())
            .unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(format!(
            "{} {} {model}\n",
            self.config.nearest, self.config.kept
        ));
        for word in query.split_whitespace() {
            hash.update(word.to_lowercase());
            hash.update(" ");
        }
        format!("passages:{bot}:{revision}:{}", hex::encode(hash.finalize()))
    }
}

/// Bytes as a weight that fits moka's 32 bits, rounded up.
fn kibibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

fn unsearchable(bot: BotId) -> StoreError {
    StoreError::Corrupt {
        what: format!("the knowledge of bot {bot}"),
    }
}

/// The error of a build, for each of those who waited for it.
fn shared(error: Arc<StoreError>) -> StoreError {
    match &*error {
        StoreError::Corrupt { what } => StoreError::Corrupt { what: what.clone() },
        _ => StoreError::unavailable(error),
    }
}

fn encode(passages: &[Passage]) -> Option<Bytes> {
    let rows: Vec<(&str, &str, f32)> = passages
        .iter()
        .map(|passage| (&*passage.content, &*passage.file_name, passage.score))
        .collect();
    postcard::to_stdvec(&rows).ok().map(Bytes::from)
}

fn decode(bytes: &[u8]) -> Option<Vec<Passage>> {
    let rows: Vec<(&str, &str, f32)> = postcard::from_bytes(bytes).ok()?;
    Some(
        rows.into_iter()
            .map(|(content, file_name, score)| Passage {
                content: content.into(),
                file_name: file_name.into(),
                score,
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests;
