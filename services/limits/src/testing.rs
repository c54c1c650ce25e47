//! A real Redis for the tests of this crate, and connections to it.

use std::{net::SocketAddr, time::Duration};

use troika_chassis::{
    outbound::{BreakerConfig, CallError},
    redis::{Redis, RedisConfig},
};
use troika_tests::{servers::Server, until};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

fn config(address: &str, operation_timeout: Duration) -> RedisConfig {
    RedisConfig {
        url: format!("redis://{address}").into(),
        operation_timeout,
        // Back soon, for who waits for it.
        breaker: BreakerConfig {
            open_for: Duration::from_millis(100),
            open_for_max: Duration::from_millis(100),
            ..BreakerConfig::default()
        },
        ..RedisConfig::default()
    }
}

/// A connection that is up, and not given up on a busy machine either.
pub(crate) async fn patient(server: &Server) -> Redis {
    let redis = Redis::connect(&config(&format!("127.0.0.1:{}", server.port), LONG)).unwrap();
    back(&redis).await;
    redis
}

/// A connection that is up, and gives up soon.
pub(crate) async fn hasty(server: &Server) -> Redis {
    let address = format!("127.0.0.1:{}", server.port);
    let redis = Redis::connect(&config(&address, Duration::from_millis(500))).unwrap();
    back(&redis).await;
    redis
}

/// A connection to an address where nobody may be.
pub(crate) fn to(address: SocketAddr) -> Redis {
    let redis = config(&address.to_string(), Duration::from_millis(100));
    Redis::connect(&redis).unwrap()
}

/// Waits until Redis answers.
pub(crate) async fn back(redis: &Redis) {
    until("Redis answers", LONG, async || redis.ping().await.is_ok()).await;
}

/// Waits until calls are no longer made.
pub(crate) async fn given_up(redis: &Redis) {
    until("the breaker opens", LONG, async || {
        matches!(redis.ping().await, Err(CallError::Open { .. }))
    })
    .await;
}
