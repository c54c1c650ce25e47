//! Every call out of the process: a limit in time, a circuit breaker, delays between retries. It must
//! not know whom it calls.

mod breaker;

use std::{borrow::Cow, future::Future, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use serde::{Deserialize, Serialize};

pub(crate) use breaker::breaker_states;
pub use breaker::{Breaker, BreakerConfig};

use crate::config::{Problems, Validate};

/// How often and how soon a call is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryConfig {
    /// Retries after the first try.
    pub attempts: u32,
    /// Shortest wait before the first retry; it doubles with each further one, with jitter.
    #[serde(with = "humantime_serde")]
    pub min_delay: Duration,
    /// Longest wait before a retry.
    #[serde(with = "humantime_serde")]
    pub max_delay: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts: 2,
            min_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(2),
        }
    }
}

impl Validate for RetryConfig {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.attempts <= 10, "attempts", "must be at most 10");
        problems.check(
            self.min_delay <= self.max_delay,
            "min_delay",
            "must not be longer than max_delay",
        );
    }
}

/// The waits before each retry, as many as there are retries: doubling, with jitter, each at most the
/// longest one.
pub fn backoff(config: &RetryConfig) -> impl Iterator<Item = Duration> + Send + use<> {
    let max = config.max_delay;
    ExponentialBuilder::new()
        .with_min_delay(config.min_delay)
        .with_max_delay(max)
        .with_max_times(config.attempts as usize)
        .with_jitter()
        .build()
        .map(move |delay| delay.min(max))
}

/// The waits of something that is tried for ever: doubling up to the longest one, with jitter.
pub fn endless_backoff(min: Duration, max: Duration) -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::new()
        .with_min_delay(min)
        .with_max_delay(max)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Why a guarded call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError<E> {
    /// The call was not made: those before it failed.
    #[error("not called: earlier calls failed, trying again in {retry_in:?}")]
    Open {
        /// When a call is let through again.
        retry_in: Duration,
    },
    /// The call took longer than it may and was given up.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The call itself failed.
    #[error("{0}")]
    Failed(#[source] E),
}

impl<E> CallError<E> {
    /// What the call itself failed with.
    pub fn failed(&self) -> Option<&E> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Open { .. } | Self::TimedOut(_) => None,
        }
    }
}

/// Guards calls to one peer with a breaker and a limit in time. Cloning shares the breaker.
#[derive(Clone, Debug)]
pub struct Outbound {
    breaker: Breaker,
    timeout: Duration,
}

impl Outbound {
    /// A guard with its own breaker; the name appears in logs.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        timeout: Duration,
        config: &BreakerConfig,
    ) -> Self {
        Self {
            breaker: Breaker::new(name, config),
            timeout,
        }
    }

    /// The breaker of this peer.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Makes a call. `is_fault` tells whether an error is the peer's fault (it hangs, refuses, breaks)
    /// or an answer like any other (a duplicate key); only faults and timeouts open the breaker.
    ///
    /// Dropping the returned future drops the call, which then counts neither as success nor as failure.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        is_fault: impl Fn(&E) -> bool,
    ) -> Result<T, CallError<E>> {
        self.call_within(self.timeout, call, is_fault).await
    }

    /// As [`call`](Self::call), with a limit of its own.
    ///
    /// # Errors
    ///
    /// See [`CallError`].
    pub async fn call_within<T, E>(
        &self,
        timeout: Duration,
        call: impl Future<Output = Result<T, E>>,
        is_fault: impl Fn(&E) -> bool,
    ) -> Result<T, CallError<E>> {
        if !self.breaker.permitted() {
            return Err(CallError::Open {
                retry_in: self.breaker.retry_in(),
            });
        }
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(value)) => {
                self.breaker.success();
                Ok(value)
            }
            Ok(Err(error)) => {
                if is_fault(&error) {
                    self.breaker.failure();
                } else {
                    self.breaker.success();
                }
                Err(CallError::Failed(error))
            }
            Err(_) => {
                self.breaker.failure();
                Err(CallError::TimedOut(timeout))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    fn outbound() -> Outbound {
        let config = BreakerConfig {
            failures: 2,
            ..BreakerConfig::default()
        };
        Outbound::new("peer", Duration::from_secs(1), &config)
    }

    async fn fail(outbound: &Outbound) -> CallError<&'static str> {
        outbound
            .call(ready(Err::<(), _>("refused")), |_| true)
            .await
            .unwrap_err()
    }

    #[tokio::test]
    async fn faults_open_the_breaker_and_calls_are_no_longer_made() {
        let outbound = outbound();
        assert_eq!(fail(&outbound).await.failed(), Some(&"refused"));
        assert!(matches!(
            fail(&outbound).await,
            CallError::Failed("refused")
        ));
        let called = outbound
            .call(async { panic!("must not be called") }, |_: &()| true)
            .await;
        let Err::<(), _>(CallError::Open { retry_in }) = called else {
            panic!("{called:?}")
        };
        assert!(retry_in <= BreakerConfig::default().open_for && !retry_in.is_zero());
    }

    #[tokio::test]
    async fn answers_that_are_no_fault_do_not_open_it() {
        let outbound = outbound();
        for _ in 0..10 {
            outbound
                .call(ready(Err::<(), _>("duplicate key")), |_| false)
                .await
                .unwrap_err();
        }
        assert_eq!(outbound.breaker().state(), "closed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_is_given_up_and_counts_as_a_fault() {
        let outbound = outbound();
        for _ in 0..2 {
            let error = outbound
                .call(pending::<Result<(), ()>>(), |()| false)
                .await
                .unwrap_err();
            assert!(matches!(error, CallError::TimedOut(limit) if limit == Duration::from_secs(1)));
        }
        assert_eq!(outbound.breaker().state(), "open");
    }

    #[tokio::test]
    async fn a_cancelled_call_counts_neither_way() {
        let outbound = outbound();
        fail(&outbound).await;
        for _ in 0..10 {
            let call = outbound.call(pending::<Result<(), ()>>(), |()| true);
            assert!(futures::FutureExt::now_or_never(call).is_none());
        }
        assert_eq!(outbound.breaker().state(), "closed");
        fail(&outbound).await;
        assert_eq!(outbound.breaker().state(), "open");
    }

    #[test]
    fn delays_grow_and_stay_in_their_bounds() {
        let config = RetryConfig {
            attempts: 4,
            min_delay: Duration::from_millis(100),
            max_delay: Duration::from_millis(300),
        };
        let delays: Vec<_> = backoff(&config).collect();
        assert_eq!(delays.len(), 4);
        assert!(
            delays
                .iter()
                .all(|delay| (config.min_delay..=config.max_delay).contains(delay)),
            "{delays:?}"
        );
        assert_eq!(
            backoff(&RetryConfig {
                attempts: 0,
                ..config
            })
            .count(),
            0
        );
    }
}
