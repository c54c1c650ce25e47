//! Drives the judgement, and delivers what it says: each receiver at its own pace, so that one that hangs delays neither the
//! others nor the next look.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::{
    config::Config,
    message::Message,
    pace::Pace,
    post::{Post, deliver},
    receivers::Receiver,
    rule::{Readings, Rule},
    state::{Notice, Phase, State},
};

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// Whose.
    pub receiver: &'static str,
    /// Why it did not arrive.
    pub problem: Option<String>,
}

/// Alerts and who is told. Cloning shares all of it; the last clone ends the deliveries.
#[derive(Clone)]
pub struct Alerting {
    repeat: Duration,
    rules: Arc<BTreeMap<String, Rule>>,
    state: Arc<Mutex<State>>,
    receivers: Arc<Vec<Told>>,
}

/// A receiver, what waits for it, and the task that delivers.
struct Told {
    receiver: Receiver,
    post: Arc<Post>,
    _delivering: AbortOnDropHandle<()>,
}

impl std::fmt::Debug for Alerting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alerting")
            .field("rules", &self.rules.len())
            .field("receivers", &self.receivers.len())
            .finish()
    }
}

impl Alerting {
    /// With the rules and receivers of a configuration. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// Why a receiver cannot be used.
    pub fn new(config: &Config) -> Result<Self, String> {
        let state = Arc::<Mutex<State>>::default();
        let receivers = Receiver::all(config)?.into_iter().map(|receiver| {
            let post = Arc::new(Post::default());
            let known = Arc::clone(&state);
            // Also what was ordered after the notice.
            let is_silent =
                move |notice: &Notice| lock(&known).is_silent(&notice.name, SystemTime::now());
            let pace = Pace::new(config.max_messages);
            let delivering = deliver(receiver.clone(), Arc::clone(&post), pace, is_silent);
            Told {
                receiver,
                post,
                _delivering: AbortOnDropHandle::new(tokio::spawn(delivering)),
            }
        });
        Ok(Self {
            repeat: config.repeat,
            rules: Arc::new(config.rules()),
            receivers: Arc::new(receivers.collect()),
            state,
        })
    }

    /// The rules in force, by name.
    pub fn rules(&self) -> &BTreeMap<String, Rule> {
        &self.rules
    }

    /// What is known of alerts now, to be read or stored.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Takes over what another process knew, or this one before it was started anew.
    pub fn take_over(&self, state: State) {
        self.lock().take_over(state);
    }

    /// Changes what is known, such as by a silence.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.lock())
    }

    /// Looks at every rule, and has told what is new. At most one process at a time should.
    pub fn look(&self, readings: &impl Readings, now: SystemTime) {
        let notices = self.lock().step(&self.rules, readings, self.repeat, now);
        for notice in &notices {
            info!(alert = notice.name, severity = notice.severity.name(), news = ?notice.news, value = notice.value, "an alert");
        }
        for told in self.receivers.iter() {
            let of_interest = notices
                .iter()
                .filter(|notice| notice.severity >= told.receiver.min_severity);
            told.post.put(of_interest.cloned());
        }
    }

    /// How many alerts fire.
    pub fn firing(&self) -> usize {
        let state = self.lock();
        let alerts = state.alerts().values();
        alerts.filter(|alert| alert.phase == Phase::Firing).count()
    }

    /// Names of all receivers.
    pub fn receivers(&self) -> impl Iterator<Item = &'static str> {
        self.receivers.iter().map(|told| told.receiver.name)
    }

    /// Sends a test to one receiver, or with an empty name to all at once; what became of each. Takes as long as the slowest.
    pub async fn test(&self, receiver: &str) -> Vec<Tested> {
        let wanted = self
            .receivers
            .iter()
            .filter(|told| receiver.is_empty() || told.receiver.name == receiver);
        let mut tests = Vec::new();
        for told in wanted {
            let receiver = told.receiver.clone();
            tests.push(tokio::spawn(async move {
                Tested {
                    receiver: receiver.name,
                    problem: receiver
                        .send(&Message::Test)
                        .await
                        .err()
                        .map(|failure| failure.problem),
                }
            }));
        }
        let mut tested = Vec::new();
        for test in tests {
            // A panic is in the log.
            tested.extend(test.await.ok());
        }
        tested
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Nothing panics while it holds the lock.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
