use super::*;

mod verdicts;
mod words;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// An arm with first tokens after half a second on average.
fn arm(successes: u64, failures: u64) -> Arm {
    Arm {
        successes,
        failures,
        first_token: first_token(successes, 500.0),
        ..Arm::default()
    }
}

fn first_token(count: u64, mean_ms: f64) -> Moments {
    Moments {
        count,
        mean_ms,
        variance: 250_000.0,
    }
}

fn slow(count: u64, mean_ms: f64) -> Arm {
    Arm {
        first_token: first_token(count, mean_ms),
        ..arm(count, 0)
    }
}

fn critical(successes: u64, failures: u64, critical: u64) -> Arm {
    Arm {
        critical,
        ..arm(successes, failures)
    }
}

fn of(candidate: Arm, control: Arm) -> Evidence {
    Evidence {
        candidate,
        control,
        overload: 0.0,
        latest: Some(now()),
    }
}

/// After so many hours of a bake of four.
fn after(hours: f64) -> Timing {
    let spent = HOUR.mul_f64(hours);
    Timing {
        now: now(),
        step: 1,
        baked: spent,
        bake: 4 * HOUR,
        step_age: spent,
    }
}

fn look(evidence: &Evidence, hours: f64) -> Decision {
    decide(&Criteria::default(), Some(evidence), &after(hours))
}

fn codes(decision: &Decision) -> Vec<&'static str> {
    decision
        .reasons
        .iter()
        .map(|reason| reason.code.name())
        .collect()
}

#[test]
fn overload_rolls_back_whatever_the_arms_say() {
    let mut evidence = of(arm(5000, 0), arm(5000, 0));
    evidence.overload = 0.01;
    assert_eq!(look(&evidence, 5.0).verdict, Verdict::Advance);
    evidence.overload = 0.02;
    let decision = look(&evidence, 0.1);
    assert_eq!(
        (decision.verdict, codes(&decision)),
        (Verdict::RollBack, vec!["overload"])
    );
    assert_eq!(
        decision.reasons[0].message,
        "2.00 % of requests are turned away for want of room, more than 1.00 %"
    );
}

#[test]
fn without_a_first_token_nothing_advances() {
    let mut candidate = arm(5000, 0);
    candidate.first_token = Moments::default();
    let decision = look(&of(candidate, arm(5000, 0)), 5.0);
    assert_eq!(
        (decision.verdict, codes(&decision)),
        (Verdict::Hold, vec!["first_token_not_shown"])
    );
    assert_eq!(decision.candidate.first_token_ms, None);
    candidate.first_token = first_token(29, 100.0);
    assert_eq!(
        look(&of(candidate, arm(5000, 0)), 5.0).verdict,
        Verdict::Hold
    );
}

#[test]
fn cancelled_turns_are_neither_success_nor_failure() {
    for cancelled in [0, 100, 100_000] {
        let candidate = Arm {
            cancelled,
            ..arm(300, 0)
        };
        let decision = look(&of(candidate, Arm::default()), 5.0);
        assert_eq!(decision.verdict, Verdict::Advance);
        assert_eq!(decision.candidate.error_rate, Some(0.0));
        let alone = Arm {
            cancelled,
            ..Arm::default()
        };
        let decision = look(&of(alone, arm(5000, 0)), 5.0);
        assert_eq!(
            (decision.verdict, codes(&decision)),
            (Verdict::Inconclusive, vec!["no_data"])
        );
    }
}

#[test]
fn silence_is_told_and_after_a_while_a_stall() {
    let silent = |minutes: u64| Some(now() - Duration::from_secs(60 * minutes));
    let none = of(Arm::default(), arm(5000, 0));
    let some = of(arm(5000, 0), arm(5000, 0));
    let few = of(arm(5, 0), arm(5000, 0));
    let cases = [
        (
            "nobody, at once",
            &none,
            None,
            0.2,
            Verdict::Inconclusive,
            "no_data",
            false,
        ),
        (
            "nobody, for long",
            &none,
            None,
            0.6,
            Verdict::Inconclusive,
            "no_data",
            true,
        ),
        (
            "nobody any more",
            &some,
            silent(31),
            3.0,
            Verdict::Inconclusive,
            "no_data",
            true,
        ),
        (
            "nobody for a while",
            &some,
            silent(29),
            5.0,
            Verdict::Advance,
            "criteria_met",
            false,
        ),
        (
            "a clock ahead",
            &some,
            Some(now() + HOUR),
            5.0,
            Verdict::Advance,
            "criteria_met",
            false,
        ),
        (
            "a source that does not say when",
            &some,
            None,
            5.0,
            Verdict::Advance,
            "criteria_met",
            false,
        ),
        (
            "few, in time",
            &few,
            silent(1),
            4.4,
            Verdict::Inconclusive,
            "too_few_samples",
            false,
        ),
        (
            "few, late",
            &few,
            silent(1),
            4.6,
            Verdict::Inconclusive,
            "too_few_samples",
            true,
        ),
    ];
    for (name, evidence, latest, hours, verdict, code, stalled) in cases {
        let evidence = Evidence {
            latest,
            ..evidence.clone()
        };
        let decision = look(&evidence, hours);
        assert_eq!(
            (decision.verdict, codes(&decision)[0], decision.stalled),
            (verdict, code, stalled),
            "{name}"
        );
    }
}

