//! Health as a message.

use troika_proto::metrics::v1::{
    Check as WireCheck, CheckStatus, GetHealthResponse, HealthChange, HealthStatus,
};

use crate::health::{Report, Status};

pub(super) fn told(report: &Report) -> GetHealthResponse {
    let checks = report.checks.iter();
    GetHealthResponse {
        status: status(report.status).into(),
        at: Some(report.at.into()),
        issues: checks
            .clone()
            .filter_map(|check| check.issue.clone())
            .collect(),
        checks: checks
            .map(|check| WireCheck {
                name: check.name.to_owned(),
                status: match check.status {
                    Status::Healthy => CheckStatus::Pass,
                    Status::Degraded => CheckStatus::Warn,
                    Status::Unhealthy => CheckStatus::Fail,
                }
                .into(),
                value: check.value.clone(),
                threshold: check.threshold.clone(),
            })
            .collect(),
        changes: report
            .changes
            .iter()
            .map(|change| HealthChange {
                at: Some(change.at.into()),
                from: status(change.from).into(),
                to: status(change.to).into(),
            })
            .collect(),
    }
}

fn status(status: Status) -> HealthStatus {
    match status {
        Status::Healthy => HealthStatus::Healthy,
        Status::Degraded => HealthStatus::Degraded,
        Status::Unhealthy => HealthStatus::Unhealthy,
    }
}
