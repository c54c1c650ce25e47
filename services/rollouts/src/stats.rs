//! The formulas the judgement rests on, each with its source. It must not know what a rollout is.
//!
//! Two kinds of bounds: those at any look (*anytime-valid*), which stay true however often and whenever one
//! looks, for taking back; those of one look, for going on.

use std::iter;

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
use statrs::function::beta::{beta_reg, ln_beta};

/// Halvings of an interval of rates at most, and the part of a bound that no longer matters.
const HALVINGS: u32 = 60;
const EXACT_TO: f64 = 1e-6;

/// Fewest measurements of a mean before it has bounds at any look: they are asymptotic.
pub(crate) const FEWEST_FOR_MEAN: u64 = 30;

/// The number of measurements at which the bounds at any look of a mean are tightest.
const TIGHTEST_AT: f64 = 100.0;

/// Degrees of freedom from which Student's distribution is the normal one to five digits.
const NORMAL_FROM: f64 = 10_000.0;

/// Of all that is known of a mean: how often, what, and how it varies.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

/// The logarithm of the evidence (e-value) against "at most `p0` of all fail", after `k` of `n` failed; 0 is none.
///
/// A mixture of likelihood ratios of every rate above `p0` against `p0` itself, the rates weighted by a
/// Beta(a, b) cut off at `p0`:
///
/// ln E = ln B(a+k, b+n−k) + ln(1 − I_p0(a+k, b+n−k)) − ln B(a, b) − ln(1 − I_p0(a, b)) − k ln p0 − (n−k) ln(1−p0)
///
/// Under each rate of at most `p0` it is a supermartingale that begins at 1, so by Ville's inequality (Ville,
/// *Étude critique de la notion de collectif*, 1939) it ever reaches 1/α with a chance of at most α, whenever
/// one looks. The method of mixtures: Robbins, *Statistical methods related to the law of the iterated
/// logarithm*, 1970; composite hypotheses: Ramdas, Grünwald, Vovk, Shafer, *Game-theoretic statistics and safe
/// anytime-valid inference*, 2023.
pub(crate) fn ln_evidence(k: u64, n: u64, p0: f64) -> f64 {
    if k == 0 || p0.is_nan() || p0 >= 1.0 {
        return 0.0;
    }
    if p0 <= 0.0 {
        return f64::INFINITY;
    }
    let (k, n) = (k as f64, n as f64);
    if k / n <= p0 {
        // Every ratio of the mixture is at most 1.
        return 0.0;
    }
    // Beta(1, b) with its mean at five times the limit: most weight on what is clearly too much and not yet
    // a disaster. Any weights keep the guarantee.
    let a = 1.0;
    let b = (1.0 / (5.0 * p0) - 1.0).max(1.0);
    // 1 − I_x(a, b) = I_{1−x}(b, a), without the loss of digits.
    let above = beta_reg(b + n - k, a + k, 1.0 - p0).clamp(0.0, 1.0);
    let prior_above = b * (-p0).ln_1p();
    let evidence = ln_beta(a + k, b + n - k) + above.ln()
        - ln_beta(a, b)
        - prior_above
        - k * p0.ln()
        - (n - k) * (-p0).ln_1p();
    // What speaks for the limit is no evidence against it. Neither is what is no number.
    evidence.max(0.0)
}

/// The rate that is exceeded at any look, but for a chance of `alpha`: all below are refuted by
/// [`ln_evidence`]. Inverting tests: Howard, Ramdas, McAuliffe, Sekhon, *Time-uniform, nonparametric,
/// nonasymptotic confidence sequences*, 2021.
pub(crate) fn rate_lower(k: u64, n: u64, alpha: f64) -> f64 {
    if k == 0 {
        return 0.0;
    }
    let refuted = |p: f64| ln_evidence(k, n, p) >= -alpha.ln();
    halve(0.0, k as f64 / n as f64, refuted).0
}

/// The rate that is not reached, with this confidence at this look: the one-sided upper bound of Clopper and
/// Pearson, *The use of confidence or fiducial limits illustrated in the case of the binomial*, 1934. Never
/// below the rate itself.
pub(crate) fn rate_upper(k: u64, n: u64, confidence: f64) -> f64 {
    let possible = confidence > 0.0 && confidence < 1.0;
    if k >= n || !possible {
        return 1.0;
    }
    let seen = k as f64 / n as f64;
    halve(seen, 1.0, |p| at_most(k, n, p) > 1.0 - confidence).1
}

/// The chance that at most `k` of `n` fail when each does with a chance of `p`: the binomial distribution by
/// the incomplete beta function.
pub(crate) fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    beta_reg((n - k) as f64, k as f64 + 1.0, 1.0 - p).clamp(0.0, 1.0)
}

