//! Settles what turns used, in the background: nobody waits for it, the drain does. A store that is away is tried again
//! for a quarter of an hour, while the process lives. Knows the store only as a trait.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::StreamExt as _;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_stream::wrappers::ReceiverStream;
use tracing::{error, warn};
use troika_chassis::lifecycle::{Drain, Hold};
use troika_limits::Reservation as OfToday;
use uuid::Uuid;

use super::{Month, QuotaStore, Settlement, remembered::Remembered};
use crate::{bots::BotId, store::StoreError, usage};

/// Settlements that wait at most.
const QUEUE: usize = 8192;
/// Settlements on their way at one time.
const AT_ONCE: usize = 64;
/// How long one is tried. Shorter than the store keeps what it needs to settle a turn once.
const TRIED: Duration = Duration::from_secs(900);
/// Waits between the attempts.
const RETRY_AFTER: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
/// Attempts once the process is leaving.
const LAST_ATTEMPTS: usize = 3;

/// What a turn used, as far as it is known when it ends.
pub(crate) enum Spent {
    /// No model took the question.
    Nothing,
    /// What the model counted.
    Counted(u64),
    /// To be counted here.
    Estimated { prompt: String, answer: String },
}

/// A turn to be settled.
pub(super) struct Job {
    pub(super) quota: Option<OfQuota>,
    /// What was reserved of the day's tokens.
    pub(super) today: Option<OfToday>,
    pub(super) spent: Spent,
}

/// What a bot's quota holds for a turn.
pub(super) struct OfQuota {
    pub(super) turn: Uuid,
    pub(super) bot: BotId,
    pub(super) month: Month,
    /// The store said that it holds them.
    pub(super) certain: bool,
    /// As this process remembers it.
    pub(super) reserved: u64,
    pub(super) remembered: Arc<Remembered>,
}

/// The way to whoever settles. Clones share it.
#[derive(Clone)]
pub(crate) struct Settling {
    queue: mpsc::Sender<(Job, Instant, Hold)>,
    drain: Drain,
}

impl Settling {
    /// Starts settling. It ends when the last clone is dropped and everything submitted is settled or given up.
    pub(super) fn start(store: Arc<dyn QuotaStore>, drain: Drain) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let leaving = drain.clone();
        tokio::spawn(ReceiverStream::new(jobs).for_each_concurrent(
            AT_ONCE,
            move |(job, since, hold)| {
                let (store, drain) = (store.clone(), leaving.clone());
                async move {
                    settle(&*store, &drain, job, since).await;
                    drop(hold);
                }
            },
        ));
        Self { queue, drain }
    }

    /// Hands over a turn; never waits. With a full queue it is given up at once.
    pub(super) fn submit(&self, job: Job) {
        let hold = self.drain.hold("usage to be settled");
        if let Err(refused) = self.queue.try_send((job, Instant::now(), hold)) {
            let (job, ..) = refused.into_inner();
            if let Some(today) = job.today {
                let reserved = today.amount();
                today.settle(reserved);
            }
            if let Some(quota) = job.quota {
                quota.remembered.let_go(quota.reserved, 0);
                error!(bot = %quota.bot, queue = QUEUE, "a turn's usage is lost: too many wait to be settled");
            }
        }
    }
}

async fn settle(store: &dyn QuotaStore, drain: &Drain, job: Job, since: Instant) {
    let tokens = match job.spent {
        Spent::Nothing => 0,
        Spent::Counted(tokens) => tokens,
        Spent::Estimated { prompt, answer } => {
            let counted = usage::count(prompt, answer).await;
            u64::from(counted.prompt) + u64::from(counted.completion)
        }
    };
    if let Some(today) = job.today {
        today.settle(tokens);
    }
    let Some(quota) = job.quota else {
        return;
    };
    let mut settlement = Settlement {
        turn: quota.turn,
        bot: quota.bot,
        tokens,
        month: quota.month,
        held: quota.certain,
        at: SystemTime::now(),
    };
    let mut waits = RETRY_AFTER.into_iter();
    let mut wait = RETRY_AFTER[0];
    for attempt in 1.. {
        let Err(problem) = store.settle(&settlement).await else {
            quota.remembered.let_go(quota.reserved, tokens);
            return;
        };
        wait = waits.next().unwrap_or(wait);
        let helps = matches!(problem, StoreError::Unavailable(_));
        let late = since.elapsed() > TRIED || (drain.draining() && attempt >= LAST_ATTEMPTS);
        if !helps || late {
            quota.remembered.let_go(quota.reserved, 0);
            error!(
                bot = %quota.bot,
                tokens,
                error = &problem as &dyn std::error::Error,
                "a turn's usage is lost: it cannot be settled"
            );
            return;
        }
        warn!(bot = %quota.bot, error = &problem as &dyn std::error::Error, retry_in = ?wait, "a turn's usage waits to be settled");
        if drain.draining() {
            sleep(wait).await;
        } else {
            tokio::select! {
                () = sleep(wait) => {}
                // Who leaves tries at once, then as often as is left to it.
                () = drain.started() => {}
            }
        }
        settlement.at = SystemTime::now();
    }
}
