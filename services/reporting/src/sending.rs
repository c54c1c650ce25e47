//! The sending task: what waits goes out in batches, in calls of which each is answered. A batch that was not
//! answered for is sent again under its number, which the metrics role counts once.

use std::{sync::Arc, time::Duration};

use futures::stream;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tracing::{info, warn};
use troika_chassis::{
    channel::{Channel, reach},
    lifecycle::{Drain, Hold},
    outbound::endless_backoff,
};
use troika_proto::metrics::v1::{ReportRequest, metrics_client::MetricsClient};
use uuid::Uuid;

use crate::reporter::{Counts, QUEUE, Situation, Waiting};

/// Outcomes in one batch, and batches in one call.
const BATCH: usize = 256;
const BATCHES: usize = 8;
/// How long the first outcome of a call waits for others.
const LINGER: Duration = Duration::from_millis(200);
/// Time between two reports when nothing happens, so that the role is known to live.
const BEAT: Duration = Duration::from_secs(1);
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Waits after a call that failed.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The sending task's side of a [`Reporter`](crate::Reporter).
pub(crate) struct Sending {
    client: MetricsClient<Channel>,
    waiting: mpsc::Receiver<Waiting>,
    counts: Arc<Counts>,
    situation: Situation,
    drain: Drain,
    source: String,
    /// Of the newest batch.
    number: u64,
    /// Whether the metrics role was heard last.
    heard: bool,
}

/// What one call tells.
struct Call {
    batches: Vec<ReportRequest>,
    holds: Vec<Hold>,
}

impl Sending {
    pub(crate) fn new(
        channel: Channel,
        waiting: mpsc::Receiver<Waiting>,
        counts: Arc<Counts>,
        situation: Situation,
        drain: Drain,
    ) -> Self {
        Self {
            client: MetricsClient::new(channel),
            waiting,
            counts,
            situation,
            drain,
            source: Uuid::new_v4().to_string(),
            number: 0,
            heard: true,
        }
    }

    /// Until the last reporter is gone, or the process leaves while nobody listens.
    pub(crate) async fn run(mut self) {
        while let Some(outcomes) = self.collect().await {
            let call = self.call(outcomes);
            if !self.tell(call).await {
                self.give_up().await;
                return;
            }
        }
    }

    /// What is there within a beat, and what comes shortly after it; `None` once nobody is left to tell any.
    async fn collect(&mut self) -> Option<Vec<Waiting>> {
        const MOST: usize = BATCH * BATCHES;
        let mut outcomes = Vec::new();
        if let Ok(0) = timeout(BEAT, self.waiting.recv_many(&mut outcomes, MOST)).await {
            return None;
        }
        let until = Instant::now() + LINGER;
        // Who leaves waits for nobody.
        while !outcomes.is_empty() && outcomes.len() < MOST && !self.drain.draining() {
            let room = MOST - outcomes.len();
            match timeout_at(until, self.waiting.recv_many(&mut outcomes, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        Some(outcomes)
    }

    fn call(&mut self, outcomes: Vec<Waiting>) -> Call {
        let (mut turns, holds): (Vec<_>, Vec<_>) = outcomes
            .into_iter()
            .map(|Waiting { outcome, _hold }| (outcome, _hold))
            .unzip();
        let (dropped, refused, caches) = self.counts.take();
        let first = ReportRequest {
            refused,
            dropped,
            caches,
            state: Some(self.situation.now()),
            ..ReportRequest::default()
        };
        let mut batches = vec![first];
        while turns.len() > BATCH {
            let rest = turns.split_off(BATCH);
            let turns = std::mem::replace(&mut turns, rest);
            batches.push(ReportRequest {
                turns,
                ..ReportRequest::default()
            });
        }
        batches[0].turns = turns;
        for batch in &mut batches {
            self.number += 1;
            batch.number = self.number;
            batch.source.clone_from(&self.source);
        }
        Call { batches, holds }
    }

    /// Makes the call, as often as it takes. `false` when the process leaves and it cannot be made.
    async fn tell(&mut self, call: Call) -> bool {
        let mut waits = endless_backoff(SHORTEST_WAIT, LONGEST_WAIT);
        loop {
            let leaving = self.drain.draining();
            match timeout(PATIENCE, self.report(&call)).await {
                Ok(Ok(())) => {
                    if !std::mem::replace(&mut self.heard, true) {
                        info!("the metrics role is heard again");
                    }
                    return true;
                }
                failed => {
                    if std::mem::replace(&mut self.heard, false) {
                        let code = failed
                            .ok()
                            .and_then(Result::err)
                            .map(|status| status.code());
                        warn!(
                            ?code,
                            "the metrics role is away: outcomes wait, at most {QUEUE} of them"
                        );
                    }
                }
            }
            if leaving {
                let lost: usize = call.batches.iter().map(|batch| batch.turns.len()).sum();
                self.counts.lose(lost as u64);
                drop(call.holds);
                return false;
            }
            let again = Instant::now() + waits.next().unwrap_or(LONGEST_WAIT);
            tokio::select! {
                () = sleep_until(again) => {}
                // One last try.
                () = self.drain.started() => {}
            }
        }
    }

    async fn report(&self, call: &Call) -> Result<(), tonic::Status> {
        reach(|| {
            let batches = stream::iter(call.batches.clone());
            let mut client = self.client.clone();
            async move { client.report(batches).await }
        })
        .await
        .map(drop)
    }

    /// Lets go of everything at once, and of what is still told: nobody hears it, and the process must leave.
    async fn give_up(mut self) {
        self.waiting.close();
        let mut lost = 0;
        while self.waiting.recv().await.is_some() {
            lost += 1;
        }
        self.counts.lose(lost);
        let (dropped, ..) = self.counts.take();
        if dropped > 0 {
            warn!(dropped, "the last outcomes could not be told");
        }
    }
}

#[cfg(test)]
mod tests;
