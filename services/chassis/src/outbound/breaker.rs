//! A circuit breaker on failsafe's state machine: open after failures in a row, longer each time. It
//! must not know what is called.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use failsafe::{
    Instrument, StateMachine,
    failure_policy::{ConsecutiveFailures, consecutive_failures},
};
use serde::{Deserialize, Serialize};

use crate::config::{Problems, Validate};

/// When a peer is left alone, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BreakerConfig {
    /// Failures in a row that open the breaker.
    pub failures: u32,
    /// How long no call is made at first.
    #[serde(with = "humantime_serde")]
    pub open_for: Duration,
    /// How long no call is made at most: the time doubles while trial calls fail.
    #[serde(with = "humantime_serde")]
    pub open_for_max: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failures: 5,
            open_for: Duration::from_secs(5),
            open_for_max: Duration::from_secs(60),
        }
    }
}

impl Validate for BreakerConfig {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.failures > 0, "failures", "must be at least 1");
        problems.check(
            !self.open_for.is_zero(),
            "open_for",
            "must be longer than 0s",
        );
        problems.check(
            self.open_for <= self.open_for_max,
            "open_for",
            "must not be longer than open_for_max",
        );
    }
}

/// A circuit breaker. Cloning is cheap; every clone is the same breaker.
///
/// Closed, calls are made. After failures in a row it opens and none are made. After a while it is
/// half open: one trial call is let through, and a further one whenever that much time passed without
/// a result, so that a trial nobody finished blocks nothing. A success closes it; a failure opens it
/// for twice as long.
#[derive(Clone)]
pub struct Breaker {
    machine: StateMachine<ConsecutiveFailures<Doubling>, Watcher>,
    shared: Arc<Shared>,
}

struct Shared {
    name: Cow<'static, str>,
    trial_every: Duration,
    phase: Mutex<Phase>,
}

#[derive(Clone, Copy)]
struct Phase {
    state: State,
    /// When the next call is let through: the end of open, or the next trial of half open.
    until: Instant,
    /// How long the machine said that it stays open, before it said that it is open.
    open_for: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Closed,
    Open,
    HalfOpen,
}

impl Breaker {
    /// A closed breaker; the name appears in logs.
    pub fn new(name: impl Into<Cow<'static, str>>, config: &BreakerConfig) -> Self {
        let phase = Phase {
            state: State::Closed,
            until: Instant::now(),
            open_for: Duration::ZERO,
        };
        let shared = Arc::new(Shared {
            name: name.into(),
            trial_every: config.open_for,
            phase: Mutex::new(phase),
        });
        let mut known = known();
        known.retain(|breaker| breaker.strong_count() > 0);
        known.push(Arc::downgrade(&shared));
        drop(known);
        let delays = Doubling {
            next: config.open_for,
            max: config.open_for_max,
            shared: Arc::clone(&shared),
        };
        let policy = consecutive_failures(config.failures.max(1), delays);
        Self {
            machine: StateMachine::new(policy, Watcher(Arc::clone(&shared))),
            shared,
        }
    }

    /// Whether a call may be made now. Whoever is permitted reports [`success`](Self::success) or
    /// [`failure`](Self::failure), or nothing when the call was cancelled.
    pub fn permitted(&self) -> bool {
        if !self.machine.is_call_permitted() {
            return false;
        }
        let mut phase = self.shared.phase();
        if phase.state != State::HalfOpen {
            return true;
        }
        let now = Instant::now();
        let trial = now >= phase.until;
        if trial {
            phase.until = now + self.shared.trial_every;
        }
        trial
    }

    /// A call succeeded.
    pub fn success(&self) {
        self.machine.on_success();
    }

    /// A call failed by the peer's fault.
    pub fn failure(&self) {
        self.machine.on_error();
    }

    /// What it guards, as in logs.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// `closed`, `open` or `half_open`.
    pub fn state(&self) -> &'static str {
        self.shared.state()
    }

    /// How long until a call is let through; zero when one is now.
    pub fn retry_in(&self) -> Duration {
        let phase = self.shared.phase();
        match phase.state {
            State::Closed => Duration::ZERO,
            State::Open | State::HalfOpen => phase.until.saturating_duration_since(Instant::now()),
        }
    }
}