/// The logarithm of how much likelier `k` failures of `n` are under the rate `p` than under the rate `q`.
pub(crate) fn ln_likelihood_ratio(k: u64, n: u64, p: f64, q: f64) -> f64 {
    // 0 · ln 0 is 0.
    let part = |count: u64, p: f64, q: f64| match count {
        0 => 0.0,
        count => count as f64 * (p.ln() - q.ln()),
    };
    part(k, p, q) + part(n - k, 1.0 - p, 1.0 - q)
}

/// The logarithm of the evidence against "one arm fails no more than the other", after `k` failures in an arm
/// of `n` and `other_k` in one of `other_n`.
///
/// When both arms fail alike, each failure is in this arm with the chance of its share of the turns, however
/// the rate changes in time: [`ln_evidence`] of this share. Lindon, Malek, *Anytime-valid inference for
/// multinomial count data*, 2022. An exact test of one look (Fisher's) would, looked at every few seconds,
/// sooner or later find a difference in every long outage.
pub(crate) fn ln_evidence_of_more(k: u64, n: u64, other_k: u64, other_n: u64) -> f64 {
    let share = n as f64 / (n as f64 + other_n as f64);
    ln_evidence(k, k.saturating_add(other_k), share)
}

/// The chance that this arm has `k` or more of all failures when both arms fail alike: the conditional test of
/// Przyborowski and Wilenski, *Homogeneity of results in testing samples from Poisson series*, 1940, which
/// for rare events is Fisher's exact test.
pub(crate) fn chance_of_more(k: u64, n: u64, other_k: u64, other_n: u64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    let share = n as f64 / (n as f64 + other_n as f64);
    if share.is_nan() {
        return 0.0;
    }
    beta_reg(k as f64, other_k as f64 + 1.0, share)
}

/// How far a mean may be from the true one, to one side, at any look but for a chance of `alpha`: the
/// one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, *Time-uniform
/// central limit theory and asymptotic confidence sequences*, 2021 (their two-sided one has ln(√(tρ²+1)/α)):
///
/// σ √( 2 (tρ²+1) / (t²ρ²) · ln(1 + √(tρ²+1) / (2α)) )
///
/// with ρ² = (−2 ln 2α + ln(1 − 2 ln 2α)) / t₀, tightest at t₀. None below [`FEWEST_FOR_MEAN`].
pub(crate) fn mean_margin(sample: Sample, alpha: f64) -> Option<f64> {
    if sample.count < FEWEST_FOR_MEAN {
        return None;
    }
    let doubt = -2.0 * (2.0 * alpha).min(0.5).ln();
    let rho2 = (doubt + doubt.ln_1p()) / TIGHTEST_AT;
    let t = sample.count as f64;
    let grown = t * rho2 + 1.0;
    let width = 2.0 * grown / (t * t * rho2) * (grown.sqrt() / (2.0 * alpha)).ln_1p();
    Some(sample.variance.sqrt() * width.sqrt())
}

/// The mean that is not reached, with this confidence at this look: Student's one-sided bound (*The probable
/// error of a mean*, 1908). Never below the mean itself; none without two measurements.
pub(crate) fn mean_upper(sample: Sample, confidence: f64) -> Option<f64> {
    let possible = confidence > 0.0 && confidence < 1.0;
    if sample.count < 2 || !possible {
        return None;
    }
    let freedom = sample.count as f64 - 1.0;
    let quantile = if freedom < NORMAL_FROM {
        student_quantile(freedom, 1.0 - confidence)?
    } else {
        Normal::standard().inverse_cdf(confidence)
    };
    let margin = quantile * (sample.variance / sample.count as f64).sqrt();
    let upper = sample.mean + margin.max(0.0);
    upper.is_finite().then_some(upper)
}

/// What Student's distribution exceeds with a chance of `tail`, 0 when that is half or more. By halving: the
/// library's own inverse panics on some freedoms and chances, when Newton's steps leave the interval.
fn student_quantile(freedom: f64, tail: f64) -> Option<f64> {
    let student = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let exceeded = |at: f64| student.sf(at) > tail;
    let above = iter::successors(Some(1.0), |at| Some(at * 2.0))
        .take(HALVINGS as usize)
        .find(|at| !exceeded(*at))?;
    Some(halve(0.0, above, exceeded).1)
}

/// The two sides of the place below which `holds` and above which it does not.
fn halve(mut below: f64, mut above: f64, holds: impl Fn(f64) -> bool) -> (f64, f64) {
    for _ in 0..HALVINGS {
        if above - below <= EXACT_TO * above {
            break;
        }
        let middle = below.midpoint(above);
        if holds(middle) {
            below = middle;
        } else {
            above = middle;
        }
    }
    (below, above)
}

#[cfg(test)]
mod tests;
