//! Metrics on the wire: reports in, figures out.

pub(crate) mod alerts;
mod figures;
mod health;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::{StreamExt as _, stream};
use tokio::time::timeout;
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};
use tracing::{debug, info, warn};
use troika_audit::{AuditLog, By};
use troika_chassis::{
    error::{Code, Error, Violation},
    lifecycle::Drain,
};
use troika_identity::{Caller, Refusal, Role, Vouched};
use troika_proto::metrics::v1::{
    CompareArmsRequest, CompareArmsResponse, GetHealthRequest, GetHealthResponse,
    GetHistoryRequest, GetHistoryResponse, GetSnapshotRequest, GetSnapshotResponse,
    GetSummaryRequest, GetSummaryResponse, ListEventsRequest, ListEventsResponse, ReportRequest,
    ReportResponse, ResetRequest, ResetResponse, WatchSummaryRequest, WatchSummaryResponse,
    Window as WireWindow, metrics_server::Metrics,
};

use crate::{history, keeper::Kept, ledger::Span, slice::Dimension};

/// Records of one batch.
const MOST_TURNS: usize = 10_000;
/// How long a sender may take for its next batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events that are told at most, and where nothing is said.
const MOST_EVENTS: u32 = 1000;
const SOME_EVENTS: u32 = 50;
/// Times between two messages to who watches.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);
const INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

/// The service.
pub(crate) struct MetricsService {
    pub(crate) kept: Arc<Kept>,
    pub(crate) audit: AuditLog,
    pub(crate) drain: Drain,
}

impl MetricsService {
    fn take(&self, batch: ReportRequest) {
        let lost = self.kept.take(batch);
        if lost.unusable > 0 || lost.dropped > 0 {
            warn!(
                unusable = lost.unusable,
                dropped = lost.dropped,
                "outcomes are missing"
            );
        }
    }
}

#[tonic::async_trait]
impl Metrics for MetricsService {
    async fn report(
        &self,
        request: Request<Streaming<ReportRequest>>,
    ) -> Result<Response<ReportResponse>, Status> {
        let mut batches = request.into_inner();
        loop {
            let late = |_| Status::deadline_exceeded("no batch came for 10 s");
            match timeout(PATIENCE, batches.message()).await.map_err(late)? {
                Ok(Some(batch)) if batch.turns.len() > MOST_TURNS => {
                    return Err(too_many().into());
                }
                Ok(Some(batch)) => self.take(batch),
                Ok(None) => return Ok(Response::new(ReportResponse {})),
                Err(status) => {
                    debug!(code = ?status.code(), "a sender broke off");
                    return Err(status);
                }
            }
        }
    }

    async fn compare_arms(
        &self,
        request: Request<CompareArmsRequest>,
    ) -> Result<Response<CompareArmsResponse>, Status> {
        let sent = request.into_inner();
        let since = sent.since.and_then(|at| SystemTime::try_from(at).ok());
        let since = since.ok_or_else(|| wrong("since", "any.required", "since must be a time"))?;
        if sent.flag.is_empty() {
            return Err(wrong("flag", "any.required", "flag is required").into());
        }
        let ledger = self.kept.ledger();
        let found = ledger.compare(&sent.flag, &sent.candidate, &sent.control, since);
        Ok(Response::new(CompareArmsResponse {
            candidate: Some(figures::arm(&found.candidate)),
            control: Some(figures::arm(&found.control)),
            overload: found.overload,
        }))
    }

    async fn get_snapshot(
        &self,
        request: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let (span, by) = (span(sent.window()), dimension(sent.by()));
        if by.is_some() && !caller.is_admin() && caller.role != Role::Service {
            return Err(Error::from(Refusal::AdminRequired).into());
        }
        Ok(Response::new(snapshot(&self.kept, span, by)))
    }

    async fn get_summary(
        &self,
        request: Request<GetSummaryRequest>,
    ) -> Result<Response<GetSummaryResponse>, Status> {
        let span = span(request.into_inner().window());
        let now = SystemTime::now();
        let ledger = self.kept.ledger();
        let total = ledger.total(span, now);
        Ok(Response::new(figures::summary(&ledger, &total, now)))
    }

    async fn watch_summary(
        &self,
        request: Request<WatchSummaryRequest>,
    ) -> Result<Response<BoxStream<WatchSummaryResponse>>, Status> {
        let sent = request.into_inner();
        let span = span(sent.window());
        let interval = match sent.interval {
            Some(sent) => Duration::try_from(sent)
                .map_err(|_| wrong("interval", "number.min", "interval must not be negative"))?,
            None => INTERVAL,
        };
        let interval = interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        let (kept, drain) = (Arc::clone(&self.kept), self.drain.clone());
        let ticks = tokio::time::interval(interval);
        let state = (kept, ticks, SystemTime::UNIX_EPOCH);
        let messages = stream::unfold(state, move |(kept, mut ticks, newest)| async move {
            ticks.tick().await;
            let (message, newest) = watched(&kept, span, newest);
            Some((Ok(message), (kept, ticks, newest)))
        });
        let until_leaving = messages.take_until(async move { drain.refusing().await });
        Ok(Response::new(Box::pin(until_leaving)))
    }

