//! The quota of one process, in its memory: of all calls when it is the only one, else a stand-in.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use governor::{
    DefaultDirectRateLimiter, Quota as Cells, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use super::{Config, METERED, Quota, Rate};
use crate::voices::Family;

/// A quota that nobody else knows of. It is full at the start.
#[derive(Debug)]
pub struct MemoryQuota {
    clock: DefaultClock,
    limiters: HashMap<Family, DefaultDirectRateLimiter>,
}

impl MemoryQuota {
    /// The whole quota.
    pub fn new(config: &Config) -> Self {
        let clock = DefaultClock::default();
        let limiters = METERED
            .into_iter()
            .filter_map(|family| {
                let cells = cells(config.rate(family)?)?;
                Some((family, RateLimiter::direct_with_clock(cells, clock.clone())))
            })
            .collect();
        Self { clock, limiters }
    }

    pub(super) fn take_now(&self, family: Family) -> Result<(), Duration> {
        let Some(limiter) = self.limiters.get(&family) else {
            return Ok(());
        };
        limiter
            .check()
            .map_err(|full| full.wait_time_from(self.clock.now()))
    }
}

/// The rate as governor takes it; `None` would be an interval of nothing.
pub(super) fn cells(rate: Rate) -> Option<Cells> {
    Some(Cells::with_period(rate.interval)?.allow_burst(rate.burst))
}

#[async_trait]
impl Quota for MemoryQuota {
    async fn take(&self, family: Family) -> Result<(), Duration> {
        self.take_now(family)
    }
}
