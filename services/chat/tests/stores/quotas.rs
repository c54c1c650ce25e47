//! The contract of `QuotaStore`.

use std::time::{Duration, SystemTime};

use futures::future::join_all;
use troika_chat::{
    bots::{Bot, BotId, BotStore},
    quota::{
        KEPT, Month, Quota, QuotaStore, Reservation, Reserved, SESSION, Settlement, Terms, Used,
    },
    store::StoreError,
};
use uuid::Uuid;

use crate::bots::bot;

/// Both sides of a store.
pub(crate) trait Store: BotStore + QuotaStore {}

impl<S: BotStore + QuotaStore> Store for S {}

pub(crate) const BOT: BotId = BotId([1; 12]);

fn at(text: &str) -> SystemTime {
    humantime::parse_rfc3339(text).unwrap()
}

fn november() -> SystemTime {
    at("2026-11-23T10:00:00Z")
}

pub(crate) fn reservation(tokens: u64, at: SystemTime) -> Reservation {
    Reservation {
        turn: Uuid::new_v4(),
        bot: BOT,
        tokens,
        at,
        until: at + Duration::from_secs(180),
    }
}

pub(crate) fn settlement(reservation: &Reservation, tokens: u64) -> Settlement {
    Settlement {
        turn: reservation.turn,
        bot: reservation.bot,
        tokens,
        month: Month::of(reservation.at),
        held: true,
        at: reservation.at,
    }
}

async fn limited(store: &dyn Store, token_limit: Option<u64>, monthly_limit: Option<u64>) {
    store.create(&bot(1)).await.unwrap();
    let terms = Terms {
        token_limit,
        monthly_limit,
        ..Terms::default()
    };
    store.set_terms(BOT, &terms).await.unwrap();
}

async fn used(store: &dyn Store, now: SystemTime) -> Used {
    let quotas = store.quotas(&[BOT], now).await.unwrap();
    quotas.get(&BOT).cloned().unwrap_or_default().used
}

async fn reserves(store: &dyn Store, reservation: &Reservation) -> bool {
    match store.reserve(reservation).await.unwrap() {
        Reserved::Held(_) => true,
        Reserved::Exhausted(_) => false,
        Reserved::Unlimited => panic!("there is a limit"),
    }
}

async fn terms_are_read_back_as_they_were_set_and_taken_away(store: &dyn Store) {
    let all = Terms {
        token_limit: Some(0),
        monthly_limit: Some(1 << 53),
        subscription_ends: Some(at("2027-01-01T00:00:00.123Z")),
        free_messages: Some(3),
        auth_method: Some("email".into()),
    };
    let error = store.set_terms(BOT, &all).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error:?}");
    store.create(&bot(1)).await.unwrap();
    store.create(&bot(2)).await.unwrap();
    let both = [BOT, bot(2).id];
    let changes = [
        all.clone(),
        Terms {
            subscription_ends: Some(at("2026-01-01T00:00:00Z")),
            auth_method: None,
            ..all.clone()
        },
        Terms {
            token_limit: None,
            free_messages: None,
            ..all.clone()
        },
        Terms::default(),
        all,
    ];
    for terms in changes {
        store.set_terms(BOT, &terms).await.unwrap();
        let quotas = store.quotas(&both, november()).await.unwrap();
        let read = quotas.get(&BOT).cloned().unwrap_or_default().terms;
        assert_eq!(read, terms);
        assert_eq!(quotas.get(&both[1]), None);
    }
}

async fn a_bots_company_is_kept_changed_and_taken_away(store: &dyn Store) {
    let of = |company: Option<&str>| Bot {
        company: company.map(str::to_owned),
        ..bot(1)
    };
    let hexadecimal = "6b04cc00e2d35385f5b3fae2";
    store.create(&of(Some(hexadecimal))).await.unwrap();
    for company in [Some(hexadecimal), Some("a word"), None, Some(hexadecimal)] {
        store.update(&of(company)).await.unwrap();
        let read = store.get(BOT).await.unwrap().unwrap();
        assert_eq!(read.company.as_deref(), company);
        assert_eq!(store.list(None, 10).await.unwrap(), [of(company)]);
    }
}

