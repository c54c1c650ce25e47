//! The role's heartbeat: each second it closes what was told, looks at the system's health, gives the second to the store, and
//! hears what other replicas were told. A store that is away or hangs stops none of the rest.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{info, warn};
use troika_chassis::lifecycle::{Drain, Hold};
use troika_proto::metrics::v1::ReportRequest;

use crate::{
    config::Config,
    delta::{Part, Resolution, read, written},
    health::{Health, Report, Seen},
    ledger::{Ledger, Lost, Span, micros},
    moment::{HOUR, hour, minute, second},
    outbox::Outbox,
    store::{DELTAS_KEPT, Known, Store, StoreError, StoredDelta},
};

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// How far back deltas of other replicas are looked for: as far as clocks and slow writes may put them.
const LOOK_BACK: u64 = 30;
/// Time between two sweeps.
const SWEEP: Duration = Duration::from_secs(10 * 60);
/// How long a process that leaves may take for its last seconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// The note of the last reset.
const EPOCH: &str = "epoch";

/// What all parts of the role share.
pub(crate) struct Kept {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    ledger: Mutex<Ledger>,
    health: Mutex<Health>,
    outbox: Mutex<Outbox>,
    filled: Notify,
    /// Whether the store took the last second.
    stored: watch::Sender<bool>,
    drain: Drain,
    /// Held while anything is not stored yet: the process does not leave before.
    hold: Mutex<Option<Hold>>,
}

impl Kept {
    pub(crate) fn new(
        config: Config,
        store: Arc<dyn Store>,
        replica: String,
        drain: Drain,
    ) -> Self {
        let now = SystemTime::now();
        Self {
            ledger: Mutex::new(Ledger::new(&config, replica, now)),
            health: Mutex::new(Health::new(config.health.clone(), now)),
            outbox: Mutex::default(),
            filled: Notify::new(),
            stored: watch::Sender::new(true),
            drain,
            hold: Mutex::default(),
            config,
            store,
        }
    }

    /// Everything that is known. Held for microseconds.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Takes a batch in. What it tells keeps the process until it is stored.
    pub(crate) fn take(&self, batch: ReportRequest) -> Lost {
        let news = batch.refused > 0 || !batch.turns.is_empty() || !batch.caches.is_empty();
        let lost = self.ledger().take(batch, SystemTime::now());
        if news {
            lock(&self.hold).get_or_insert_with(|| self.drain.hold("figures to be stored"));
        }
        lost
    }

    /// As health was found last.
    pub(crate) fn health(&self) -> Report {
        lock(&self.health).report().clone()
    }

    /// Whether the store took the last second.
    pub(crate) fn is_stored(&self) -> bool {
        *self.stored.borrow()
    }

    /// Begins all counting anew, here and in all replicas.
    pub(crate) async fn reset(&self, now: SystemTime) -> Result<(), StoreError> {
        let epoch = micros(now);
        self.store.note(EPOCH, written(&epoch)).await?;
        self.begin_anew(epoch);
        Ok(())
    }

    /// Counts since a reset, here or in another replica. What was told before is closed first: it is history.
    fn begin_anew(&self, epoch: u64) {
        let mut ledger = self.ledger();
        if epoch > ledger.epoch() {
            let beat = ledger.beat(SystemTime::now());
            lock(&self.outbox).put(beat, self.config.max_values);
            ledger.reset(epoch);
            self.filled.notify_one();
        }
    }

    /// Takes in what was stored before this process began. A file of this process must be asked before the first beat: its
    /// rollups are continued.
    pub(crate) async fn restore(&self) -> Result<(), StoreError> {
        let now = SystemTime::now();
        let at = second(now);
        // The first of all replicas says when counting began.
        let own = written(&self.ledger().epoch());
        let epoch = read(&self.store.note_first(EPOCH, own).await?);
        let deltas = self
            .store
            .deltas(at.saturating_sub(DELTAS_KEPT.as_secs()), &Known::new())
            .await?;
        let mut rollups = Vec::new();
        for part in Part::all() {
            let life = epoch.unwrap_or(0);
            for (resolution, from, to) in [
                (
                    Resolution::Minute,
                    minute(at).saturating_sub(HOUR),
                    u64::MAX,
                ),
                (Resolution::Hour, hour(at), u64::MAX),
                (Resolution::Life, life, life + 1),
            ] {
                let from = match part {
                    // Rollouts are judged by two days.
                    Part::Arms => at.saturating_sub(48 * HOUR),
                    _ => from,
                };
                if part == Part::Arms && resolution != Resolution::Minute {
                    continue;
                }
                rollups.extend(self.store.rollups(resolution, part, from, to).await?);
            }
        }
        let deltas = deltas
            .iter()
            .filter_map(|delta| read(&delta.data))
            .collect();
        let mut ledger = self.ledger();
        ledger.restore(epoch, rollups, deltas, now);
        lock(&self.outbox).renew(ledger.epoch());
        Ok(())
    }

