//! Takes changed certificates to a channel's connections. Calls go on where they are; further ones go over connections
//! that are made with what is in force, once there are such. It must not know what is called.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use http::Uri;
use tokio::sync::mpsc::Sender;
use tonic::transport::{Endpoint, channel::Change};

use super::{ChannelConfig, endpoint};

/// The connections of one channel.
pub(crate) struct Renewal {
    uri: Uri,
    config: ChannelConfig,
    changes: Sender<Change<usize, Endpoint>>,
    /// What they were made with.
    taken: AtomicU64,
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").finish_non_exhaustive()
    }
}

impl Renewal {
    pub(super) fn new(
        uri: Uri,
        config: ChannelConfig,
        changes: Sender<Change<usize, Endpoint>>,
        taken: u64,
    ) -> Self {
        Self {
            uri,
            config,
            changes,
            taken: AtomicU64::new(taken),
        }
    }

    /// Looks before each call: a task that followed the files would leave an idle channel with every state they ever
    /// had, to be connected with in turn.
    pub(crate) fn look(&self) {
        let number = self.config.tls.number();
        if self.taken.load(Ordering::Relaxed) == number
            || self.taken.swap(number, Ordering::Relaxed) == number
        {
            return;
        }
        let (_, endpoint) = match endpoint(self.uri.clone(), &self.config) {
            Ok(made) => made,
            Err(error) => {
                tracing::error!(%error, "changed certificates cannot be used for calls to other processes");
                return;
            }
        };
        for connection in 0..self.config.connections.max(1) {
            let change = Change::Insert(connection, endpoint.clone());
            if self.changes.try_send(change).is_err() {
                // The next call tries again.
                self.taken.store(0, Ordering::Relaxed);
                return;
            }
        }
    }
}
