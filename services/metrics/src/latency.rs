//! Many times of one kind: their mean, and percentiles that add up over seconds and over processes. Pure.

use std::collections::BTreeMap;

use histogram::{Config, Quantile, SparseHistogram};
use serde::{Deserialize, Serialize};
use troika_reporting::bucket;

/// As [`bucket`] counts: 2^7 buckets to a power of two, values of 32 bits.
const GROUPING_POWER: u8 = 7;
const MAX_VALUE_POWER: u8 = 32;

/// Buckets there are at all.
const BUCKETS: u32 = (MAX_VALUE_POWER as u32 - GROUPING_POWER as u32 + 1) << GROUPING_POWER;

/// Times in microseconds, in buckets of which each is at most 1/128 of its values wide. Longer than 71 minutes
/// counts as that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    #[serde(rename = "s")]
    sum: u64,
    #[serde(rename = "b")]
    buckets: BTreeMap<u32, u64>,
}

/// Mean and percentiles, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl Latency {
    pub(crate) fn add(&mut self, time: std::time::Duration) {
        let microseconds = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.sum = self.sum.saturating_add(microseconds.into());
        *self.buckets.entry(bucket(microseconds)).or_default() += 1;
    }

    /// Adds what was counted elsewhere in the same buckets; of those that cannot be, nothing. Their values are
    /// taken for the middles of their buckets.
    pub(crate) fn add_counted(&mut self, counted: impl IntoIterator<Item = (u32, u64)>) {
        for (index, count) in counted {
            if index < BUCKETS {
                let middle = middle(index);
                self.sum = self.sum.saturating_add(middle.saturating_mul(count));
                let bucket = self.buckets.entry(index).or_default();
                *bucket = bucket.saturating_add(count);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        for (index, count) in &other.buckets {
            let bucket = self.buckets.entry(*index).or_default();
            *bucket = bucket.saturating_add(*count);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    pub(crate) fn count(&self) -> u64 {
        self.buckets
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Zeros without any times.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let count = self.count();
        if count == 0 {
            return Percentiles::default();
        }
        let [p50, p95, p99] = self.quantiles([0.5, 0.95, 0.99]);
        Percentiles {
            count,
            mean: self.sum as f64 / count as f64 / 1e3,
            p50,
            p95,
            p99,
        }
    }

    /// Each the middle of the bucket in which it lies, in milliseconds: within 0.4 % of the true value.
    fn quantiles<const N: usize>(&self, of: [f64; N]) -> [f64; N] {
        let (index, count): (Vec<_>, Vec<_>) = self.buckets.iter().unzip();
        let found = Config::new(GROUPING_POWER, MAX_VALUE_POWER)
            .and_then(|config| SparseHistogram::from_parts(config, index, count))
            .and_then(|histogram| histogram.quantiles(&of));
        // Neither can fail: the buckets are the configuration's, the quantiles from 0 to 1.
        let Ok(Some(found)) = found else {
            return [0.0; N];
        };
        of.map(|of| {
            let bucket = Quantile::new(of).ok().and_then(|of| found.get(&of));
            bucket.map_or(0.0, |bucket| (bucket.start() + bucket.end()) as f64 / 2e3)
        })
    }
}

/// The middle of a bucket, in microseconds.
fn middle(index: u32) -> u64 {
    let index = u64::from(index);
    let (group, place) = (index >> GROUPING_POWER, index & ((1 << GROUPING_POWER) - 1));
    if group == 0 {
        return place;
    }
    let width = 1_u64 << (group - 1);
    ((1 << GROUPING_POWER) + place) * width + width / 2
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn of(microseconds: &[u32]) -> Latency {
        let mut latency = Latency::default();
        for value in microseconds {
            latency.add(Duration::from_micros((*value).into()));
        }
        latency
    }

    proptest! {
        #[test]
        fn percentiles_are_within_the_stated_error_and_merging_changes_none(
            mut values in prop::collection::vec(1_u32..200_000_000, 1..300), cut in 0_usize..300,
        ) {
            let whole = of(&values);
            let (a, b) = values.split_at(cut.min(values.len()));
            let (mut merged, mut other) = (of(a), of(b));
            merged.merge(&other);
            prop_assert_eq!(&merged, &whole);
            other.merge(&of(a));
            prop_assert_eq!(&other, &whole);
            let told = whole.percentiles();
            values.sort_unstable();
            let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64 / 1e3;
            prop_assert_eq!(told.count, values.len() as u64);
            prop_assert!((told.mean - mean).abs() <= 1e-9 * mean.max(1.0));
            for (quantile, found) in [(0.5, told.p50), (0.95, told.p95), (0.99, told.p99)] {
                let rank = ((quantile * values.len() as f64).ceil() as usize).clamp(1, values.len());
                let truth = f64::from(values[rank - 1]) / 1e3;
                prop_assert!((found - truth).abs() <= truth * 0.004 + 1e-9, "{quantile}: {found} for {truth}");
            }
        }

        #[test]
        fn what_is_stored_is_read_back(values in prop::collection::vec(any::<u32>(), 0..100)) {
            let latency = of(&values);
            let mut bytes = Vec::new();
            ciborium::into_writer(&latency, &mut bytes).unwrap();
            let read: Latency = ciborium::from_reader(bytes.as_slice()).unwrap();
            prop_assert_eq!(read, latency);
        }
    }

    #[test]
    fn what_others_counted_is_added_and_what_cannot_be_is_not() {
        let mut latency = Latency::default();
        latency.add_counted([(bucket(20_000), 3), (BUCKETS, 5), (u32::MAX, 1)]);
        let told = latency.percentiles();
        assert_eq!(told.count, 3);
        assert!((told.mean - 20.0).abs() < 0.08, "{told:?}");
        assert!((told.p99 - 20.0).abs() < 0.08, "{told:?}");
    }
}
