//! Tokens that were taken back before they expired: in Redis for all processes, in this process without it.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use fred::{interfaces::KeysInterface as _, types::Expiration};
use moka::{Expiry, sync::Cache};
use sha2::{Digest as _, Sha256};
use tracing::warn;
use troika_chassis::redis::Redis;

/// Tokens that are remembered here: as many as sign out within a token's life in one process.
const REMEMBERED: u64 = 100_000;
/// How long "not revoked" is believed without asking Redis again.
const FRESH: Duration = Duration::from_secs(1);

/// A token's mark: of what was signed, because signatures of some algorithms can be written in two ways.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark([u8; 32]);

impl Mark {
    pub(crate) fn of(token: &str) -> Self {
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        Self(Sha256::digest(signed).into())
    }

    fn key(self) -> String {
        format!("troika:revoked:{}", hex::encode(self.0))
    }
}

/// Entries leave when their token has expired.
struct UntilExpired;

impl Expiry<Mark, SystemTime> for UntilExpired {
    fn expire_after_create(&self, _: &Mark, until: &SystemTime, _: Instant) -> Option<Duration> {
        Some(until.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

/// The list. Cloning is cheap; every clone is the same list.
#[derive(Clone)]
pub(crate) struct Revocations {
    here: Cache<Mark, SystemTime>,
    fresh: Cache<Mark, ()>,
    redis: Option<Arc<Redis>>,
}

impl Revocations {
    pub(crate) fn new(redis: Option<Redis>) -> Self {
        Self {
            here: Cache::builder()
                .max_capacity(REMEMBERED)
                .expire_after(UntilExpired)
                .build(),
            fresh: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(FRESH)
                .build(),
            redis: redis.map(Arc::new),
        }
    }

    /// Takes a token back until it expires. Here at once; `false` when other processes could not be told.
    pub(crate) async fn revoke(&self, token: Mark, expires: u64) -> bool {
        let until = UNIX_EPOCH + Duration::from_secs(expires);
        self.here.insert(token, until);
        let Some(redis) = &self.redis else {
            return true;
        };
        let left = until.duration_since(SystemTime::now()).unwrap_or_default();
        let expiry = Expiration::EX(i64::try_from(left.as_secs()).unwrap_or(i64::MAX).max(1));
        let stored = redis
            .run(async {
                redis
                    .pool
                    .set::<(), _, _>(token.key(), 1, Some(expiry), None, false)
                    .await
            })
            .await;
        if let Err(error) = &stored {
            warn!(
                error = error as &dyn std::error::Error,
                "a token is revoked in this process alone"
            );
        }
        stored.is_ok()
    }

    /// Whether a token was taken back. While Redis is away what this process knows decides.
    pub(crate) async fn include(&self, token: Mark) -> bool {
        if self.here.contains_key(&token) {
            return true;
        }
        let Some(redis) = &self.redis else {
            return false;
        };
        if self.fresh.contains_key(&token) {
            return false;
        }
        let found = redis
            .run(async { redis.pool.exists::<i64, _>(token.key()).await })
            .await;
        match found {
            Ok(1..) => {
                // Remembered for a while: who asks often asks Redis seldom.
                self.here
                    .insert(token, SystemTime::now() + Duration::from_secs(60));
                true
            }
            Ok(_) => {
                self.fresh.insert(token, ());
                false
            }
            Err(_) => false,
        }
    }
}
