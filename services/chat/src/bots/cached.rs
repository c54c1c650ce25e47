//! Bots remembered for a moment in front of their store: a turn's way to its bot costs no round trip,
//! and a store that is away takes no known bot with it. Whoever changes bots reads the store itself.

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

/// A store of bots with a memory. As a [`BotStore`] it always asks the store and keeps the memory in
/// step: a change that is built on a remembered bot would undo another process's.
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

    /// A bot as it was within the hour, if this process knows it: asks no store.
    pub(crate) async fn at_hand(&self, id: BotId) -> Option<Bot> {
        Some(self.known.get(&id).await?.0)
    }

    /// Finds a bot as it is or was a moment ago; as it was within the hour while the store is away.
    pub(crate) async fn remembered(&self, id: BotId) -> Result<Option<Bot>, StoreError> {
        let known = self.known.get(&id).await;
        if let Some((bot, read)) = &known
            && read.elapsed() < FRESH
        {
            return Ok(Some(bot.clone()));
        }
        let fetched = match &known {
            None => self.get(id).await,
            Some(_) => timeout(PATIENCE, self.get(id))
                .await
                .map_err(StoreError::unavailable)
                .flatten(),
        };
        match (fetched, known) {
            (Err(error), Some((bot, _))) => {
                warn!(bot = %id, error = &error as &dyn std::error::Error, "serving a bot from memory: its store is away");
                Ok(Some(bot))
            }
            (fetched, _) => fetched,
        }
    }
}

#[async_trait]
impl BotStore for CachedBots {
    async fn create(&self, bot: &Bot) -> Result<(), StoreError> {
        self.store.create(bot).await
    }

    async fn get(&self, id: BotId) -> Result<Option<Bot>, StoreError> {
        let found = self.store.get(id).await?;
        match &found {
            Some(bot) => self.known.insert(id, (bot.clone(), Instant::now())).await,
            None => self.known.invalidate(&id).await,
        }
        Ok(found)
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::bots::tests::named;

    /// A store of one bot, which another process changes; it may be away.
    struct Elsewhere(Mutex<Option<Bot>>);

    impl Elsewhere {
        fn found(&self) -> Result<Bot, StoreError> {
            let bot = self.0.lock().unwrap().clone();
            bot.ok_or_else(|| StoreError::unavailable("away"))
        }
    }

    #[async_trait]
    impl BotStore for Elsewhere {
        async fn create(&self, _: &Bot) -> Result<(), StoreError> {
            Ok(())
        }
        async fn get(&self, _: BotId) -> Result<Option<Bot>, StoreError> {
            self.found().map(Some)
        }
        async fn update(&self, bot: &Bot) -> Result<(), StoreError> {
            *self.0.lock().unwrap() = Some(bot.clone());
            Ok(())
        }
        async fn list(&self, _: Option<BotId>, _: usize) -> Result<Vec<Bot>, StoreError> {
            self.found().map(|bot| vec![bot])
        }
        async fn delete(&self, _: BotId) -> Result<bool, StoreError> {
            Ok(false)
        }
    }

    #[tokio::test]
    async fn a_turn_takes_a_bot_from_memory_and_who_changes_it_reads_the_store() {
        let store = Arc::new(Elsewhere(Mutex::new(Some(named("old")))));
        let bots = CachedBots::new(store.clone());
        let id = BotId([1; 12]);
        let name = |bot: Option<Bot>| bot.map(|bot| bot.name).unwrap_or_default();
        assert_eq!(name(bots.remembered(id).await.unwrap()), "old");
        store.update(&named("new")).await.unwrap();
        assert_eq!(name(bots.remembered(id).await.unwrap()), "old");
        assert_eq!(name(bots.get(id).await.unwrap()), "new");
        assert_eq!(name(bots.remembered(id).await.unwrap()), "new");
        *store.0.lock().unwrap() = None;
        assert_eq!(name(bots.remembered(id).await.unwrap()), "new");
        assert!(bots.get(id).await.is_err());
    }
}
