//! The turns that run in this process, so that Stop finds them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;
use troika_chassis::error::{Code, Error};
use troika_identity::{Caller, Role};
use uuid::Uuid;

use crate::{bots::BotId, history::owners::Owner};

/// Turns by id. A turn is listed from its start until its [`Listed`] is dropped.
#[derive(Clone, Default)]
pub(crate) struct Running {
    turns: Arc<Mutex<HashMap<Uuid, Turn>>>,
}

struct Turn {
    bot: BotId,
    session: Uuid,
    /// Whose the conversation is by who asked; `None` when that showed nothing, and whoever knows the id may go on with it.
    owner: Option<Owner>,
    stop: CancellationToken,
}

/// What Stop names.
pub(crate) enum Target {
    /// Nobody but who asked was told its id.
    Turn(Uuid),
    /// Held to the same as going on with it.
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
    pub(crate) fn list(
        &self,
        turn: Uuid,
        (bot, session): (BotId, Uuid),
        caller: &Caller,
        most: usize,
    ) -> Option<Listed> {
        let stop = CancellationToken::new();
        let mut turns = self.lock();
        if turns.len() >= most {
            return None;
        }
        turns.insert(
            turn,
            Turn {
                bot,
                session,
                owner: Owner::of(caller, bot, session),
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

    /// Tells turns to stop; how many had not been told before. Where nothing runs nothing is said of whose it would be.
    ///
    /// # Errors
    /// `session_not_yours` when all that runs in the conversation is somebody else's.
    pub(crate) fn stop(&self, target: &Target, caller: &Caller) -> Result<u32, Error> {
        let turns = self.lock();
        let (mut theirs, mut strange, mut stopped) = (0, 0, 0);
        for (id, turn) in turns.iter() {
            let named = match target {
                Target::Turn(wanted) => id == wanted,
                Target::Session(wanted) => turn.session == *wanted,
            };
            if !named {
                continue;
            }
            if matches!(target, Target::Session(_)) && !turn.may_be_stopped_by(caller) {
                strange += 1;
                continue;
            }
            theirs += 1;
            if !turn.stop.is_cancelled() {
                turn.stop.cancel();
                stopped += 1;
            }
        }
        if strange > 0 && theirs == 0 {
            return Err(Error::new(
                Code::PermissionDenied,
                "session_not_yours",
                "This conversation is somebody else's: show the session or the token that its question was asked with.",
            ));
        }
        Ok(stopped)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Turn>> {
        // Nothing panics while it holds the lock, and a map is whole at any time.
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    fn may_be_stopped_by(&self, caller: &Caller) -> bool {
        caller.role == Role::Service
            || self.owner.is_none()
            || self.owner == Owner::of(caller, self.bot, self.session)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.running.lock().remove(&self.turn);
    }
}

#[cfg(test)]
mod tests {
    use troika_identity::SignedSession;

    use super::*;

    const BOT: BotId = BotId([1; 12]);

    fn nobody() -> Caller {
        Caller::default()
    }

    fn known(role: Role, subject: &str) -> Caller {
        Caller {
            role,
            subject: subject.to_owned(),
            ..Caller::default()
        }
    }

    fn signed(session: Uuid) -> Caller {
        Caller {
            session: Some(SignedSession {
                bot: BOT.to_string(),
                id: session.to_string(),
            }),
            ..Caller::default()
        }
    }

    #[test]
    fn stop_reaches_a_turn_or_all_turns_of_a_session_once() {
        let running = Running::default();
        let session = Uuid::new_v4();
        let list = |session| {
            running
                .list(Uuid::new_v4(), (BOT, session), &nobody(), 10)
                .unwrap()
        };
        let (a, b, c) = (list(session), list(session), list(Uuid::new_v4()));
        let stop = |target| running.stop(&target, &nobody()).unwrap();
        assert_eq!(stop(Target::Turn(a.turn)), 1);
        assert_eq!(stop(Target::Turn(a.turn)), 0);
        assert_eq!(stop(Target::Session(session)), 1);
        assert_eq!(stop(Target::Session(session)), 0);
        assert!(a.stop.is_cancelled() && b.stop.is_cancelled() && !c.stop.is_cancelled());
        drop((a, b, c));
        assert!(running.lock().is_empty());
        assert_eq!(
            running.stop(&Target::Session(session), &nobody()).unwrap(),
            0
        );
    }

    #[test]
    fn what_runs_in_somebody_s_conversation_is_theirs_to_stop() {
        let session = Uuid::new_v4();
        let askers = [
            known(Role::Visitor, "ada"),
            known(Role::Admin, "ada"),
            signed(session),
        ];
        for asker in &askers {
            let running = Running::default();
            let turn = running
                .list(Uuid::new_v4(), (BOT, session), asker, 10)
                .unwrap();
            let strangers = [
                nobody(),
                signed(Uuid::new_v4()),
                known(Role::Visitor, "bob"),
                known(Role::SuperAdmin, "ada"),
            ];
            for stranger in &strangers {
                let refused = running.stop(&Target::Session(session), stranger);
                let error = refused.unwrap_err();
                assert_eq!(
                    (error.code(), error.reason()),
                    (Code::PermissionDenied, "session_not_yours")
                );
                // Nothing is said of what does not run.
                let elsewhere = Target::Session(Uuid::new_v4());
                assert_eq!(running.stop(&elsewhere, stranger).unwrap(), 0);
            }
            assert!(!turn.stop.is_cancelled());
            let own = Target::Session(session);
            assert_eq!(running.stop(&own, asker).unwrap(), 1);
            assert_eq!(running.stop(&own, asker).unwrap(), 0);
            drop(turn);
            for anybody in &strangers {
                assert_eq!(running.stop(&own, anybody).unwrap(), 0);
            }
        }
    }

    #[test]
    fn of_two_who_ask_in_one_conversation_each_stops_what_is_theirs() {
        let (running, session) = (Running::default(), Uuid::new_v4());
        let (ada, bob) = (known(Role::Visitor, "ada"), known(Role::Visitor, "bob"));
        let of_ada = running
            .list(Uuid::new_v4(), (BOT, session), &ada, 10)
            .unwrap();
        let of_bob = running
            .list(Uuid::new_v4(), (BOT, session), &bob, 10)
            .unwrap();
        assert_eq!(running.stop(&Target::Session(session), &ada).unwrap(), 1);
        assert!(of_ada.stop.is_cancelled() && !of_bob.stop.is_cancelled());
        let process = Caller::service("a process");
        assert_eq!(
            running.stop(&Target::Session(session), &process).unwrap(),
            1
        );
    }

    #[test]
    fn no_more_than_the_most_are_listed() {
        let running = Running::default();
        let list = || running.list(Uuid::new_v4(), (BOT, Uuid::new_v4()), &nobody(), 1);
        let first = list();
        assert!(first.is_some());
        assert!(list().is_none());
        drop(first);
        assert!(list().is_some());
    }
}
