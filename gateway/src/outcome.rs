//! Tells the metrics role of what only the edge sees: questions that could not be taken as they were, and answers that
//! were lost on the way because chat could not be reached or broke off. What became of a turn, chat tells itself. It must
//! not know how anything is answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::{
    Extension,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{StatusCode, uri::InvalidUri};
use troika_chassis::{
    channel::{ChannelConfig, Neighbour},
    context::RequestContext,
    lifecycle::Drain,
    meters::Meters,
};
use troika_evaluation::{built_in::METRICS, context::Visitor, follow::Flags};
use troika_proto::metrics::v1::{FailureKind, Outcome, TurnOutcome};
use troika_reporting::{Need, Needs, Reporter, Situation};

use crate::{address::ClientAddress, config::Config, problem::Problem};

/// Codes of problems that mean that chat was not reached, or was lost.
const LOST: [&str; 3] = ["unavailable", "upstream_lost", "deadline_exceeded"];

/// What a stream is called that chat did not end.
const UPSTREAM_LOST: &str = "upstream_lost";

/// Tells outcomes. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Outcomes {
    reporter: Reporter,
    flags: Flags,
    /// Streams that are open.
    streams: Arc<AtomicUsize>,
}

impl Outcomes {
    /// Tells the metrics role that `config` names. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// An address that cannot be called.
    pub(crate) fn new(
        config: &Config,
        flags: Flags,
        meters: &Meters,
        drain: Drain,
    ) -> Result<Self, InvalidUri> {
        let config = Neighbour {
            address: config.metrics.clone(),
            channel: ChannelConfig {
                connections: 1,
                ..config.channel.clone()
            },
        };
        let streams = Arc::new(AtomicUsize::new(0));
        let open = Arc::clone(&streams);
        let followed = flags.clone();
        let heard = Need::asked(move || std::future::ready(followed.is_heard()));
        let situation = Situation::new(
            "gateway",
            Needs::watch([("flags", heard)], Vec::new()),
            move || open.load(Ordering::Relaxed),
        );
        Ok(Self {
            reporter: Reporter::start(&config, situation, meters, drain)?,
            flags,
            streams,
        })
    }

    /// A listener whose stream begins.
    pub(crate) fn listening(&self, context: &RequestContext, client: ClientAddress) -> Listening {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Listening {
            outcomes: self.clone(),
            arrived: context.arrived,
            client,
        }
    }

    fn tell(&self, client: ClientAddress, outcome: TurnOutcome) {
        let address = client.0.to_string();
        let visitor = Visitor {
            ip: Some(&address),
            ..Visitor::default()
        };
        let says = self
            .flags
            .now()
            .evaluate(METRICS, &visitor)
            .map(|it| it.is_on());
        if says.unwrap_or(true) {
            self.reporter.tell(outcome);
        }
    }
}

/// A stream that a listener hears; counted as open for as long as it lives.
pub(crate) struct Listening {
    outcomes: Outcomes,
    arrived: SystemTime,
    client: ClientAddress,
}

impl Listening {
    /// Chat, or the way to it, broke off in the middle of a turn.
    pub(crate) fn lost(self, turn: &str) {
        let outcome = TurnOutcome {
            turn_id: turn.to_owned(),
            endpoint: "query".to_owned(),
            ..failed(FailureKind::Network, UPSTREAM_LOST, self.arrived)
        };
        self.outcomes.tell(self.client, outcome);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.outcomes.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Looks at the answer to a question: a problem that only the edge knows of is told.
pub(crate) async fn tell(
    State(outcomes): State<Outcomes>,
    Extension(client): Extension<ClientAddress>,
    request: Request,
    next: Next,
) -> Response {
    let context = RequestContext::from_extensions(request.extensions());
    let streamed = request.uri().path().ends_with("/stream");
    let endpoint = if streamed { "query" } else { "answer" };
    let response = next.run(request).await;
    if let Some(problem) = response.extensions().get::<Problem>()
        && let Some(kind) = kind(problem)
    {
        let outcome = TurnOutcome {
            endpoint: endpoint.to_owned(),
            ..failed(kind, problem.code(), context.arrived)
        };
        outcomes.tell(client, outcome);
    }
    response
}

/// What a problem is to the metrics; `None` of one that chat has told itself, and of one that is nobody's failure.
fn kind(problem: &Problem) -> Option<FailureKind> {
    match problem.status() {
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_FOUND
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Some(FailureKind::Validation),
        _ if LOST.contains(&problem.code()) => Some(FailureKind::Network),
        _ => None,
    }
}

fn failed(kind: FailureKind, code: &str, arrived: SystemTime) -> TurnOutcome {
    let lasted: Duration = arrived.elapsed().unwrap_or_default();
    TurnOutcome {
        started_at: Some(arrived.into()),
        outcome: Outcome::Failure.into(),
        kind: kind.into(),
        failure: code.to_owned(),
        complete: lasted.try_into().ok(),
        ..TurnOutcome::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_edge_alone_knows_is_told_and_what_chat_tells_is_not() {
        let kind = |status, code: &'static str| kind(&Problem::new(status, code, ""));
        let validation = Some(FailureKind::Validation);
        let network = Some(FailureKind::Network);
        assert_eq!(
            kind(StatusCode::BAD_REQUEST, "invalid_argument"),
            validation
        );
        assert_eq!(kind(StatusCode::NOT_FOUND, "bot_not_found"), validation);
        assert_eq!(
            kind(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            validation
        );
        assert_eq!(
            kind(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            network
        );
        assert_eq!(
            kind(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded"),
            network
        );
        assert_eq!(
            kind(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            None
        );
        assert_eq!(kind(StatusCode::TOO_MANY_REQUESTS, "too_many_turns"), None);
        assert_eq!(kind(StatusCode::UNAUTHORIZED, "auth_required"), None);
    }
}