async fn a_bot_without_a_limit_holds_nothing_and_is_not_charged(store: &dyn Store) {
    let unknown = reservation(1, november());
    let reserved = store.reserve(&unknown).await.unwrap();
    assert_eq!(reserved, Reserved::Unlimited);
    store.create(&bot(1)).await.unwrap();
    let first = reservation(u64::from(u32::MAX), november());
    assert_eq!(store.reserve(&first).await.unwrap(), Reserved::Unlimited);
    for held in [true, false] {
        let settlement = Settlement {
            held,
            ..settlement(&first, 5)
        };
        store.settle(&settlement).await.unwrap();
    }
    let quotas = store.quotas(&[BOT], november()).await.unwrap();
    assert!(quotas.is_empty(), "{quotas:?}");
}

async fn used_and_held_and_asked_for_are_at_most_the_limit(store: &dyn Store) {
    limited(store, Some(100), None).await;
    let (first, second) = (reservation(60, november()), reservation(41, november()));
    assert!(reserves(store, &first).await);
    assert!(!reserves(store, &second).await);
    let exact = reservation(40, november());
    assert!(reserves(store, &exact).await);
    assert!(!reserves(store, &reservation(1, november())).await);
    assert_eq!(used(store, november()).await, Used::default());
    // What was held and not used is there again.
    store.settle(&settlement(&first, 10)).await.unwrap();
    store.settle(&settlement(&exact, 0)).await.unwrap();
    let used = used(store, november()).await;
    assert_eq!((used.tokens, used.this_month), (10, 10));
    assert!(!reserves(store, &reservation(91, november())).await);
    assert!(reserves(store, &reservation(90, november())).await);
}

async fn what_is_repeated_counts_once(store: &dyn Store) {
    limited(store, Some(100), Some(100)).await;
    let turn = reservation(60, november());
    for _ in 0..3 {
        assert!(reserves(store, &turn).await);
    }
    for _ in 0..3 {
        store.settle(&settlement(&turn, 50)).await.unwrap();
    }
    assert_eq!(used(store, november()).await.tokens, 50);
    // The store was away when it began, or did not answer in time.
    for lands in [false, true] {
        let turn = reservation(10, november());
        if lands {
            assert!(reserves(store, &turn).await);
        }
        let before = used(store, november()).await.tokens;
        let settlement = Settlement {
            held: false,
            ..settlement(&turn, 7)
        };
        for _ in 0..3 {
            store.settle(&settlement).await.unwrap();
        }
        assert_eq!(used(store, november()).await.tokens, before + 7);
    }
    // More than a limit is used where a turn used more than was held.
    let turn = reservation(20, november());
    assert!(reserves(store, &turn).await);
    store.settle(&settlement(&turn, 100)).await.unwrap();
    assert_eq!(used(store, november()).await.tokens, 164);
    assert!(!reserves(store, &reservation(0, november())).await);
}

async fn a_turn_that_took_nothing_leaves_nothing(store: &dyn Store) {
    limited(store, Some(100), None).await;
    for held in [true, false] {
        let turn = reservation(100, november());
        assert!(reserves(store, &turn).await);
        let nothing = Settlement {
            held,
            ..settlement(&turn, 0)
        };
        store.settle(&nothing).await.unwrap();
        store.settle(&nothing).await.unwrap();
    }
    assert!(reserves(store, &reservation(100, november())).await);
    assert_eq!(used(store, november()).await, Used::default());
}

async fn what_a_dead_process_held_is_free_again_and_a_late_settlement_still_counts(
    store: &dyn Store,
) {
    limited(store, Some(100), None).await;
    let lost = reservation(100, november());
    assert!(reserves(store, &lost).await);
    let just_before = reservation(1, lost.until - Duration::from_millis(1));
    assert!(!reserves(store, &just_before).await);
    let after = reservation(50, lost.until);
    assert!(reserves(store, &after).await);
    // Not dead, but slow.
    store.settle(&settlement(&lost, 30)).await.unwrap();
    store.settle(&settlement(&lost, 30)).await.unwrap();
    assert_eq!(used(store, november()).await.tokens, 30);
    // Forgotten in the end.
    let much_later = after.until + KEPT + Duration::from_secs(1);
    assert!(reserves(store, &reservation(70, much_later)).await);
    store.settle(&settlement(&after, 50)).await.unwrap();
    assert_eq!(used(store, november()).await.tokens, 30);
}

