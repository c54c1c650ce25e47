use proptest::prelude::*;

use super::*;

fn evidence(k: u64, n: u64) -> f64 {
    ln_evidence(k, n, 0.02).exp()
}

#[test]
fn evidence_against_two_percent_is_as_computed_by_the_integral() {
    // The mixture itself, summed up over a fine grid of rates.
    let integral = |k: i32, n: i32| {
        let (p0, b, steps) = (0.02, 9, 400_000);
        let width = (1.0 - p0) / f64::from(steps);
        let (mut ratio, mut weight) = (0.0, 0.0);
        for step in 0..steps {
            let p: f64 = p0 + (f64::from(step) + 0.5) * width;
            let w = (1.0 - p).powi(b - 1);
            weight += w;
            ratio += w * (p / p0).powi(k) * ((1.0 - p) / (1.0 - p0)).powi(n - k);
        }
        // Below 1 it speaks for the limit.
        f64::max(ratio / weight, 1.0)
    };
    for (k, n) in [
        (1, 10),
        (1, 1),
        (3, 4),
        (4, 4),
        (7, 100),
        (25, 500),
        (11, 500),
    ] {
        let expected = integral(k, n);
        let found = evidence(k as u64, n as u64);
        assert!(
            (found / expected - 1.0).abs() < 1e-6,
            "{k} of {n}: {found} is not {expected}"
        );
    }
}

#[test]
fn one_failure_in_ten_says_little_and_three_of_three_say_much() {
    assert!(evidence(1, 10) < 3.0);
    assert!(evidence(2, 2) < 100.0);
    assert!(evidence(3, 3) > 400.0);
    assert!(evidence(3, 4) > 400.0);
    assert!(evidence(10, 1000) <= 1.0);
}

#[test]
fn no_rate_is_refuted_without_a_failure_and_every_one_above_zero_is_possible() {
    assert!(ln_evidence(0, 1_000_000, 0.0) <= 0.0);
    assert!(ln_evidence(1, 1_000_000, 0.0).is_infinite());
    assert!(ln_evidence(5, 5, 1.0) <= 0.0);
}

