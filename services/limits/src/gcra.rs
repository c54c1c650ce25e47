//! The generic cell rate algorithm: what a key has used is one number, how long it is until everything is back. Pure
//! arithmetic in microseconds, without a clock; `lua/rates.lua` does the same inside Redis.

use std::time::Duration;

use crate::policy::Policy;

/// A policy as the arithmetic takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Microseconds until one comes back.
    pub(crate) interval: u64,
    /// How many there are.
    pub(crate) burst: u64,
}

impl From<&Policy> for Rate {
    fn from(policy: &Policy) -> Self {
        let per = u64::try_from(policy.per.as_micros()).unwrap_or(u64::MAX);
        Self {
            // Never sooner than it should.
            interval: per.div_ceil(u64::from(policy.limit.max(1))).max(1),
            burst: u64::from(policy.burst()),
        }
    }
}

impl Rate {
    /// How long it takes until everything is back, when everything was used.
    pub(crate) fn tolerance(self) -> u64 {
        self.interval.saturating_mul(self.burst)
    }

    /// What `cost` takes, or what a negative one gives back, as time.
    pub(crate) fn increment(self, cost: i64) -> i64 {
        i64::try_from(self.interval)
            .unwrap_or(i64::MAX)
            .saturating_mul(cost)
    }

    /// Takes `cost` of a key that is `ahead` microseconds from being full, or gives it back when it is negative. What
    /// is given back never makes more than everything.
    ///
    /// # Errors
    /// How long it is until there is so much; nothing is taken then.
    pub(crate) fn take(self, ahead: u64, cost: i64) -> Result<u64, Duration> {
        let ahead = ahead.min(self.tolerance());
        let after = ahead.saturating_add_signed(self.increment(cost));
        match after.saturating_sub(self.tolerance()) {
            missing if cost > 0 && missing > 0 => Err(Duration::from_micros(missing)),
            _ => Ok(after),
        }
    }

    /// How many are left.
    pub(crate) fn remaining(self, ahead: u64) -> u64 {
        self.tolerance().saturating_sub(ahead) / self.interval
    }
}

#[cfg(test)]
mod tests;
