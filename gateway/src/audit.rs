//! Who changed what, over HTTP, for admins: the audit logs of the roles, and the log of flags in their shape. It must not
//! know what the changes mean.

mod flags;

use std::time::Duration;

use axum::{Extension, Router, extract::State, routing::get};
use serde::Serialize;
use serde_json::Value;
use troika_chassis::{
    channel::Channel,
    context::RequestContext,
    error::{Code, Error},
};
use troika_proto::{
    audit::v1::{self as wire, audit_client::AuditClient},
    flags::v1::flags_client::FlagsClient,
};
use utoipa::ToSchema;

use crate::{
    admin::Admin,
    body::wrong,
    call::Peer,
    config::Config,
    flags::{FLAGS, LARGEST_LIST},
    moment::rfc3339,
    problem::{Problem, ProblemDocument},
    query::Query,
};

/// How long a role may take to read its whole log.
const VERIFY_DEADLINE: Duration = Duration::from_secs(60);

/// When to come back to a role that is away and does not say when itself.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Where logs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Chat,
    Metrics,
    Accounts,
    Flags,
}

impl Source {
    fn read(query: &Query) -> Result<Self, Problem> {
        let message = "source is required: one of chat, metrics, accounts, flags";
        match query.text("source")? {
            Some("chat") => Ok(Self::Chat),
            Some("metrics") => Ok(Self::Metrics),
            Some("accounts") => Ok(Self::Accounts),
            Some("flags") => Ok(Self::Flags),
            Some(_) => Err(wrong("source", "any.only", message)),
            None => Err(wrong("source", "any.required", message)),
        }
    }
}

/// A role's log, and how long it may take.
#[derive(Clone)]
struct Log {
    listed: Peer<AuditClient<Channel>>,
    verified: Peer<AuditClient<Channel>>,
}

impl Log {
    fn new(role: &'static str, channel: Channel, deadline: Duration) -> Self {
        let client = AuditClient::new(channel).max_decoding_message_size(LARGEST_LIST);
        Self {
            listed: Peer::new(role, client.clone(), deadline),
            verified: Peer::new(role, client, VERIFY_DEADLINE),
        }
    }
}

/// What the routes of audit logs share.
#[derive(Clone)]
pub(crate) struct Audit {
    chat: Log,
    metrics: Log,
    accounts: Log,
    flags: Peer<FlagsClient<Channel>>,
}

impl Audit {
    /// Calls the roles over their channels. Accounts are looked after where flags are.
    pub(crate) fn new(chat: Channel, metrics: Channel, flags: Channel, config: &Config) -> Self {
        let log = |role, channel| Log::new(role, channel, config.flags_deadline);
        let changes = FlagsClient::new(flags.clone()).max_decoding_message_size(LARGEST_LIST);
        Self {
            chat: log("chat", chat),
            metrics: log("metrics", metrics),
            accounts: log("accounts", flags),
            flags: Peer::new(FLAGS, changes, config.flags_deadline),
        }
    }

    /// Its routes.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/api/audit", get(list))
            .route("/api/audit/verify", get(verify))
            .with_state(self)
    }

    /// The role that keeps a log; `None` for that of flags, which is another kind.
    fn log(&self, source: Source) -> Option<&Log> {
        match source {
            Source::Chat => Some(&self.chat),
            Source::Metrics => Some(&self.metrics),
            Source::Accounts => Some(&self.accounts),
            Source::Flags => None,
        }
    }
}

/// Entries of an audit log.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditEntries {
    /// Always true.
    success: bool,
    /// The newest first.
    entries: Vec<AuditEntry>,
}

/// One change: who made it, and what it was.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEntry {
    /// 1, 2, 3 … without gaps in its log; of a flag's change, the revision that it made.
    number: u64,
    /// When.
    #[schema(format = DateTime)]
    time: Option<String>,
    /// Who, by an id that stays; null where none is known.
    subject: Option<String>,
    /// Who, for people.
    name: Option<String>,
    /// admin, super_admin, user or service; null where none is known.
    role: Option<String>,
    /// What was done.
    #[schema(example = "bot.update")]
    action: String,
    /// To what: an id, such as a bot's, or a flag's key.
    target: String,
    /// What it was before; null for nothing.
    #[schema(value_type = Option<Object>)]
    before: Value,
    /// What it was after; null for nothing, `{"outcome": "unknown"}` where nobody knows whether the change was made.
    #[schema(value_type = Option<Object>)]
    after: Value,
    /// The request, as the log of the processes names it.
    request_id: Option<String>,
}

