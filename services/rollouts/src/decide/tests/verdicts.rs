use super::*;

/// Name: candidate, control, hours => verdict, codes of the reasons.
macro_rules! judged {
    ($($name:literal: $candidate:expr, $control:expr, $hours:expr => $verdict:ident, $codes:literal;)*) => {
        $(
            let decision = look(&of($candidate, $control), $hours);
            assert_eq!(
                (decision.verdict, codes(&decision).join(" ").as_str()),
                (Verdict::$verdict, $codes),
                $name
            );
        )*
    };
}

#[test]
fn an_advance_must_be_shown() {
    let (good, none) = (arm(100_000, 300), Arm::default());
    judged! {
        "clean": arm(300, 0), good, 5.0 => Advance, "criteria_met criteria_met criteria_met";
        "clean, no control": arm(5000, 10), none, 5.0 => Advance, "criteria_met criteria_met criteria_met";
        "clean and early": arm(5000, 10), good, 3.9 => Hold, "baking";
        "one short": arm(298, 1), good, 5.0 => Inconclusive, "too_few_samples";
        "few and early": arm(20, 0), good, 1.0 => Inconclusive, "too_few_samples baking";
        "half a per cent of few": arm(398, 2), good, 5.0 => Hold, "error_rate_not_shown";
        "half a per cent of many": arm(3980, 20), good, 5.0 => Advance, "criteria_met criteria_met criteria_met";
        "between the limits": arm(4925, 75), good, 5.0 => Hold, "error_rate_not_shown";
        "just below the limit": arm(9905, 95), good, 5.0 => Hold, "error_rate_not_shown";
        "slowish": slow(500, 1500.0), good, 5.0 => Hold, "first_token_not_shown";
        "just fast enough": slow(500, 960.0), good, 5.0 => Advance, "criteria_met criteria_met criteria_met";
        "not surely fast enough": slow(500, 970.0), good, 5.0 => Hold, "first_token_not_shown";
        "all at once": slow(310, 1200.0), good, 1.0 => Hold, "baking first_token_not_shown";
    }
}

#[test]
fn a_rollback_needs_evidence_and_no_patience() {
    let (good, none) = (arm(100_000, 300), Arm::default());
    judged! {
        "one of one": arm(0, 1), good, 0.1 => Inconclusive, "too_few_samples baking";
        "one of ten": arm(9, 1), good, 0.1 => Inconclusive, "too_few_samples baking";
        "two of two": arm(0, 2), good, 0.1 => Inconclusive, "too_few_samples baking";
        "three of three": arm(0, 3), good, 0.1 => RollBack, "error_rate";
        "three of four": arm(1, 3), good, 0.1 => RollBack, "error_rate";
        "four of four": arm(0, 4), good, 0.1 => RollBack, "error_rate success_rate";
        "four of four, no control": arm(0, 4), none, 0.1 => RollBack, "error_rate success_rate";
        "at the limit": arm(4900, 100), good, 5.0 => Hold, "error_rate_not_shown";
        "three per cent of few": arm(485, 15), good, 5.0 => Hold, "error_rate_not_shown";
        "three per cent of many": arm(9700, 300), good, 5.0 => RollBack, "error_rate";
        "five per cent": arm(1900, 100), good, 5.0 => RollBack, "error_rate";
        "a third": arm(200, 100), good, 0.1 => RollBack, "error_rate success_rate";
        "slow": slow(500, 2500.0), good, 1.0 => RollBack, "first_token";
        "slow, of few": slow(29, 9000.0), good, 1.0 => Inconclusive, "too_few_samples baking";
        "slow, of thirty": slow(30, 9000.0), good, 1.0 => RollBack, "first_token";
        "one critical of many": critical(4999, 1, 1), good, 5.0 => RollBack, "critical_errors";
        "critical at once": critical(0, 1, 1), none, 0.1 => RollBack, "critical_errors";
        "critical, then cancelled": Arm { critical: 1, cancelled: 1, ..none }, none, 0.1 => RollBack, "critical_errors";
        "critical and slow": Arm { critical: 2, ..slow(400, 9000.0) }, good, 5.0 => RollBack, "critical_errors first_token";
    }
}

#[test]
fn what_both_arms_have_is_held() {
    let none = Arm::default();
    judged! {
        "an outage": arm(90, 60), arm(900, 600), 1.0 => Hold, "both_arms";
        "all fail": arm(0, 400), arm(0, 9000), 1.0 => Hold, "both_arms";
        "an outage after a good hour": arm(2600, 400), arm(260, 40), 5.0 => Hold, "both_arms";
        "alike, above the limit": arm(1900, 100), arm(19_000, 900), 1.0 => Hold, "both_arms";
        "worse than a bad one": arm(50, 100), arm(1200, 300), 1.0 => RollBack, "error_rate success_rate";
        "much worse than a slightly bad one": arm(180, 20), arm(9750, 250), 1.0 => RollBack, "error_rate";
        "both slow": slow(500, 2500.0), slow(5000, 2450.0), 1.0 => Hold, "both_arms";
        "slower than a slow one": slow(500, 4500.0), slow(5000, 2450.0), 1.0 => RollBack, "first_token";
        "critical alike": critical(990, 10, 10), critical(9900, 100, 100), 1.0 => Hold, "both_arms";
        "critical, rarer in control": critical(99, 1, 1), critical(9999, 1, 1), 1.0 => RollBack, "critical_errors";
        "critical, no control": critical(99, 1, 1), none, 1.0 => RollBack, "critical_errors";
        "alike, and critical alone": critical(90, 60, 3), arm(900, 600), 1.0 => RollBack, "critical_errors";
    }
}

#[test]
fn a_small_control_arm_neither_excuses_nor_is_passed_over() {
    judged! {
        "one of three failed": arm(100, 20), arm(2, 1), 1.0 => Hold, "both_arms";
        "one of thirty failed": arm(200, 40), arm(29, 1), 1.0 => Hold, "control_too_small";
        "one of sixty failed": arm(400, 80), arm(59, 1), 1.0 => RollBack, "error_rate";
        "none of two": arm(100, 20), arm(2, 0), 1.0 => Hold, "control_too_small";
        "none of two, long waited for": arm(1000, 200), arm(2, 0), 1.0 => RollBack, "error_rate success_rate";
        "none of a hundred": arm(100, 20), arm(100, 0), 1.0 => RollBack, "error_rate";
        "none at all": arm(100, 20), Arm::default(), 1.0 => RollBack, "error_rate";
        "ten first tokens": slow(500, 2500.0), slow(10, 500.0), 1.0 => Hold, "control_too_small";
        "ten, long waited for": slow(6000, 2500.0), slow(10, 500.0), 1.0 => RollBack, "first_token";
        "a hundred first tokens": slow(500, 2500.0), slow(100, 500.0), 1.0 => RollBack, "first_token";
    }
}
