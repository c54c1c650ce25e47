//! Bots remembered for a moment in front of their store: a turn's way to its bot costs no round trip,
//! and a store that is away takes no known bot with it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use moka::future::Cache;
use tokio::time::timeout;
use tracing::warn;

use super::{Bot, BotId, BotStore};
use crate::store::StoreError;

/// A change made by another process is seen after this long at the latest.
const FRESH: Duration = Duration::from_secs(5);
/// A bot is served this long while its store is away.
const STALE: Duration = Duration::from_secs(3600);
/// Longest wait for the store when a stale bot is at hand.
const PATIENCE: Duration = Duration::from_millis(500);
/// Bots remembered; some 10 KB each with a long persona.
const CAPACITY: u64 = 10_000;

/// A store of bots with a memory.
pub(crate) struct CachedBots {
    store: Arc<dyn BotStore>,
    known: Cache<BotId, (Bot, Instant)>,
}

impl CachedBots {
    /// Puts a memory in front of `store`.
    pub(crate) fn new(store: Arc<dyn BotStore>) -> Self {
        Self {
            store,
            known: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(STALE)
                .build(),
        }
    }
}

#[async_trait]
impl BotStore for CachedBots {
    async fn create(&self, bot: &Bot) -> Result<(), StoreError> {
        self.store.create(bot).await
    }

    async fn get(&self, id: BotId) -> Result<Option<Bot>, StoreError> {
        let known = self.known.get(&id).await;
        if let Some((bot, read)) = &known
            && read.elapsed() < FRESH
        {
            return Ok(Some(bot.clone()));
        }
        let fetched = match &known {
            None => self.store.get(id).await,
            Some(_) => timeout(PATIENCE, self.store.get(id))
                .await
                .map_err(StoreError::unavailable)
                .flatten(),
        };
        match (fetched, known) {
            (Ok(Some(bot)), _) => {
                self.known.insert(id, (bot.clone(), Instant::now())).await;
                Ok(Some(bot))
            }
            (Ok(None), _) => {
                self.known.invalidate(&id).await;
                Ok(None)
            }
            (Err(error), Some((bot, _))) => {
                warn!(bot = %id, error = &error as &dyn std::error::Error, "serving a bot from memory: its store is away");
                Ok(Some(bot))
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn update(&self, bot: &Bot) -> Result<(), StoreError> {
        let done = self.store.update(bot).await;
        self.known.invalidate(&bot.id).await;
        done
    }

    async fn list(&self, after: Option<BotId>, limit: usize) -> Result<Vec<Bot>, StoreError> {
        self.store.list(after, limit).await
    }

    async fn delete(&self, id: BotId) -> Result<bool, StoreError> {
        let done = self.store.delete(id).await;
        self.known.invalidate(&id).await;
        done
    }
}
