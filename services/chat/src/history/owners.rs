//! Whose conversation it is. A conversation belongs to whoever went on with it first and showed who they are: by a token, or
//! by the signed session that the edge gave them. Until then whoever knows its id may go on with it: existing clients
//! make ids of their own and show nothing else.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use moka::future::Cache;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use troika_chassis::error::{Code, Error};
use troika_identity::{Caller, Role};
use uuid::Uuid;

use crate::{bots::BotId, store::StoreError};

/// Conversations whose owners are remembered; an owner never changes.
const REMEMBERED: u64 = 100_000;
/// How long a conversation without an owner is believed to have none.
const FRESH: Duration = Duration::from_secs(5);

/// The mark of an owner: says nothing about who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner(pub String);

impl Owner {
    /// Who holds the signed session itself.
    fn of_session() -> Self {
        Self("session".to_owned())
    }

    /// Whose a conversation becomes when this caller goes on with it; `None` for who shows nothing that binds it.
    pub(crate) fn of(caller: &Caller, bot: BotId, session: Uuid) -> Option<Self> {
        match caller.role {
            Role::Service => None,
            // What was signed for another bot's conversation says nothing about this one, whatever its id.
            Role::Anonymous => caller
                .session
                .as_ref()
                .filter(|signed| signed.bot == bot.to_string() && signed.id == session.to_string())
                .map(|_| Self::of_session()),
            _ => caller.principal().map(|who| {
                let mut mark = hex::encode(Sha256::digest(who));
                mark.truncate(32);
                Self(mark)
            }),
        }
    }
}

/// Where owners are kept. Every call ends within the engine's time limit.
#[async_trait]
pub trait OwnerStore: Send + Sync {
    /// The owner of a conversation, after `owner` became it where there was none.
    async fn claim(
        &self,
        bot: BotId,
        session: &str,
        owner: Option<&Owner>,
    ) -> Result<Option<Owner>, StoreError>;
}

/// Conversations and their owners, in front of the store.
pub(crate) struct Owners {
    store: Arc<dyn OwnerStore>,
    owned: Cache<(BotId, Uuid), Owner>,
    free: Cache<(BotId, Uuid), ()>,
    patience: Duration,
}

impl Owners {
    /// Waits so long for the store.
    pub(crate) fn new(store: Arc<dyn OwnerStore>, patience: Duration) -> Self {
        Self {
            store,
            owned: Cache::builder().max_capacity(REMEMBERED).build(),
            free: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(FRESH)
                .build(),
            patience,
        }
    }

    /// Whether a caller may go on with a conversation; `Ok(false)` when nobody can tell, and what was said in it must not be
    /// used.
    ///
    /// # Errors
    /// When it is somebody else's.
    pub(crate) async fn admit(
        &self,
        bot: BotId,
        session: Uuid,
        caller: &Caller,
    ) -> Result<bool, Error> {
        if caller.role == Role::Service {
            return Ok(true);
        }
        let name = session.to_string();
        let wanted = Owner::of(caller, bot, session);
        let key = (bot, session);
        if wanted.is_none() && self.free.contains_key(&key) {
            return Ok(true);
        }
        let owner = match self.owned.get(&key).await {
            Some(owner) => Some(owner),
            None => {
                let claim = self.store.claim(bot, &name, wanted.as_ref());
                let Ok(Ok(owner)) = timeout(self.patience, claim).await else {
                    return Ok(false);
                };
                match &owner {
                    Some(owner) => {
                        self.owned.insert(key, owner.clone()).await;
                        self.free.invalidate(&key).await;
                    }
                    None => self.free.insert(key, ()).await,
                }
                owner
            }
        };
        if owner == wanted || owner.is_none() {
            return Ok(true);
        }
        Err(Error::new(
            Code::PermissionDenied,
            "session_not_yours",
            "This conversation is somebody else's. Begin a new one: leave sessionId out.",
        ))
    }
}

#[cfg(test)]
mod tests;
