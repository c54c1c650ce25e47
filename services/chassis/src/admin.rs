//! The port of those who run a process: its figures, whether it lives and is ready, and what it logs. It must not
//! know the roles.

mod levels;
mod negotiation;

use std::{io, net::SocketAddr};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::{
    lifecycle::{Drain, Readiness},
    meters::{Meters, OPEN_METRICS, TEXT},
    telemetry::LogLevels,
};

/// Longest body that is taken: levels are short.
const LONGEST_BODY: usize = 16 * 1024;

/// What the port shows.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The figures of the process.
    pub meters: Meters,
    /// What it logs.
    pub levels: LogLevels,
    /// The readiness of each of its roles.
    pub roles: Vec<Readiness>,
    /// Its drain.
    pub drain: Drain,
}

/// Serves until it is dropped: who leaves is still looked at.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(listener: TcpListener, admin: Admin) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "admin port listens");
    let service = routes(admin).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await
}

fn routes(admin: Admin) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/log", get(levels::show).put(levels::change))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(admin)
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let (kind, body) = if negotiation::wants_open_metrics(&headers) {
        (OPEN_METRICS, admin.meters.open_metrics())
    } else {
        (TEXT, admin.meters.text())
    };
    ([(CONTENT_TYPE, kind)], body).into_response()
}

/// The process lives.
#[derive(Serialize)]
struct Health {
    status: &'static str,
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the process takes work.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    /// `ready`, `not_ready` or `draining`.
    status: &'static str,
    /// The conditions that are not met, of all roles.
    waiting_for: Vec<&'static str>,
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, Json<Ready>) {
    let waiting_for: Vec<_> = admin
        .roles
        .iter()
        .flat_map(Readiness::waiting_for)
        .collect();
    let (code, status) = if admin.drain.draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if waiting_for.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    (
        code,
        Json(Ready {
            status,
            waiting_for,
        }),
    )
}

#[cfg(test)]
mod tests;
