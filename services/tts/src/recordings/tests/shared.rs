//! Sounds that replicas share, over a real Redis; and a shared cache that refuses, hangs or holds rubbish.

use std::net::SocketAddr;

use async_trait::async_trait;
use troika_chassis::{
    cache::redis::RedisCache,
    redis::{Redis, RedisConfig},
};
use troika_tests::servers;

use super::*;

/// Two limits of the cache and some for a busy machine.
const IN_TIME: Duration = Duration::from_millis(400);

fn cache_at(address: SocketAddr) -> Arc<dyn Cache> {
    let config = RedisConfig {
        url: format!("redis://{address}").into(),
        ..RedisConfig::default()
    };
    Arc::new(RedisCache::new(Redis::connect(&config).unwrap(), "test:"))
}

async fn cache(server: &servers::Server) -> Arc<dyn Cache> {
    let cache = cache_at(([127, 0, 0, 1], server.port).into());
    until("Redis answers", LONG, async || {
        cache.put("ready", Bytes::from_static(b"yes"), LONG).await;
        cache.get("ready").await.is_some()
    })
    .await;
    cache
}

fn replica(cache: &Arc<dyn Cache>) -> Recordings {
    Recordings::new(&Config::default(), Some(cache.clone()))
}

/// A replica that waits for a Redis on a busy machine too.
fn patient(cache: &Arc<dyn Cache>) -> Recordings {
    Recordings::with_patience(&Config::default(), Some(cache.clone()), LONG)
}

/// Says it in one replica, and waits until others can find it.
async fn say(cache: &Arc<dyn Cache>, text: &str, said: &'static [&'static str]) {
    whole(replica(cache).play(key(text), || pieces(said)))
        .await
        .unwrap();
    until("the sound is shared", LONG, async || {
        cache.get(&key(text).shared()).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn what_one_replica_says_no_other_has_to_make() {
    let server = servers::redis();
    let shared = cache(&server).await;
    say(&shared, "a", &["one ", "two "]).await;

    let other = patient(&cache(&server).await);
    let mut first = other.play(key("a"), never);
    let joined = other.play(key("a"), never);
    assert_eq!(piece(&mut first).await, "one two ");
    assert_eq!(first.source(), Some(Source::Shared));
    assert_eq!(whole(joined).await.unwrap(), b"one two ");
    assert_eq!(other.play(key("a"), never).source(), Some(Source::Memory));
    assert_eq!(
        other.counts(),
        Counts {
            memory: 1,
            shared: 1,
            joined: 1,
            misses: 0
        }
    );
}

#[tokio::test]
async fn half_a_sound_is_not_shared() {
    let server = servers::redis();
    let shared = cache(&server).await;
    let one = replica(&shared);
    let (engine, sound) = Engine::new();
    let broken = one.play(key("a"), || sound);
    engine.say("half");
    engine.fail();
    assert!(whole(broken).await.is_err());
    // What comes after it in the same cache is there, and half a sound is not.
    say(&shared, "b", &["whole"]).await;
    assert_eq!(shared.get(&key("a").shared()).await, None);
}

#[tokio::test]
async fn a_shared_value_that_is_no_sound_is_a_miss() {
    let server = servers::redis();
    let shared = cache(&server).await;
    for rubbish in ["", "odd"] {
        let value = Bytes::from_static(rubbish.as_bytes());
        shared.put(&key("a").shared(), value, LONG).await;
        let playback = patient(&shared).play(key("a"), || pieces(&["made"]));
        assert_eq!(whole(playback).await.unwrap(), b"made");
    }
}

/// What a shared cache that does not answer costs each of several sounds.
async fn costs_little(cache: Arc<dyn Cache>) {
    let one = replica(&cache);
    for text in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let begun = Instant::now();
        let mut playback = one.play(key(text), || pieces(&["made"]));
        assert_eq!(piece(&mut playback).await, "made");
        // Keeping it costs nothing at all.
        assert!(playback.next().await.is_none());
        assert!(begun.elapsed() < IN_TIME, "{:?}", begun.elapsed());
        assert_eq!(playback.source(), Some(Source::Made));
    }
    assert_eq!(one.play(key("a"), never).source(), Some(Source::Memory));
}

#[tokio::test]
async fn a_redis_that_refuses_costs_little() {
    costs_little(cache_at(servers::refusing())).await;
}

#[tokio::test]
async fn a_redis_that_never_answers_costs_little() {
    let listener = servers::hanging();
    costs_little(cache_at(listener.local_addr().unwrap())).await;
}

#[tokio::test]
async fn a_redis_that_freezes_costs_little() {
    let server = servers::redis();
    let cache = cache(&server).await;
    server.freeze();
    costs_little(cache).await;
}

/// Answers to nobody.
struct Deaf;

#[async_trait]
impl Cache for Deaf {
    async fn get(&self, _: &str) -> Option<Bytes> {
        std::future::pending().await
    }

    async fn put(&self, _: &str, _: Bytes, _: Duration) {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_cache_without_a_limit_of_its_own_is_waited_for_a_tenth_of_a_second() {
    let one = replica(&(Arc::new(Deaf) as Arc<dyn Cache>));
    let begun = tokio::time::Instant::now();
    let playback = one.play(key("a"), || pieces(&["made"]));
    assert_eq!(whole(playback).await.unwrap(), b"made");
    assert_eq!(
        begun.elapsed().as_millis() / 10,
        10,
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn who_leaves_while_the_shared_cache_is_asked_has_nothing_made() {
    let one = replica(&(Arc::new(Deaf) as Arc<dyn Cache>));
    drop(one.play(key("a"), never));
    until("the seat is given up", LONG, async || {
        one.shelf.flights().is_empty()
    })
    .await;
    assert_eq!(one.counts(), Counts::default());
}
