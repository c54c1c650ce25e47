//! The drain: how a process goes away without breaking what is under way. It must not know what
//! the holds are for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use humantime::format_duration;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::Instant};

use crate::config::{Problems, Validate};

/// How long each phase of a drain takes. What kills the process from outside (such as
/// `terminationGracePeriodSeconds`) must wait longer than the sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrainConfig {
    /// Still serving but no longer ready, so that load balancers look elsewhere first.
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
    /// After the delay: what is open may end by itself for this long.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// After the deadline: what is open was told to end, and is cut after this long.
    #[serde(with = "humantime_serde")]
    pub force: Duration,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            deadline: Duration::from_secs(25),
            force: Duration::from_secs(5),
        }
    }
}

impl Validate for DrainConfig {
    fn validate(&self, problems: &mut Problems) {
        let sum = self
            .delay
            .saturating_add(self.deadline)
            .saturating_add(self.force);
        problems.check(
            sum <= Duration::from_secs(3600),
            "deadline",
            "delay, deadline and force together must be at most 1h",
        );
    }
}

/// The drain of one process. Cloning is cheap; every clone is the same drain. Its phases follow the
/// clock from [`begin`](Self::begin) on: not ready, refusing, ending, forced.
#[derive(Clone, Debug)]
pub struct Drain {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: DrainConfig,
    began: watch::Sender<Option<Instant>>,
    held: watch::Sender<usize>,
    names: Mutex<BTreeMap<&'static str, usize>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self::new(DrainConfig::default())
    }
}

