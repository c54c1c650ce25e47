//! The contract of `Cache`, over every adapter on its real engine; and what the adapter on Redis does when
//! Redis refuses, hangs or dies.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use troika_chassis::{
    cache::{Cache, memory::MemoryCache, redis::RedisCache},
    redis::{Redis, RedisConfig},
};
use troika_tests::servers;

const LONG: Duration = Duration::from_secs(60);

async fn a_value_is_found_under_its_key_alone(cache: &dyn Cache) {
    assert_eq!(cache.get("one").await, None);
    cache.put("one", Bytes::from_static(b"1"), LONG).await;
    cache.put("two", Bytes::from_static(b"2"), LONG).await;
    assert_eq!(cache.get("one").await.as_deref(), Some(b"1".as_slice()));
    assert_eq!(cache.get("two").await.as_deref(), Some(b"2".as_slice()));
    assert_eq!(cache.get("three").await, None);
}

async fn any_bytes_come_back_as_they_were(cache: &dyn Cache) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for value in [Vec::new(), every_byte.clone(), every_byte.repeat(1_000)] {
        cache
            .put("key with ünïcode\r\n", Bytes::from(value.clone()), LONG)
            .await;
        assert_eq!(
            cache.get("key with ünïcode\r\n").await.as_deref(),
            Some(value.as_slice())
        );
    }
}

async fn a_new_value_takes_the_place_of_the_old(cache: &dyn Cache) {
    cache.put("key", Bytes::from_static(b"old"), LONG).await;
    cache.put("key", Bytes::from_static(b"new"), LONG).await;
    assert_eq!(cache.get("key").await.as_deref(), Some(b"new".as_slice()));
}

async fn a_value_is_gone_after_its_lifetime_and_not_before(cache: &dyn Cache) {
    let lifetime = Duration::from_millis(300);
    let begun = Instant::now();
    cache
        .put("short", Bytes::from_static(b"value"), lifetime)
        .await;
    cache.put("long", Bytes::from_static(b"value"), LONG).await;
    while cache.get("short").await.is_some() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never went");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() >= lifetime, "{:?}", begun.elapsed());
    assert!(cache.get("long").await.is_some());
}

async fn putting_a_value_again_begins_a_new_lifetime(cache: &dyn Cache) {
    cache
        .put(
            "key",
            Bytes::from_static(b"value"),
            Duration::from_millis(100),
        )
        .await;
    cache.put("key", Bytes::from_static(b"value"), LONG).await;
    tokio::time::sleep(Duration::from_millis(300)).await; // longer than the first lifetime
    assert!(cache.get("key").await.is_some());
}

async fn a_value_without_a_lifetime_is_not_kept(cache: &dyn Cache) {
    cache
        .put("key", Bytes::from_static(b"value"), Duration::ZERO)
        .await;
    assert_eq!(cache.get("key").await, None);
}

macro_rules! over_every_cache {
    ($($contract:ident),+ $(,)?) => {
        mod memory {$(
            #[tokio::test]
            async fn $contract() {
                super::$contract(&super::MemoryCache::new(16 << 20)).await;
            }
        )+}
        mod redis {$(
            #[tokio::test]
            async fn $contract() {
                let server = troika_tests::servers::redis();
                let cache = super::redis_cache(server.port, "test:").await;
                super::$contract(&cache).await;
            }
        )+}
    };
}

over_every_cache!(
    a_value_is_found_under_its_key_alone,
    any_bytes_come_back_as_they_were,
    a_new_value_takes_the_place_of_the_old,
    a_value_is_gone_after_its_lifetime_and_not_before,
    putting_a_value_again_begins_a_new_lifetime,
    a_value_without_a_lifetime_is_not_kept,
);

/// A connection to a Redis, or to an address where none answers.
fn redis_at(address: SocketAddr) -> Redis {
    let config = RedisConfig {
        url: format!("redis://{address}").into(),
        ..RedisConfig::default()
    };
    Redis::connect(&config).unwrap()
}

async fn redis_cache(port: u16, prefix: &str) -> RedisCache {
    let cache = RedisCache::new(redis_at(([127, 0, 0, 1], port).into()), prefix);
    // The connection comes up by itself, beside the start: until then everything is a miss.
    let begun = Instant::now();
    loop {
        cache.put("ready", Bytes::from_static(b"yes"), LONG).await;
        if cache.get("ready").await.is_some() {
            return cache;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "Redis never answered"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn caches_with_different_prefixes_share_a_redis_without_meeting() {
    let server = servers::redis();
    let one = redis_cache(server.port, "one:").await;
    let two = redis_cache(server.port, "two:").await;
    one.put("key", Bytes::from_static(b"1"), LONG).await;
    assert_eq!(two.get("key").await, None);
    assert_eq!(one.get("key").await.as_deref(), Some(b"1".as_slice()));
}

#[tokio::test]
async fn a_redis_that_dies_is_a_miss_and_nothing_more() {
    let server = servers::redis();
    let cache = redis_cache(server.port, "test:").await;
    cache.put("key", Bytes::from_static(b"value"), LONG).await;
    drop(server);
    let begun = Instant::now();
    assert_eq!(cache.get("key").await, None);
    cache.put("key", Bytes::from_static(b"value"), LONG).await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

async fn misses_in_time(address: SocketAddr) {
    let cache = RedisCache::new(redis_at(address), "test:");
    for _ in 0..3 {
        let begun = Instant::now();
        cache.put("key", Bytes::from_static(b"value"), LONG).await;
        assert_eq!(cache.get("key").await, None);
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn a_redis_that_refuses_is_a_miss_in_time() {
    misses_in_time(servers::refusing()).await;
}

#[tokio::test]
async fn a_redis_that_never_answers_is_a_miss_in_time() {
    let listener = servers::hanging();
    misses_in_time(listener.local_addr().unwrap()).await;
}
