//! Figures over HTTP: the routes of the backend that came before, the health that monitors poll, and what the dashboard
//! asks. It must not know how anything is counted.

pub(crate) mod alerts;
mod figures;
mod health;
mod live;
mod old;
mod prometheus;
mod told;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::FromRef,
    routing::{delete, get, post},
};
use tokio::sync::Semaphore;
use troika_chassis::{
    channel::Channel,
    error::{Code, Error},
    lifecycle::Drain,
};
use troika_identity::Sessions;
use troika_proto::metrics::v1::{
    Window, alerts_client::AlertsClient, metrics_client::MetricsClient,
};

use crate::{
    body::{BodyLimits, wrong},
    call::Peer,
    config::Config,
    problem::Problem,
    query::Query,
};

pub(crate) use alerts::*;
pub(crate) use figures::*;
pub(crate) use health::*;
pub(crate) use live::*;
pub(crate) use old::*;
pub(crate) use prometheus::*;

/// What the role is called in messages.
const METRICS: &str = "metrics";

/// When to come back to a role that is away and does not say when itself.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The largest answer that is taken from the role: a long history.
const LARGEST: usize = 64 << 20;

/// How long an answer about health may take: who polls each second waits for no role that hangs.
const HEALTH_DEADLINE: Duration = Duration::from_millis(500);

/// What the routes of metrics share.
#[derive(Clone)]
pub(crate) struct Metrics {
    peer: Peer<MetricsClient<Channel>>,
    health: health::Watched,
    alerts: Peer<AlertsClient<Channel>>,
    receivers: Peer<AlertsClient<Channel>>,
    sessions: Sessions,
    limits: BodyLimits,
    heartbeat: Duration,
    listeners: Arc<Semaphore>,
    drain: Drain,
}

impl Metrics {
    /// Calls the metrics role over `channel`, within the bounds of `config`.
    pub(crate) fn new(channel: Channel, sessions: Sessions, config: &Config, drain: Drain) -> Self {
        let client = MetricsClient::new(channel.clone()).max_decoding_message_size(LARGEST);
        let alerts = AlertsClient::new(channel);
        let deadline = config.metrics_deadline.min(HEALTH_DEADLINE);
        Self {
            health: health::Watched::new(Peer::new(METRICS, client.clone(), deadline)),
            peer: Peer::new(METRICS, client, config.metrics_deadline),
            alerts: Peer::new(METRICS, alerts.clone(), config.metrics_deadline),
            // Who tests an alert waits for mail servers.
            receivers: Peer::new(METRICS, alerts, alerts::TEST_DEADLINE),
            sessions,
            limits: config.body_limits(),
            heartbeat: config.heartbeat,
            listeners: Arc::new(Semaphore::new(config.max_listeners)),
            drain,
        }
    }

    /// Its routes.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/api/metrics/streaming", get(old::streaming))
            .route("/api/metrics/streaming/summary", get(old::summary))
            .route("/api/metrics/summary", get(old::summary))
            .route("/api/metrics/streaming/events", get(old::events))
            .route("/api/metrics/events", get(old::events))
            .route("/api/metrics/streaming/reset", post(old::reset))
            .route("/api/metrics/reset", post(old::reset))
            .route("/api/metrics/health/streaming", get(health::health))
            .route("/prometheus/metrics", get(prometheus::prometheus))
            .route("/metrics", get(prometheus::prometheus))
            .route("/api/metrics/figures", get(figures::figures))
            .route("/api/metrics/history", get(figures::history))
            .route("/api/metrics/live", get(live::live))
            .route("/api/metrics/alerts", get(alerts::list))
            .route("/api/metrics/alerts/silences", post(alerts::silence))
            .route("/api/metrics/alerts/silences/{id}", delete(alerts::lift))
            .route("/api/metrics/alerts/test", post(alerts::test))
            .with_state(self)
    }
}

impl FromRef<Metrics> for BodyLimits {
    fn from_ref(metrics: &Metrics) -> Self {
        metrics.limits
    }
}

/// What the role refuses. Whoever says that the role is away, the role or the way to it: clients read one code, and when
/// to come back.
fn refused(error: Error) -> Problem {
    if error.code() == Code::Unavailable && error.reason() == "unavailable" {
        let away = Error::new(
            Code::Unavailable,
            "metrics_unavailable",
            "The figures cannot be read right now; chatting goes on. Please try again in a moment.",
        );
        return away.with_retry_after(RETRY_AFTER).into();
    }
    error.into()
}

/// How far back a question goes.
fn window(query: &Query, unsaid: Window) -> Result<Window, Problem> {
    Ok(match query.text("window")? {
        None => unsaid,
        Some("1m") => Window::Window1Minute,
        Some("5m") => Window::Window5Minutes,
        Some("60m") => Window::Window60Minutes,
        Some("lifetime") => Window::Lifetime,
        Some(_) => {
            let message = "window must be 1m, 5m, 60m or lifetime";
            return Err(wrong("window", "any.only", message.to_owned()));
        }
    })
}
