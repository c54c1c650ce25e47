//! What holds for any figures, any plan and any order of calls.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime};

use proptest::{collection::vec, num::f64::ANY, option, prelude::*};
use troika_rollouts::{
    decide::{ArmFigures, Decision, Reason, ReasonCode, Timing, Verdict, decide, decide_over},
    evidence::{Arm, Evidence, Moments},
    plan::{Criteria, Plan, Step},
    rollout::{Rollout, State, Transition},
};

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Mostly numbers that occur, and all others.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![3 => 0.0..1.0, 2 => 0.0..5000.0, 1 => ANY]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0_u64..1000, 1 => 0_u64..2_000_000_000_000, 1 => any::<u64>()]
}

fn any_arm() -> impl Strategy<Value = Arm> {
    let moments = (count(), number(), number());
    (
        count(),
        count(),
        count(),
        count(),
        moments,
        option::of(number()),
    )
        .prop_map(
            |(successes, failures, cancelled, critical, (count, mean_ms, variance), p95)| Arm {
                successes,
                failures,
                cancelled,
                critical,
                first_token: Moments {
                    count,
                    mean_ms,
                    variance,
                },
                first_token_p95_ms: p95,
            },
        )
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    (
        any_arm(),
        any_arm(),
        number(),
        option::of(0_u64..4_000_000_000),
    )
        .prop_map(|(candidate, control, overload, latest)| Evidence {
            candidate,
            control,
            overload,
            latest: latest.map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at)),
        })
}

fn any_criteria() -> impl Strategy<Value = Criteria> {
    let numbers = proptest::array::uniform9(number());
    (numbers, count(), any::<Duration>(), any::<Duration>()).prop_map(
        |([a, b, c, d, e, f, g, h, i], min_samples, window, stall_after)| Criteria {
            advance_error_rate: a,
            advance_success_rate: b,
            advance_first_token_ms: c,
            rollback_error_rate: d,
            rollback_success_rate: e,
            rollback_first_token_ms: f,
            rollback_overload: g,
            min_samples,
            confidence: h,
            false_rollback: i,
            window,
            stall_after,
        },
    )
}

fn any_timing() -> impl Strategy<Value = Timing> {
    (
        any::<Duration>(),
        any::<Duration>(),
        any::<Duration>(),
        any::<usize>(),
    )
        .prop_map(|(baked, bake, step_age, step)| Timing {
            now: now(),
            step,
            baked,
            bake,
            step_age,
        })
}

/// Figures as they occur.
fn possible_arm() -> impl Strategy<Value = Arm> {
    (
        0_u64..3000,
        0.0_f64..=1.0,
        0_u64..50,
        0_u64..3,
        100.0..3000.0,
    )
        .prop_map(|(samples, share, cancelled, critical, mean_ms)| {
            // Rates near the limits more often than others.
            let failures = (samples as f64 * share.powi(6)) as u64;
            Arm {
                successes: samples - failures,
                failures,
                cancelled,
                critical: critical / 2,
                first_token: Moments {
                    count: samples - failures,
                    mean_ms,
                    variance: mean_ms * mean_ms,
                },
                first_token_p95_ms: Some(3.0 * mean_ms),
            }
        })
}

fn possible_evidence() -> impl Strategy<Value = Evidence> {
    let control = prop_oneof![1 => Just(Arm::default()), 3 => possible_arm()];
    (possible_arm(), control, 0.0..0.02).prop_map(|(candidate, control, overload)| Evidence {
        candidate,
        control,
        overload,
        latest: Some(now()),
    })
}

fn hours() -> impl Strategy<Value = Timing> {
    (0_u64..30, 0_u64..10).prop_map(|(spent, bake)| Timing {
        now: now(),
        step: 0,
        baked: Duration::from_secs(3600 * spent),
        bake: Duration::from_secs(3600 * bake),
        step_age: Duration::from_secs(3600 * spent),
    })
}

/// What may be asked of a rollout.
#[derive(Clone, Copy, Debug)]
enum Call {
    Pause,
    Resume,
    Abort,
    Approve,
    SetStep(usize),
    Judge(Verdict, usize),
}

