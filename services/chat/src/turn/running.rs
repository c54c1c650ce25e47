//! The turns that run in this process, so that Stop finds them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Turns by id. A turn is listed from its start until its [`Listed`] is dropped.
#[derive(Clone, Default)]
pub(crate) struct Running {
    turns: Arc<Mutex<HashMap<Uuid, Turn>>>,
}

struct Turn {
    session: Uuid,
    stop: CancellationToken,
}

/// What Stop names.
pub(crate) enum Target {
    Turn(Uuid),
    Session(Uuid),
}

/// Keeps a turn listed; tells it when it is to stop.
pub(crate) struct Listed {
    running: Running,
    turn: Uuid,
    /// Cancelled by Stop.
    pub(crate) stop: CancellationToken,
}

impl Running {
    /// Lists a turn, unless `most` run already.
    pub(crate) fn list(&self, turn: Uuid, session: Uuid, most: usize) -> Option<Listed> {
        let stop = CancellationToken::new();
        let mut turns = self.lock();
        if turns.len() >= most {
            return None;
        }
        turns.insert(
            turn,
            Turn {
                session,
                stop: stop.clone(),
            },
        );
        Some(Listed {
            running: self.clone(),
            turn,
            stop,
        })
    }

    /// How many turns run.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Tells turns to stop; how many had not been told before.
    pub(crate) fn stop(&self, target: &Target) -> u32 {
        let turns = self.lock();
        let told = turns.iter().filter(|(id, turn)| match target {
            Target::Turn(wanted) => *id == wanted,
            Target::Session(wanted) => turn.session == *wanted,
        });
        let mut stopped = 0;
        for (_, turn) in told {
            if !turn.stop.is_cancelled() {
                turn.stop.cancel();
                stopped += 1;
            }
        }
        stopped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Turn>> {
        // Nothing panics while it holds the lock, and a map is whole at any time.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.running.lock().remove(&self.turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_reaches_a_turn_or_all_turns_of_a_session_once() {
        let running = Running::default();
        let session = Uuid::new_v4();
        let a = running.list(Uuid::new_v4(), session, 10).unwrap();
        let b = running.list(Uuid::new_v4(), session, 10).unwrap();
        let c = running.list(Uuid::new_v4(), Uuid::new_v4(), 10).unwrap();
        assert_eq!(running.stop(&Target::Turn(a.turn)), 1);
        assert_eq!(running.stop(&Target::Turn(a.turn)), 0);
        assert_eq!(running.stop(&Target::Session(session)), 1);
        assert!(a.stop.is_cancelled() && b.stop.is_cancelled() && !c.stop.is_cancelled());
        drop((a, b, c));
        assert!(running.lock().is_empty());
    }

    #[test]
    fn no_more_than_the_most_are_listed() {
        let running = Running::default();
        let first = running.list(Uuid::new_v4(), Uuid::new_v4(), 1);
        assert!(first.is_some());
        assert!(running.list(Uuid::new_v4(), Uuid::new_v4(), 1).is_none());
        drop(first);
        assert!(running.list(Uuid::new_v4(), Uuid::new_v4(), 1).is_some());
    }
}
