//! What a person says of a running rollout. It must not know which state allows what.

use std::future::Future;

use axum::{
    Extension,
    extract::{Path, State},
};
use serde::Deserialize;
use tonic::{Request, Response, Status};
use troika_chassis::{channel::Channel, context::RequestContext};
use troika_proto::flags::v1::{self as proto, rollouts_client::RolloutsClient};
use utoipa::ToSchema;

use super::{OneRollout, Rollouts};
use crate::{
    admin::Admin,
    body::{Json, wrong},
    flags::refused,
    problem::{Problem, ProblemDocument},
    request::text,
};

/// Why something is done.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Why {
    /// For the history; at most 1000 characters.
    #[serde(deserialize_with = "text")]
    reason: String,
}

/// Goes to a step.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct ToStep {
    /// Index into the plan's steps.
    #[schema(required)]
    step: Option<u32>,
    /// For the history; at most 1000 characters.
    #[serde(deserialize_with = "text")]
    reason: String,
}

type Answered = Result<axum::Json<OneRollout>, Problem>;

/// Asks the role for a change and tells the rollout that comes of it.
async fn said<Q, A, F>(
    rollouts: &Rollouts,
    context: &RequestContext,
    asked: Q,
    call: impl Fn(RolloutsClient<Channel>, Request<Q>) -> F,
    rollout: impl FnOnce(A) -> Option<proto::Rollout>,
) -> Answered
where
    Q: Clone,
    F: Future<Output = Result<Response<A>, Status>>,
{
    let answer = rollouts.peer.ask(context, asked, call).await;
    OneRollout::read(rollout(answer.map_err(refused)?))
}

/// Pauses a rollout: the percentage stays as it is, and rolling back is still judged.
#[utoipa::path(
    post, path = "/api/rollouts/{id}/pause", tag = "rollouts", security(("admin" = [])), request_body = Why,
    params(("id" = String, Path, description = "The rollout's id")),
    responses(
        (status = 200, description = "The rollout", body = OneRollout),
        (status = 409, description = "Its state does not allow it", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn pause(
    State(rollouts): State<Rollouts>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
    Json(why): Json<Why>,
) -> Answered {
    let author = Some(admin.author(why.reason));
    let asked = proto::PauseRolloutRequest { id, author };
    said(
        &rollouts,
        &context,
        asked,
        |mut client, request| async move { client.pause_rollout(request).await },
        |answer| answer.rollout,
    )
    .await
}

/// Lets a paused rollout go on.
#[utoipa::path(
    post, path = "/api/rollouts/{id}/resume", tag = "rollouts", security(("admin" = [])), request_body = Why,
    params(("id" = String, Path, description = "The rollout's id")),
    responses(
        (status = 200, description = "The rollout", body = OneRollout),
        (status = 409, description = "Its state does not allow it", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn resume(
    State(rollouts): State<Rollouts>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
    Json(why): Json<Why>,
) -> Answered {
    let author = Some(admin.author(why.reason));
    let asked = proto::ResumeRolloutRequest { id, author };
    said(
        &rollouts,
        &context,
        asked,
        |mut client, request| async move { client.resume_rollout(request).await },
        |answer| answer.rollout,
    )
    .await
}

/// Ends a rollout and sets the plan's rollback percentage.
#[utoipa::path(
    post, path = "/api/rollouts/{id}/abort", tag = "rollouts", security(("admin" = [])), request_body = Why,
    params(("id" = String, Path, description = "The rollout's id")),
    responses(
        (status = 200, description = "The rollout", body = OneRollout),
        (status = 409, description = "Its state does not allow it", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn abort(
    State(rollouts): State<Rollouts>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
    Json(why): Json<Why>,
) -> Answered {
    let author = Some(admin.author(why.reason));
    let asked = proto::AbortRolloutRequest { id, author };
    said(
        &rollouts,
        &context,
        asked,
        |mut client, request| async move { client.abort_rollout(request).await },
        |answer| answer.rollout,
    )
    .await
}

/// Lets a step that waits for a person go on.
#[utoipa::path(
    post, path = "/api/rollouts/{id}/approve", tag = "rollouts", security(("admin" = [])), request_body = Why,
    params(("id" = String, Path, description = "The rollout's id")),
    responses(
        (status = 200, description = "The rollout", body = OneRollout),
        (status = 409, description = "Its state does not allow it", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn approve(
    State(rollouts): State<Rollouts>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
    Json(why): Json<Why>,
) -> Answered {
    let author = Some(admin.author(why.reason));
    let asked = proto::ApproveStepRequest { id, author };
    said(
        &rollouts,
        &context,
        asked,
        |mut client, request| async move { client.approve_step(request).await },
        |answer| answer.rollout,
    )
    .await
}

/// Goes to a step by a person's word; its bake begins anew.
#[utoipa::path(
    post, path = "/api/rollouts/{id}/step", tag = "rollouts", security(("admin" = [])), request_body = ToStep,
    params(("id" = String, Path, description = "The rollout's id")),
    responses(
        (status = 200, description = "The rollout", body = OneRollout),
        (status = 409, description = "Its state does not allow it", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn set_step(
    State(rollouts): State<Rollouts>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(id): Path<String>,
    Json(to): Json<ToStep>,
) -> Answered {
    let step = to.step.ok_or_else(|| {
        let message = "step is required: an index into the plan's steps, the first is 0";
        wrong("step", "any.required", message)
    })?;
    let author = Some(admin.author(to.reason));
    let asked = proto::SetStepRequest { id, step, author };
    said(
        &rollouts,
        &context,
        asked,
        |mut client, request| async move { client.set_step(request).await },
        |answer| answer.rollout,
    )
    .await
}