#[test]
fn a_pause_does_not_make_few_samples_a_stall() {
    let timing = Timing {
        baked: HOUR,
        ..after(9.0)
    };
    let decision = decide(
        &Criteria::default(),
        Some(&of(arm(5, 0), arm(5, 0))),
        &timing,
    );
    assert_eq!(
        (decision.verdict, decision.stalled),
        (Verdict::Inconclusive, false)
    );
}

#[test]
fn a_source_that_is_away_says_nothing() {
    for (hours, stalled) in [(0.1, false), (4.4, false), (4.6, true)] {
        let decision = decide(&Criteria::default(), None, &after(hours));
        assert_eq!(
            (decision.verdict, codes(&decision)),
            (Verdict::Inconclusive, vec!["no_source"])
        );
        assert_eq!(decision.stalled, stalled);
    }
}

#[test]
fn figures_that_cannot_be_true_are_not_judged() {
    type Change = fn(&mut Evidence);
    let changes: [Change; 11] = [
        |e| e.overload = f64::NAN,
        |e| e.overload = -0.1,
        |e| e.overload = 1.5,
        |e| e.candidate.first_token.mean_ms = f64::NAN,
        |e| e.candidate.first_token.mean_ms = -1.0,
        |e| e.candidate.first_token.variance = f64::INFINITY,
        |e| e.control.first_token.variance = -1.0,
        |e| e.candidate.successes = u64::MAX,
        |e| e.control.failures = u64::MAX,
        |e| e.candidate.first_token.count = 6000,
        |e| e.candidate.first_token_p95_ms = Some(f64::NAN),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut evidence = of(arm(5000, 0), arm(5000, 0));
        change(&mut evidence);
        let decision = look(&evidence, 5.0);
        assert_eq!(
            (decision.verdict, codes(&decision)),
            (Verdict::Inconclusive, vec!["bad_evidence"]),
            "{at}"
        );
        let json = serde_json::to_string(&decision).unwrap();
        assert_eq!(
            serde_json::from_str::<Decision>(&json).unwrap(),
            decision,
            "{at}"
        );
    }
    // Moments of nothing say nothing.
    let mut evidence = of(arm(5000, 0), arm(0, 0));
    evidence.control.first_token.mean_ms = f64::NAN;
    assert_eq!(look(&evidence, 5.0).verdict, Verdict::Advance);
}

#[test]
fn a_slight_fault_and_few_visitors_add_up_over_the_whole_step() {
    use Verdict::{Advance, Hold, Inconclusive, RollBack};
    let criteria = Criteria::default();
    let timing = after(20.0);
    let over = |newest: Arm, whole: Arm, control: Arm| {
        let (newest, whole) = (of(newest, control), of(whole, control));
        decide_over(&criteria, Some(&newest), Some(&whole), &timing).verdict
    };
    let good = arm(50_000, 50);
    for (name, newest, whole, verdict) in [
        ("few now, enough in all", arm(40, 0), arm(900, 0), Advance),
        ("shown in all", arm(398, 2), arm(8000, 40), Advance),
        ("worse now", arm(390, 6), arm(8000, 40), Hold),
        ("good now, as in all", arm(600, 0), arm(2000, 15), Advance),
        ("good now, not in all", arm(600, 0), arm(8000, 100), Hold),
        (
            "slightly bad in all",
            arm(388, 12),
            arm(9650, 350),
            RollBack,
        ),
        ("bad now", arm(300, 100), arm(99_000, 200), RollBack),
        ("nobody now", Arm::default(), arm(900, 0), Inconclusive),
    ] {
        assert_eq!(over(newest, whole, good), verdict, "{name}");
    }
    // After an outage of both arms the newest figures decide.
    assert_eq!(over(arm(600, 0), arm(5000, 500), arm(5000, 500)), Advance);
    let newest = of(arm(40, 0), Arm::default());
    let alone = decide_over(&criteria, Some(&newest), None, &timing);
    assert_eq!(alone, decide(&criteria, Some(&newest), &timing));
    assert!(decide_over(&criteria, None, Some(&newest), &timing).has(ReasonCode::NoSource));
}

#[test]
fn the_chance_of_a_wrong_rollback_is_shared_out_over_time() {
    // The same figures are weaker evidence the more often figures have begun anew.
    let evidence = of(arm(0, 3), arm(5000, 0));
    assert_eq!(look(&evidence, 0.5).verdict, Verdict::RollBack);
    assert_ne!(look(&evidence, 20.0).verdict, Verdict::RollBack);
    let more = of(arm(0, 6), arm(5000, 0));
    assert_eq!(look(&more, 20.0).verdict, Verdict::RollBack);
}

#[test]
fn names_are_those_of_the_wire() {
    for code in ReasonCode::ALL {
        let json = serde_json::to_string(&code).unwrap();
        assert_eq!(json, format!("\"{}\"", code.name()));
    }
    for verdict in [
        Verdict::Advance,
        Verdict::Hold,
        Verdict::RollBack,
        Verdict::Inconclusive,
    ] {
        let json = serde_json::to_string(&verdict).unwrap();
        assert_eq!(json, format!("\"{}\"", verdict.name()));
    }
}
