//! What must hold of the arithmetic, whatever is asked in whatever order.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Take(i64),
    /// Of what was taken so long before.
    GiveBack,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u64..3_000_000).prop_map(Step::Wait),
        1 => Just(Step::Wait(0)),
        5 => (1_i64..4).prop_map(Step::Take),
        2 => Just(Step::GiveBack),
    ];
    proptest::collection::vec(step, 1..200)
}

fn rates() -> impl Strategy<Value = Rate> {
    (1_u64..2_000_000, 1_u64..50).prop_map(|(interval, burst)| Rate { interval, burst })
}

/// What happened, as (when, how much): what was given back counts against what was taken.
fn run(rate: Rate, steps: &[Step]) -> Vec<(u64, i64)> {
    let (mut now, mut full) = (0_u64, 0_u64);
    let (mut happened, mut taken) = (Vec::new(), Vec::<i64>::new());
    for step in steps {
        let cost = match step {
            Step::Wait(time) => {
                now += time;
                continue;
            }
            Step::Take(cost) => *cost,
            Step::GiveBack => match taken.pop() {
                Some(cost) => -cost,
                None => continue,
            },
        };
        if let Ok(ahead) = rate.take(full.saturating_sub(now), cost) {
            full = now + ahead;
            happened.push((now, cost));
            if cost > 0 {
                taken.push(cost);
            }
        }
    }
    happened
}

proptest! {
    #[test]
    fn no_span_of_time_has_more_than_the_burst_and_what_comes_back_in_it(rate in rates(), steps in steps()) {
        let happened = run(rate, &steps);
        for from in 0..happened.len() {
            let mut net = 0;
            for (when, cost) in &happened[from..] {
                net += cost;
                let back = (when - happened[from].0) / rate.interval;
                prop_assert!(
                    net <= i64::try_from(rate.burst + back).unwrap(),
                    "{net} within {} with {rate:?}", when - happened[from].0
                );
            }
        }
    }

    #[test]
    fn what_remains_can_be_taken_and_one_more_cannot(rate in rates(), ahead in 0_u64..100_000_000) {
        let ahead = ahead.min(rate.tolerance());
        let remaining = i64::try_from(rate.remaining(ahead)).unwrap();
        prop_assert!(remaining == 0 || rate.take(ahead, remaining).is_ok());
        prop_assert!(rate.take(ahead, remaining + 1).is_err());
    }

    #[test]
    fn who_waits_as_long_as_told_is_let_through(rate in rates(), ahead in 0_u64..100_000_000) {
        if let Err(wait) = rate.take(ahead, 1) {
            let wait = u64::try_from(wait.as_micros()).unwrap();
            let ahead = ahead.min(rate.tolerance());
            prop_assert!(rate.take(ahead - wait, 1).is_ok());
            prop_assert!(rate.take(ahead - wait + 1, 1).is_err());
        }
    }

    #[test]
    fn what_is_given_back_is_as_if_it_had_never_been_taken(rate in rates(), ahead in 0_u64..100_000_000, cost in 1_i64..5) {
        let ahead = ahead.min(rate.tolerance());
        if let Ok(after) = rate.take(ahead, cost) {
            prop_assert_eq!(rate.take(after, -cost), Ok(ahead));
        }
    }
}

#[test]
fn a_policy_that_does_not_divide_evenly_is_never_sooner_than_it_should() {
    let policy = Policy::new(7, Duration::from_secs(60));
    let rate = Rate::from(&policy);
    assert_eq!(rate.interval, 8_571_429);
    assert_eq!((rate.burst, rate.remaining(0)), (7, 7));
}

#[test]
fn what_is_given_back_to_who_has_everything_is_lost() {
    let rate = Rate {
        interval: 10,
        burst: 3,
    };
    assert_eq!(rate.take(0, -2), Ok(0));
    assert_eq!(rate.remaining(0), 3);
}
