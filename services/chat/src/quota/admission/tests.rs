//! What a quota says to turns, over a store that counts calls, refuses and hangs.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use tokio::sync::watch;
use troika_chassis::lifecycle::DrainConfig;

use super::*;
use crate::{
    prompt::{Prompt, Role},
    quota::{Used, fits},
};

const BOT: BotId = BotId([3; 12]);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Away,
    Hanging,
}

/// One bot's quota in memory.
struct Memory {
    mood: Mutex<Mood>,
    quota: Mutex<Quota>,
    held: Mutex<HashMap<Uuid, u64>>,
    questions: Mutex<HashMap<Uuid, u32>>,
    reads: AtomicU32,
    reserves: AtomicU32,
    counts: AtomicU32,
    settled: watch::Sender<u32>,
}

impl Memory {
    fn of(terms: Terms) -> Arc<Self> {
        Arc::new(Self {
            mood: Mutex::new(Mood::Well),
            quota: Mutex::new(Quota {
                terms,
                used: Used::default(),
            }),
            held: Mutex::default(),
            questions: Mutex::default(),
            reads: AtomicU32::new(0),
            reserves: AtomicU32::new(0),
            counts: AtomicU32::new(0),
            settled: watch::Sender::new(0),
        })
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    async fn answer(&self) -> Result<(), StoreError> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => Ok(()),
            Mood::Away => Err(StoreError::unavailable("away")),
            Mood::Hanging => std::future::pending().await,
        }
    }

    fn used(&self) -> u64 {
        self.quota.lock().unwrap().used.tokens
    }

    fn is_held(&self) -> bool {
        !self.held.lock().unwrap().is_empty()
    }

    fn calls(&self) -> [u32; 3] {
        [&self.reads, &self.reserves, &self.counts].map(|calls| calls.load(Relaxed))
    }

    async fn settled(&self, times: u32) {
        let mut settled = self.settled.subscribe();
        settled.wait_for(|settled| *settled >= times).await.unwrap();
    }
}

#[async_trait]
impl QuotaStore for Memory {
    async fn quotas(
        &self,
        _: &[BotId],
        _: SystemTime,
    ) -> Result<HashMap<BotId, Quota>, StoreError> {
        self.reads.fetch_add(1, Relaxed);
        self.answer().await?;
        Ok([(BOT, self.quota.lock().unwrap().clone())].into())
    }

    async fn set_terms(&self, _: BotId, terms: &Terms) -> Result<(), StoreError> {
        self.quota.lock().unwrap().terms = terms.clone();
        Ok(())
    }

    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, StoreError> {
        self.reserves.fetch_add(1, Relaxed);
        self.answer().await?;
        let quota = self.quota.lock().unwrap().clone();
        if !quota.terms.count_tokens() {
            return Ok(Reserved::Unlimited);
        }
        let mut held = self.held.lock().unwrap();
        let tokens = held.values().sum();
        let sum = Used {
            tokens,
            this_month: tokens,
        };
        if !fits(&quota.terms, quota.used, sum, reservation.tokens) {
            return Ok(Reserved::Exhausted(quota));
        }
        held.insert(reservation.turn, reservation.tokens);
        Ok(Reserved::Held(quota))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        self.answer().await?;
        let held = self.held.lock().unwrap().remove(&settlement.turn);
        if held.is_some() || !settlement.held {
            let used = &mut self.quota.lock().unwrap().used;
            used.tokens += settlement.tokens;
            used.this_month += settlement.tokens;
        }
        self.settled.send_modify(|settled| *settled += 1);
        Ok(())
    }

    async fn question(&self, _: BotId, session: Uuid, _: SystemTime) -> Result<u32, StoreError> {
        self.counts.fetch_add(1, Relaxed);
        self.answer().await?;
        let mut questions = self.questions.lock().unwrap();
        let count = questions.entry(session).or_default();
        *count += 1;
        Ok(*count)
    }
}

fn prompt(text: &str) -> Prompt {
    Prompt {
        messages: vec![(Role::User, text.to_owned())],
    }
}

