//! The one writer of a log in its process: entries in the order of their changes, each until it is written. It must not
//! know what they say.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use tracing::{error, info, warn};
use troika_chassis::lifecycle::Hold;

use crate::{
    chain::Head,
    entry::{Entry, Recorded},
    log::Shared,
    store::{Appended, StoreError, Stored, Wanted},
};

/// The wait before the first new attempt; each further one is twice as long, up to the longest.
const RETRY_AFTER: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// An entry that waits to be written.
pub(crate) struct Job {
    pub(crate) recorded: Recorded,
    pub(crate) written: oneshot::Sender<()>,
    /// The process does not end before the entry is written, or the drain is forced.
    pub(crate) hold: Hold,
}

/// Ends when the last clone of the log is gone and everything is written, or when the drain is forced.
pub(crate) async fn write(log: Arc<Shared>, mut jobs: mpsc::Receiver<Job>) {
    let drain = log.drain.clone();
    let mut current = None;
    let writing = async {
        while let Some(job) = jobs.recv().await {
            let Job {
                recorded,
                written,
                hold,
            } = job;
            let recorded = &*current.insert(recorded);
            append(&log, recorded).await;
            current = None;
            // Whoever left does not wait for the answer.
            let _ = written.send(());
            drop(hold);
        }
    };
    tokio::select! {
        () = writing => return,
        () = drain.forced() => {}
    }
    jobs.close();
    if let Some(recorded) = &current {
        lost(&log, recorded);
    }
    while let Ok(job) = jobs.try_recv() {
        lost(&log, &job.recorded);
    }
}

/// Appends an entry, however long it takes.
async fn append(log: &Shared, recorded: &Recorded) {
    let mut wait = RETRY_AFTER;
    // The number that an attempt may have written the entry under without saying so.
    let mut tried = None;
    loop {
        match attempt(log, recorded, &mut tried).await {
            Ok(entry) => {
                log.learn(Head::from(&entry));
                // Outside of the store: who rewrites a whole chain there cannot rewrite this.
                info!(
                    log = log.name,
                    number = entry.number,
                    hash = %entry.hash,
                    action = entry.recorded.action,
                    "a change is in the audit log"
                );
                return;
            }
            Err(error) if wait == RETRY_AFTER => error!(
                log = log.name,
                action = recorded.action,
                target = recorded.target,
                request_id = recorded.request_id,
                error = &error as &dyn std::error::Error,
                "an entry of the audit log waits to be written: its change stands"
            ),
            Err(error) => warn!(
                log = log.name,
                error = &error as &dyn std::error::Error,
                retry_in = ?wait,
                "an entry of the audit log waits to be written"
            ),
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Appends an entry behind the newest one, whoever wrote that.
async fn attempt(
    log: &Shared,
    recorded: &Recorded,
    tried: &mut Option<u64>,
) -> Result<Entry, StoreError> {
    let mut head = log.known();
    if head == Head::default() {
        head = newest(log).await?;
    }
    loop {
        let entry = Entry::after(head, &log.name, recorded.clone());
        // What is there under a number that is behind stays there: now it shows whether an earlier attempt landed.
        let behind = tried.replace(entry.number).filter(|it| *it < entry.number);
        if let Some(number) = behind
            && let Some(own) = written(log, number, recorded).await?
        {
            return Ok(own);
        }
        if log.store.append(&entry).await? == Appended::Done {
            return Ok(entry);
        }
        head = newest(log).await?;
        if head.number < entry.number {
            // Something has the number that is no entry of this log; the log goes on behind it.
            head = Head {
                number: entry.number,
                ..Head::default()
            };
        }
    }
}

/// The entry under a number, when it is this one.
async fn written(
    log: &Shared,
    number: u64,
    recorded: &Recorded,
) -> Result<Option<Entry>, StoreError> {
    let found = log.store.after(number - 1, 1).await?;
    let entry = found.into_iter().find_map(|stored| stored.entry);
    Ok(entry.filter(|entry| entry.number == number && entry.recorded.id == recorded.id))
}

async fn newest(log: &Shared) -> Result<Head, StoreError> {
    let found = log.store.newest(&Wanted::default(), 1).await?;
    let head = found.first().map(|Stored { number, entry }| {
        // After what cannot be read the chain begins anew: the break is told by whoever verifies it.
        let fresh = Head {
            number: *number,
            ..Head::default()
        };
        entry.as_ref().map_or(fresh, Head::from)
    });
    Ok(head.unwrap_or_default())
}

fn lost(log: &Shared, recorded: &Recorded) {
    error!(
        log = log.name,
        action = recorded.action,
        target = recorded.target,
        request_id = recorded.request_id,
        "an entry of the audit log is lost: the process ends before it could be written"
    );
}
