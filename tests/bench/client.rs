//! The listener: opens streams, spread over a ramp, and notes when each first token comes and how many
//! come at all. The same code reads the provider and the gateway.

use std::time::{Duration, Instant};

use eventsource_stream::Eventsource as _;
use futures::{StreamExt as _, future::join_all};

/// Streams are opened evenly over this time, so that opening them is not the load that is measured.
pub(crate) const RAMP: Duration = Duration::from_secs(2);

/// Whom the client asks.
#[derive(Clone)]
pub(crate) enum Target {
    /// The scripted provider, by its base address.
    Provider(String),
    /// troika's gateway, by its base address.
    Gateway(String),
}

/// One run.
pub(crate) struct Load {
    pub(crate) target: Target,
    pub(crate) streams: usize,
}

/// What a run saw.
pub(crate) struct Seen {
    /// Milliseconds to the first token, sorted.
    first: Vec<f64>,
    /// Tokens that came, over all streams.
    pub(crate) tokens: usize,
}

impl Seen {
    /// A quantile of the time to first token, in milliseconds.
    pub(crate) fn first(&self, place: f64) -> f64 {
        quantile(&self.first, place)
    }
}

/// A quantile of sorted values.
pub(crate) fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let place = (quantile * (sorted.len().saturating_sub(1)) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}

/// Runs a load to its end.
pub(crate) async fn run(load: &Load) -> Seen {
    let http = troika_tests::http();
    let streams = (0..load.streams).map(|place| {
        let http = http.clone();
        async move {
            tokio::time::sleep(RAMP.mul_f64(place as f64 / load.streams as f64)).await;
            listen(http, load, place).await
        }
    });
    let seen = join_all(streams).await;
    let mut first: Vec<f64> = seen
        .iter()
        .filter_map(|(first, _)| first.map(|time| time.as_secs_f64() * 1e3))
        .collect();
    first.sort_by(f64::total_cmp);
    Seen {
        first,
        tokens: seen.iter().map(|(_, tokens)| tokens).sum(),
    }
}

async fn listen(http: reqwest::Client, load: &Load, place: usize) -> (Option<Duration>, usize) {
    let request = match &load.target {
        Target::Provider(base) => http.post(format!("{base}/chat/completions")).json(&serde_json::json!({
            "model": "bench", "stream": true, "messages": [{"role": "user", "content": format!("question {place}")}]
        })),
        Target::Gateway(base) => http.post(format!("{base}/api/chat/query/stream")).json(&serde_json::json!({
            "query": format!("question {place}"), "chatbotId": "000000000000000000000001", "enableTTS": false
        })),
    };
    let started = Instant::now();
    let response = match request.send().await {
        Ok(response) if response.status().is_success() => response,
        _ => return (None, 0),
    };
    let mut events = response.bytes_stream().eventsource();
    let (mut first, mut tokens) = (None, 0);
    while let Some(Ok(event)) = events.next().await {
        let is_token = match &load.target {
            Target::Provider(_) => event.data.contains("\"content\""),
            Target::Gateway(_) => event.event == "text",
        };
        if is_token {
            first.get_or_insert_with(|| started.elapsed());
            tokens += 1;
        }
    }
    (first, tokens)
}
