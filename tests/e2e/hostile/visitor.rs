//! The visitor who asks on, whatever others do: each question on a connection of its own, as a newcomer's.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use troika_tests::listener::question;

/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(20);
/// A question may take so long on a busy machine under attack before its visitor is held up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A visitor that asks until it is told to stop.
pub(super) struct Visitor {
    asking: JoinHandle<Vec<Duration>>,
    stop: CancellationToken,
}

impl Visitor {
    /// Asks from now on.
    pub(super) fn asks(gateway: &str) -> Self {
        let stop = CancellationToken::new();
        let asking = tokio::spawn(ask_on(gateway.to_owned(), stop.clone()));
        Self { asking, stop }
    }

    /// Lets the last question be answered and prints how long answers took. Panics unless all were answered, and
    /// in time.
    pub(super) async fn leaves(self, attack: &str) {
        self.stop.cancel();
        let slowest = figures(attack, self.asking.await.unwrap());
        assert!(slowest < PATIENCE, "{attack}: {slowest:?}");
    }
}

/// Prints how long answers took; the longest.
pub(super) fn figures(when: &str, mut took: Vec<Duration>) -> Duration {
    took.sort();
    let quantile = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    println!(
        "{when}: {} questions answered of {}, the median in {:?}, 95 % in {:?}, all in {:?}",
        took.len(),
        took.len(),
        quantile(0.5),
        quantile(0.95),
        quantile(1.0)
    );
    quantile(1.0)
}

/// How long each question took, from the connection to the last event.
async fn ask_on(gateway: String, stop: CancellationToken) -> Vec<Duration> {
    let mut took = Vec::new();
    loop {
        took.push(answered(&gateway).await);
        tokio::select! {
            () = stop.cancelled() => return took,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// How long one question took. Panics unless it is answered whole.
pub(super) async fn answered(gateway: &str) -> Duration {
    let _ = troika_tests::http();
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let begun = Instant::now();
    let response = client
        .post(format!("{gateway}/api/chat/query/stream"))
        .json(&question("Are you there?"))
        .send()
        .await
        .unwrap();
    let status = response.status();
    let body = response.text().await.unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(
        body.contains("event: complete\n") && body.contains("event: close\n"),
        "{body}"
    );
    begun.elapsed()
}
