//! The arithmetic is written twice, for Redis and for a process alone: whatever is asked, both say the same.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Runtime;
use troika_tests::servers;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Take(Vec<(usize, u32)>),
    GiveBack(Vec<(usize, u32)>),
    Exchange((usize, u32), (usize, u32)),
}

/// Three keys, by their limits.
const LIMITS: [u32; 3] = [3, 7, 20];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = || (0..LIMITS.len(), 1_u32..5);
    let some = || proptest::collection::vec(one(), 1..4);
    let step = prop_oneof![
        4 => some().prop_map(Step::Take),
        1 => some().prop_map(Step::GiveBack),
        1 => (one(), one()).prop_map(|(back, taken)| Step::Exchange(back, taken)),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What a limiter says to each step: which charge was refused, and what is left of each.
async fn says(limiter: &Limiter, case: usize, steps: &[Step]) -> Vec<(Option<usize>, Vec<u64>)> {
    let charge = |(key, cost): &(usize, u32)| Charge {
        cost: *cost,
        ..charge(&format!("case{case}-{key}"), LIMITS[*key])
    };
    let charges = |of: &[(usize, u32)]| of.iter().map(charge).collect::<Vec<_>>();
    let mut said = Vec::new();
    for step in steps {
        let verdict = match step {
            Step::Take(taken) => limiter.take(&charges(taken)).await,
            Step::GiveBack(back) => limiter.give_back(&charges(back)).await,
            Step::Exchange(back, taken) => {
                limiter.exchange(&[charge(back)], &[charge(taken)]).await
            }
        };
        let left = verdict.counted.iter().flatten().map(|it| it.remaining);
        said.push((verdict.refused, left.collect()));
    }
    said
}

#[test]
fn redis_and_a_process_alone_count_the_same() {
    let server = servers::redis();
    let runtime = Runtime::new().unwrap();
    let (shared, alone) = runtime.block_on(async {
        let redis = patient(&server).await;
        (Limiter::new(Some(redis)), Limiter::new(None))
    });
    let case = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config::with_cases(200));
    let outcome = runner.run(&steps(), |steps| {
        case.set(case.get() + 1);
        let case = case.get();
        let (shared, alone) = runtime.block_on(async {
            (
                says(&shared, case, &steps).await,
                says(&alone, case, &steps).await,
            )
        });
        prop_assert_eq!(shared, alone);
        Ok(())
    });
    outcome.unwrap();
}
