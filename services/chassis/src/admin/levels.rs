//! What the process logs, seen and changed over the admin port. It must not know how levels are brought into force.

use std::net::SocketAddr;

use axum::{
    Json,
    extract::{ConnectInfo, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Serialize;

use super::Admin;

/// What is in force.
#[derive(Serialize)]
struct Levels {
    level: String,
}

/// Why nothing was changed.
#[derive(Serialize)]
struct Problem {
    code: &'static str,
    message: String,
}

pub(super) async fn show(State(admin): State<Admin>) -> Response {
    levels(&admin)
}

/// Takes a level, or directives, as the body. Only from this machine: who may look from elsewhere may not make a
/// process talk.
pub(super) async fn change(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    body: String,
) -> Response {
    if !caller.ip().to_canonical().is_loopback() {
        let message = "levels are changed from the machine of the process only".to_owned();
        return refused(StatusCode::FORBIDDEN, "local_only", message);
    }
    match admin.levels.change(&body) {
        Ok(()) => levels(&admin),
        Err(problem) => refused(
            StatusCode::BAD_REQUEST,
            "invalid_level",
            problem.to_string(),
        ),
    }
}

fn levels(admin: &Admin) -> Response {
    Json(Levels {
        level: admin.levels.now(),
    })
    .into_response()
}

fn refused(status: StatusCode, code: &'static str, message: String) -> Response {
    (status, Json(Problem { code, message })).into_response()
}