fn call() -> impl Strategy<Value = Call> {
    let verdict = prop_oneof![
        6 => Just(Verdict::Advance),
        2 => Just(Verdict::Hold),
        1 => Just(Verdict::Inconclusive),
        1 => Just(Verdict::RollBack),
    ];
    prop_oneof![
        2 => Just(Call::Pause),
        2 => Just(Call::Resume),
        1 => Just(Call::Abort),
        4 => Just(Call::Approve),
        2 => (0_usize..8).prop_map(Call::SetStep),
        12 => (verdict, 0_usize..6).prop_map(|(verdict, off)| Call::Judge(verdict, off)),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    (1_usize..7, any::<bool>(), any::<bool>(), 0.0..100.0).prop_map(
        |(steps, manual_approval, dry_run, rollback_percentage)| Plan {
            steps: (1..=steps)
                .map(|at| Step {
                    percentage: 100.0 * at as f64 / steps as f64,
                    bake: Duration::from_secs(3600),
                })
                .collect(),
            manual_approval,
            dry_run,
            rollback_percentage,
            ..Plan::default()
        },
    )
}

fn decision(step: usize, verdict: Verdict, at: SystemTime) -> Decision {
    Decision {
        at,
        step,
        verdict,
        reasons: vec![Reason {
            code: ReasonCode::Baking,
            message: String::new(),
            figure: None,
            threshold: None,
        }],
        candidate: ArmFigures::default(),
        control: ArmFigures::default(),
        overload: 0.0,
        stalled: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_figures_break_it(
        newest in option::of(any_evidence()),
        whole in option::of(any_evidence()),
        criteria in prop_oneof![Just(Criteria::default()), any_criteria()],
        timing in any_timing(),
    ) {
        let decisions = [
            decide(&criteria, newest.as_ref(), &timing),
            decide_over(&criteria, newest.as_ref(), whole.as_ref(), &timing),
        ];
        for decision in decisions {
            prop_assert!(!decision.reasons.is_empty());
            let json = serde_json::to_string(&decision).unwrap();
            prop_assert!(serde_json::from_str::<Decision>(&json).is_ok(), "{json}");
        }
    }

    #[test]
    fn an_advance_is_never_by_figures_beyond_the_criteria(
        newest in possible_evidence(),
        whole in possible_evidence(),
        timing in hours(),
    ) {
        let criteria = Criteria::default();
        let over = decide_over(&criteria, Some(&newest), Some(&whole), &timing);
        for decision in [decide(&criteria, Some(&newest), &timing), over] {
            if decision.verdict == Verdict::Advance {
                let candidate = decision.candidate;
                prop_assert!(candidate.error_rate.unwrap() < criteria.advance_error_rate);
                prop_assert!(candidate.first_token_ms.unwrap() < criteria.advance_first_token_ms);
                prop_assert!(candidate.successes + candidate.failures >= criteria.min_samples);
                prop_assert!(candidate.critical == 0);
                prop_assert!(decision.overload <= criteria.rollback_overload);
                prop_assert!(timing.baked >= timing.bake);
            }
        }
    }

    #[test]
    fn more_failures_never_turn_a_rollback_into_an_advance(
        evidence in possible_evidence(),
        more in 1_u64..500,
        timing in hours(),
    ) {
        let criteria = Criteria::default();
        let before = decide(&criteria, Some(&evidence), &timing).verdict;
        let mut worse = evidence;
        worse.candidate.failures += more;
        let after = decide(&criteria, Some(&worse), &timing).verdict;
        prop_assert!(before != Verdict::RollBack || after != Verdict::Advance);
        prop_assert!(before == Verdict::Advance || after != Verdict::Advance || before == Verdict::Inconclusive);
    }

    #[test]
    fn without_control_more_failures_never_end_a_rollback(
        candidate in possible_arm(),
        more in 1_u64..500,
        timing in hours(),
    ) {
        let criteria = Criteria::default();
        let mut evidence = Evidence { candidate, latest: Some(now()), ..Evidence::default() };
        let before = decide(&criteria, Some(&evidence), &timing).verdict;
        evidence.candidate.failures += more;
        let after = decide(&criteria, Some(&evidence), &timing).verdict;
        prop_assert!(before != Verdict::RollBack || after == Verdict::RollBack);
    }

    #[test]
    fn no_call_skips_or_repeats_a_step(plan in plan(), calls in vec((call(), 0_u64..7200), 0..60)) {
        prop_assert_eq!(plan.check(), vec![]);
        let Transition { mut rollout, mut set_percentage, .. } = Rollout::start(
            "r".into(), "f".into(), "c".into(), plan.clone(), "p".into(), String::new(), now(),
        );
        let allowed: Vec<f64> = plan
            .steps
            .iter()
            .map(|step| step.percentage)
            .chain([plan.rollback_percentage])
            .collect();
        let mut at = now();
        for (call, seconds) in calls {
            if let Some(set) = set_percentage {
                prop_assert!(!plan.dry_run && allowed.contains(&set));
                prop_assert_eq!(set, rollout.percentage());
            }
            at += Duration::from_secs(seconds);
            let timing = rollout.timing(at);
            prop_assert!(timing.baked <= timing.step_age);
            prop_assert!(rollout.figures_since(at) >= rollout.step_started_at);
            let next = match call {
                Call::Pause => rollout.pause(at).ok(),
                Call::Resume => rollout.resume(at).ok(),
                Call::Abort => rollout.abort(at).ok(),
                Call::Approve => rollout.approve(at).ok(),
                Call::SetStep(step) => rollout.set_step(step, at).ok(),
                // Now and then of another step.
                Call::Judge(verdict, 0) => rollout.judge(&decision(rollout.step + 1, verdict, at), at),
                Call::Judge(verdict, _) => rollout.judge(&decision(rollout.step, verdict, at), at),
            };
            let Some(next) = next else {
                set_percentage = None;
                continue;
            };
            let before = std::mem::replace(&mut rollout, next.rollout);
            set_percentage = next.set_percentage;
            prop_assert!(!before.state.is_final());
            prop_assert_eq!(rollout.ended_at.is_some(), rollout.state.is_final());
            let goes_on = match call {
                Call::Approve => before.state == State::AwaitingApproval,
                Call::Judge(Verdict::Advance, off) => {
                    off > 0 && before.state == State::Running && !plan.manual_approval
                }
                _ => false,
            };
            let is_last = before.step + 1 == plan.steps.len();
            let expected = match call {
                Call::SetStep(step) => step,
                _ if goes_on && !is_last => before.step + 1,
                _ => before.step,
            };
            prop_assert_eq!(rollout.step, expected);
            prop_assert_eq!(rollout.state == State::Completed, goes_on && is_last);
        }
    }
}
