//! Budgets of one process, and those that processes share on a real Redis.

use fred::interfaces::KeysInterface as _;
use futures::future::join_all;
use troika_tests::{servers, until};

use super::*;
use crate::testing::{LONG, back, given_up, hasty, patient};

fn keys(allowance: u64) -> [(Key, u64); 1] {
    [(Key::new("tokens", "bot"), allowance)]
}

async fn is_left(budget: &Budget, allowance: u64, amount: u64) -> bool {
    match budget.reserve(&keys(allowance), amount).await {
        Ok(reservation) => {
            reservation.settle(0);
            true
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn what_was_reserved_and_not_spent_comes_back() {
    let budget = Budget::new(None);
    let reservation = budget.reserve(&keys(100), 80).await.unwrap();
    let Err(exhausted) = budget.reserve(&keys(100), 21).await else {
        panic!("only 20 are left")
    };
    assert_eq!(
        (exhausted.place, exhausted.used, exhausted.allowance),
        (0, 80, 100)
    );
    assert!(exhausted.retry_after <= Duration::from_secs(86_400));
    reservation.settle(30);
    until("70 are left", LONG, async || {
        is_left(&budget, 100, 70).await
    })
    .await;
    assert!(budget.reserve(&keys(100), 71).await.is_err());
}

#[tokio::test]
async fn a_reservation_that_is_dropped_spent_nothing() {
    let budget = Budget::new(None);
    drop(budget.reserve(&keys(10), 10).await.unwrap());
    until("all is left", LONG, async || is_left(&budget, 10, 10).await).await;
}

#[tokio::test]
async fn more_than_was_reserved_counts_too() {
    let budget = Budget::new(None);
    budget.reserve(&keys(100), 10).await.unwrap().settle(100);
    until("nothing is left", LONG, async || {
        !is_left(&budget, 100, 1).await
    })
    .await;
}

#[tokio::test]
async fn of_several_keys_all_are_spent_or_none() {
    let budget = Budget::new(None);
    let both = [
        (Key::new("tokens", "bot"), 100),
        (Key::new("tokens", "address"), 10),
    ];
    let Err(exhausted) = budget.reserve(&both, 11).await else {
        panic!("the second has 10")
    };
    assert_eq!(exhausted.place, 1);
    assert!(is_left(&budget, 100, 100).await, "the first is untouched");
}

#[tokio::test]
async fn an_allowance_of_0_is_none() {
    let budget = Budget::new(None);
    let unlimited = [(Key::new("tokens", "bot"), 0)];
    budget
        .reserve(&unlimited, u64::MAX / 4)
        .await
        .unwrap()
        .settle(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_a_budget_exactly() {
    let server = servers::redis();
    let redis = patient(&server).await;
    let processes = [
        Budget::new(Some(redis.clone())),
        Budget::new(Some(redis.clone())),
    ];
    let keys = keys(100);
    let asked = (0..60).map(|n| processes[n % 2].reserve(&keys, 5));
    let reserved: Vec<Reservation> = join_all(asked).await.into_iter().flatten().collect();
    assert_eq!(reserved.len(), 20);
    for reservation in reserved {
        reservation.settle(1);
    }
    until("80 are left for either", LONG, async || {
        is_left(&processes[0], 100, 80).await && is_left(&processes[1], 100, 80).await
    })
    .await;
    assert!(processes[0].reserve(&keys, 81).await.is_err());
    let name = keys[0].0.in_redis(&format!("budget:{}", Day::now()));
    let life: i64 = redis.run(redis.pool.pttl(name)).await.unwrap();
    assert!((1..=2 * 86_400_000).contains(&life), "{life}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spent_without_redis_is_told_when_it_is_back_with_its_data_or_without() {
    let mut server = servers::redis();
    let (one, two) = (hasty(&server).await, hasty(&server).await);
    let (here, there) = (
        Budget::new(Some(one.clone())),
        Budget::new(Some(two.clone())),
    );
    let spend = async |budget: &Budget, amount| {
        let reserved = budget.reserve(&keys(100), amount).await;
        reserved.map(|it| it.settle(amount)).is_ok()
    };
    assert!(spend(&here, 40).await);
    for loses in [false, true] {
        if loses {
            server.kill()
        } else {
            server.freeze()
        }
        given_up(&one).await;
        assert!(spend(&here, 20).await);
        assert!(!spend(&here, 61).await, "what was spent before counts");
        if loses {
            server.restart_redis();
        } else {
            server.thaw();
        }
        back(&one).await;
        assert!(spend(&here, 0).await, "tells of it");
    }
    back(&two).await;
    assert!(!spend(&there, 21).await);
    assert!(spend(&there, 20).await);
}
