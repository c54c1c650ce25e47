//! One change of accounts at a time, over all replicas: whether somebody is left who can change accounts is seen in several
//! accounts, and no store changes several at once. It must not know what is changed.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep},
};
use troika_chassis::error::{Code, Error};
use uuid::Uuid;

use crate::{
    accounts::unavailable,
    store::{Store, StoreError},
};

/// Longer than a change takes, with every call of the store at its limit.
const LEASE: Duration = Duration::from_secs(30);
/// How long to wait for another replica.
const PATIENCE: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(50);

/// Gives out the right to change accounts.
pub(crate) struct Turns {
    store: Arc<dyn Store>,
    /// Of this process.
    own: Mutex<()>,
    holder: String,
}

/// The right to change accounts, until it is given back; one that is dropped ends with its lease.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    _own: MutexGuard<'a, ()>,
}

impl Turns {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            own: Mutex::default(),
            holder: Uuid::new_v4().to_string(),
        }
    }

    /// Waits for the right.
    ///
    /// # Errors
    /// When the store is away, or another replica does not come to an end.
    pub(crate) async fn take(&self) -> Result<Turn<'_>, Error> {
        let own = self.own.lock().await;
        let begun = Instant::now();
        while !self.leased().await.map_err(unavailable)? {
            if begun.elapsed() >= PATIENCE {
                return Err(Error::new(
                    Code::Unavailable,
                    "accounts_busy",
                    "Somebody else is changing accounts right now. Please try again in a moment.",
                )
                .with_retry_after(PATIENCE));
            }
            sleep(AGAIN).await;
        }
        Ok(Turn {
            turns: self,
            _own: own,
        })
    }

    async fn leased(&self) -> Result<bool, StoreError> {
        self.store.lease(&self.holder, LEASE).await
    }
}

impl Turn<'_> {
    /// Gives the right back after what came of it. What failed with the store may still land: then the lease ends by itself.
    pub(crate) async fn over<T>(self, outcome: &Result<T, Error>) {
        let may_land = matches!(outcome, Err(error) if error.code() == Code::Unavailable);
        if may_land {
            return;
        }
        if let Err(error) = self.turns.store.release(&self.turns.holder).await {
            tracing::warn!(%error, "the right to change accounts was not given back");
        }
    }
}