    async fn list_events(
        &self,
        request: Request<ListEventsRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        let vouched = Vouched::from_extensions(request.extensions());
        // The edge knows whom it asks for, and masks sessions itself.
        let knows_sessions = vouched.0 || Caller::from_extensions(request.extensions()).is_admin();
        let limit = match request.into_inner().limit {
            0 => SOME_EVENTS,
            limit if limit <= MOST_EVENTS => limit,
            _ => {
                let message = format!("limit must be from 1 to {MOST_EVENTS}");
                return Err(wrong("limit", "number.max", message).into());
            }
        };
        let ledger = self.kept.ledger();
        let events = ledger.events().take(limit as usize).map(figures::event);
        let mut events: Vec<_> = events.collect();
        if !knows_sessions {
            for event in &mut events {
                event.session_id.clear();
                event.turn_id.clear();
            }
        }
        Ok(Response::new(ListEventsResponse { events }))
    }

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<GetHistoryResponse>, Status> {
        let asked = history::Asked::read(request.into_inner(), SystemTime::now())?;
        let points = history::read(&*self.kept.store, &asked)
            .await
            .map_err(|error| {
                Error::new(
                    Code::Unavailable,
                    "store_unavailable",
                    "The history cannot be read right now. Please try again in a moment.",
                )
                .with_retry_after(Duration::from_secs(2))
                .with_source(error)
            })?;
        Ok(Response::new(GetHistoryResponse {
            points: points
                .iter()
                .map(|(at, figures)| figures::point(*at, figures))
                .collect(),
        }))
    }

    async fn get_health(
        &self,
        _: Request<GetHealthRequest>,
    ) -> Result<Response<GetHealthResponse>, Status> {
        Ok(Response::new(health::told(&self.kept.health())))
    }

    async fn reset(
        &self,
        request: Request<ResetRequest>,
    ) -> Result<Response<ResetResponse>, Status> {
        let by = By::of(request.extensions());
        let caller = Caller::from_extensions(request.extensions());
        let author = caller.signature(&request.into_inner().author);
        if author.trim().is_empty() {
            return Err(wrong("author", "any.required", "author is required").into());
        }
        let change = by.change("metrics.reset", "figures");
        let intent = self.audit.intend(change, None).map_err(Error::from)?;
        let now = SystemTime::now();
        self.kept.reset(now).await.map_err(|error| {
            Error::new(
                Code::Unavailable,
                "store_unavailable",
                "The figures cannot be reset right now. Please try again in a moment.",
            )
            .with_source(error)
        })?;
        info!("all figures begin anew");
        intent.done(None).await;
        Ok(Response::new(ResetResponse {
            at: Some(now.into()),
        }))
    }
}

fn snapshot(kept: &Kept, span: Span, by: Option<Dimension>) -> GetSnapshotResponse {
    let now = SystemTime::now();
    let ledger = kept.ledger();
    let groups = by.map(|dimension| ledger.by(span, dimension, now));
    let mut told = figures::snapshot(&ledger, span, &ledger.total(span, now), now);
    told.groups = groups.map(figures::groups).unwrap_or_default();
    told
}

/// What who watches is told, and the time of the youngest event in it.
fn watched(kept: &Kept, span: Span, newest: SystemTime) -> (WatchSummaryResponse, SystemTime) {
    let now = SystemTime::now();
    let health = health::told(&kept.health());
    let ledger = kept.ledger();
    let total = ledger.total(span, now);
    let first = newest == SystemTime::UNIX_EPOCH;
    let most = if first { SOME_EVENTS } else { MOST_EVENTS };
    let events = ledger.events().take(most as usize);
    let new: Vec<_> = events.filter(|event| event.at > newest).collect();
    let newest = new.iter().map(|event| event.at).max().unwrap_or(newest);
    let message = WatchSummaryResponse {
        summary: Some(figures::summary(&ledger, &total, now)),
        snapshot: Some(figures::snapshot(&ledger, span, &total, now)),
        health: Some(health),
        events: new.into_iter().map(figures::event).collect(),
    };
    (message, newest)
}

fn span(window: WireWindow) -> Span {
    match window {
        WireWindow::Window1Minute => Span::Seconds(60),
        WireWindow::Window5Minutes => Span::Seconds(300),
        WireWindow::Window60Minutes => Span::Hour,
        WireWindow::Lifetime | WireWindow::Unspecified => Span::Life,
    }
}

pub(crate) fn dimension(sent: troika_proto::metrics::v1::Dimension) -> Option<Dimension> {
    use troika_proto::metrics::v1::Dimension as Wire;
    match sent {
        Wire::Unspecified => None,
        Wire::Endpoint => Some(Dimension::Endpoint),
        Wire::Bot => Some(Dimension::Bot),
        Wire::Language => Some(Dimension::Language),
        Wire::Outcome => Some(Dimension::Outcome),
        Wire::Model => Some(Dimension::Model),
        Wire::Variant => Some(Dimension::Variant),
    }
}

fn too_many() -> Error {
    Error::new(
        Code::PayloadTooLarge,
        "batch_too_large",
        format!("A batch holds at most {MOST_TURNS} turns: send them in several."),
    )
}

fn wrong(field: &str, kind: &str, message: impl Into<String>) -> Error {
    let message = message.into();
    Error::new(Code::InvalidArgument, "invalid_argument", message.clone()).with_violations(vec![
        Violation {
            field: field.to_owned(),
            kind: kind.to_owned(),
            message,
        },
    ])
}