    /// Closes a second.
    fn beat(&self) {
        let now = SystemTime::now();
        let mut ledger = self.ledger();
        let beat = ledger.beat(now);
        self.look(&ledger, now);
        drop(ledger);
        // Alone, that sources live is worth no write.
        if self.store.is_shared() || !beat.delta.is_quiet() {
            lock(&self.outbox).put(beat, self.config.max_values);
            self.filled.notify_one();
        }
    }

    fn look(&self, ledger: &Ledger, now: SystemTime) {
        let span = Span::Seconds(self.config.health.window.as_secs());
        let total = ledger.total(span, now);
        let seen = Seen {
            figures: &total.figures,
            sources: ledger
                .sources(now)
                .iter()
                .map(|heard| &heard.state)
                .collect(),
            store: self.store.is_shared().then(|| self.is_stored()),
        };
        let mut health = lock(&self.health);
        let before = health.report().status;
        health.look(&seen, now);
        let status = health.report().status;
        if status != before {
            let issues = health
                .report()
                .checks
                .iter()
                .filter_map(|check| check.issue.as_deref());
            let issues = issues.collect::<Vec<_>>().join(" ");
            info!(?before, ?status, issues, "the system's health changed");
        }
    }

    /// Lets the process leave when all is stored; and when it must, though it is not.
    async fn let_go(&self) {
        if !lock(&self.outbox).is_empty() && self.drain.draining() {
            // A last try, then what is left is given up.
            drop(timeout(PATIENCE, self.store()).await);
            lock(&self.hold).take();
        } else if lock(&self.outbox).is_empty() && self.ledger().is_told() {
            lock(&self.hold).take();
        }
    }

    /// Stores what waits. What cannot be stored waits on.
    async fn store(&self) {
        let waiting = lock(&self.outbox).take();
        if waiting.is_empty() {
            return;
        }
        let (rollups, mut deltas) = waiting.into_parts();
        let mut unstored = rollups;
        while let Some(delta) = deltas.front() {
            let stored = StoredDelta {
                replica: delta.replica.clone(),
                number: delta.number,
                at: delta.at,
                data: written(delta),
            };
            let outcome = self.store.write(unstored.clone(), stored).await;
            self.tell(outcome.as_ref().err());
            if outcome.is_err() {
                lock(&self.outbox).put_back(Outbox::from_parts(unstored, deltas));
                return;
            }
            unstored.clear();
            deltas.pop_front();
        }
    }

    /// Hears what other replicas were told, and of resets.
    async fn listen(&self) {
        if !self.store.is_shared() {
            return;
        }
        let now = SystemTime::now();
        let since = second(now).saturating_sub(LOOK_BACK);
        let known = self.ledger().known().clone();
        let heard = async {
            let epoch = self.store.noted(EPOCH).await?;
            Ok::<_, StoreError>((epoch, self.store.deltas(since, &known).await?))
        };
        match heard.await {
            Ok((epoch, mut deltas)) => {
                deltas.sort_by_key(|delta| delta.number);
                if let Some(epoch) = epoch.and_then(|data| read(&data)) {
                    self.begin_anew(epoch);
                }
                let mut ledger = self.ledger();
                for delta in deltas.iter().filter_map(|delta| read(&delta.data)) {
                    ledger.learn(delta, now);
                }
            }
            Err(error) => self.tell(Some(&error)),
        }
    }

    fn tell(&self, error: Option<&StoreError>) {
        let stored = error.is_none();
        let changed = self
            .stored
            .send_if_modified(|was| std::mem::replace(was, stored) != stored);
        if !changed {
            return;
        }
        match error {
            Some(error) => warn!(
                error = error as &dyn std::error::Error,
                "figures cannot be stored: they wait"
            ),
            None => info!("figures are stored again"),
        }
    }
}

/// Begins to beat, until the process has left: its last seconds are stored after the role has stopped serving. A shared
/// store is asked for what it has until it gives it; what is told meanwhile counts. Must be called inside a tokio runtime.
pub(crate) fn start(kept: Arc<Kept>) {
    let beating = Arc::clone(&kept);
    tokio::spawn(async move {
        let mut ticks = interval(BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let gone = beating.drain.clone();
        let beats = async {
            loop {
                ticks.tick().await;
                beating.beat();
            }
        };
        tokio::select! {
            () = beats => {}
            () = gone.finished() => {}
        }
    });
    tokio::spawn(async move {
        let gone = kept.drain.clone();
        tokio::select! {
            () = keep(&kept) => {}
            () = gone.finished() => {}
        }
    });
}

/// Gives seconds to the store as they come. Never returns.
async fn keep(kept: &Kept) {
    let restored = async {
        while kept.store.is_shared()
            && let Err(error) = kept.restore().await
        {
            kept.tell(Some(&error));
            tokio::time::sleep(BEAT).await;
        }
    };
    tokio::select! {
        () = restored => {}
        // Who leaves only wants to store what it was told.
        () = kept.drain.started() => {}
    }
    let mut sweeps = interval(SWEEP);
    loop {
        tokio::select! {
            () = kept.filled.notified() => {
                kept.store().await;
                kept.let_go().await;
                kept.listen().await;
            }
            _ = sweeps.tick() => {
                let swept = kept.store.sweep(second(SystemTime::now())).await;
                kept.tell(swept.as_ref().err());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds a lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