/// Whether an audit log is whole.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditVerified {
    /// Always true: the log was read.
    success: bool,
    /// Whether each entry follows from the one before.
    intact: bool,
    /// How many there are.
    entries: u64,
    /// The number of the first that does not follow.
    first_broken: Option<u64>,
}

impl From<wire::Entry> for AuditEntry {
    fn from(sent: wire::Entry) -> Self {
        let value = |text: String| match text.is_empty() {
            true => Value::Null,
            // What is no JSON is shown all the same.
            false => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        Self {
            number: sent.number,
            time: sent.time.map(rfc3339),
            subject: filled(sent.subject),
            name: filled(sent.name),
            role: filled(sent.role),
            action: sent.action,
            target: sent.target,
            before: value(sent.before),
            after: value(sent.after),
            request_id: filled(sent.request_id),
        }
    }
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Lists who changed what, the newest first.
#[utoipa::path(
    get, path = "/api/audit", tag = "audit", security(("admin" = [])),
    params(
        ("source" = String, Query, description = "Whose log: chat, metrics, flags, or accounts, which is for super admins"),
        ("before" = Option<u64>, Query, description = "Entries before this number"),
        ("limit" = Option<u32>, Query, description = "1 to 500; 50 when absent"),
        ("target" = Option<String>, Query, description = "Of this bot, flag, …"),
        ("action" = Option<String>, Query, description = "Of this kind, such as bot.update"),
    ),
    responses(
        (status = 200, description = "The entries", body = AuditEntries),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The log cannot be read", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn list(
    State(audit): State<Audit>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    query: Query,
) -> Result<axum::Json<AuditEntries>, Problem> {
    let source = Source::read(&query)?;
    let text = |name| query.text(name).map(|it| it.unwrap_or_default().to_owned());
    let asked = wire::ListEntriesRequest {
        before: query.number("before")?.unwrap_or_default(),
        limit: query.number("limit")?.unwrap_or_default(),
        target: text("target")?,
        action: text("action")?,
    };
    let entries = match audit.log(source) {
        Some(log) => {
            let listed = log
                .listed
                .ask(&context, asked, |mut client, request| async move {
                    client.list_entries(request).await
                });
            let listed = listed.await.map_err(|error| refused(source, error))?;
            listed.entries.into_iter().map(AuditEntry::from).collect()
        }
        None => flags::list(&audit.flags, &context, asked).await?,
    };
    Ok(axum::Json(AuditEntries {
        success: true,
        entries,
    }))
}

/// Reads a whole log and tells whether it was changed behind its back.
#[utoipa::path(
    get, path = "/api/audit/verify", tag = "audit", security(("admin" = [])),
    params(("source" = String, Query, description = "Whose log: chat, metrics, or accounts, which is for super admins")),
    responses(
        (status = 200, description = "Whether it is whole", body = AuditVerified),
        (status = "4XX", description = "The request cannot be taken", content_type = "application/problem+json", body = ProblemDocument),
        (status = "5XX", description = "The log cannot be read", content_type = "application/problem+json", body = ProblemDocument),
    )
)]
pub(crate) async fn verify(
    State(audit): State<Audit>,
    _admin: Admin,
    Extension(context): Extension<RequestContext>,
    query: Query,
) -> Result<axum::Json<AuditVerified>, Problem> {
    let source = Source::read(&query)?;
    let Some(log) = audit.log(source) else {
        let message =
            "source must be chat, metrics or accounts: the entries of flags are not chained";
        return Err(wrong("source", "any.only", message));
    };
    let verified = log
        .verified
        .ask(
            &context,
            wire::VerifyRequest {},
            |mut client, request| async move { client.verify(request).await },
        )
        .await
        .map_err(|error| refused(source, error))?;
    Ok(axum::Json(AuditVerified {
        success: true,
        intact: verified.first_broken == 0,
        entries: verified.entries,
        first_broken: (verified.first_broken > 0).then_some(verified.first_broken),
    }))
}

/// Whoever says that there is no log now, the role or the way to it: clients read one code.
fn refused(source: Source, error: Error) -> Problem {
    let message = match (error.code(), source) {
        (Code::Unimplemented, Source::Accounts) => {
            "The role that answers keeps no audit log of accounts: it is of another version."
        }
        (Code::Unimplemented, _) => {
            "The role that answers keeps no audit log: it is of another version."
        }
        (Code::Unavailable, _) if error.reason() == "unavailable" => {
            "The audit log cannot be read right now. Please try again in a moment."
        }
        _ => return error.into(),
    };
    Error::new(Code::Unavailable, "audit_unavailable", message)
        .with_retry_after(RETRY_AFTER)
        .into()
}
