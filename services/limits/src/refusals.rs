//! Counts what was not let through, and tells the log so rarely that nobody can fill it. It must not know what was refused, nor
//! whom.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::metrics::{counter::Counter, family::Family};
use troika_chassis::meters::Meters;

/// Between two lines of the log of one policy.
const QUIET: Duration = Duration::from_secs(1);

/// Refusals by policy: `troika_limit_refusals_total{policy}`, which all roles of a process share. Cloning is cheap.
#[derive(Clone)]
pub struct Refusals {
    counted: Family<[(&'static str, &'static str); 1], Counter>,
    /// When the log was told of a policy last, and how many it was not told of since.
    told: Arc<Mutex<HashMap<&'static str, (Instant, u64)>>>,
}

impl Refusals {
    /// Of these policies, each of which is shown before anything was refused.
    pub fn new(meters: &Meters, policies: impl IntoIterator<Item = &'static str>) -> Self {
        let counted: Family<[(&'static str, &'static str); 1], Counter> = meters.metric(
            "troika_limit_refusals",
            "Requests that were not let through, by the policy they had used up",
            Family::default,
        );
        for policy in policies {
            let _from_the_start = counted.get_or_create(&[("policy", policy)]);
        }
        Self {
            counted,
            told: Arc::default(),
        }
    }

    /// One more. When the log is to be told: how many it was not told of since the last time, a second ago or more.
    pub fn note(&self, policy: &'static str) -> Option<u64> {
        self.counted.get_or_create(&[("policy", policy)]).inc();
        self.speaks(policy, Instant::now())
    }

    fn speaks(&self, policy: &'static str, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get_mut(policy) {
            Some((last, untold)) if now.saturating_duration_since(*last) < QUIET => {
                *untold += 1;
                None
            }
            Some((last, untold)) => {
                *last = now;
                Some(std::mem::take(untold))
            }
            None => {
                told.insert(policy, (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_one_line_a_second_for_each_policy() {
        let refusals = Refusals::new(&Meters::new(), ["api", "user"]);
        let now = Instant::now();
        assert_eq!(refusals.speaks("api", now), Some(0));
        assert_eq!(refusals.speaks("api", now + QUIET / 2), None);
        assert_eq!(refusals.speaks("api", now + QUIET / 2), None);
        assert_eq!(refusals.speaks("user", now + QUIET / 2), Some(0));
        assert_eq!(refusals.speaks("api", now + QUIET), Some(2));
        assert_eq!(refusals.speaks("api", now + QUIET * 2), Some(0));
    }
}
