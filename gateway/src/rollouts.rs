//! Rollouts over HTTP: starting, steering and reading them. It must not know how a rollout is judged.

pub(crate) mod document;
pub(crate) mod plan;
mod steer;
mod watch;

use axum::{
    Extension, Router,
    extract::{FromRef, Path, State},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{HeaderValue, StatusCode, header::LOCATION};
use serde::{Deserialize, Serialize};
use troika_chassis::{channel::Channel, context::RequestContext, lifecycle::Drain};
use troika_proto::flags::v1::{self as proto, rollouts_client::RolloutsClient};
use utoipa::ToSchema;

use crate::{
    admin::Admin,
    body::{BodyLimits, Json},
    call::Peer,
    config::Config,
    flags::{FLAGS, LARGEST_LIST, refused},
    problem::{Problem, ProblemDocument},
    query::Query,
    request::{optional_object, text},
};
use document::{Decision, Rollout};
use plan::Plan;

pub(crate) use steer::*;
pub(crate) use watch::*;

/// What the routes of rollouts share.
#[derive(Clone)]
pub(crate) struct Rollouts {
    peer: Peer<RolloutsClient<Channel>>,
    limits: BodyLimits,
    heartbeat: std::time::Duration,
    drain: Drain,
}

impl Rollouts {
    /// Calls the flags role over `channel`, within the bounds of `config`.
    pub(crate) fn new(channel: Channel, config: &Config, drain: Drain) -> Self {
        let client = RolloutsClient::new(channel).max_decoding_message_size(LARGEST_LIST);
        Self {
            peer: Peer::new(FLAGS, client, config.flags_deadline),
            limits: config.body_limits(),
            heartbeat: config.heartbeat,
            drain,
        }
    }

    /// Its routes.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/api/rollouts", get(list).post(start))
            .route("/api/rollouts/{id}", get(one))
            .route("/api/rollouts/{id}/pause", post(steer::pause))
            .route("/api/rollouts/{id}/resume", post(steer::resume))
            .route("/api/rollouts/{id}/abort", post(steer::abort))
            .route("/api/rollouts/{id}/approve", post(steer::approve))
            .route("/api/rollouts/{id}/step", post(steer::set_step))
            .route("/api/rollouts/{id}/decisions", get(decisions))
            .route("/api/rollouts/{id}/watch", get(watch::watch))
            .with_state(self)
    }
}

impl FromRef<Rollouts> for BodyLimits {
    fn from_ref(rollouts: &Rollouts) -> Self {
        rollouts.limits
    }
}

/// A rollout, as it is now.
#[derive(Serialize, ToSchema)]
pub(crate) struct OneRollout {
    /// Always true.
    success: bool,
    /// The rollout.
    rollout: Rollout,
}

impl OneRollout {
    fn read(sent: Option<proto::Rollout>) -> Result<axum::Json<Self>, Problem> {
        let sent = sent.ok_or_else(|| {
            tracing::error!("the flags role's answer carries no rollout");
            Problem::internal()
        })?;
        Ok(axum::Json(Self {
            success: true,
            rollout: sent.into(),
        }))
    }
}

/// Rollouts, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ManyRollouts {
    /// Always true.
    success: bool,
    /// The newest first.
    rollouts: Vec<Rollout>,
}

/// Lists rollouts, the newest first.
#[utoipa::path(
    get, path = "/api/rollouts", tag = "rollouts", security(("admin" = [])),
    params(
        ("flag" = Option<String>, Query, description = "Those of this flag"),
        ("limit" = Option<u32>, Query, description = "1 to 500; 50 when absent"),
    ),
    responses(
        (status = 200, description = "The rollouts", body = ManyRollouts),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn list(
    State(rollouts): State<Rollouts>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    query: Query,
) -> Result<axum::Json<ManyRollouts>, Problem> {
    let asked = proto::ListRolloutsRequest {
        flag: query.text("flag")?.unwrap_or_default().to_owned(),
        limit: query.number("limit")?,
    };
    let listed = rollouts
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.list_rollouts(request).await
        })
        .await
        .map_err(refused)?;
    Ok(axum::Json(ManyRollouts {
        success: true,
        rollouts: listed.rollouts.into_iter().map(Rollout::from).collect(),
    }))
}

