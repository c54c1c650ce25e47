//! The side of those who tell: a queue that is never waited for.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use http::{Uri, uri::InvalidUri};
use tokio::sync::mpsc;
use troika_chassis::{
    channel::channel,
    lifecycle::{Drain, Hold},
    meters::{Meters, Standing},
};
use troika_proto::metrics::v1::{CacheUse, DependencyState, SourceState, TurnOutcome};

use crate::{Config, Needs, sending::Sending};

/// Outcomes that wait to be sent; further ones are dropped.
pub(crate) const QUEUE: usize = 8192;

/// What a role is and does now, asked once a second. Clones are the same.
#[derive(Clone)]
pub struct Situation {
    role: &'static str,
    started_at: SystemTime,
    needs: Needs,
    active: Arc<dyn Fn() -> usize + Send + Sync>,
}

impl fmt::Debug for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Situation")
            .field("role", &self.role)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

impl Situation {
    /// Of a role that starts now; `active` counts the streams that are open.
    pub fn new(
        role: &'static str,
        needs: Needs,
        active: impl Fn() -> usize + Send + Sync + 'static,
    ) -> Self {
        Self {
            role,
            started_at: SystemTime::now(),
            needs,
            active: Arc::new(active),
        }
    }

    /// As the process's own figures tell it.
    fn standing(&self, dropped_reports: u64) -> Standing {
        let used = self.needs.dependencies().into_iter();
        let used = used.filter(|need| need.state() != DependencyState::Unused);
        Standing {
            active_streams: (self.active)() as u64,
            dropped_reports,
            dependencies: used
                .map(|need| {
                    let up = need.state() == DependencyState::Up;
                    (need.name, up)
                })
                .collect(),
        }
    }

    pub(crate) fn now(&self) -> SourceState {
        SourceState {
            role: self.role.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: Some(self.started_at.into()),
            active_streams: (self.active)() as u64,
            dependencies: self.needs.dependencies(),
            breakers: self.needs.breakers(),
        }
    }
}

/// Tells the metrics role what happened. Cloning shares the queue.
#[derive(Clone, Debug)]
pub struct Reporter {
    queue: mpsc::Sender<Waiting>,
    counts: Arc<Counts>,
    meters: Meters,
    drain: Drain,
}

/// An outcome that waits; the process does not leave before it was told or given up.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) outcome: TurnOutcome,
    pub(crate) _hold: Hold,
}

/// What is counted because it is not told one by one.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    dropped: AtomicU64,
    dropped_ever: AtomicU64,
    refused: AtomicU64,
    /// Hits and misses by the cache's name.
    caches: Mutex<BTreeMap<&'static str, (u64, u64)>>,
}

impl Counts {
    pub(crate) fn lose(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
        self.dropped_ever.fetch_add(count, Ordering::Relaxed);
    }

    /// What was dropped and refused since the last time.
    pub(crate) fn take(&self) -> (u64, u64, Vec<CacheUse>) {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let uses = std::mem::take(&mut *caches)
            .into_iter()
            .map(|(name, (hits, misses))| CacheUse {
                name: name.to_owned(),
                hits,
                misses,
            });
        (
            self.dropped.swap(0, Ordering::Relaxed),
            self.refused.swap(0, Ordering::Relaxed),
            uses.collect(),
        )
    }
}

impl Reporter {
    /// Connects when there is something to tell, which is the role's own situation each second, and again whenever
    /// the metrics role is back. The situation and what gets lost are told by the process's own figures too. Must be
    /// called inside a tokio runtime.
    ///
    /// # Errors
    /// An address that cannot be called.
    pub fn start(
        config: &Config,
        situation: Situation,
        meters: &Meters,
        drain: Drain,
    ) -> Result<Self, InvalidUri> {
        let address: Uri = config.address.as_str().parse()?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let channel = channel(address, &config.channel);
        let (here, counted) = (situation.clone(), Arc::clone(&counts));
        meters.standing(situation.role, move || {
            here.standing(counted.dropped_ever.load(Ordering::Relaxed))
        });
        let sending = Sending::new(
            channel,
            waiting,
            Arc::clone(&counts),
            situation,
            drain.clone(),
        );
        tokio::spawn(sending.run());
        Ok(Self {
            queue,
            counts,
            meters: meters.clone(),
            drain,
        })
    }

    /// A turn ended.
    pub fn tell(&self, outcome: TurnOutcome) {
        let waiting = Waiting {
            outcome,
            _hold: self.drain.hold("outcomes to be told"),
        };
        if self.queue.try_send(waiting).is_err() {
            self.counts.lose(1);
        }
    }

    /// A turn was turned away because the process is full.
    pub fn refused(&self) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody looked into a cache so often.
    pub fn looked(&self, cache: &'static str, hits: u64, misses: u64) {
        self.meters.looked(cache, hits, misses);
        let caches = &self.counts.caches;
        let mut caches = caches.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = caches.entry(cache).or_default();
        *sum = (sum.0 + hits, sum.1 + misses);
    }

    /// Outcomes that were dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.counts.dropped_ever.load(Ordering::Relaxed)
    }
}
