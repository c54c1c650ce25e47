//! Turns that begin, end, end twice, die and come while the store is away, in any order: what was used is the sum of what
//! the turns used, and whether a turn may begin is decided exactly.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use troika_chat::{
    bots::BotStore,
    quota::{Month, QuotaStore, Reservation, Reserved, Settlement, Terms},
    store::mongo::MongoStore,
};

use crate::{
    bots::bot,
    engines,
    quotas::{BOT, reservation, settlement},
};

const LIMIT: u64 = 500;
const MONTHLY: u64 = 300;

#[derive(Clone, Debug)]
enum Step {
    /// A turn wants to begin.
    Begins { tokens: u64 },
    /// One that is under way ends; perhaps it is told twice.
    Ends { which: usize, used: u64, told: u8 },
    /// One that is under way is never heard of again.
    Dies { which: usize },
    /// One began while the store was away.
    Unasked { used: u64, told: u8 },
    /// Time passes.
    Passes { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..120).prop_map(|tokens| Step::Begins { tokens }),
        4 => (any::<usize>(), 0_u64..150, 1_u8..3)
            .prop_map(|(which, used, told)| Step::Ends { which, used, told }),
        1 => any::<usize>().prop_map(|which| Step::Dies { which }),
        1 => (0_u64..100, 1_u8..3).prop_map(|(used, told)| Step::Unasked { used, told }),
        2 => prop_oneof![1_u64..300, Just(31 * 24 * 3600)].prop_map(|seconds| Step::Passes { seconds }),
    ]
}

/// What should be, kept apart from any store.
struct Model {
    now: SystemTime,
    under_way: Vec<Reservation>,
    dead: Vec<Reservation>,
    used: u64,
    used_in: Vec<(Month, u64)>,
    /// By how much turns used more than was held for them.
    slack: u64,
}

impl Model {
    fn held(&self, month: Option<&Month>) -> u64 {
        let all = self.under_way.iter().chain(&self.dead);
        all.filter(|turn| turn.until > self.now)
            .filter(|turn| month.is_none_or(|month| Month::of(turn.at) == *month))
            .map(|turn| turn.tokens)
            .sum()
    }

    fn this_month(&self) -> u64 {
        let now = Month::of(self.now);
        let months = self.used_in.iter().filter(|(month, _)| *month == now);
        months.map(|(_, used)| used).sum()
    }

    fn lets_in(&self, tokens: u64) -> bool {
        let month = Month::of(self.now);
        self.used + self.held(None) + tokens <= LIMIT
            && self.this_month() + self.held(Some(&month)) + tokens <= MONTHLY
    }

    fn uses(&mut self, began: SystemTime, used: u64) {
        self.used += used;
        self.used_in.push((Month::of(began), used));
    }
}

async fn play(stores: &[&dyn QuotaStore], steps: &[Step]) {
    let mut model = Model {
        now: humantime::parse_rfc3339("2026-11-23T10:00:00Z").unwrap(),
        under_way: Vec::new(),
        dead: Vec::new(),
        used: 0,
        used_in: Vec::new(),
        slack: 0,
    };
    for (number, step) in steps.iter().enumerate() {
        // Another process each time.
        let store = stores[number % stores.len()];
        match *step {
            Step::Begins { tokens } => {
                let turn = reservation(tokens, model.now);
                let held = matches!(store.reserve(&turn).await.unwrap(), Reserved::Held(_));
                assert_eq!(held, model.lets_in(tokens), "{number}: {step:?}");
                if held {
                    model.under_way.push(turn);
                }
            }
            Step::Ends { which, used, told } => {
                if model.under_way.is_empty() {
                    continue;
                }
                let turn = model.under_way.remove(which % model.under_way.len());
                let forgotten = turn.until + troika_chat::quota::KEPT <= model.now;
                let settlement = Settlement {
                    at: model.now,
                    ..settlement(&turn, used)
                };
                for _ in 0..told {
                    store.settle(&settlement).await.unwrap();
                }
                // Nobody settles so late: whether it still counts depends on who came between.
                if forgotten {
                    return;
                }
                model.uses(turn.at, used);
                // What ran out could be held again by others.
                let held = if turn.until > model.now {
                    turn.tokens
                } else {
                    0
                };
                model.slack += used.saturating_sub(held);
            }
            Step::Dies { which } => {
                if !model.under_way.is_empty() {
                    let which = which % model.under_way.len();
                    model.dead.push(model.under_way.remove(which));
                }
            }
            Step::Unasked { used, told } => {
                let settlement = Settlement {
                    held: false,
                    ..settlement(&reservation(0, model.now), used)
                };
                for _ in 0..told {
                    store.settle(&settlement).await.unwrap();
                }
                model.uses(model.now, used);
                model.slack += used;
            }
            Step::Passes { seconds } => model.now += Duration::from_secs(seconds),
        }
        let quotas = store.quotas(&[BOT], model.now).await.unwrap();
        let used = quotas[&BOT].used;
        assert_eq!(used.tokens, model.used, "{number}: {step:?}");
        assert_eq!(used.this_month, model.this_month(), "{number}: {step:?}");
        assert!(used.tokens <= LIMIT + model.slack, "{number}: {step:?}");
    }
}

async fn limited(store: &(impl BotStore + QuotaStore)) {
    store.create(&bot(1)).await.unwrap();
    let terms = Terms {
        token_limit: Some(LIMIT),
        monthly_limit: Some(MONTHLY),
        ..Terms::default()
    };
    store.set_terms(BOT, &terms).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_processes_at_once_exactly_those_that_fit_are_let_in() {
    let engine = engines::mongo().await;
    limited(&engine.store).await;
    let mut processes = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = MongoStore::new(engine.again().await);
        processes.spawn(async move {
            let mut used = 0;
            for _ in 0..25 {
                let turn = reservation(20, SystemTime::now());
                if let Reserved::Held(_) = store.reserve(&turn).await.unwrap() {
                    store.settle(&settlement(&turn, 7)).await.unwrap();
                    used += 7;
                }
            }
            used
        });
    }
    let used: u64 = processes.join_all().await.into_iter().sum();
    let quotas = engine.store.quotas(&[BOT], SystemTime::now()).await;
    let quota = quotas.unwrap().remove(&BOT).unwrap();
    assert_eq!((quota.used.tokens, quota.used.this_month), (used, used));
    // Nothing is held any more: the next turn is let in where no more than 20 were left, and not where less.
    assert!(used > MONTHLY - 20 - 3 * 20 && used <= MONTHLY, "{used}");
    let rest = reservation(MONTHLY - used, SystemTime::now());
    let held = engine.store.reserve(&rest).await.unwrap();
    assert!(matches!(held, Reserved::Held(_)), "{held:?}");
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..40)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn any_interleaving_ends_with_what_was_used_in_the_embedded_store(steps in steps()) {
        let engine = engines::embedded();
        runtime().block_on(async {
            limited(&engine.store).await;
            play(&[&engine.store], &steps).await;
        });
    }
}

#[test]
fn any_interleaving_ends_with_what_was_used_in_mongodb_by_two_processes() {
    let runtime = runtime();
    let engine = runtime.block_on(engines::mongo());
    let elsewhere = MongoStore::new(runtime.block_on(engine.again()));
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    };
    proptest!(config, |(steps in steps())| {
        runtime.block_on(async {
            let _ = BotStore::delete(&engine.store, BOT).await.unwrap();
            limited(&engine.store).await;
            play(&[&engine.store, &elsewhere], &steps).await;
        });
    });
}
