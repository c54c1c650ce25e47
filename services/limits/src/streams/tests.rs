//! Slots that processes share on a real Redis, and slots of one process without it.

use fred::interfaces::KeysInterface as _;
use futures::future::join_all;
use troika_chassis::redis::Redis;
use troika_tests::{servers, until};

use super::*;
use crate::testing::{LONG, back, given_up, hasty, patient};

const SHORT: Duration = Duration::from_millis(600);

fn streams(redis: &Redis) -> Streams {
    Streams::leased(Link::new(Some(redis.clone()), "streams"), SHORT)
}

fn key() -> Key {
    Key::new("streams", "192.0.2.1")
}

/// Waits until so many slots are free, and takes them.
async fn free(streams: &Streams, most: u32) -> Slot {
    let mut slot = None;
    until("a slot is free", LONG, async || {
        slot = streams.enter(&key(), most).await.ok();
        slot.is_some()
    })
    .await;
    slot.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_the_slots_of_a_key_exactly() {
    let server = servers::redis();
    let redis = patient(&server).await;
    let link = || Link::new(Some(redis.clone()), "streams");
    let processes = [Streams::new(link()), Streams::new(link())];
    let key = key();
    let entering = (0..40).map(|n| processes[n % 2].enter(&key, 10));
    let slots: Vec<Slot> = join_all(entering).await.into_iter().flatten().collect();
    assert_eq!(slots.len(), 10);
    let other = Key::new("streams", "192.0.2.2");
    assert!(processes[0].enter(&other, 10).await.is_ok());

    drop(slots);
    let _slot = free(&processes[0], 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_renewed_while_it_lives() {
    let server = servers::redis();
    let redis = patient(&server).await;
    let streams = streams(&redis);
    let slot = streams.enter(&key(), 1).await.unwrap();
    let begun = std::time::Instant::now();
    until("three leases are over", LONG, async || {
        assert!(streams.enter(&key(), 1).await.is_err());
        begun.elapsed() > SHORT * 3
    })
    .await;
    drop(slot);
    let _slot = free(&streams, 1).await;
}

/// A process that died tells nothing and renews nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_slots_of_a_process_that_died_are_free_after_the_lease() {
    let server = servers::redis();
    let redis = patient(&server).await;
    let died = {
        let address = server.port;
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let streams = runtime.block_on(async {
                let config = troika_chassis::redis::RedisConfig {
                    url: format!("redis://127.0.0.1:{address}").into(),
                    operation_timeout: LONG,
                    ..Default::default()
                };
                let redis = Redis::connect(&config).unwrap();
                back(&redis).await;
                let streams = streams(&redis);
                std::mem::forget(streams.enter(&key(), 1).await.unwrap());
                streams
            });
            runtime.shutdown_background();
            drop(streams);
        })
    };
    died.join().unwrap();
    let here = streams(&redis);
    let name = key().in_redis("streams");
    let life: i64 = redis.run(redis.pool.pttl(name)).await.unwrap();
    assert!(life <= 600, "{life}");
    let _slot = free(&here, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_process_counts_its_own_and_tells_them_when_it_is_back() {
    let mut server = servers::redis();
    let (one, two) = (hasty(&server).await, hasty(&server).await);
    let (here, there) = (streams(&one), streams(&two));
    let held = here.enter(&key(), 2).await.unwrap();
    server.kill();
    given_up(&one).await;
    let alone = here.enter(&key(), 2).await.unwrap();
    assert!(here.enter(&key(), 2).await.is_err(), "what it has counts");

    server.restart_redis();
    back(&two).await;
    until("the others hear of them", LONG, async || {
        there.enter(&key(), 2).await.is_err()
    })
    .await;
    drop((held, alone));
    let _slots = (free(&there, 2).await, free(&there, 2).await);
}

#[tokio::test]
async fn slots_of_one_process_without_redis_are_free_at_once() {
    let streams = Streams::new(Link::new(None, "streams"));
    let slot = streams.enter(&key(), 1).await.unwrap();
    assert!(slot.is_counted());
    let Err(full) = streams.enter(&key(), 1).await else {
        panic!("there is one")
    };
    assert_eq!(full, Full { most: 1 });
    drop(slot);
    assert!(streams.enter(&key(), 1).await.is_ok());
    assert!(streams.shared.open.all().is_empty());
}

#[tokio::test]
async fn nothing_is_counted_where_there_is_no_limit() {
    let streams = Streams::new(Link::new(None, "streams"));
    for _ in 0..100 {
        assert!(!streams.enter(&key(), 0).await.unwrap().is_counted());
    }
}
