//! Reading and changing flags over HTTP. It must not know what a good flag is.

use axum::{
    Extension,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header::ETAG};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use troika_chassis::context::RequestContext;
use troika_evaluation::flag::Flag;
use troika_proto::flags::v1 as proto;
use utoipa::ToSchema;

use super::{
    Flags, OneFlag, answer, read, refused,
    schema::{FlagDocument, FlagToStore},
    whole::Whole,
};
use crate::{
    admin::Admin,
    body::{Json, wrong},
    etag,
    problem::{Problem, ProblemDocument},
    query::Query,
    request::text,
};

/// All flags.
#[derive(Serialize, ToSchema)]
pub(crate) struct AllFlags {
    /// Always true.
    success: bool,
    /// Counts up with every change of any flag.
    revision: u64,
    /// By key.
    #[schema(value_type = Vec<FlagDocument>)]
    flags: Vec<Flag>,
}

/// Lists the flags.
#[utoipa::path(
    get, path = "/api/flags", tag = "flags", security(("admin" = [])),
    responses(
        (status = 200, description = "The flags", body = AllFlags),
        (status = "4XX", description = "No admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn list(
    State(flags): State<Flags>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
) -> Result<axum::Json<AllFlags>, Problem> {
    let listed = flags
        .peer
        .ask(
            &context,
            proto::ListFlagsRequest {},
            |mut client, request| async move { client.list_flags(request).await },
        )
        .await
        .map_err(refused)?;
    Ok(axum::Json(AllFlags {
        success: true,
        revision: listed.revision,
        flags: listed
            .flags
            .into_iter()
            .map(|flag| read(Some(flag)))
            .collect::<Result<_, _>>()?,
    }))
}

/// Makes a flag.
#[utoipa::path(
    post, path = "/api/flags", tag = "flags", security(("admin" = [])), request_body = FlagToStore,
    responses(
        (status = 201, description = "The flag; `ETag` is its revision", body = OneFlag),
        (status = 409, description = "There is one of that key: `flag_exists`", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The flag cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn create(
    State(flags): State<Flags>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Json(body): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let whole = Whole::read(body, None)?;
    let created = flags
        .peer
        .ask(
            &context,
            proto::CreateFlagRequest {
                flag: Some((&whole.flag).into()),
                author: Some(admin.author(whole.reason)),
            },
            |mut client, request| async move { client.create_flag(request).await },
        )
        .await
        .map_err(refused)?;
    Ok(answer(StatusCode::CREATED, read(created.flag)?))
}

/// Tells a flag.
#[utoipa::path(
    get, path = "/api/flags/{key}", tag = "flags", security(("admin" = [])),
    params(("key" = String, Path, description = "The flag's key")),
    responses(
        (status = 200, description = "The flag; `ETag` is its revision", body = OneFlag),
        (status = "4XX", description = "There is no such flag, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn one(
    State(flags): State<Flags>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(key): Path<String>,
) -> Result<Response, Problem> {
    let found = flags
        .peer
        .ask(
            &context,
            proto::GetFlagRequest { key },
            |mut client, request| async move { client.get_flag(request).await },
        )
        .await
        .map_err(refused)?;
    Ok(answer(StatusCode::OK, read(found.flag)?))
}

/// Replaces a flag as a whole.
///
/// The change is made on a revision: `expectedRevision` or the header `If-Match: "<revision>"`. When the flag has changed
/// since, nothing is done and the answer is 409 `revision_conflict`.
#[utoipa::path(
    put, path = "/api/flags/{key}", tag = "flags", security(("admin" = [])), request_body = FlagToStore,
    params(
        ("key" = String, Path, description = "The flag's key"),
        ("If-Match" = Option<String>, Header, description = "The revision the change is made on, in quotes"),
    ),
    responses(
        (status = 200, description = "The flag; `ETag` is its revision", body = OneFlag),
        (status = 409, description = "`revision_conflict`, `rollout_running` or `flag_type`", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The flag cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn replace(
    State(flags): State<Flags>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(key): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let whole = Whole::read(body, Some(&key))?;
    let expected_revision = required(&headers, whole.expected)?;
    let updated = flags
        .peer
        .ask(
            &context,
            proto::UpdateFlagRequest {
                flag: Some(proto::Flag::from(&whole.flag)),
                expected_revision,
                author: Some(admin.author(whole.reason)),
            },
            |mut client, request| async move { client.update_flag(request).await },
        )
        .await
        .map_err(refused)?;
    Ok(answer(StatusCode::OK, read(updated.flag)?))
}

/// Something was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    /// Always true.
    success: bool,
}

/// Deletes a flag. Those that come with the product stay.
#[utoipa::path(
    delete, path = "/api/flags/{key}", tag = "flags", security(("admin" = [])),
    params(
        ("key" = String, Path, description = "The flag's key"),
        ("expectedRevision" = Option<u64>, Query, description = "The revision the change is made on; or If-Match"),
        ("reason" = Option<String>, Query, description = "Why, for the history"),
        ("If-Match" = Option<String>, Header, description = "The revision the change is made on, in quotes"),
    ),
    responses(
        (status = 200, description = "It is deleted", body = Done),
        (status = 409, description = "`revision_conflict`, `rollout_running` or `flag_built_in`", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "There is no such flag, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn delete(
    State(flags): State<Flags>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(key): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<axum::Json<Done>, Problem> {
    let expected_revision = required(&headers, query.number("expectedRevision")?)?;
    let reason = query.text("reason")?.unwrap_or_default().to_owned();
    flags
        .peer
        .ask(
            &context,
            proto::DeleteFlagRequest {
                key,
                expected_revision,
                author: Some(admin.author(reason)),
            },
            |mut client, request| async move { client.delete_flag(request).await },
        )
        .await
        .map_err(refused)?;
    Ok(axum::Json(Done { success: true }))
}

/// Switches a flag on or off.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Switch {
    /// False gives everyone the off variant, at once.
    #[schema(required)]
    enabled: Option<bool>,
    /// Why, for the history.
    #[serde(deserialize_with = "text")]
    reason: String,
}

/// A flag that was switched.
#[derive(Serialize, ToSchema)]
pub(crate) struct Switched {
    /// Always true.
    success: bool,
    /// The flag.
    #[schema(value_type = FlagDocument)]
    flag: Flag,
    /// False while the store is away: in force, and stored later.
    stored: bool,
}

/// Switches a flag on or off, at once and for everybody. Needs no revision.
#[utoipa::path(
    post, path = "/api/flags/{key}/switch", tag = "flags", security(("admin" = [])), request_body = Switch,
    params(("key" = String, Path, description = "The flag's key")),
    responses(
        (status = 200, description = "The flag; `ETag` is its revision", body = Switched),
        (status = "4XX", description = "There is no such flag, or no admin's token", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn switch(
    State(flags): State<Flags>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(key): Path<String>,
    Json(switch): Json<Switch>,
) -> Result<Response, Problem> {
    let enabled = switch
        .enabled
        .ok_or_else(|| wrong("enabled", "any.required", "enabled must be true or false"))?;
    let switched = flags
        .peer
        .ask(
            &context,
            proto::SwitchFlagRequest {
                key,
                enabled,
                author: Some(admin.author(switch.reason)),
            },
            |mut client, request| async move { client.switch_flag(request).await },
        )
        .await
        .map_err(refused)?;
    let flag = read(switched.flag)?;
    let tag = etag::value(&etag::of_revision(flag.revision));
    let document = Switched {
        success: true,
        flag,
        stored: switched.stored,
    };
    Ok(([(ETAG, tag)], axum::Json(document)).into_response())
}

/// The revision that a change is made on.
fn required(headers: &HeaderMap, given: Option<u64>) -> Result<u64, Problem> {
    etag::expected(headers, given)?.ok_or_else(|| {
        wrong(
            "expectedRevision",
            "any.required",
            "expectedRevision is required: the revision of the flag that the change is made on (or send If-Match)",
        )
    })
}
