//! The cache in this process's own memory, bounded in bytes. Lost at a restart, shared with nobody.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use moka::{Expiry, future::Cache as Entries};

use super::Cache;

/// What an entry costs beside its key and value, about.
const ENTRY_OVERHEAD: usize = 128;

/// A cache in memory. When it is full, the entries asked for least go first.
#[derive(Clone, Debug)]
pub struct MemoryCache {
    entries: Entries<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Bytes,
    lifetime: Duration,
}

/// Each entry brings its own lifetime, and writing it again starts a new one.
struct OwnLifetime;

impl Expiry<String, Entry> for OwnLifetime {
    fn expire_after_create(
        &self,
        _key: &String,
        entry: &Entry,
        _created_at: Instant,
    ) -> Option<Duration> {
        Some(entry.lifetime)
    }

    fn expire_after_update(
        &self,
        _key: &String,
        entry: &Entry,
        _updated_at: Instant,
        _remaining: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.lifetime)
    }
}

impl MemoryCache {
    /// A cache of at most about `max_bytes` bytes.
    pub fn new(max_bytes: u64) -> Self {
        let entries = Entries::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &String, entry: &Entry| {
                u32::try_from(key.len() + entry.value.len() + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
            })
            .expire_after(OwnLifetime)
            .build();
        Self { entries }
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key).await.map(|entry| entry.value)
    }

    async fn put(&self, key: &str, value: Bytes, lifetime: Duration) {
        // A slice of a large buffer would keep all of it alive, unseen by the weigher.
        let value = Bytes::copy_from_slice(&value);
        self.entries
            .insert(key.to_owned(), Entry { value, lifetime })
            .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_stays_bounded_however_much_is_put() {
        let cache = MemoryCache::new(64 * 1024);
        for number in 0..1_000 {
            cache
                .put(
                    &format!("key {number}"),
                    Bytes::from(vec![0; 1_024]),
                    Duration::from_secs(60),
                )
                .await;
        }
        cache.entries.run_pending_tasks().await;
        assert!(
            cache.entries.weighted_size() <= 64 * 1024,
            "{}",
            cache.entries.weighted_size()
        );
        assert!(cache.entries.entry_count() > 0);
    }
}
