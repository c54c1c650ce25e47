//! Alerts on the wire.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Map, Value, json};
use tonic::{Request, Response, Status};
use tracing::info;
use troika_alerting::state::{LONGEST_SILENCE, Phase, Silence, State};
use troika_audit::{AuditLog, By};
use troika_chassis::error::{Code, Error};
use troika_identity::Caller;
use troika_proto::metrics::v1::{
    ActiveSilence, Alert, AlertState, Delivery, LiftSilenceRequest, LiftSilenceResponse,
    ListAlertsRequest, ListAlertsResponse, SilenceRequest, SilenceResponse, TestAlertRequest,
    TestAlertResponse, alerts_server::Alerts as Wire,
};
use uuid::Uuid;

use super::wrong;
use crate::{alerts::Alerts, store::StoreError};

/// Longest text of a silence.
const LONGEST_TEXT: usize = 500;

/// The service.
pub(crate) struct AlertsService {
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) audit: AuditLog,
}

#[tonic::async_trait]
impl Wire for AlertsService {
    async fn list_alerts(
        &self,
        _: Request<ListAlertsRequest>,
    ) -> Result<Response<ListAlertsResponse>, Status> {
        let state = self.alerts.known().await.map_err(away)?;
        Ok(Response::new(self.told(&state, SystemTime::now())))
    }

    async fn silence(
        &self,
        request: Request<SilenceRequest>,
    ) -> Result<Response<SilenceResponse>, Status> {
        let by = By::of(request.extensions());
        let caller = Caller::from_extensions(request.extensions());
        let mut sent = request.into_inner();
        sent.author = caller.signature(&sent.author);
        let rules = self.alerts.alerting.rules();
        if !sent.alert.is_empty() && !rules.contains_key(&sent.alert) {
            let names: Vec<&str> = rules.keys().map(String::as_str).collect();
            let message = format!("alert must be one of {}", names.join(", "));
            return Err(wrong("alert", "any.only", message).into());
        }
        let time = sent.duration.and_then(|time| Duration::try_from(time).ok());
        let time = time.unwrap_or_default();
        if time.is_zero() || time > LONGEST_SILENCE {
            let kind = if time.is_zero() {
                "number.min"
            } else {
                "number.max"
            };
            let message = "duration must be longer than nothing, and at most 7 days";
            return Err(wrong("duration", kind, message).into());
        }
        if sent.author.trim().is_empty() {
            return Err(wrong("author", "any.required", "author is required").into());
        }
        if sent.author.len() > LONGEST_TEXT || sent.reason.len() > LONGEST_TEXT {
            let message = format!("author and reason must have at most {LONGEST_TEXT} bytes");
            return Err(wrong("reason", "string.max", message).into());
        }
        let silence = Silence {
            id: Uuid::new_v4().to_string(),
            alert: sent.alert,
            until: SystemTime::now() + time,
            author: sent.author,
            reason: sent.reason,
        };
        let change = by.change("alert.silence", &silence.id);
        let intent = self.audit.intend(change, None).map_err(Error::from)?;
        if !self.alerts.silence(silence.clone()).await.map_err(away)? {
            intent.not_done();
            return Err(Error::new(
                Code::ResourceExhausted,
                "too_many_silences",
                "There are too many silences: lift one first.",
            )
            .into());
        }
        info!(alert = silence.alert, "alerts are silenced");
        intent.done(Some(&audited(&silence))).await;
        Ok(Response::new(SilenceResponse {
            silence: Some(active(&silence)),
        }))
    }

    async fn lift_silence(
        &self,
        request: Request<LiftSilenceRequest>,
    ) -> Result<Response<LiftSilenceResponse>, Status> {
        let by = By::of(request.extensions());
        let id = request.into_inner().id;
        let known = self.alerts.known().await.map_err(away)?;
        let silence = known.silences().iter().find(|silence| silence.id == id);
        // One that is over already is no error, and nothing changes.
        if let Some(silence) = silence {
            let before = audited(silence);
            let change = by.change("alert.lift", &id);
            let intent = self
                .audit
                .intend(change, Some(&before))
                .map_err(Error::from)?;
            self.alerts.lift(&id).await.map_err(away)?;
            intent.done(None).await;
        }
        Ok(Response::new(LiftSilenceResponse {}))
    }

    async fn test_alert(
        &self,
        request: Request<TestAlertRequest>,
    ) -> Result<Response<TestAlertResponse>, Status> {
        let by = By::of(request.extensions());
        let receiver = request.into_inner().receiver;
        let known: Vec<&str> = self.alerts.alerting.receivers().collect();
        if known.is_empty() {
            return Err(Error::new(
                Code::Conflict,
                "no_receivers",
                "Nobody is told of alerts: set metrics.alerts.webhook.url or metrics.alerts.email.host.",
            )
            .into());
        }
        if !receiver.is_empty() && !known.contains(&receiver.as_str()) {
            let message = format!("receiver must be one of {}", known.join(", "));
            return Err(wrong("receiver", "any.only", message).into());
        }
        let target = if receiver.is_empty() {
            "all"
        } else {
            &receiver
        };
        let change = by.change("alert.test", target);
        let intent = self.audit.intend(change, None).map_err(Error::from)?;
        let tested = self.alerts.alerting.test(&receiver).await;
        let delivered = tested.iter();
        let delivered = delivered.map(|it| (it.receiver.to_owned(), it.problem.is_none().into()));
        let after = json!({ "delivered": delivered.collect::<Map<_, _>>() });
        intent.done(Some(&after)).await;
        let deliveries = tested.into_iter().map(|tested| Delivery {
            receiver: tested.receiver.to_owned(),
            delivered: tested.problem.is_none(),
            problem: tested.problem.unwrap_or_default(),
        });
        Ok(Response::new(TestAlertResponse {
            deliveries: deliveries.collect(),
        }))
    }
}

impl AlertsService {
    fn told(&self, state: &State, now: SystemTime) -> ListAlertsResponse {
        let rules = self.alerts.alerting.rules();
        let known = state.alerts().iter().filter_map(|(name, alert)| {
            let rule = rules.get(name)?;
            Some(Alert {
                name: name.clone(),
                severity: rule.severity.name().to_owned(),
                state: match alert.phase {
                    Phase::Pending => AlertState::Pending,
                    Phase::Firing => AlertState::Firing,
                    Phase::Resolved => AlertState::Resolved,
                }
                .into(),
                since: Some(alert.since.into()),
                value: alert.value,
                threshold: rule.threshold,
                summary: rule.summary.clone(),
                silenced: state.is_silent(name, now),
                sent_at: alert.sent_at.map(Into::into),
            })
        });
        ListAlertsResponse {
            alerts: known.collect(),
            silences: state.silences().iter().map(active).collect(),
        }
    }
}

/// A silence as the audit log tells it; who began it stands beside.
fn audited(silence: &Silence) -> Value {
    let until = prost_types::Timestamp::from(silence.until).to_string();
    json!({ "alert": silence.alert, "until": until, "author": silence.author, "reason": silence.reason })
}

fn active(silence: &Silence) -> ActiveSilence {
    ActiveSilence {
        id: silence.id.clone(),
        alert: silence.alert.clone(),
        until: Some(silence.until.into()),
        author: silence.author.clone(),
        reason: silence.reason.clone(),
    }
}

fn away(error: StoreError) -> Status {
    Error::new(
        Code::Unavailable,
        "store_unavailable",
        "Alerts and silences cannot be read right now. Please try again in a moment.",
    )
    .with_source(error)
    .into()
}
