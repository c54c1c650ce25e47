//! What was changed, by whom and why; and the way back. It must not know what the changes mean.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use troika_chassis::context::RequestContext;
use troika_evaluation::flag::Flag;
use troika_proto::flags::v1 as proto;
use utoipa::ToSchema;

use super::{Flags, OneFlag, answer, read, refused, schema::FlagDocument};
use crate::{
    admin::Admin,
    body::{Json, wrong},
    etag,
    moment::rfc3339,
    problem::{Problem, ProblemDocument},
    query::Query,
    request::text,
};

/// Changes, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct Changes {
    /// Always true.
    success: bool,
    /// The newest first.
    changes: Vec<Change>,
}

/// One change of one flag.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    /// The revision that it made.
    revision: u64,
    /// When.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// Who, and why.
    author: Author,
    /// The flag's key.
    key: String,
    /// The flag before; null when it was made.
    #[schema(value_type = Option<FlagDocument>)]
    before: Option<Flag>,
    /// The flag after; null when it was deleted.
    #[schema(value_type = Option<FlagDocument>)]
    after: Option<Flag>,
    /// The rollout that made the change, if one did.
    rollout_id: Option<String>,
}

/// Who changed something, and why.
#[derive(Serialize, ToSchema)]
pub(crate) struct Author {
    /// The email address or id of the token, or the name on the command line.
    name: String,
    /// What was said.
    reason: String,
}

impl From<proto::Author> for Author {
    fn from(author: proto::Author) -> Self {
        Self {
            name: author.name,
            reason: author.reason,
        }
    }
}

impl Change {
    fn read(change: proto::Change) -> Result<Self, Problem> {
        let flag = |sent: Option<proto::Flag>| sent.map(|sent| read(Some(sent))).transpose();
        Ok(Self {
            revision: change.revision,
            at: change.at.map(rfc3339),
            author: change.author.unwrap_or_default().into(),
            key: change.key,
            before: flag(change.before)?,
            after: flag(change.after)?,
            rollout_id: Some(change.rollout_id).filter(|id| !id.is_empty()),
        })
    }
}

/// Lists the changes of a flag, the newest first. Those of a deleted flag are still there.
#[utoipa::path(
    get, path = "/api/flags/{key}/changes", tag = "flags", security(("admin" = [])),
    params(
        ("key" = String, Path, description = "The flag's key"),
        ("before" = Option<u64>, Query, description = "Changes before this revision"),
        ("limit" = Option<u32>, Query, description = "1 to 500; 50 when absent"),
    ),
    responses(
        (status = 200, description = "The changes", body = Changes),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn changes(
    State(flags): State<Flags>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(key): Path<String>,
    query: Query,
) -> Result<axum::Json<Changes>, Problem> {
    listed(&flags, &context, key, &query).await
}

/// Lists the changes of all flags, the newest first.
#[utoipa::path(
    get, path = "/api/flags/changes", tag = "flags", security(("admin" = [])),
    params(
        ("before" = Option<u64>, Query, description = "Changes before this revision"),
        ("limit" = Option<u32>, Query, description = "1 to 500; 50 when absent"),
    ),
    responses(
        (status = 200, description = "The changes", body = Changes),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn all_changes(
    State(flags): State<Flags>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    query: Query,
) -> Result<axum::Json<Changes>, Problem> {
    listed(&flags, &context, String::new(), &query).await
}

async fn listed(
    flags: &Flags,
    context: &RequestContext,
    key: String,
    query: &Query,
) -> Result<axum::Json<Changes>, Problem> {
    let asked = proto::ListChangesRequest {
        key,
        before_revision: query.number("before")?,
        limit: query.number("limit")?,
    };
    let found = flags
        .peer
        .ask(context, asked, |mut client, request| async move {
            client.list_changes(request).await
        })
        .await
        .map_err(refused)?;
    Ok(axum::Json(Changes {
        success: true,
        changes: found
            .changes
            .into_iter()
            .map(Change::read)
            .collect::<Result<_, _>>()?,
    }))
}

/// Makes a flag what it was.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Restore {
    /// A revision of the flag's history.
    #[schema(required)]
    revision: Option<u64>,
    /// The revision the change is made on, or the header `If-Match`; none for a flag that was deleted.
    expected_revision: Option<u64>,
    /// Why, for the history.
    #[serde(deserialize_with = "text")]
    reason: String,
}

/// Makes a flag what it was at a revision of its history, as a new change. One that was deleted is there again.
#[utoipa::path(
    post, path = "/api/flags/{key}/restore", tag = "flags", security(("admin" = [])), request_body = Restore,
    params(
        ("key" = String, Path, description = "The flag's key"),
        ("If-Match" = Option<String>, Header, description = "The revision the change is made on, in quotes"),
    ),
    responses(
        (status = 200, description = "The flag; `ETag` is its revision", body = OneFlag),
        (status = 404, description = "Its history has no such revision: `revision_not_found`", content_type = "application/problem+json", body = ProblemDocument),
        (status = 409, description = "`revision_conflict` or `rollout_running`", content_type = "application/problem+json", body = ProblemDocument),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The flags role cannot answer", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn restore(
    State(flags): State<Flags>,
    admin: Admin,
    Extension(context): Extension<RequestContext>,
    Path(key): Path<String>,
    headers: HeaderMap,
    Json(restore): Json<Restore>,
) -> Result<Response, Problem> {
    let revision = restore.revision.ok_or_else(|| {
        wrong(
            "revision",
            "any.required",
            "revision is required: one of the flag's history",
        )
    })?;
    let expected = etag::expected(&headers, restore.expected_revision)?;
    let asked = proto::RestoreFlagRequest {
        key,
        revision,
        // A flag that is there is at a revision, and the role says at which.
        expected_revision: expected.unwrap_or_default(),
        author: Some(admin.author(restore.reason)),
    };
    let restored = flags
        .peer
        .ask(&context, asked, |mut client, request| async move {
            client.restore_flag(request).await
        })
        .await
        .map_err(refused)?;
    Ok(answer(StatusCode::OK, read(restored.flag)?))
}
