//! Whether this process lives, and whether it should be sent visitors. It must not know what the
//! roles it waits for do.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use troika_chassis::lifecycle::{Drain, Readiness};
use utoipa::ToSchema;

/// What the health routes look at.
#[derive(Clone)]
pub(crate) struct Health {
    /// Met once every role this one needs is ready.
    pub(crate) readiness: Readiness,
    /// Tells when the process is about to go.
    pub(crate) drain: Drain,
}

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Live {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the process should be sent visitors.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready {
    /// `ready`, `not_ready` or `draining`.
    #[schema(example = "ready")]
    status: &'static str,
    /// The roles that are not ready.
    waiting_for: Vec<&'static str>,
}

/// Tells that the process lives. It asks nothing of anyone.
#[utoipa::path(
    get, path = "/health", tag = "health",
    responses((status = 200, description = "The process lives", body = Live))
)]
pub(crate) async fn live() -> axum::Json<Live> {
    axum::Json(Live { status: "ok" })
}

/// Tells whether every role that this one needs is ready, and that the process is not about to go.
#[utoipa::path(
    get, path = "/ready", tag = "health",
    responses(
        (status = 200, description = "Ready for visitors", body = Ready),
        (status = 503, description = "Not ready, or draining", body = Ready),
    )
)]
pub(crate) async fn ready(State(health): State<Health>) -> (StatusCode, axum::Json<Ready>) {
    let (code, status) = if health.drain.draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if health.readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    let waiting_for = health.readiness.waiting_for();
    (
        code,
        axum::Json(Ready {
            status,
            waiting_for,
        }),
    )
}
