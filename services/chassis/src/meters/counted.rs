//! A histogram that takes what was counted elsewhere, many values at once. It must not know what the values are.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// Values in buckets. Cloning is cheap; every clone is the same histogram.
#[derive(Clone, Debug)]
pub struct CountedHistogram {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    sum: f64,
    count: u64,
    /// By rising upper bound; the last is infinite.
    buckets: Vec<(f64, u64)>,
}

impl CountedHistogram {
    /// With these upper bounds, by rising value, and one for all that is more.
    pub fn new(bounds: &[f64]) -> Self {
        let bounds = bounds.iter().copied().chain(Some(f64::INFINITY));
        Self {
            inner: Arc::new(Mutex::new(Inner {
                sum: 0.0,
                count: 0,
                buckets: bounds.map(|bound| (bound, 0)).collect(),
            })),
        }
    }

    /// Adds values, each with how often it was seen.
    pub fn add(&self, values: impl IntoIterator<Item = (f64, u64)>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        for (value, count) in values {
            let at = inner.buckets.partition_point(|(bound, _)| *bound < value);
            if let Some((_, counted)) = inner.buckets.get_mut(at) {
                *counted += count;
                inner.count += count;
                inner.sum += value * count as f64;
            }
        }
    }
}

impl EncodeMetric for CountedHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        encoder.encode_histogram::<NoLabelSet>(inner.sum, inner.count, &inner.buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for CountedHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}