#[test]
fn clean_samples_bound_the_error_rate_as_clopper_and_pearson_say() {
    for (n, expected) in [(10, 0.258_865_6), (299, 0.009_969_2), (298, 0.010_002_5)] {
        let found = rate_upper(0, n, 0.95);
        assert!((found - expected).abs() < 1e-6, "0 of {n}: {found}");
    }
    // Tabled: 3 of 100 at 95 % one-sided.
    assert!((rate_upper(3, 100, 0.95) - 0.075_7).abs() < 1e-4);
    assert!((rate_upper(7, 7, 0.95) - 1.0).abs() < f64::EPSILON);
    assert!((rate_upper(0, 0, 0.95) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn bounds_hold_for_counts_of_a_large_site() {
    for n in [1_000_000_u64, 100_000_000, 1_000_000_000_000] {
        let k = n / 100;
        let (lower, upper) = (rate_lower(k, n, 0.005), rate_upper(k, n, 0.95));
        let spread = (0.01 * 0.99 / n as f64).sqrt();
        assert!(lower < 0.01 && lower > 0.01 - 8.0 * spread, "{n}: {lower}");
        assert!(upper > 0.01 && upper < 0.01 + 2.0 * spread, "{n}: {upper}");
        assert!(ln_evidence(k, n, 0.02) <= 0.0);
        assert!(ln_evidence(3 * k, n, 0.02) > 1000.0);
    }
}

#[test]
fn an_arm_with_its_share_of_failures_is_no_worse() {
    assert!(ln_evidence_of_more(10, 100, 90, 900) < 1.0);
    assert!(ln_evidence_of_more(10, 100, 0, 900) > 10.0);
    assert!(ln_evidence_of_more(3, 100, 0, 0) <= 0.0);
    assert!((chance_of_more(1, 100, 0, 9900) - 0.01).abs() < 1e-9);
    assert!((chance_of_more(0, 100, 4, 100) - 1.0).abs() < f64::EPSILON);
    assert!(chance_of_more(1, 100, 10, 990) > 0.5);
    assert!(chance_of_more(1, 0, 0, 0) <= 0.0);
}

#[test]
fn the_likelihood_ratio_minds_certain_and_impossible_failures() {
    assert!(ln_likelihood_ratio(1, 1, 1.0, 0.02) > 3.9);
    assert!(ln_likelihood_ratio(0, 1, 1.0, 0.02) == f64::NEG_INFINITY);
    assert!(ln_likelihood_ratio(0, 0, 1.0, 0.02).abs() < f64::EPSILON);
}

#[test]
fn students_bound_is_the_tabled_one() {
    let sample = |count| Sample {
        count,
        mean: 0.0,
        variance: count as f64,
    };
    for (count, expected) in [
        (2, 6.3138),
        (3, 2.9200),
        (11, 1.8125),
        (31, 1.6973),
        (301, 1.6499),
        (10_000, 1.6450),
        (10_002, 1.6449),
        (1_000_000_000_000, 1.6449),
    ] {
        let found = mean_upper(sample(count), 0.95).unwrap();
        assert!((found - expected).abs() < 2e-4, "{count}: {found}");
    }
    assert_eq!(mean_upper(sample(1), 0.95), None);
    assert!(mean_upper(sample(50), 0.2).unwrap() >= 0.0);
}

#[test]
fn the_margin_of_a_mean_needs_thirty_measurements_and_shrinks() {
    let margin = |count| {
        mean_margin(
            Sample {
                count,
                mean: 0.0,
                variance: 1.0,
            },
            0.005,
        )
    };
    assert_eq!(margin(29), None);
    let margins: Vec<_> = [30, 100, 1000, 100_000, 1_000_000_000_000]
        .into_iter()
        .filter_map(margin)
        .collect();
    assert_eq!(margins.len(), 5);
    assert!(margins.is_sorted_by(|a, b| a > b), "{margins:?}");
    // Between the bound of one look (2.58) and the plain union over looks.
    assert!((0.3..0.5).contains(&margins[1]), "{margins:?}");
}

proptest! {
    #[test]
    fn what_is_refuted_as_too_high_stays_refuted_for_lower_limits(
        n in 1_u64..5000, share in 0.0_f64..=1.0, p in 0.0001_f64..0.9999, less in 0.0_f64..1.0,
    ) {
        let k = (n as f64 * share) as u64;
        let (at, below) = (ln_evidence(k, n, p), ln_evidence(k, n, p * less));
        prop_assert!(at <= 0.0 || at < 4.0 || below >= 4.0, "{k} of {n}: {below} below {at}");
    }

    #[test]
    fn one_failure_more_is_more_evidence(n in 1_u64..5000, share in 0.0_f64..1.0, p in 0.0001_f64..0.9999) {
        let k = (n as f64 * share) as u64;
        let (fewer, more) = (ln_evidence(k, n, p), ln_evidence((k + 1).min(n), n, p));
        prop_assert!(more >= fewer - 1e-6, "{fewer} {more}");
    }

    #[test]
    fn bounds_enclose_what_was_seen(n in 1_u64..u64::MAX / 2, share in 0.0_f64..=1.0, level in 0.001_f64..0.999) {
        let n = n % 1_000_000_000_001;
        let k = ((n as f64 * share) as u64).min(n);
        let (lower, upper) = (rate_lower(k, n, level), rate_upper(k, n, level));
        if n > 0 {
            let seen = k as f64 / n as f64;
            prop_assert!((0.0..=seen).contains(&lower));
            prop_assert!((seen..=1.0).contains(&upper));
        }
    }
}

proptest! {
    /// The library's own inverse panics at some of these.
    #[test]
    fn students_bound_is_there_for_every_freedom_and_confidence(
        count in 2_u64..12_000,
        doubt in -12.0..-0.31,
    ) {
        let sample = Sample { count, mean: 100.0, variance: 9.0 };
        let doubt = 10.0_f64.powf(doubt);
        let upper = mean_upper(sample, 1.0 - doubt).unwrap();
        prop_assert!(upper >= 100.0);
        prop_assert!(mean_upper(sample, 1.0 - doubt / 2.0).unwrap() >= upper);
    }
}
