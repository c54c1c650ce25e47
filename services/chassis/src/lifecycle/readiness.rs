//! Readiness by named conditions. It must not know what the conditions are about.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Whether a role can take work: ready while every one of its conditions is met. Without any
/// condition it is ready. Cloning is cheap; every clone is the same readiness.
#[derive(Clone, Debug)]
pub struct Readiness {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    conditions: Mutex<Vec<(&'static str, bool)>>,
    ready: watch::Sender<bool>,
}

impl Default for Readiness {
    fn default() -> Self {
        let shared = Shared {
            conditions: Mutex::default(),
            ready: watch::Sender::new(true),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl Readiness {
    /// Adds a condition that must be met; it starts unmet. The name is shown to operators.
    pub fn condition(&self, name: &'static str) -> Condition {
        let mut conditions = self.shared.lock();
        conditions.push((name, false));
        let condition = Condition {
            shared: Arc::clone(&self.shared),
            index: conditions.len() - 1,
        };
        self.shared.publish(&conditions);
        condition
    }

    /// Whether every condition is met now.
    pub fn is_ready(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// The names of the conditions that are not met, in the order they were added.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        waiting_for(&self.shared.lock())
    }

    /// Follows the readiness; the value that is there counts as seen.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.shared.ready.subscribe()
    }

    /// Waits until every condition is met. Safe to cancel.
    pub async fn ready(&self) {
        // The sender lives in `self`, so that waiting cannot end with an error.
        let _ = self.subscribe().wait_for(|ready| *ready).await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<(&'static str, bool)>> {
        // Nothing panics while it holds the lock.
        self.conditions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Called under the lock, so that two changes are published in their order. Tells whether readiness
    /// changed.
    fn publish(&self, conditions: &[(&'static str, bool)]) -> bool {
        let ready = conditions.iter().all(|(_, met)| *met);
        self.ready
            .send_if_modified(|was| std::mem::replace(was, ready) != ready)
    }
}

fn waiting_for(conditions: &[(&'static str, bool)]) -> Vec<&'static str> {
    conditions
        .iter()
        .filter(|(_, met)| !met)
        .map(|(name, _)| *name)
        .collect()
}

/// One condition of a [`Readiness`]. Dropping it leaves it as it is.
#[derive(Debug)]
pub struct Condition {
    shared: Arc<Shared>,
    index: usize,
}

impl Condition {
    /// The condition holds from now.
    pub fn met(&self) {
        self.set(true);
    }

    /// The condition no longer holds.
    pub fn unmet(&self) {
        self.set(false);
    }

    fn set(&self, met: bool) {
        let mut conditions = self.shared.lock();
        let Some((name, was)) = conditions.get_mut(self.index) else {
            return;
        };
        if std::mem::replace(was, met) != met {
            let name = *name;
            tracing::debug!(condition = name, met, "readiness condition changed");
            if self.shared.publish(&conditions) {
                let waiting_for = waiting_for(&conditions);
                if waiting_for.is_empty() {
                    tracing::info!(last = name, "readiness reached");
                } else {
                    tracing::warn!(?waiting_for, "readiness lost");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_while_every_condition_is_met() {
        let readiness = Readiness::default();
        assert!(readiness.is_ready());
        let store = readiness.condition("store");
        let index = readiness.condition("index");
        assert_eq!(readiness.waiting_for(), ["store", "index"]);
        store.met();
        assert!(!readiness.is_ready());
        index.met();
        assert!(readiness.is_ready());
        store.unmet();
        assert_eq!(readiness.waiting_for(), ["store"]);
    }

    #[test]
    fn dropping_a_condition_leaves_it_as_it_is() {
        let readiness = Readiness::default();
        drop(readiness.condition("store"));
        assert!(!readiness.is_ready());
    }

    #[tokio::test]
    async fn waiting_for_ready_ends_when_the_last_condition_is_met() {
        let readiness = Readiness::default();
        let store = readiness.condition("store");
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        let mut changes = readiness.subscribe();
        store.met();
        changes.changed().await.unwrap();
        assert!(*changes.borrow());
        waiting.await.unwrap();
    }
}
