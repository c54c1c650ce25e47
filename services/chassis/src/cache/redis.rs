//! The cache in Redis, shared by every replica. Redis down or slow is a miss after the connection's own
//! time limit; its breaker says so once, not every call.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::{interfaces::KeysInterface, types::Expiration};

use super::Cache;
use crate::redis::Redis;

/// A cache in Redis.
#[derive(Clone)]
pub struct RedisCache {
    redis: Redis,
    prefix: String,
}

impl RedisCache {
    /// A cache whose keys begin with `prefix`, so that several uses share a server.
    pub fn new(redis: Redis, prefix: impl Into<String>) -> Self {
        Self {
            redis,
            prefix: prefix.into(),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let call = self.redis.pool.get::<Option<Bytes>, _>(self.key(key));
        match self.redis.run(call).await {
            Ok(value) => value,
            Err(error) => {
                tracing::debug!(%error, "the cache could not be read");
                None
            }
        }
    }

    async fn put(&self, key: &str, value: Bytes, lifetime: Duration) {
        let Ok(millis @ 1..) = i64::try_from(lifetime.as_millis()) else {
            return; // nothing lives less than a millisecond, or for ever
        };
        let call = self.redis.pool.set::<(), _, _>(
            self.key(key),
            value,
            Some(Expiration::PX(millis)),
            None,
            false,
        );
        if let Err(error) = self.redis.run(call).await {
            tracing::debug!(%error, "the cache could not be written");
        }
    }
}
