//! The quota that all replicas share, in Redis. Redis away, each process meters its own calls with the
//! whole quota until it is back: speech goes on, and Google's own limit is the last one.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use fred::interfaces::LuaInterface as _;
use tokio::time::timeout;
use tracing::{info, warn};
use troika_chassis::redis::Redis;

use super::{Config, Quota, Rate, memory::MemoryQuota};
use crate::voices::Family;

/// How long Redis may take: more would be heard.
const PATIENCE: Duration = Duration::from_millis(100);

/// Takes one call. The key holds the time at which the quota is full again. Times are those of the server,
/// whose clock all replicas share, in microseconds; 0 is a call, anything else the wait for one.
const TAKE: &str = r"
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval = tonumber(ARGV[1])
local tolerance = interval * (tonumber(ARGV[2]) - 1)
local kept = tonumber(redis.call('GET', KEYS[1]) or now) or now
-- Not later than it can be: the clock was set back, or the quota was smaller.
local full = math.min(math.max(kept, now), now + tolerance + interval)
local wait = math.max(full - tolerance - now, 0)
if wait == 0 then
  full = full + interval
end
if wait == 0 or full < kept then
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
end
return wait
";

/// A quota in Redis.
pub struct RedisQuota {
    redis: Redis,
    config: Config,
    patience: Duration,
    alone: MemoryQuota,
    away: AtomicBool,
}

impl RedisQuota {
    /// The quota of all replicas on this Redis. Connects to nothing.
    pub fn new(redis: Redis, config: &Config) -> Self {
        Self::with_patience(redis, config, PATIENCE)
    }

    pub(super) fn with_patience(redis: Redis, config: &Config, patience: Duration) -> Self {
        Self {
            redis,
            config: config.clone(),
            patience,
            alone: MemoryQuota::new(config),
            away: AtomicBool::new(false),
        }
    }

    /// Asks Redis: microseconds to wait, 0 for a call; `None` when it does not answer in time. It is then
    /// left to its own limit, so that its breaker learns of it.
    async fn ask(&self, key: String, rate: Rate) -> Option<u64> {
        let redis = self.redis.clone();
        let arguments = vec![
            rate.interval.as_micros().to_string(),
            rate.burst.to_string(),
        ];
        let asked = tokio::spawn(async move {
            let call = redis.pool.eval::<u64, _, _, _>(TAKE, key, arguments);
            redis.run(call).await
        });
        match timeout(self.patience, asked).await {
            Ok(Ok(Ok(wait))) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    info!("Redis is back: replicas share the quotas of speech again");
                }
                Some(wait)
            }
            Ok(Ok(Err(error))) => {
                self.tell(&error.to_string());
                None
            }
            Ok(Err(_)) | Err(_) => {
                self.tell("no answer in time");
                None
            }
        }
    }

    /// Tells of an outage once.
    fn tell(&self, error: &str) {
        if !self.away.swap(true, Ordering::Relaxed) {
            warn!(
                error,
                "Redis does not meter the calls of speech: each replica uses the whole quotas until it does"
            );
        }
    }
}

#[async_trait]
impl Quota for RedisQuota {
    async fn take(&self, family: Family) -> Result<(), Duration> {
        let Some(rate) = self.config.rate(family) else {
            return Ok(());
        };
        let key = format!("troika:tts:quota:{}", family.name());
        match self.ask(key, rate).await {
            Some(0) => Ok(()),
            Some(wait) => Err(Duration::from_micros(wait)),
            None => self.alone.take_now(family),
        }
    }
}