/// Something to roll out.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ToRollOut {
    /// The key of the flag to steer.
    #[serde(deserialize_with = "text")]
    #[schema(required, example = "streaming")]
    flag: String,
    /// What is rolled out, such as a version.
    #[serde(deserialize_with = "text")]
    #[schema(required, example = "2.4.0")]
    candidate: String,
    /// The way; what is absent is the default's.
    #[serde(deserialize_with = "optional_object")]
    plan: Option<Plan>,
    /// Why, for the history.
    #[serde(deserialize_with = "text")]
    reason: String,
    /// Try a candidate again that was rolled back.
    override_rejection: Option<bool>,
}

/// Starts a rollout with its first step.
#[utoipa::path(
    post, path = "/api/rollouts", tag = "rollouts", security(("admin" = [])), request_body = ToRollOut,
    responses(
        (status = 201, description = "It runs; `Location` is its address", body = OneRollout),
        (status = 409, description = "`rollout_running` or `candidate_rejected`", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn start(
    State(rollouts): State<Rollouts>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Json(wanted): Json<ToRollOut>,
) -> Result<Response, Problem> {
    let asked = proto::StartRolloutRequest {
        flag: wanted.flag,
        candidate: wanted.candidate,
        plan: wanted.plan.map(Plan::into_wire).transpose()?,
        author: Some(admin.author(wanted.reason)),
        override_rejection: wanted.override_rejection.unwrap_or_default(),
    };
    let started = rollouts
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.start_rollout(request).await
        })
        .await
        .map_err(refused)?;
    let rollout = OneRollout::read(started.rollout)?;
    let address = format!("/api/rollouts/{}", rollout.0.rollout.id);
    let mut response = (StatusCode::CREATED, rollout).into_response();
    if let Ok(address) = HeaderValue::try_from(address) {
        response.headers_mut().insert(LOCATION, address);
    }
    Ok(response)
}

/// Tells a rollout.
#[utoipa::path(
    get, path = "/api/rollouts/{id}", tag = "rollouts", security(("admin" = [])),
    params(("id" = String, Path, description = "The rollout's id")),
    responses(
        (status = 200, description = "The rollout", body = OneRollout),
        (status = "4XX", description = "There is no such rollout, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn one(
    State(rollouts): State<Rollouts>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
) -> Result<axum::Json<OneRollout>, Problem> {
    let found = rollouts
        .peer
        .ask(
            &context,
            proto::GetRolloutRequest { id },
            |mut client, request| async move { client.get_rollout(request).await },
        )
        .await
        .map_err(refused)?;
    OneRollout::read(found.rollout)
}

/// Decisions, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Decisions {
    /// Always true.
    success: bool,
    /// The newest first.
    decisions: Vec<Decision>,
}

/// Lists the decisions about a rollout, the newest first.
#[utoipa::path(
    get, path = "/api/rollouts/{id}/decisions", tag = "rollouts", security(("admin" = [])),
    params(
        ("id" = String, Path, description = "The rollout's id"),
        ("limit" = Option<u32>, Query, description = "1 to 500; 50 when absent"),
    ),
    responses(
        (status = 200, description = "The decisions", body = Decisions),
        (status = "4XX", description = "There is no such rollout, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn decisions(
    State(rollouts): State<Rollouts>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
    query: Query,
) -> Result<axum::Json<Decisions>, Problem> {
    let asked = proto::ListDecisionsRequest {
        id,
        limit: query.number("limit")?,
    };
    let listed = rollouts
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.list_decisions(request).await
        })
        .await
        .map_err(refused)?;
    Ok(axum::Json(Decisions {
        success: true,
        decisions: listed.decisions.into_iter().map(Decision::from).collect(),
    }))
}
