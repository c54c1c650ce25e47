//! Keeps each connection to Redis going and knows why one is not to be had: commands only wait for it
//! and time out, which tells nobody that a password is wrong. It must not know what commands there are.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fred::{
    clients::Client,
    error::Error,
    interfaces::{ClientLike as _, EventInterface as _},
};
use futures::future::join_all;
use tokio_util::task::AbortOnDropHandle;

/// The wait before a client that gave up is begun again.
const BEGIN_AGAIN: Duration = Duration::from_secs(5);

/// What the connections last failed with, until one is made.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    last: Mutex<Option<Error>>,
}

impl Trouble {
    /// Why there is no connection; none while there is one, or nothing is known yet.
    pub(super) fn now(&self) -> Option<Error> {
        self.last().clone()
    }

    /// A connection failed. Logged when it is of another kind than the failure before.
    fn begins(&self, error: Error) {
        let mut last = self.last();
        if last.as_ref().map(Error::kind) != Some(error.kind()) {
            tracing::warn!(
                kind = error.kind().to_str(),
                cause = error.details(),
                "no connection to Redis, trying until there is one"
            );
        }
        *last = Some(error);
    }

    /// A connection is made.
    fn is_over(&self) {
        if self.last().take().is_some() {
            tracing::info!("connected to Redis again");
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Error>> {
        // Nothing panics while it holds the lock.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects the clients, for ever.
pub(super) async fn stay_connected(clients: Vec<Client>, trouble: Arc<Trouble>) {
    join_all(clients.iter().map(|client| keep(client, &trouble))).await;
}

/// A client gives up for good on some errors that an operator can mend on the server: it is begun again.
async fn keep(client: &Client, trouble: &Trouble) {
    loop {
        let (mut errors, mut connected) = (client.error_rx(), client.reconnect_rx());
        let mut connection = AbortOnDropHandle::new(client.connect());
        loop {
            tokio::select! {
                ended = &mut connection => {
                    if let Ok(Err(error)) = ended {
                        trouble.begins(error);
                    }
                    break;
                }
                Ok((error, _)) = errors.recv() => trouble.begins(error),
                Ok(_) = connected.recv() => trouble.is_over(),
            }
        }
        tokio::time::sleep(BEGIN_AGAIN).await;
    }
}
