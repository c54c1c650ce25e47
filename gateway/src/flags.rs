//! Flags over HTTP: what admins do with them, and the two routes of the backend that came before. It must not know
//! how anything is decided or stored.

mod changes;
mod edit;
mod explain;
mod known;
pub(crate) mod schema;
mod whole;

use axum::{
    Router,
    extract::FromRef,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{StatusCode, header::ETAG};
use serde::Serialize;
use troika_chassis::{
    channel::Channel,
    error::{Code, Error, Violation},
};
use troika_evaluation::{flag::Flag, follow, wire};
use troika_proto::flags::v1::{Flag as WireFlag, flags_client::FlagsClient};
use utoipa::ToSchema;

use crate::{body::BodyLimits, call::Peer, config::Config, etag, problem::Problem};

pub(crate) use changes::*;
pub(crate) use edit::*;
pub(crate) use explain::*;
pub(crate) use known::*;

/// What the role is called in messages.
pub(crate) const FLAGS: &str = "flags";

/// The largest list that is taken from the role.
pub(crate) const LARGEST_LIST: usize = 128 << 20;

/// Values that a flag may hold: its lists of identifiers may be as long as the flags role takes them.
const LARGEST_FLAG: usize = 100_000;

/// When to come back to a role that is away and does not say when itself.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

/// What the contract and JSON call differently.
const NAMES: [(&str, &str); 5] = [
    ("author.name", "the token's name"),
    ("author.reason", "reason"),
    (".bake", ".bakeSeconds"),
    (".window", ".windowSeconds"),
    (".stallAfter", ".stallAfterSeconds"),
];

/// What the routes of flags share.
#[derive(Clone)]
pub(crate) struct Flags {
    peer: Peer<FlagsClient<Channel>>,
    known: follow::Flags,
    limits: BodyLimits,
}

impl Flags {
    /// Calls the flags role over `channel`; what is told to everybody comes from `known`.
    pub(crate) fn new(channel: Channel, known: follow::Flags, config: &Config) -> Self {
        let client = FlagsClient::new(channel).max_decoding_message_size(LARGEST_LIST);
        Self {
            peer: Peer::new(FLAGS, client, config.flags_deadline),
            known,
            limits: BodyLimits {
                values: config.body_values.max(LARGEST_FLAG),
                ..config.body_limits()
            },
        }
    }

    /// Its routes.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/api/metrics/feature-flags", get(known::feature_flags))
            .route(
                "/api/metrics/feature-flags/rollout",
                post(known::set_rollout),
            )
            .route("/api/flags", get(edit::list).post(edit::create))
            .route(
                "/api/flags/{key}",
                get(edit::one).put(edit::replace).delete(edit::delete),
            )
            .route("/api/flags/{key}/switch", post(edit::switch))
            .route("/api/flags/changes", get(changes::all_changes))
            .route("/api/flags/{key}/changes", get(changes::changes))
            .route("/api/flags/{key}/restore", post(changes::restore))
            .route("/api/flags/{key}/explain", post(explain::explain))
            .with_state(self)
    }
}

impl FromRef<Flags> for BodyLimits {
    fn from_ref(flags: &Flags) -> Self {
        flags.limits
    }
}

/// A flag, as it is now.
#[derive(Serialize, ToSchema)]
pub(crate) struct OneFlag {
    /// Always true.
    success: bool,
    /// The flag.
    #[schema(value_type = schema::FlagDocument)]
    flag: Flag,
}

/// A flag with its revision as the entity tag.
fn answer(status: StatusCode, flag: Flag) -> Response {
    let tag = etag::value(&etag::of_revision(flag.revision));
    let document = OneFlag {
        success: true,
        flag,
    };
    (status, [(ETAG, tag)], axum::Json(document)).into_response()
}

/// A flag as the role sent it.
/// A flag as JSON tells it.
pub(crate) fn read(sent: Option<WireFlag>) -> Result<Flag, Problem> {
    sent.and_then(|sent| wire::flag(sent).ok()).ok_or_else(|| {
        tracing::error!("the flags role sent a flag that cannot be read");
        Problem::internal()
    })
}

/// What the role refuses, in the words of HTTP's clients. Whoever says that the role is away, the role or the way to
/// it: clients read one code, and when to come back.
pub(crate) fn refused(error: Error) -> Problem {
    if error.code() == Code::Unavailable && error.reason() == "unavailable" {
        let away = Error::new(
            Code::Unavailable,
            "flags_unavailable",
            "Flags and rollouts cannot be read or changed right now; the flags stay in force as they are. \
             Please try again in a moment.",
        );
        return away.with_retry_after(RETRY_AFTER).into();
    }
    if error.violations().is_empty() {
        return error.into();
    }
    let violations = error.violations().iter().map(|violation| Violation {
        field: as_in_json(&violation.field),
        message: as_in_json(&violation.message),
        kind: violation.kind.clone(),
    });
    Error::new(
        error.code(),
        error.reason().to_owned(),
        as_in_json(error.message()),
    )
    .with_violations(violations)
    .into()
}

fn as_in_json(text: &str) -> String {
    NAMES.iter().fold(text.to_owned(), |text, (wire, json)| {
        text.replace(wire, json)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_name_the_fields_that_clients_send() {
        let message = "plan.steps[3].bake must be at most 30 days; author.reason must be shorter";
        let error = Error::new(Code::InvalidArgument, "invalid_argument", message)
            .with_violation(
                "plan.steps[3].bake",
                "plan.steps[3].bake must be at most 30 days",
                "any.invalid",
            )
            .with_violation(
                "author.reason",
                "author.reason must be shorter",
                "string.max",
            );
        let problem = refused(error).as_json();
        assert_eq!(
            problem["detail"],
            "plan.steps[3].bakeSeconds must be at most 30 days; reason must be shorter"
        );
        assert_eq!(problem["details"][0]["field"], "plan.steps[3].bakeSeconds");
        assert_eq!(problem["details"][1]["field"], "reason");
        assert_eq!(problem["details"][1]["message"], "reason must be shorter");
    }

    #[test]
    fn a_role_that_is_away_has_one_code_and_one_that_says_more_keeps_its_own() {
        let away = refused(Error::of(Code::Unavailable)).as_json();
        assert_eq!(
            (&away["code"], &away["status"]),
            (&"flags_unavailable".into(), &503.into())
        );
        let store = Error::new(Code::Unavailable, "store_unavailable", "Later.");
        assert_eq!(refused(store).as_json()["code"], "store_unavailable");
    }
}
