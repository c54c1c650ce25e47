//! What figures show, and how surely. Knows numbers, not rollouts.

use statrs::{
    distribution::{Beta, ContinuousCDF as _, DiscreteCDF as _, Hypergeometric, Normal},
    function::beta::{checked_beta_reg, ln_beta},
};

use crate::evidence::Moments;

/// The mixture over the rates that count as too high: most of its weight lies at some per cent, where
/// faults of software lie.
const PRIOR: (f64, f64) = (1.0, 19.0);

/// The number of samples for which the bounds of a mean are tightest.
const TIGHTEST_AT: f64 = 300.0;

/// How much the samples speak for a rate above `limit`, as a logarithm: an e-process for "the rate is at most
/// `limit`", made of the likelihood ratios to all higher rates, mixed by a Beta distribution cut off at the
/// limit. By Ville's inequality it ever reaches ln(1/α) with a chance of at most α, however often one looks
/// (Howard, Ramdas, McAuliffe, Sekhon: Time-uniform Chernoff bounds, 2020; Robbins' method of mixtures, 1970).
pub fn evidence_above(limit: f64, failures: u64, samples: u64) -> f64 {
    let (a, b) = PRIOR;
    let (bad, good) = (failures as f64, samples.saturating_sub(failures) as f64);
    // 1 − I_p(a, b) = I_{1−p}(b, a), which keeps its digits where it is small.
    let above = |a: f64, b: f64| checked_beta_reg(b, a, 1.0 - limit).map_or(f64::NEG_INFINITY, f64::ln);
    let mixed = ln_beta(a + bad, b + good) + above(a + bad, b + good) - ln_beta(a, b) - above(a, b);
    mixed - bad * limit.ln() - good * (-limit).ln_1p()
}

/// The one-sided upper bound of a rate, exact after Clopper and Pearson (1934). 1 without samples.
pub fn rate_upper(failures: u64, samples: u64, confidence: f64) -> f64 {
    if failures >= samples {
        return 1.0;
    }
    if failures == 0 {
        return 1.0 - (1.0 - confidence).powf(1.0 / samples as f64);
    }
    let good = (samples - failures) as f64;
    Beta::new(failures as f64 + 1.0, good).map_or(1.0, |beta| beta.inverse_cdf(confidence))
}

/// The one-sided lower bound of a rate, exact after Clopper and Pearson (1934). 0 without failures.
pub fn rate_lower(failures: u64, samples: u64, confidence: f64) -> f64 {
    if failures == 0 || samples == 0 {
        return 0.0;
    }
    if failures >= samples {
        return (1.0 - confidence).powf(1.0 / samples as f64);
    }
    let good = (samples - failures) as f64;
    Beta::new(failures as f64, good + 1.0).map_or(0.0, |beta| beta.inverse_cdf(1.0 - confidence))
}

/// The chance to see this many failures or more in the first group if both fail alike: Fisher's exact test,
/// one-sided. Each group is failures and samples.
pub fn worse_by_chance(first: (u64, u64), second: (u64, u64)) -> f64 {
    let (all, failed) = (first.1 + second.1, first.0 + second.0);
    if first.0 == 0 {
        return 1.0;
    }
    Hypergeometric::new(all, failed, first.1).map_or(1.0, |chance| chance.sf(first.0 - 1))
}

/// The one-sided bound of a mean that holds at all times together: the mean lies above `mean - it`, and on
/// another occasion below `mean + it`, with a chance of wrong of at most α however often one looks
/// (asymptotic confidence sequences: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, 2021, one-sided form).
pub fn always_within(moments: &Moments, alpha: f64) -> f64 {
    let count = moments.count as f64;
    let tight = -2.0 * alpha.ln();
    let rho = (tight + tight.ln() + 1.0) / TIGHTEST_AT;
    let spread = count * rho + 1.0;
    let factor = 2.0 * spread / (count * count * rho) * (spread.sqrt() / (2.0 * alpha)).ln_1p();
    (moments.variance * factor).sqrt()
}

/// The one-sided bound of a mean at one look, by the central limit theorem.
pub fn once_within(moments: &Moments, confidence: f64) -> f64 {
    let quantile = Normal::standard().inverse_cdf(confidence);
    quantile * (moments.variance / moments.count as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_tables() {
        // The rule of three's exact form: 299 clean samples show less than 1 %.
        assert!(rate_upper(0, 299, 0.95) < 0.01);
        assert!(rate_upper(0, 298, 0.95) > 0.01);
        // Clopper-Pearson, 1 of 10, one-sided 95 %: 0.00512 to 0.39416.
        assert!((rate_upper(1, 10, 0.95) - 0.394_163).abs() < 1e-5);
        assert!((rate_lower(1, 10, 0.95) - 0.005_116).abs() < 1e-5);
        assert_eq!(rate_upper(5, 5, 0.95), 1.0);
        assert_eq!(rate_lower(0, 5, 0.95), 0.0);
    }

    #[test]
    fn fishers_test_is_that_of_the_tea_lady() {
        // Three of four against one of four: p = 17/70.
        assert!((worse_by_chance((3, 4), (1, 4)) - 17.0 / 70.0).abs() < 1e-12);
        assert_eq!(worse_by_chance((0, 4), (1, 4)), 1.0);
    }

    #[test]
    fn one_failure_in_ten_shows_little_and_three_of_three_show_enough() {
        let enough = (1.0_f64 / 0.01).ln();
        assert!(evidence_above(0.02, 1, 10) < enough);
        assert!(evidence_above(0.02, 2, 2) < enough);
        assert!(evidence_above(0.02, 3, 3) > enough);
        assert!(evidence_above(0.02, 0, 100_000) < 0.0);
        assert!(evidence_above(0.02, 50, 1_000) > enough);
        assert!(!evidence_above(0.02, 0, 0).is_nan());
    }

    #[test]
    fn the_mixture_is_worth_one_on_average() {
        // Σ P(k) E(k) = 1 for a rate at the limit, which is what makes it an e-value.
        let (limit, samples) = (0.02_f64, 60_u64);
        let mean: f64 = (0..=samples)
            .map(|failures| {
                let (bad, good) = (failures as f64, (samples - failures) as f64);
                let ways = -(ln_beta(bad + 1.0, good + 1.0) + (samples as f64 + 1.0).ln());
                let chance = ways + bad * limit.ln() + good * (1.0 - limit).ln();
                (chance + evidence_above(limit, failures, samples)).exp()
            })
            .sum();
        assert!((mean - 1.0).abs() < 1e-6, "{mean}");
    }

    #[test]
    fn bounds_of_a_mean_shrink_and_the_one_for_all_times_is_wider() {
        let moments = |count| Moments { count, mean_ms: 500.0, variance: 250_000.0 };
        let (few, many) = (moments(30), moments(3000));
        assert!(always_within(&few, 0.01) > always_within(&many, 0.01));
        assert!(always_within(&many, 0.01) > once_within(&many, 0.99));
    }
}
