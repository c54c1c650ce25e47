//! What processes share on a real Redis, and what remains when it is gone. Rates come back so slowly here that none does
//! within a test.

use std::time::Instant;

use fred::interfaces::KeysInterface as _;
use futures::future::join_all;
use troika_tests::{servers, until};

use super::*;
use crate::testing::{LONG, back, given_up, hasty, patient, to};

mod same;

const DAY: Duration = Duration::from_secs(86_400);

fn charge(what: &str, limit: u32) -> Charge {
    Charge::one(Key::new(what, "192.0.2.1"), Policy::new(limit, DAY))
}

/// Takes so often; how often it was allowed.
async fn allowed(limiter: &Limiter, charge: &Charge, times: usize) -> usize {
    let mut allowed = 0;
    for _ in 0..times {
        let verdict = limiter.take(std::slice::from_ref(charge)).await;
        allowed += usize::from(verdict.is_allowed());
    }
    allowed
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_ask_at_once_are_given_exactly_the_limit() {
    let server = servers::redis();
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(Limiter::new(Some(patient(&server).await)));
    }
    let charge = charge("api", 100);
    let clients = (0..60).map(|client| {
        let (limiter, charge) = (processes[client % 3].clone(), charge.clone());
        tokio::spawn(async move { allowed(&limiter, &charge, 10).await })
    });
    let counts = join_all(clients).await;
    let all: usize = counts.into_iter().map(Result::unwrap).sum();
    assert_eq!(all, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_keys_all_are_taken_or_none_however_many_ask() {
    let server = servers::redis();
    let limiter = Limiter::new(Some(patient(&server).await));
    let both = [charge("api", 50), charge("stream", 20)];
    let asked = (0..60).map(|_| limiter.take(&both));
    let verdicts = join_all(asked).await;
    let allowed = verdicts.iter().filter(|it| it.is_allowed()).count();
    assert_eq!(allowed, 20);
    let refused = verdicts.iter().find(|it| !it.is_allowed()).unwrap();
    assert_eq!(refused.refused, Some(1));
    let [Some(api), Some(stream)] = refused.counted[..] else {
        panic!("both are counted")
    };
    assert_eq!((api.remaining, stream.remaining), (30, 0));
    assert_eq!(api.retry_after, Duration::ZERO);
    assert!(stream.retry_after <= DAY / 20 && stream.retry_after > DAY / 21);
    assert!(stream.reset_after > DAY - Duration::from_secs(60) && stream.reset_after <= DAY);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_can_be_taken_again_and_an_exchange_gives_back_in_any_case() {
    let server = servers::redis();
    for redis in [Some(patient(&server).await), None] {
        let limiter = Limiter::new(redis);
        let (api, invalid) = (charge("api", 2), charge("invalid", 1));
        let once = std::slice::from_ref(&api);
        assert_eq!(allowed(&limiter, &api, 3).await, 2);
        let verdict = limiter.give_back(once).await;
        assert_eq!(verdict.counted[0].unwrap().remaining, 1);
        assert_eq!(allowed(&limiter, &api, 2).await, 1);

        let invalid = std::slice::from_ref(&invalid);
        let verdict = limiter.exchange(once, invalid).await;
        assert!(verdict.is_allowed());
        let left: Vec<u64> = verdict
            .counted
            .iter()
            .flatten()
            .map(|it| it.remaining)
            .collect();
        assert_eq!(left, [1, 0]);
        let verdict = limiter.exchange(once, invalid).await;
        assert_eq!(verdict.refused, Some(1));
        assert_eq!(verdict.counted[0].unwrap().remaining, 2);
        // More than everything cannot be given back.
        for _ in 0..5 {
            limiter.give_back(once).await;
        }
        assert_eq!(allowed(&limiter, &api, 5).await, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_off_lets_everything_through_and_asks_nobody() {
    let limiter = Limiter::new(None);
    let off = charge("api", 0);
    assert_eq!(allowed(&limiter, &off, 1000).await, 1000);
    let mixed = [off, charge("stream", 1)];
    assert!(limiter.take(&mixed).await.is_allowed());
    let verdict = limiter.take(&mixed).await;
    assert_eq!((verdict.refused, verdict.counted[0]), (Some(1), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_end_by_themselves_and_tell_nobody_who_it_was() {
    let server = servers::redis();
    let redis = patient(&server).await;
    let limiter = Limiter::new(Some(redis.clone()));
    let charge = Charge::one(
        Key::new("api", "192.0.2.1"),
        Policy::new(10, Duration::from_secs(1)),
    );
    assert_eq!(allowed(&limiter, &charge, 1).await, 1);
    let name = charge.key.in_redis("rate");
    let life: i64 = redis.run(redis.pool.pttl(name.clone())).await.unwrap();
    assert!((1..=100).contains(&life) || life == -2, "{life}");
    until("the key is gone", LONG, async || {
        redis
            .run(redis.pool.exists::<u32, _>(name.clone()))
            .await
            .unwrap()
            == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_dies_and_comes_back_empty_opens_no_fresh_burst() {
    let mut server = servers::redis();
    let (one, two) = (hasty(&server).await, hasty(&server).await);
    let (here, there) = (
        Limiter::new(Some(one.clone())),
        Limiter::new(Some(two.clone())),
    );
    let charge = charge("api", 10);
    assert_eq!(allowed(&here, &charge, 4).await, 4);
    assert_eq!(allowed(&there, &charge, 3).await, 3);

    server.kill();
    given_up(&one).await;
    given_up(&two).await;
    // This one knows of four, that one of seven.
    assert_eq!(allowed(&here, &charge, 20).await, 6);
    assert_eq!(allowed(&there, &charge, 2).await, 2);

    server.restart_redis();
    back(&one).await;
    back(&two).await;
    assert_eq!(
        allowed(&there, &charge, 20).await,
        1,
        "until it has heard of the other"
    );
    assert_eq!(allowed(&here, &charge, 20).await, 0);
    assert_eq!(allowed(&there, &charge, 20).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_its_data_while_nobody_asked_learns_it_from_who_does() {
    let mut server = servers::redis();
    let redis = hasty(&server).await;
    let limiter = Limiter::new(Some(redis.clone()));
    let charge = charge("api", 10);
    assert_eq!(allowed(&limiter, &charge, 10).await, 10);
    server.kill();
    server.restart_redis();
    back(&redis).await;
    assert_eq!(allowed(&limiter, &charge, 5).await, 0);
    let new = Limiter::new(Some(patient(&server).await));
    assert_eq!(allowed(&new, &charge, 5).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_let_through_without_redis_counts_once_it_is_back_with_its_data() {
    let server = servers::redis();
    let (one, two) = (hasty(&server).await, patient(&server).await);
    let (here, there) = (Limiter::new(Some(one.clone())), Limiter::new(Some(two)));
    let charge = charge("api", 10);
    assert_eq!(allowed(&here, &charge, 1).await, 1);
    server.freeze();
    given_up(&one).await;
    assert_eq!(allowed(&here, &charge, 5).await, 5);
    server.thaw();
    back(&one).await;
    assert_eq!(allowed(&here, &charge, 1).await, 1, "tells of it");
    assert_eq!(allowed(&there, &charge, 20).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_never_was_there_or_never_answers_fails_nobody_and_the_limit_holds() {
    let hanging = servers::hanging();
    for address in [servers::refusing(), hanging.local_addr().unwrap()] {
        let limiter = Limiter::new(Some(to(address)));
        let begun = Instant::now();
        assert_eq!(allowed(&limiter, &charge("api", 10), 50).await, 10);
        assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_under_a_key_does_no_harm() {
    let server = servers::redis();
    let redis = patient(&server).await;
    let limiter = Limiter::new(Some(redis.clone()));
    for rubbish in ["soon", "9999999999999999", "-5", ""] {
        let charge = charge(&format!("api{rubbish}"), 10);
        let name = charge.key.in_redis("rate");
        let put = redis.pool.set::<(), _, _>(name, rubbish, None, None, false);
        redis.run(put).await.unwrap();
        let allowed = allowed(&limiter, &charge, 20).await;
        assert_eq!(allowed, if rubbish.starts_with('9') { 0 } else { 10 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgot_the_script_is_told_it_again() {
    let server = servers::redis();
    let redis = patient(&server).await;
    let limiter = Limiter::new(Some(redis.clone()));
    let charge = charge("api", 10);
    for _ in 0..3 {
        use fred::interfaces::LuaInterface as _;
        assert_eq!(allowed(&limiter, &charge, 1).await, 1);
        redis.run(redis.pool.script_flush(false)).await.unwrap();
    }
    assert_eq!(allowed(&limiter, &charge, 20).await, 7);
}
