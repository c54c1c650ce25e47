//! The contract of `Quota` over every adapter; what replicas share; and a Redis that refuses, hangs, dies
//! or holds rubbish.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use fred::interfaces::KeysInterface as _;
use governor::{
    RateLimiter,
    clock::{Clock as _, FakeRelativeClock},
};
use proptest::prelude::*;
use troika_chassis::{
    outbound::CallError,
    redis::{Redis, RedisConfig},
};
use troika_tests::{
    servers::{self, Server},
    until,
};

use super::{
    memory::{MemoryQuota, cells},
    redis::RedisQuota,
    *,
};

const LONG: Duration = Duration::from_secs(20);

/// So many calls a minute for each family.
fn each(calls: u32) -> Config {
    Config {
        chirp3_hd: calls,
        wavenet: calls,
        standard: calls,
        ..Config::default()
    }
}

/// Takes what is there at once; how many, and the wait for one more.
async fn drain(quota: &dyn Quota, family: Family) -> (u32, Duration) {
    let mut taken = 0;
    loop {
        match quota.take(family).await {
            Ok(()) => taken += 1,
            Err(wait) => return (taken, wait),
        }
    }
}

async fn a_tenth_of_the_minute_is_there_at_once_and_no_more(quota: &dyn Quota) {
    let begun = Instant::now();
    let (taken, wait) = drain(quota, Family::Chirp3Hd).await;
    let rate = Rate::per_minute(CALLS);
    let came_back = begun.elapsed().as_micros() / rate.interval.as_micros();
    assert!(
        (CALLS / 10..=CALLS / 10 + 1 + came_back as u32).contains(&taken),
        "{taken}"
    );
    assert!(wait > Duration::ZERO && wait <= rate.interval, "{wait:?}");
}

async fn after_the_told_wait_there_is_a_call(quota: &dyn Quota) {
    for _ in 0..5 {
        let (_, wait) = drain(quota, Family::Chirp3Hd).await;
        tokio::time::sleep(wait).await;
        quota.take(Family::Chirp3Hd).await.unwrap();
    }
}

async fn being_refused_takes_nothing(quota: &dyn Quota) {
    let (_, wait) = drain(quota, Family::Chirp3Hd).await;
    let begun = Instant::now();
    let mut last = wait;
    for _ in 0..20 {
        match quota.take(Family::Chirp3Hd).await {
            Err(wait) => {
                assert!(wait <= last, "{wait:?} after {last:?}");
                last = wait;
            }
            Ok(()) => {
                assert!(begun.elapsed() >= wait);
                return;
            }
        }
    }
}

async fn families_do_not_share_a_quota(quota: &dyn Quota) {
    drain(quota, Family::Chirp3Hd).await;
    for family in [Family::Wavenet, Family::Standard] {
        let (taken, _) = drain(quota, family).await;
        assert!(taken >= CALLS / 10, "{taken}");
    }
}

async fn a_family_without_a_quota_always_has_a_call(quota: &dyn Quota) {
    for _ in 0..5_000 {
        quota.take(Family::Espeak).await.unwrap();
    }
}

/// Calls a minute in the contract: one comes back every 110 ms.
const CALLS: u32 = 600;

macro_rules! over_every_quota {
    ($($contract:ident),+ $(,)?) => {
        mod in_memory {$(
            #[tokio::test]
            async fn $contract() {
                super::$contract(&super::MemoryQuota::new(&super::each(super::CALLS))).await;
            }
        )+}
        mod in_redis {$(
            #[tokio::test]
            async fn $contract() {
                let server = troika_tests::servers::redis();
                let redis = super::redis(&server).await;
                super::$contract(&super::patient(redis, &super::each(super::CALLS))).await;
            }
        )+}
        mod without_redis {$(
            #[tokio::test]
            async fn $contract() {
                let redis = super::redis_at(troika_tests::servers::refusing());
                super::open_the_breaker(&redis).await;
                super::$contract(&super::RedisQuota::new(redis, &super::each(super::CALLS))).await;
            }
        )+}
    };
}

