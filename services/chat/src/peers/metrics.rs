//! The metrics role: outcomes of turns out, in batches. Telling one never waits and never fails: what cannot
//! be taken is dropped and counted. It must not know what a turn is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Uri, uri::InvalidUri};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tracing::{info, warn};
use troika_chassis::{
    channel::{ChannelConfig, channel, check_address},
    config::{Problems, Validate},
    health::{client::HealthClient, v1::HealthCheckRequest},
    lifecycle::{Drain, Hold},
    outbound::endless_backoff,
};
use troika_proto::metrics::v1::{
    ReportRequest, TurnOutcome, metrics_client::MetricsClient, metrics_server::SERVICE_NAME,
};
use url::Url;
use uuid::Uuid;

/// Outcomes that wait to be sent; further ones are dropped.
const QUEUE: usize = 8192;
/// Outcomes in one batch, and how long the first of them waits for others.
const BATCH: usize = 256;
const LINGER: Duration = Duration::from_millis(200);
/// Batches that wait for a slow connection.
const UNSENT_BATCHES: usize = 4;
/// How long taking a batch, or a look whether somebody takes it, may last.
const PATIENCE: Duration = Duration::from_secs(1);
/// Waits between two tries to connect.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Where the metrics role is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Its gRPC address: `http://` in plain text, `https://` with TLS.
    pub address: Url,
    /// The connection to it.
    pub channel: ChannelConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: default_address(),
            channel: ChannelConfig {
                connections: 1,
                ..ChannelConfig::default()
            },
        }
    }
}

#[allow(clippy::expect_used)]
fn default_address() -> Url {
    Url::parse("http://127.0.0.1:50054").expect("the default address is a URL")
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        check_address(problems, "address", &self.address);
        self.channel.validate(&mut problems.at("channel"));
    }
}

/// Tells the metrics role what happened. Cloning shares the queue.
#[derive(Clone, Debug)]
pub(crate) struct Reporter {
    queue: mpsc::Sender<Waiting>,
    lost: Arc<Lost>,
    drain: Drain,
}

/// An outcome that waits; the process does not leave before it was sent or given up.
#[derive(Debug)]
struct Waiting {
    outcome: TurnOutcome,
    _hold: Hold,
}

/// What is counted because it is not told one by one.
#[derive(Debug, Default)]
struct Lost {
    dropped: AtomicU64,
    refused: AtomicU64,
}

impl Reporter {
    /// Connects when there is something to tell, and again whenever the role is back. Must be called inside
    /// a tokio runtime.
    ///
    /// # Errors
    /// An address that cannot be called.
    pub(crate) fn start(config: &Config, drain: Drain) -> Result<Self, InvalidUri> {
        let address: Uri = config.address.as_str().parse()?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        let lost = Arc::new(Lost::default());
        let sending = Sending {
            channel: channel(address, &config.channel),
            waiting,
            lost: Arc::clone(&lost),
            drain: drain.clone(),
            source: Uuid::new_v4().to_string(),
            batches: None,
            heard: true,
        };
        tokio::spawn(sending.run());
        Ok(Self { queue, lost, drain })
    }

    /// A turn ended.
    pub(crate) fn tell(&self, outcome: TurnOutcome) {
        let waiting = Waiting {
            outcome,
            _hold: self.drain.hold("outcomes to be told"),
        };
        if self.queue.try_send(waiting).is_err() {
            self.lost.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A turn was turned away because the process is full.
    pub(crate) fn refused(&self) {
        self.lost.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// The sending task's side.
struct Sending {
    channel: Channel,
    waiting: mpsc::Receiver<Waiting>,
    lost: Arc<Lost>,
    drain: Drain,
    source: String,
    /// Batches on their way, while a call is open.
    batches: Option<mpsc::Sender<ReportRequest>>,
    /// Whether the role was heard last.
    heard: bool,
}

impl Sending {
    /// Until the last [`Reporter`] is gone.
    async fn run(mut self) {
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            // Refusals alone are told, too, though late.
            let any = timeout(PATIENCE, self.waiting.recv_many(&mut batch, BATCH)).await;
            if any == Ok(0) {
                return;
            }
            self.fill(&mut batch).await;
            let (turns, holds): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|Waiting { outcome, _hold }| (outcome, _hold))
                .unzip();
            let refused = self.lost.refused.swap(0, Ordering::Relaxed);
            if turns.is_empty() && refused == 0 {
                continue;
            }
            let batch = ReportRequest {
                source: self.source.clone(),
                turns,
                refused,
                dropped: self.lost.dropped.swap(0, Ordering::Relaxed),
            };
            self.send(batch).await;
            drop(holds);
        }
    }

    /// Waits a moment for more.
    async fn fill(&mut self, batch: &mut Vec<Waiting>) {
        let until = Instant::now() + LINGER;
        while !batch.is_empty() && batch.len() < BATCH && !self.drain.draining() {
            let room = BATCH - batch.len();
            match timeout_at(until, self.waiting.recv_many(batch, room)).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// Sends a batch, as often as it takes; a process that leaves tries once.
    async fn send(&mut self, batch: ReportRequest) {
        let mut waits = endless_backoff(SHORTEST_WAIT, LONGEST_WAIT);
        let mut unsent = Some(batch);
        while let Some(batch) = unsent.take() {
            unsent = self.try_send(batch).await;
            if unsent.is_none() {
                return;
            }
            if self.drain.draining() {
                warn!("the last outcomes could not be told");
                return;
            }
            if std::mem::replace(&mut self.heard, false) {
                warn!("the metrics role is away: outcomes wait, at most {QUEUE} of them");
            }
            sleep(waits.next().unwrap_or(LONGEST_WAIT)).await;
        }
    }

    /// Gives a batch to the open call, opening one first where there is none; the batch comes back when
    /// nobody takes it.
    async fn try_send(&mut self, batch: ReportRequest) -> Option<ReportRequest> {
        if self.batches.as_ref().is_none_or(mpsc::Sender::is_closed) {
            self.batches = self.open().await;
        }
        let Some(batches) = self.batches.take() else {
            return Some(batch);
        };
        match timeout(PATIENCE, batches.reserve_owned()).await {
            Ok(Ok(place)) => {
                self.batches = Some(place.send(batch));
                None
            }
            // Closed, or taking nothing: the next try opens another one.
            Ok(Err(_)) | Err(_) => Some(batch),
        }
    }

    /// Opens a call to a role that answers. A call into the void would swallow its first batches.
    async fn open(&mut self) -> Option<mpsc::Sender<ReportRequest>> {
        let mut health = HealthClient::new(self.channel.clone());
        let look = health.check(HealthCheckRequest {
            service: SERVICE_NAME.to_owned(),
        });
        timeout(PATIENCE, look).await.ok()?.ok()?;
        if !std::mem::replace(&mut self.heard, true) {
            info!("the metrics role is heard again");
        }
        let (batches, unsent) = mpsc::channel(UNSENT_BATCHES);
        let mut client = MetricsClient::new(self.channel.clone());
        // Ends with the role, or when the sender is dropped; either is seen by the other side.
        tokio::spawn(async move { client.report(ReceiverStream::new(unsent)).await.map(drop) });
        Some(batches)
    }
}

#[cfg(test)]
mod tests;