fn limit(tokens: u64) -> Terms {
    Terms {
        token_limit: Some(tokens),
        ..Terms::default()
    }
}

fn over(store: &Arc<Memory>) -> Quotas {
    Quotas::start(store.clone(), Drain::new(DrainConfig::default()))
}

fn turn(tokens: u64, stranger: Option<Uuid>) -> Asking {
    Asking {
        turn: Uuid::new_v4(),
        bot: BOT,
        stranger,
        tokens,
        longest: Duration::from_secs(120),
    }
}

async fn held(quotas: &Quotas, tokens: u64) -> Held {
    match quotas.admit(turn(tokens, None)).await.unwrap() {
        Admitted::Yes { held, .. } => held,
        Admitted::SignIn => panic!("a known caller need not sign in"),
    }
}

async fn refusal(quotas: &Quotas, tokens: u64) -> String {
    let error = quotas.admit(turn(tokens, None)).await.err().unwrap();
    assert_eq!(error.code(), Code::PermissionDenied);
    let told = error.to_string();
    assert!(!told.contains(|c: char| c.is_ascii_digit()), "{told}");
    error.reason().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_bot_without_a_quota_costs_no_call_but_one_look_every_few_seconds() {
    let store = Memory::of(Terms::default());
    let quotas = over(&store);
    for _ in 0..10 {
        drop(
            quotas
                .admit(turn(1_000, Some(Uuid::new_v4())))
                .await
                .unwrap(),
        );
    }
    assert_eq!(store.calls(), [1, 1, 0]);
    tokio::time::advance(FRESH).await;
    for _ in 0..10 {
        drop(quotas.admit(turn(1_000, None)).await.unwrap());
    }
    assert_eq!(store.calls(), [2, 1, 0]);
    assert_eq!(*store.settled.borrow(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_settled_by_what_the_model_counted() {
    let store = Memory::of(limit(100));
    let quotas = over(&store);
    let mut first = held(&quotas, 60).await;
    assert_eq!(refusal(&quotas, 41).await, "quota_exhausted");
    first.asks(&prompt("why"));
    first.settle(Some(7), "because");
    store.settled(1).await;
    assert_eq!((store.used(), store.is_held()), (7, false));
    // Dropping it afterwards settles nothing again.
    drop(first);
    held(&quotas, 93).await.settle(None, "");
    store.settled(2).await;
    assert_eq!(store.used(), 7);
}

#[tokio::test]
async fn a_turn_that_is_cut_is_settled_by_what_was_asked_and_said() {
    let store = Memory::of(limit(1_000));
    let quotas = over(&store);
    let mut cut = held(&quotas, 100).await;
    cut.asks(&prompt("Hello world"));
    cut.settle(None, "Hello");
    store.settled(1).await;
    assert_eq!(store.used(), 3);
    let mut left = held(&quotas, 100).await;
    left.asks(&prompt("Hello world"));
    drop(left);
    store.settled(2).await;
    assert_eq!(store.used(), 5);
    let mut spared = held(&quotas, 100).await;
    spared.asks(&prompt("Hello world"));
    spared.spares();
    spared.settle(Some(9), "quoted");
    store.settled(3).await;
    assert_eq!((store.used(), store.is_held()), (5, false));
}

#[tokio::test]
async fn a_turn_that_panics_is_settled() {
    let store = Memory::of(limit(1_000));
    let quotas = Arc::new(over(&store));
    let mut broken = held(&quotas, 1_000).await;
    broken.asks(&prompt("Hello world"));
    let task = tokio::spawn(async move {
        let _broken = broken;
        panic!("on purpose");
    });
    assert!(task.await.is_err());
    store.settled(1).await;
    assert_eq!((store.used(), store.is_held()), (2, false));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_ended_answers_nobody_and_holds_nothing() {
    let store = Memory::of(Terms {
        subscription_ends: Some(SystemTime::now() - Duration::from_secs(1)),
        ..limit(100)
    });
    let quotas = over(&store);
    assert_eq!(refusal(&quotas, 10).await, "subscription_ended");
    store.settled(1).await;
    assert_eq!((store.used(), store.is_held()), (0, false));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_asks_what_is_free_and_is_told_before_it_ends() {
    let store = Memory::of(Terms {
        free_messages: Some(2),
        auth_method: Some("email".into()),
        ..Terms::default()
    });
    let quotas = over(&store);
    let session = Some(Uuid::new_v4());
    let ask = async |session| match quotas.admit(turn(1, session)).await.unwrap() {
        Admitted::Yes { sign_in_next, .. } => sign_in_next.map_or("yes".to_owned(), |next| next.0),
        Admitted::SignIn => "no".to_owned(),
    };
    assert_eq!(ask(session).await, "yes");
    assert_eq!(ask(session).await, "email");
    assert_eq!(ask(session).await, "no");
    assert_eq!(ask(Some(Uuid::new_v4())).await, "yes");
    assert_eq!(ask(None).await, "yes", "who is known asks on");
    // While the store is away, this process counts.
    store.set(Mood::Away);
    assert_eq!(ask(session).await, "no");
    let new = Some(Uuid::new_v4());
    assert_eq!(ask(new).await, "yes");
    assert_eq!(ask(new).await, "email");
    assert_eq!(ask(new).await, "no");
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_the_figures_of_the_last_minutes_decide() {
    for mood in [Mood::Away, Mood::Hanging] {
        let store = Memory::of(limit(100));
        let quotas = over(&store);
        let mut first = held(&quotas, 50).await;
        first.asks(&prompt("Why?"));
        first.settle(Some(40), "");
        store.settled(1).await;
        // The figures that decide are those of the last answer.
        drop(held(&quotas, 50).await);
        store.settled(2).await;
        store.set(mood);
        let mut under_way = held(&quotas, 30).await;
        under_way.asks(&prompt("Why?"));
        assert_eq!(refusal(&quotas, 31).await, "quota_exhausted");
        let began = tokio::time::Instant::now();
        let _last = held(&quotas, 30).await;
        assert!(began.elapsed() <= PATIENCE + FRESH, "{:?}", began.elapsed());
        under_way.settle(Some(20), "");
        // It is settled once the store is back.
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(store.used(), 40);
        store.set(Mood::Well);
        if mood == Mood::Away {
            store.settled(3).await;
            assert_eq!(store.used(), 60);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_a_bot_nobody_knows_of_answers() {
    for mood in [Mood::Away, Mood::Hanging] {
        let store = Memory::of(limit(10));
        store.set(mood);
        let quotas = over(&store);
        let began = tokio::time::Instant::now();
        let _goes_on = held(&quotas, 1_000).await;
        assert!(began.elapsed() <= PATIENCE_COLD, "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn usage_that_cannot_be_settled_is_given_up_and_a_process_that_leaves_tries_a_few_times() {
    let store = Memory::of(limit(100));
    let drain = Drain::new(DrainConfig::default());
    let quotas = Quotas::start(store.clone(), drain.clone());
    let mut turn = held(&quotas, 50).await;
    turn.asks(&prompt("Why?"));
    store.set(Mood::Away);
    turn.settle(Some(40), "");
    assert_eq!(drain.held(), [("usage to be settled", 1)]);
    let began = tokio::time::Instant::now();
    drain.begin();
    drain.finished().await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(drain.held(), []);
}

#[tokio::test(start_paused = true)]
async fn changed_terms_are_in_force_at_once_where_they_were_changed() {
    let store = Memory::of(limit(10));
    let quotas = over(&store);
    assert_eq!(refusal(&quotas, 11).await, "quota_exhausted");
    quotas.set_terms(BOT, &Terms::default()).await.unwrap();
    drop(held(&quotas, 1_000).await);
    quotas.set_terms(BOT, &limit(10)).await.unwrap();
    assert_eq!(refusal(&quotas, 11).await, "quota_exhausted");
}
