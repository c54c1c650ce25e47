//! Times between tokens, kept until a turn ends and then told as a histogram. Pure.

use std::time::Duration;

use troika_proto::metrics::v1::Histogram;

/// Gaps that are kept of a turn; further ones are left out. The longest answer has fewer tokens.
const MOST: usize = 4096;

/// Buckets double in width with each power of two, of which each has this many (as a power of two).
const GROUPING_POWER: u32 = 7;

/// The gaps of one turn. Adding one costs no more than pushing four bytes.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    microseconds: Vec<u32>,
}

impl Gaps {
    /// Time passed between two tokens.
    pub fn add(&mut self, gap: Duration) {
        if self.microseconds.len() < MOST {
            let microseconds = u32::try_from(gap.as_micros()).unwrap_or(u32::MAX);
            self.microseconds.push(microseconds);
        }
    }

    /// As they are told; `None` without any.
    pub fn histogram(&self) -> Option<Histogram> {
        if self.microseconds.is_empty() {
            return None;
        }
        let mut buckets: Vec<u32> = self.microseconds.iter().copied().map(bucket).collect();
        buckets.sort_unstable();
        let mut told = Histogram::default();
        for same in buckets.chunk_by(|a, b| a == b) {
            told.index.push(same[0]);
            told.count.push(same.len() as u64);
        }
        Some(told)
    }
}

/// The bucket of a value, in microseconds, in an H2 histogram (<https://h2histogram.org>): exact up to 2^(7+1), then 2^7 buckets for each power of
/// two: each bucket's width is at most 1/128 of its values.
pub fn bucket(value: u32) -> u32 {
    if value < 1 << (GROUPING_POWER + 1) {
        return value;
    }
    let shift = value.ilog2() - GROUPING_POWER;
    (shift << GROUPING_POWER) + (value >> shift)
}

#[cfg(test)]
mod tests {
    use histogram::{Histogram as Whole, SparseHistogram};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_told_as_the_histogram_crate_would_count_them(
            values in prop::collection::vec(prop_oneof![0_u32..1000, any::<u32>()], 1..300)
        ) {
            let mut gaps = Gaps::default();
            let mut whole = Whole::new(7, 32).unwrap();
            for value in values {
                gaps.add(Duration::from_micros(value.into()));
                whole.increment(value.into()).unwrap();
            }
            let (_, index, count) = SparseHistogram::from(&whole).into_parts();
            let told = gaps.histogram().unwrap();
            prop_assert_eq!((told.index, told.count), (index, count));
        }
    }

    #[test]
    fn without_gaps_nothing_is_told_and_too_many_are_left_out() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.histogram(), None);
        for _ in 0..2 * MOST {
            gaps.add(Duration::from_secs(10_000));
        }
        let told = gaps.histogram().unwrap();
        assert_eq!(told.count, [MOST as u64]);
    }
}
