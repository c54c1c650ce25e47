//! Calls to the metrics role.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::{Uri, uri::InvalidUri};
use tokio::time::timeout;
use tonic::Request;
use tracing::debug;
use troika_chassis::channel::{Channel, channel, reach};
use troika_proto::metrics::v1::{self as wire, CompareArmsRequest, metrics_client::MetricsClient};
use troika_rollouts::evidence::{Arm, Evidence, Moments};

use crate::{
    config,
    evidence::{Comparison, Source},
};

/// The metrics role as the source of figures.
pub(crate) struct Metrics {
    client: MetricsClient<Channel>,
    limit: Duration,
}

impl Metrics {
    pub(crate) fn new(config: &config::Metrics) -> Result<Self, InvalidUri> {
        let uri: Uri = config.address.as_str().parse()?;
        Ok(Self {
            client: MetricsClient::new(channel(uri, &config.channel)),
            limit: config.timeout,
        })
    }
}

#[async_trait]
impl Source for Metrics {
    async fn compare(&self, comparison: Comparison) -> Option<Evidence> {
        let call = reach(|| {
            let mut request = Request::new(CompareArmsRequest {
                flag: comparison.flag.clone(),
                since: Some(comparison.since.into()),
                candidate: comparison.candidate.clone(),
                control: comparison.control.clone(),
            });
            request.set_timeout(self.limit);
            let mut client = self.client.clone();
            async move { client.compare_arms(request).await }
        });
        match timeout(self.limit, call).await {
            Ok(Ok(answer)) => Some(evidence(answer.into_inner())),
            Ok(Err(status)) => {
                debug!(code = ?status.code(), "no figures");
                None
            }
            Err(_) => {
                debug!("no figures in time");
                None
            }
        }
    }
}

fn evidence(sent: wire::CompareArmsResponse) -> Evidence {
    let latest = sent.candidate.as_ref().and_then(|arm| arm.latest);
    Evidence {
        candidate: arm(sent.candidate.unwrap_or_default()),
        control: arm(sent.control.unwrap_or_default()),
        overload: sent.overload,
        latest: latest.and_then(|at| SystemTime::try_from(at).ok()),
    }
}

fn arm(sent: wire::Arm) -> Arm {
    let first_token = sent.first_token.unwrap_or_default();
    Arm {
        successes: sent.successes,
        failures: sent.failures,
        cancelled: sent.cancelled,
        critical: sent.critical,
        first_token: Moments {
            count: first_token.count,
            mean_ms: first_token.mean,
            variance: first_token.variance,
        },
        first_token_p95_ms: sent.first_token_p95,
    }
}
