//! Keeps a process's snapshot at the flags role's: watches, keeps the last one on disk, and goes on with it
//! while the role is away. Must not know what the flags are for.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use http::{Uri, uri::InvalidUri};
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use tracing::{debug, info, warn};
use troika_chassis::{
    channel::{Channel, channel},
    outbound::endless_backoff,
};
use troika_proto::flags::v1::{WatchRequest, flags_client::FlagsClient};

use crate::{built_in, context::Context, flag::Flag, snapshot::Snapshot, wire};

/// Where the flags role is, and how it is reached: one connection is enough for one watch.
pub type Config = troika_chassis::channel::Neighbour<50053>;

/// Waits between two tries to watch. The longest one bounds how late a change comes after the role is back.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// How long the first snapshot of a watch may take: the role sends it at once.
const FIRST_SNAPSHOT: Duration = Duration::from_secs(5);

/// The flags as this process knows them. Cloning is cheap; every clone is the same. The last clone that is
/// dropped ends the following.
#[derive(Clone, Debug)]
pub struct Flags {
    current: Arc<ArcSwap<Snapshot>>,
    changes: watch::Receiver<u64>,
    heard: Arc<AtomicBool>,
    _follower: Option<Arc<AbortOnDropHandle<()>>>,
}

impl Flags {
    /// As [`Flags::follow`], at a configured address.
    ///
    /// # Errors
    /// An address that cannot be called.
    pub fn connect(config: &Config, kept: PathBuf) -> Result<Self, InvalidUri> {
        let address: Uri = config.address.as_str().parse()?;
        Ok(Self::follow(channel(address, &config.channel), kept))
    }

    /// Begins with what was kept on disk, else with the flags that come with the product, and follows the
    /// role from now on. Waits for nobody. Must be called within a Tokio runtime.
    pub fn follow(channel: Channel, kept: PathBuf) -> Self {
        let snapshot = match read(&kept) {
            Ok(snapshot) => {
                info!(
                    revision = snapshot.revision(),
                    "flags as they were kept on disk"
                );
                snapshot
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    warn!(%error, "the flags kept on disk cannot be read: going on with those in the code");
                }
                Snapshot::new(0, built_in::flags())
            }
        };
        let (told, changes) = watch::channel(snapshot.revision());
        let current = Arc::new(ArcSwap::from_pointee(snapshot));
        let heard = Arc::new(AtomicBool::new(true));
        let follower = Follower {
            current: Arc::clone(&current),
            told,
            kept,
            heard: Arc::clone(&heard),
        };
        let follower = tokio::spawn(follower.run(channel));
        Self {
            current,
            changes,
            heard,
            _follower: Some(Arc::new(AbortOnDropHandle::new(follower))),
        }
    }

    /// Flags that stay as they are: for tests, and for whoever has no flags role.
    pub fn fixed(flags: impl IntoIterator<Item = Flag>) -> Self {
        Self {
            current: Arc::new(ArcSwap::from_pointee(Snapshot::new(0, flags))),
            changes: watch::channel(0).1,
            heard: Arc::new(AtomicBool::new(true)),
            _follower: None,
        }
    }

    /// All flags as they are now. Hold it briefly: it keeps an old snapshot alive.
    pub fn now(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Whether a boolean flag says yes to whoever asks. One that is not there says no.
    pub fn is_on(&self, key: &str, context: &impl Context) -> bool {
        self.now()
            .evaluate(key, context)
            .is_some_and(|evaluation| evaluation.is_on())
    }

    /// Whether the flags role was heard last.
    pub fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Wakes with each change; holds the revision.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }
}

/// The following task's side of [`Flags`].
struct Follower {
    current: Arc<ArcSwap<Snapshot>>,
    told: watch::Sender<u64>,
    kept: PathBuf,
    /// Whether the role was heard last.
    heard: Arc<AtomicBool>,
}

impl Follower {
    /// Never returns.
    async fn run(mut self, channel: Channel) {
        let mut waits = endless_backoff(SHORTEST_WAIT, LONGEST_WAIT);
        loop {
            let before = self.current.load_full();
            let ended = self.watch(channel.clone()).await;
            if !Arc::ptr_eq(&before, &self.current.load()) {
                waits = endless_backoff(SHORTEST_WAIT, LONGEST_WAIT);
            }
            if let Err(status) = ended
                && self.heard.swap(false, Ordering::Relaxed)
            {
                // Once, not at each of the tries that follow.
                warn!(code = ?status.code(), "the flags role is away: going on with the last flags");
            }
            tokio::time::sleep(waits.next().unwrap_or(LONGEST_WAIT)).await;
        }
    }

    async fn watch(&mut self, channel: Channel) -> Result<(), Status> {
        let mut client = FlagsClient::new(channel).max_decoding_message_size(usize::MAX);
        let first = async {
            let mut snapshots = client.watch(WatchRequest {}).await?.into_inner();
            let snapshot = snapshots.message().await?;
            Ok::<_, Status>((snapshots, snapshot))
        };
        let late = |_| Status::deadline_exceeded("no first snapshot");
        let (mut snapshots, mut snapshot) =
            timeout(FIRST_SNAPSHOT, first).await.map_err(late)??;
        while let Some(sent) = snapshot {
            self.take(wire::snapshot(sent)).await;
            snapshot = snapshots.message().await?;
        }
        Ok(())
    }

    async fn take(&mut self, snapshot: Snapshot) {
        let revision = snapshot.revision();
        if !self.heard.swap(true, Ordering::Relaxed) {
            info!(revision, "the flags role is heard again");
        }
        let snapshot = Arc::new(snapshot);
        self.current.store(Arc::clone(&snapshot));
        self.told.send_replace(revision);
        let path = self.kept.clone();
        // A disk that hangs must not hold up a thread that streams.
        let _ = tokio::task::spawn_blocking(move || keep(&path, &snapshot)).await;
    }
}

/// The file's contents.
#[derive(Serialize, Deserialize)]
struct Kept {
    revision: u64,
    flags: Vec<Flag>,
}

fn read(path: &Path) -> io::Result<Snapshot> {
    let kept: Kept = serde_json::from_slice(&fs::read(path)?)?;
    Ok(Snapshot::new(kept.revision, kept.flags))
}

/// Writes beside the file and renames, so that nobody reads half of it. A disk that cannot be written costs
/// only what a restart would have known.
fn keep(path: &Path, snapshot: &Snapshot) {
    let kept = Kept {
        revision: snapshot.revision(),
        flags: snapshot.flags().cloned().collect(),
    };
    let beside = path.with_extension("new");
    let written = serde_json::to_vec(&kept)
        .map_err(io::Error::from)
        .and_then(|bytes| fs::write(&beside, bytes))
        .and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        debug!(%error, path = %path.display(), "the flags could not be kept on disk");
    }
}

#[cfg(test)]
mod tests;