over_every_quota!(
    a_tenth_of_the_minute_is_there_at_once_and_no_more,
    after_the_told_wait_there_is_a_call,
    being_refused_takes_nothing,
    families_do_not_share_a_quota,
    a_family_without_a_quota_always_has_a_call,
);

/// A quota that waits for a Redis on a busy machine too.
fn patient(redis: Redis, config: &Config) -> RedisQuota {
    RedisQuota::with_patience(redis, config, LONG)
}

fn redis_at(address: SocketAddr) -> Redis {
    let config = RedisConfig {
        url: format!("redis://{address}").into(),
        ..RedisConfig::default()
    };
    Redis::connect(&config).unwrap()
}

/// A connection that is up, and not given up on a busy machine either.
async fn redis(server: &Server) -> Redis {
    let config = RedisConfig {
        url: format!("redis://127.0.0.1:{}", server.port).into(),
        operation_timeout: LONG,
        ..RedisConfig::default()
    };
    let redis = Redis::connect(&config).unwrap();
    until("Redis answers", LONG, async || redis.ping().await.is_ok()).await;
    redis
}

/// Lets calls fail until no more are made: what comes then is as fast as memory.
async fn open_the_breaker(redis: &Redis) {
    until("the breaker opens", LONG, async || {
        matches!(redis.ping().await, Err(CallError::Open { .. }))
    })
    .await;
}

async fn has_key(redis: &Redis, family: &str) -> bool {
    let key = format!("troika:tts:quota:{family}");
    let there = redis.run(redis.pool.exists::<u32, _>(key)).await;
    there.is_ok_and(|there| there == 1)
}

#[tokio::test]
async fn replicas_together_have_one_quota() {
    let server = servers::redis();
    let config = each(120);
    let burst = 12;
    let mut replicas = Vec::new();
    for _ in 0..2 {
        replicas.push(Arc::new(patient(redis(&server).await, &config)));
    }
    let begun = Instant::now();
    let asking = (0..64).map(|number| {
        let quota = replicas[number % 2].clone();
        tokio::spawn(async move {
            let mut taken = 0_u128;
            for _ in 0..10 {
                taken += u128::from(quota.take(Family::Chirp3Hd).await.is_ok());
            }
            taken
        })
    });
    let taken: u128 = futures::future::join_all(asking)
        .await
        .into_iter()
        .map(Result::unwrap)
        .sum();
    let interval = Rate::per_minute(120).interval;
    let came_back = begun.elapsed().as_micros() / interval.as_micros();
    assert!((burst..=burst + came_back).contains(&taken), "{taken}");

    // And one that comes later finds what the others left, and after the told wait a call.
    let late = patient(redis(&server).await, &config);
    let (_, wait) = drain(&late, Family::Chirp3Hd).await;
    assert!(wait <= interval, "{wait:?}");
    tokio::time::sleep(wait).await;
    replicas[0].take(Family::Chirp3Hd).await.unwrap();
}

#[tokio::test]
async fn a_quota_that_is_full_again_leaves_no_key() {
    let server = servers::redis();
    let redis = redis(&server).await;
    let quota = patient(redis.clone(), &each(6_000));
    quota.take(Family::Wavenet).await.unwrap();
    assert!(redis.ping().await.is_ok());
    until("the key expires", LONG, async || {
        !has_key(&redis, "wavenet").await
    })
    .await;
}

#[tokio::test]
async fn a_time_that_cannot_be_and_rubbish_do_not_stop_speech() {
    let server = servers::redis();
    let redis = redis(&server).await;
    let quota = patient(redis.clone(), &each(600));
    for rubbish in ["9000000000000000", "rubbish", "", "-1"] {
        let put =
            redis
                .pool
                .set::<(), _, _>("troika:tts:quota:wavenet", rubbish, None, None, false);
        redis.run(put).await.unwrap();
        if let Err(wait) = quota.take(Family::Wavenet).await {
            assert!(wait <= Rate::per_minute(600).interval, "{wait:?}");
            tokio::time::sleep(wait).await;
            quota.take(Family::Wavenet).await.unwrap();
        }
    }
}