/// The breakers of this process that live: wherever calls out are guarded, they are seen.
static KNOWN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

fn known() -> MutexGuard<'static, Vec<Weak<Shared>>> {
    // Nothing panics while it holds the lock.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names and states of all breakers of this process.
pub(crate) fn breaker_states() -> Vec<(String, &'static str)> {
    known()
        .iter()
        .filter_map(Weak::upgrade)
        .map(|shared| (shared.name.to_string(), shared.state()))
        .collect()
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("name", &self.shared.name)
            .field("state", &self.state())
            .finish()
    }
}

impl Shared {
    fn state(&self) -> &'static str {
        match self.phase().state {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half_open",
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        // Nothing panics while it holds the lock.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the breaker stays open each time. failsafe's own takes whole seconds only.
#[derive(Clone)]
struct Doubling {
    next: Duration,
    max: Duration,
    shared: Arc<Shared>,
}

impl Iterator for Doubling {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let open_for = self.next.min(self.max);
        self.next = open_for.saturating_mul(2);
        // The machine asks here and then tells the watcher that it is open, but not for how long.
        self.shared.phase().open_for = open_for;
        Some(open_for)
    }
}

/// Hears of each transition once, logs it and keeps it to be read.
struct Watcher(Arc<Shared>);

impl Instrument for Watcher {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        let mut phase = self.0.phase();
        *phase = Phase {
            state: State::Open,
            until: Instant::now() + phase.open_for,
            ..*phase
        };
        tracing::warn!(peer = %self.0.name, open_for = ?phase.open_for, "calls keep failing: leaving the peer alone");
    }

    fn on_half_open(&self) {
        let mut phase = self.0.phase();
        *phase = Phase {
            state: State::HalfOpen,
            until: Instant::now(),
            ..*phase
        };
        tracing::info!(peer = %self.0.name, "trying the peer again");
    }

    fn on_closed(&self) {
        let mut phase = self.0.phase();
        // The machine also says so when it is made.
        if phase.state != State::Closed {
            phase.state = State::Closed;
            tracing::info!(peer = %self.0.name, "the peer answers again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    fn breaker(failures: u32) -> Breaker {
        Breaker::new(
            "peer",
            &BreakerConfig {
                failures,
                open_for: SHORT,
                open_for_max: SHORT * 4,
            },
        )
    }

    /// failsafe reads the real clock.
    fn wait_until_permitted(breaker: &Breaker) -> Duration {
        let began = Instant::now();
        while !breaker.permitted() {
            assert!(began.elapsed() < Duration::from_secs(10), "{breaker:?}");
            std::thread::yield_now();
        }
        began.elapsed()
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        let breaker = breaker(2);
        breaker.failure();
        breaker.success();
        breaker.failure();
        assert_eq!((breaker.state(), breaker.permitted()), ("closed", true));
        breaker.failure();
        assert_eq!((breaker.state(), breaker.permitted()), ("open", false));
        assert!(breaker.retry_in() <= SHORT);
    }

    #[test]
    fn half_open_it_lets_one_trial_through_and_a_success_closes_it() {
        let breaker = breaker(1);
        breaker.failure();
        wait_until_permitted(&breaker);
        assert_eq!(breaker.state(), "half_open");
        breaker.success();
        assert_eq!(
            (breaker.state(), breaker.retry_in()),
            ("closed", Duration::ZERO)
        );
        assert!(breaker.permitted() && breaker.permitted());
    }

    #[test]
    fn a_failed_trial_opens_it_for_longer() {
        let breaker = breaker(1);
        breaker.failure();
        wait_until_permitted(&breaker);
        breaker.failure();
        assert_eq!(breaker.state(), "open");
        assert!(wait_until_permitted(&breaker) > SHORT);
    }

    #[test]
    fn a_trial_without_result_blocks_nothing_for_ever() {
        let breaker = Breaker::new(
            "peer",
            &BreakerConfig {
                failures: 1,
                open_for: Duration::from_millis(100),
                open_for_max: Duration::from_secs(1),
            },
        );
        breaker.failure();
        wait_until_permitted(&breaker);
        assert!(!breaker.permitted(), "only one trial at a time");
        wait_until_permitted(&breaker);
        assert_eq!(breaker.state(), "half_open");
    }
}