impl Drain {
    /// A drain that has not begun.
    pub fn new(config: DrainConfig) -> Self {
        let shared = Shared {
            config,
            began: watch::Sender::new(None),
            held: watch::Sender::new(0),
            names: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Begins the drain. Beginning twice changes nothing.
    pub fn begin(&self) {
        let first = self.shared.began.send_if_modified(|began| {
            let first = began.is_none();
            began.get_or_insert_with(Instant::now);
            first
        });
        if first {
            let DrainConfig {
                delay,
                deadline,
                force,
            } = &self.shared.config;
            tracing::info!(
                delay = %format_duration(*delay),
                deadline = %format_duration(*deadline),
                force = %format_duration(*force),
                held = ?self.held(),
                "draining"
            );
        }
    }

    /// Whether the drain has begun: the process is not ready any more.
    pub fn draining(&self) -> bool {
        self.shared.began.borrow().is_some()
    }

    /// Whether new work is to be refused now.
    pub fn refuses(&self) -> bool {
        self.shared
            .began
            .borrow()
            .is_some_and(|began| began.elapsed() >= self.shared.config.delay)
    }

    /// Waits until the drain begins. Safe to cancel, as are the other waits.
    pub async fn started(&self) {
        self.after(Duration::ZERO).await;
    }

    /// Waits until new work is to be refused: the delay is over.
    pub async fn refusing(&self) {
        self.after(self.shared.config.delay).await;
    }

    /// Waits until the deadline: open streams end themselves with a final event.
    pub async fn ending(&self) {
        let DrainConfig {
            delay, deadline, ..
        } = self.shared.config;
        self.after(delay + deadline).await;
    }

    /// Waits until nothing is waited for any longer.
    pub async fn forced(&self) {
        let DrainConfig {
            delay,
            deadline,
            force,
        } = self.shared.config;
        self.after(delay + deadline + force).await;
    }

    /// Keeps the drain waiting until the hold is dropped: an open turn, a writer with unsaved work.
    /// The name is shown to operators.
    pub fn hold(&self, what: &'static str) -> Hold {
        *self.shared.lock().entry(what).or_default() += 1;
        self.shared.held.send_modify(|held| *held += 1);
        Hold {
            shared: Arc::clone(&self.shared),
            what,
        }
    }

    /// What the drain waits for, and how many of each.
    pub fn held(&self) -> Vec<(&'static str, usize)> {
        self.shared
            .lock()
            .iter()
            .map(|(what, count)| (*what, *count))
            .collect()
    }

    /// Waits until new work is refused and every hold is gone, or until the drain is forced.
    pub async fn finished(&self) {
        self.refusing().await;
        let mut held = self.shared.held.subscribe();
        tokio::select! {
            // The sender lives in `self`, so that waiting cannot end with an error.
            _ = held.wait_for(|held| *held == 0) => {}
            () = self.forced() => tracing::warn!(left = ?self.held(), "drain forced"),
        }
    }

    async fn after(&self, phase: Duration) {
        let began = match self
            .shared
            .began
            .subscribe()
            .wait_for(Option::is_some)
            .await
        {
            Ok(began) => *began,
            // The sender lives in `self`.
            Err(_) => None,
        };
        match began {
            Some(began) => tokio::time::sleep_until(began + phase).await,
            None => std::future::pending().await,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, usize>> {
        // Nothing panics while it holds the lock.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something the drain waits for. Dropping it lets the drain go on.
#[derive(Debug)]
#[must_use = "the drain waits only while the hold lives"]
pub struct Hold {
    shared: Arc<Shared>,
    what: &'static str,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut names = self.shared.lock();
        if let Some(count) = names.get_mut(self.what) {
            *count -= 1;
            if *count == 0 {
                names.remove(self.what);
            }
        }
        drop(names);
        self.shared.held.send_modify(|held| *held -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain() -> Drain {
        Drain::new(DrainConfig {
            delay: Duration::from_secs(5),
            deadline: Duration::from_secs(20),
            force: Duration::from_secs(3),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn the_phases_follow_one_another() {
        let drain = drain();
        assert!(!drain.draining());
        drain.begin();
        let began = Instant::now();
        drain.started().await;
        assert!(drain.draining() && !drain.refuses());
        assert_eq!(began.elapsed(), Duration::ZERO);
        drain.refusing().await;
        assert!(drain.refuses());
        assert!(began.elapsed() >= Duration::from_secs(5));
        drain.ending().await;
        assert!(began.elapsed() >= Duration::from_secs(25));
        drain.forced().await;
        assert!(began.elapsed() >= Duration::from_secs(28));
    }

    #[tokio::test(start_paused = true)]
    async fn without_holds_it_finishes_when_new_work_is_refused() {
        let drain = drain();
        drain.begin();
        let began = Instant::now();
        drain.finished().await;
        assert!(drain.refuses());
        assert!(began.elapsed() < Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_holds_and_tells_their_names() {
        let drain = drain();
        let turn = drain.hold("turn");
        let other = drain.hold("turn");
        assert_eq!(drain.held(), [("turn", 2)]);
        drain.begin();
        let began = Instant::now();
        let finished = tokio::spawn({
            let drain = drain.clone();
            async move { drain.finished().await }
        });
        tokio::time::sleep(Duration::from_secs(10)).await;
        drop(turn);
        tokio::task::yield_now().await;
        assert!(!finished.is_finished());
        drop(other);
        finished.await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(11));
        assert!(drain.held().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_that_stays_is_given_up_when_forced() {
        let drain = drain();
        let _stuck = drain.hold("turn");
        drain.begin();
        let began = Instant::now();
        drain.finished().await;
        assert!(began.elapsed() >= Duration::from_secs(28));
    }

    #[tokio::test(start_paused = true)]
    async fn beginning_twice_changes_nothing() {
        let drain = drain();
        drain.begin();
        let began = Instant::now();
        tokio::time::sleep(Duration::from_secs(4)).await;
        drain.begin();
        drain.refusing().await;
        assert!(began.elapsed() < Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_reached_before_it_begins() {
        let drain = drain();
        let waited = tokio::time::timeout(Duration::from_secs(3600), drain.finished()).await;
        assert!(waited.is_err());
    }
}