/// Each call costs at most the patience, and the quota of this process is kept.
async fn alone_it_keeps_the_quota(quota: &RedisQuota) {
    // Three at once; the next comes back after more than two seconds.
    let mut taken = 0;
    for _ in 0..8 {
        let begun = Instant::now();
        taken += u32::from(quota.take(Family::Standard).await.is_ok());
        assert!(
            begun.elapsed() < Duration::from_millis(400),
            "{:?}",
            begun.elapsed()
        );
    }
    assert_eq!(taken, 3);
}

#[tokio::test]
async fn a_redis_that_refuses_costs_little_and_the_quota_is_kept() {
    alone_it_keeps_the_quota(&RedisQuota::new(redis_at(servers::refusing()), &each(30))).await;
}

#[tokio::test]
async fn a_redis_that_never_answers_costs_little_and_the_quota_is_kept() {
    let listener = servers::hanging();
    let redis = redis_at(listener.local_addr().unwrap());
    alone_it_keeps_the_quota(&RedisQuota::new(redis, &each(30))).await;
}

#[tokio::test]
async fn a_redis_that_freezes_costs_little_and_replicas_share_again_when_it_is_back() {
    let server = servers::redis();
    let redis = redis_at(([127, 0, 0, 1], server.port).into());
    until("Redis answers", LONG, async || redis.ping().await.is_ok()).await;
    let quota = RedisQuota::new(redis.clone(), &each(30));
    quota.take(Family::Wavenet).await.unwrap();
    assert!(has_key(&redis, "wavenet").await);
    server.freeze();
    alone_it_keeps_the_quota(&quota).await;
    server.thaw();
    until("Redis is asked again", LONG * 3, async || {
        let _ = quota.take(Family::Chirp3Hd).await;
        has_key(&redis, "chirp3-hd").await
    })
    .await;
}

#[test]
fn nonsense_is_told() {
    assert!(Problems::of(&Config::default()).is_empty());
    let nonsense = Config {
        chirp3_hd_streams: 0,
        ..each(0)
    };
    let problems = Problems::of(&nonsense).to_string();
    assert_eq!(problems.lines().count(), 4, "{problems}");
    assert!(
        problems.contains("0 does not mean without a limit"),
        "{problems}"
    );
}

proptest! {
    /// Whoever takes every call the moment it is there, and whoever waits first for a full quota.
    #[test]
    fn no_minute_has_more_calls_than_its_quota(
        calls in prop_oneof![1_u32..100, 100_u32..3_000],
        rests in prop::collection::vec(0_u64..70_000, 0..4),
    ) {
        let clock = FakeRelativeClock::default();
        let limiter =
            RateLimiter::direct_with_clock(cells(Rate::per_minute(calls)).unwrap(), clock.clone());
        let mut taken = Vec::new();
        let mut now = Duration::ZERO;
        let advance = |by: Duration, now: &mut Duration| {
            clock.advance(by);
            *now += by;
        };
        let mut busiest = 0;
        for rest in rests.into_iter().chain([0]) {
            let until = now + Duration::from_secs(70);
            while now < until {
                match limiter.check() {
                    Ok(()) => taken.push(now),
                    Err(full) => {
                        let wait = full.wait_time_from(clock.now());
                        advance(wait, &mut now);
                    }
                }
            }
            advance(Duration::from_millis(rest), &mut now);
        }
        for (first, begin) in taken.iter().enumerate() {
            let end = *begin + Duration::from_secs(60);
            let in_it = taken[first..].iter().take_while(|time| **time < end).count();
            prop_assert!(in_it <= calls as usize, "{in_it} of {calls}");
            busiest = busiest.max(in_it);
        }
        // And nearly all of it can be used.
        prop_assert!(busiest as u32 + 1 >= calls, "{busiest} of {calls}");
    }
}
