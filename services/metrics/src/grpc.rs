//! Metrics on the wire: reports into the window, questions out of it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, warn};
use troika_chassis::{
    error::{Code, Error, Violation},
    lifecycle::Drain,
};
use troika_proto::metrics::v1::{
    self as wire, CompareArmsRequest, CompareArmsResponse, ReportRequest, ReportResponse,
    TurnOutcome, metrics_server::Metrics,
};

use crate::{
    arm::{Arm, Outcome},
    window::{Turn, Window},
};

/// Records of one batch.
const MOST_TURNS: usize = 10_000;
/// Flags that one turn may have asked.
const MOST_EXPOSURES: usize = 100;
/// Longest name of a flag or a variant, in bytes.
const LONGEST_NAME: usize = 100;

/// The service.
pub(crate) struct MetricsService {
    pub(crate) window: Arc<Mutex<Window>>,
    pub(crate) drain: Drain,
}

impl MetricsService {
    fn window(&self) -> MutexGuard<'_, Window> {
        // Nothing panics while it holds the lock.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a batch in. A record that cannot be is left out and counted: it must not cost the others.
    fn take(&self, batch: ReportRequest) {
        let (now, mut unusable) = (SystemTime::now(), 0_u64);
        let mut window = self.window();
        window.refused(batch.refused, now);
        for sent in batch.turns {
            let taken = turn(sent).is_some_and(|turn| window.add(turn, now));
            unusable += u64::from(!taken);
        }
        drop(window);
        if unusable > 0 || batch.dropped > 0 {
            let dropped = batch.dropped;
            warn!(unusable, dropped, "outcomes are missing");
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
        let ending = self.drain.refusing();
        tokio::pin!(ending);
        loop {
            let batch = tokio::select! {
                batch = batches.message() => batch,
                // The sender goes to another process, or waits for the next one.
                () = &mut ending => return Ok(Response::new(ReportResponse {})),
            };
            match batch {
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
        let since = since.ok_or_else(|| missing("since", "since must be a time"))?;
        if sent.flag.is_empty() {
            return Err(missing("flag", "flag is required").into());
        }
        let found = self
            .window()
            .compare(&sent.flag, &sent.candidate, &sent.control, since);
        let latest = found.latest;
        Ok(Response::new(CompareArmsResponse {
            candidate: Some(wire::Arm {
                latest: latest.map(Into::into),
                ..arm(&found.candidate)
            }),
            control: Some(arm(&found.control)),
            overload: found.overload,
        }))
    }
}

fn arm(arm: &Arm) -> wire::Arm {
    wire::Arm {
        successes: arm.successes,
        failures: arm.failures,
        cancelled: arm.cancelled,
        critical: arm.critical,
        first_token: Some(wire::Moments {
            count: arm.first_token.count,
            mean: arm.first_token.mean,
            variance: arm.first_token.variance(),
        }),
        first_token_p95: arm.first_token_p95(),
        latest: None,
    }
}

/// A record as it can be counted; `None` for one that says what cannot be.
fn turn(sent: TurnOutcome) -> Option<Turn> {
    let outcome = match sent.outcome() {
        wire::Outcome::Success => Outcome::Success,
        wire::Outcome::Failure => Outcome::Failure {
            critical: sent.critical,
        },
        wire::Outcome::Cancelled => Outcome::Cancelled,
        wire::Outcome::Unspecified => return None,
    };
    if sent.exposures.len() > MOST_EXPOSURES {
        return None;
    }
    let first_token = match sent.first_token {
        Some(sent) => Some(Duration::try_from(sent).ok()?),
        None => None,
    };
    let arms = sent
        .exposures
        .into_iter()
        .filter(|exposure| exposure.by_chance)
        .filter(|exposure| {
            exposure.flag.len() <= LONGEST_NAME && exposure.variant.len() <= LONGEST_NAME
        })
        .map(|exposure| (exposure.flag, exposure.variant))
        .collect();
    Some(Turn {
        started_at: SystemTime::try_from(sent.started_at?).ok()?,
        outcome,
        first_token,
        arms,
    })
}

fn too_many() -> Error {
    Error::new(
        Code::PayloadTooLarge,
        "batch_too_large",
        format!("A batch holds at most {MOST_TURNS} turns: send them in several."),
    )
}

fn missing(field: &str, message: &str) -> Error {
    Error::new(Code::InvalidArgument, "invalid_argument", message).with_violations(vec![
        Violation {
            field: field.to_owned(),
            kind: "any.required".to_owned(),
            message: message.to_owned(),
        },
    ])
}

#[cfg(test)]
mod tests;