async fn another_month_starts_at_nothing_and_what_began_before_it_is_the_old_ones(
    store: &dyn Store,
) {
    limited(store, None, Some(100)).await;
    let (last, next) = (at("2026-11-30T23:59:59.999Z"), at("2026-12-01T00:00:00Z"));
    let first = reservation(60, last);
    assert!(reserves(store, &first).await);
    store.settle(&settlement(&first, 60)).await.unwrap();
    let under_way = reservation(40, last);
    assert!(reserves(store, &under_way).await);
    assert!(!reserves(store, &reservation(1, last)).await);

    let december = reservation(100, next);
    assert!(reserves(store, &december).await, "a new month");
    assert!(!reserves(store, &reservation(1, next)).await);
    store.settle(&settlement(&december, 25)).await.unwrap();
    store.settle(&settlement(&under_way, 40)).await.unwrap();
    let figures = used(store, next).await;
    assert_eq!((figures.tokens, figures.this_month), (125, 25));
    // A clock that is behind does not take the month back.
    assert!(!reserves(store, &reservation(76, last)).await);
    assert!(reserves(store, &reservation(75, last)).await);
    assert_eq!(used(store, at("2027-01-01T00:00:00Z")).await.this_month, 0);
}

async fn of_many_at_once_exactly_those_that_fit_are_let_in(store: &dyn Store) {
    limited(store, Some(100), Some(1_000)).await;
    let turns: Vec<Reservation> = (0..40).map(|_| reservation(7, november())).collect();
    let held = join_all(turns.iter().map(|turn| reserves(store, turn))).await;
    assert_eq!(held.iter().filter(|held| **held).count(), 14);
    let settled = turns.iter().zip(&held).filter(|(_, held)| **held);
    join_all(settled.map(async |(turn, _)| store.settle(&settlement(turn, 3)).await.unwrap()))
        .await;
    let used = used(store, november()).await;
    assert_eq!((used.tokens, used.this_month), (42, 42));
    assert!(reserves(store, &reservation(58, november())).await);
}

async fn questions_are_counted_by_session_until_they_are_forgotten(store: &dyn Store) {
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    let now = november();
    let count = async |bot, session, now| store.question(bot, session, now).await.unwrap();
    assert_eq!(count(BOT, other, now).await, 1);
    assert_eq!(count(BOT, one, now).await, 1);
    let all = join_all((0..4).map(|_| count(BOT, one, now))).await;
    let mut sorted = all.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [2, 3, 4, 5]);
    assert_eq!(count(BOT, other, now).await, 2);
    assert_eq!(count(BotId([2; 12]), one, now).await, 1);
    assert_eq!(count(BOT, one, now + SESSION / 2).await, 6);
}

async fn a_bot_that_is_made_anew_starts_anew(store: &dyn Store) {
    limited(store, Some(100), None).await;
    let turn = reservation(10, november());
    assert!(reserves(store, &turn).await);
    store.settle(&settlement(&turn, 10)).await.unwrap();
    assert!(reserves(store, &reservation(10, november())).await);
    assert!(BotStore::delete(store, BOT).await.unwrap());
    assert_eq!(store.quotas(&[BOT], november()).await.unwrap().len(), 0);
    store.create(&bot(1)).await.unwrap();
    let quotas = store.quotas(&[BOT], november()).await.unwrap();
    assert_eq!(quotas.get(&BOT), None::<&Quota>);
}

over_every_store!(
    terms_are_read_back_as_they_were_set_and_taken_away,
    a_bots_company_is_kept_changed_and_taken_away,
    a_bot_without_a_limit_holds_nothing_and_is_not_charged,
    used_and_held_and_asked_for_are_at_most_the_limit,
    what_is_repeated_counts_once,
    a_turn_that_took_nothing_leaves_nothing,
    what_a_dead_process_held_is_free_again_and_a_late_settlement_still_counts,
    another_month_starts_at_nothing_and_what_began_before_it_is_the_old_ones,
    of_many_at_once_exactly_those_that_fit_are_let_in,
    questions_are_counted_by_session_until_they_are_forgotten,
    a_bot_that_is_made_anew_starts_anew,
);
