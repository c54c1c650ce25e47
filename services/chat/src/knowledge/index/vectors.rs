//! Exact nearest neighbours by cosine over the embeddings of one model. Pure.

use std::collections::HashMap;

/// Sums kept apart while adding up a product, so that the compiler can add them at once.
const LANES: usize = 8;

/// Vectors of length 1, one after the other, and whose they are.
#[derive(Debug, Default)]
pub(super) struct Vectors {
    dimensions: usize,
    values: Vec<f32>,
    owners: Vec<u32>,
}

impl Vectors {
    /// Takes the vector of each passage that has one. Vectors without a direction, and those whose
    /// number of dimensions is not that of most, are left out.
    pub(super) fn new<'a>(vectors: impl Iterator<Item = Option<&'a [f32]>> + Clone) -> Self {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for vector in vectors.clone().flatten() {
            *counts.entry(vector.len()).or_default() += 1;
        }
        let most = counts
            .into_iter()
            .filter(|(dimensions, _)| *dimensions > 0)
            .max_by_key(|(d, count)| (*count, *d));
        let Some((dimensions, count)) = most else {
            return Self::default();
        };
        let mut values = Vec::with_capacity(dimensions * count);
        let mut owners = Vec::with_capacity(count);
        for (owner, vector) in vectors.enumerate() {
            let Some(vector) = vector.filter(|vector| vector.len() == dimensions) else {
                continue;
            };
            let Some(scale) = inverse_length(vector) else {
                continue;
            };
            values.extend(vector.iter().map(|value| value * scale));
            owners.push(owner as u32);
        }
        Self {
            dimensions,
            values,
            owners,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The memory they take.
    pub(super) fn bytes(&self) -> usize {
        (self.values.len() + self.owners.len()) * size_of::<f32>()
    }

    /// The owners of the `count` vectors nearest to `query`, nearest first, as far as their cosine is
    /// above 0; none for a query of other dimensions.
    pub(super) fn nearest(&self, query: &[f32], count: usize) -> Vec<u32> {
        if query.len() != self.dimensions || inverse_length(query).is_none() {
            return Vec::new();
        }
        let mut found: Vec<(u32, f32)> = self
            .owners
            .iter()
            .copied()
            .zip(
                self.values
                    .chunks_exact(self.dimensions)
                    .map(|vector| dot(vector, query)),
            )
            .filter(|(_, cosine)| *cosine > 0.0)
            .collect();
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if found.len() > count && count > 0 {
            found.select_nth_unstable_by(count - 1, order);
        }
        found.truncate(count);
        found.sort_by(order);
        found.into_iter().map(|(owner, _)| owner).collect()
    }
}

fn inverse_length(vector: &[f32]) -> Option<f32> {
    let inverse = 1.0 / dot(vector, vector).sqrt();
    (inverse.is_finite() && inverse > 0.0).then_some(inverse)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_lanes
        .remainder()
        .iter()
        .zip(b_lanes.remainder())
        .map(|(a, b)| a * b)
        .sum();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a_lanes.zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vectors(rows: &[&[f32]]) -> Vectors {
        Vectors::new(rows.iter().map(|row| (!row.is_empty()).then_some(*row)))
    }

    #[test]
    fn the_nearest_come_first_and_opposite_ones_not_at_all() {
        let vectors = vectors(&[&[0.0, 5.0], &[], &[3.0, 0.1], &[-1.0, 0.0], &[1.0, 1.0]]);
        assert_eq!(vectors.nearest(&[2.0, 0.0], 3), [2, 4]);
        assert_eq!(vectors.nearest(&[2.0, 0.0], 1), [2]);
    }

    #[test]
    fn vectors_that_cannot_be_compared_are_left_out() {
        let vectors = vectors(&[
            &[1.0, 0.0],
            &[0.0, 0.0],
            &[f32::NAN, 1.0],
            &[1.0],
            &[0.0, 1.0],
        ]);
        assert_eq!(vectors.owners, [0, 4]);
        assert!(vectors.nearest(&[1.0], 3).is_empty());
        assert!(vectors.nearest(&[f32::INFINITY, 0.0], 3).is_empty());
    }

    proptest! {
        #[test]
        fn the_product_is_that_of_the_definition(
            pairs in proptest::collection::vec((-1.0_f32..1.0, -1.0_f32..1.0), 0..100)
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let expected: f64 = pairs.iter().map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            prop_assert!((f64::from(dot(&a, &b)) - expected).abs() < 1e-4);
        }
    }
}
