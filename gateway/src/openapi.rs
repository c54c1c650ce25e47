//! The gateway's own description: the OpenAPI document at `/openapi.json` and a page to browse it
//! at `/docs`. It must not know how the routes work.

use axum::Router;
use http::{HeaderValue, header::CONTENT_SECURITY_POLICY};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Described,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{
    answer, audit, auth, chat, events, flags, health, live, metrics, ofrep, problem, request,
    rollouts, sign_in, speech,
};

/// Swagger UI styles elements inline and shows images from data URLs; scripts stay our own.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "troika",
        description = "Ask chatbots questions; read and hear their answers as they are written."
    ),
    paths(
        chat::query_stream,
        chat::query,
        chat::stop,
        speech::text_to_speech,
        speech::voices::voices,
        flags::feature_flags,
        flags::set_rollout,
        flags::list,
        flags::create,
        flags::one,
        flags::replace,
        flags::delete,
        flags::switch,
        flags::all_changes,
        flags::changes,
        flags::restore,
        flags::explain,
        rollouts::list,
        rollouts::start,
        rollouts::one,
        rollouts::pause,
        rollouts::resume,
        rollouts::abort,
        rollouts::approve,
        rollouts::set_step,
        rollouts::decisions,
        rollouts::watch,
        metrics::streaming,
        metrics::summary,
        metrics::events,
        metrics::reset,
        metrics::health,
        metrics::prometheus,
        metrics::figures,
        metrics::history,
        metrics::live,
        metrics::list,
        metrics::silence,
        metrics::lift,
        metrics::test,
        audit::list,
        audit::verify,
        ofrep::evaluate,
        ofrep::evaluate_all,
        ofrep::events,
        auth::validate_token,
        auth::logout,
        auth::status,
        sign_in::sign_in,
        sign_in::sign_out,
        sign_in::session,
        health::live,
        health::ready
    ),
    components(schemas(
        live::ServerSentEvent,
        request::Question,
        request::Stop,
        auth::Valid,
        auth::Status,
        auth::User,
        sign_in::Credentials,
        sign_in::Session,
        sign_in::Account,
        answer::Answer,
        answer::Stopped,
        speech::ToSpeak,
        speech::format::Format,
        speech::SpokenText,
        speech::voices::Voices,
        speech::voices::Voice,
        flags::FeatureFlags,
        flags::FeatureFlag,
        flags::ToPercentage,
        flags::PercentageSet,
        flags::AllFlags,
        flags::OneFlag,
        flags::Done,
        flags::Switch,
        flags::Switched,
        flags::Changes,
        flags::Change,
        flags::Author,
        flags::Restore,
        flags::Asker,
        flags::Explanation,
        flags::Evaluation,
        flags::Step,
        flags::schema::FlagToStore,
        flags::schema::FlagDocument,
        flags::schema::FlagType,
        flags::schema::FlagVariant,
        flags::schema::FlagRule,
        flags::schema::FlagCondition,
        flags::schema::FlagOperator,
        flags::schema::FlagAbTest,
        flags::schema::FlagShare,
        flags::schema::FlagBucketing,
        flags::schema::FlagBucketingMethod,
        flags::schema::FlagSchedule,
        rollouts::OneRollout,
        rollouts::ManyRollouts,
        rollouts::ToRollOut,
        rollouts::Why,
        rollouts::ToStep,
        rollouts::Decisions,
        rollouts::plan::Plan,
        rollouts::plan::PlanStep,
        rollouts::plan::Criteria,
        rollouts::document::Rollout,
        rollouts::document::Starter,
        rollouts::document::Decision,
        rollouts::document::Reason,
        rollouts::document::Arm,
        audit::AuditEntries,
        audit::AuditEntry,
        audit::AuditVerified,
        ofrep::answer::EvaluationRequest,
        ofrep::answer::EvaluationSuccess,
        ofrep::answer::FlagMetadata,
        ofrep::answer::EvaluationFailure,
        ofrep::answer::ErrorCode,
        ofrep::answer::FlagAnswer,
        ofrep::answer::Bulk,
        ofrep::answer::BulkMetadata,
        ofrep::answer::EventStream,
        ofrep::answer::Endpoint,
        ofrep::Refetch,
        problem::ProblemDocument,
        events::Connected,
        events::Status,
        events::Metadata,
        events::Text,
        events::Audio,
        events::Suggestions,
        events::Warning,
        events::Failure,
        events::Complete,
        events::Close,
    )),
    tags(
        (name = "chat", description = "Questions and answers"),
        (name = "speech", description = "Texts as sound"),
        (name = "flags", description = "Who gets what; for admins, but for the first"),
        (name = "rollouts", description = "Flags' percentages, advanced and rolled back by evidence; for admins"),
        (name = "audit", description = "Who changed what; for admins"),
        (name = "ofrep", description = "OpenFeature's remote evaluation protocol"),
        (name = "auth", description = "What a token says, and signing out"),
        (name = "admin", description = "Administrators sign in on the pages"),
        (name = "health", description = "For load balancers and orchestrators"),
    ),
    modifiers(&Admins)
)]
pub(crate) struct Document;

/// Says how admins are known.
struct Admins;

impl Modify for Admins {
    fn modify(&self, document: &mut Described) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "A token of the role admin: `troika token --role admin`",
            ))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("admin", SecurityScheme::Http(scheme));
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("Any token: a visitor's, a company's, an admin's"))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Serves the document and its page.
pub(crate) fn routes() -> Router {
    let page = SwaggerUi::new("/docs")
        .url("/openapi.json", Document::openapi())
        // The default asks a public validator on the internet about the document.
        .config(Config::default().validator_url("none"));
    Router::from(page).layer(SetResponseHeaderLayer::overriding(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_every_route_and_every_event() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        for path in [
            "/api/chat/query/stream",
            "/api/chat/query",
            "/api/chat/stop",
            "/api/text-to-speech",
            "/api/tts/voices",
            "/api/metrics/feature-flags",
            "/api/metrics/feature-flags/rollout",
            "/api/flags",
            "/api/flags/{key}",
            "/api/flags/{key}/switch",
            "/api/flags/changes",
            "/api/flags/{key}/changes",
            "/api/flags/{key}/restore",
            "/api/flags/{key}/explain",
            "/api/rollouts",
            "/api/rollouts/{id}",
            "/api/rollouts/{id}/pause",
            "/api/rollouts/{id}/resume",
            "/api/rollouts/{id}/abort",
            "/api/rollouts/{id}/approve",
            "/api/rollouts/{id}/step",
            "/api/rollouts/{id}/decisions",
            "/api/rollouts/{id}/watch",
            "/api/audit",
            "/api/audit/verify",
            "/ofrep/v1/evaluate/flags/{key}",
            "/ofrep/v1/evaluate/flags",
            "/ofrep/v1/events",
            "/api/metrics/streaming",
            "/api/metrics/streaming/summary",
            "/api/metrics/streaming/events",
            "/api/metrics/streaming/reset",
            "/api/metrics/health/streaming",
            "/api/metrics/figures",
            "/api/metrics/history",
            "/api/metrics/live",
            "/api/metrics/alerts",
            "/api/metrics/alerts/silences",
            "/api/metrics/alerts/silences/{id}",
            "/api/metrics/alerts/test",
            "/prometheus/metrics",
            "/health",
            "/ready",
        ] {
            assert!(document["paths"].get(path).is_some(), "{path}");
        }
        for schema in ["Connected", "Audio", "Complete", "Close", "ProblemDocument"] {
            assert!(
                document["components"]["schemas"].get(schema).is_some(),
                "{schema}"
            );
        }
        let spoken =
            &document["paths"]["/api/text-to-speech"]["post"]["responses"]["200"]["content"];
        for kind in [
            "application/json",
            "audio/mpeg",
            "audio/wav",
            "audio/ogg",
            "audio/pcm",
        ] {
            assert!(spoken.get(kind).is_some(), "{kind}: {spoken}");
        }
        let schemas = &document["components"]["schemas"];
        assert_eq!(
            schemas["Format"]["enum"],
            serde_json::json!(["mp3", "wav", "opus", "pcm"])
        );
        assert_eq!(schemas["Audio"]["properties"]["chunk"]["type"], "string");
        assert_eq!(
            schemas["SpokenText"]["properties"]["audio"]["type"],
            "string"
        );
        assert_eq!(schemas["ToSpeak"]["required"], serde_json::json!(["text"]));
        let question = &document["components"]["schemas"]["Question"];
        assert!(question["properties"].get("enableTTS").is_some());
        assert_eq!(
            question["required"],
            serde_json::json!(["query", "chatbotId"])
        );
    }

    #[test]
    fn every_schema_that_is_named_is_there() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let text = document.to_string();
        let mut named = text.split("#/components/schemas/").skip(1);
        assert!(named.clone().count() > 50);
        named.all(|rest| {
            let name = rest.split('"').next().unwrap();
            let found = document["components"]["schemas"].get(name).is_some();
            assert!(found, "{name}");
            found
        });
        assert_eq!(
            document["components"]["securitySchemes"]["admin"]["scheme"],
            "bearer"
        );
    }

    #[test]
    fn what_is_for_admins_says_so_and_nothing_else_does() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        for (path, methods) in paths {
            let guarded = path.starts_with("/api/flags")
                || path.starts_with("/api/rollouts")
                || path.starts_with("/api/audit")
                || path.starts_with("/api/metrics/alerts")
                || ["/api/auth/validate-token", "/api/auth/logout"].contains(&path.as_str())
                || ["/rollout", "/reset", "/figures", "/history", "/live"]
                    .iter()
                    .any(|ending| path.ends_with(ending));
            for (method, operation) in methods.as_object().unwrap() {
                let says = operation.get("security").is_some();
                assert_eq!(says, guarded, "{method} {path}");
            }
        }
        let flag = &document["components"]["schemas"]["FlagToStore"];
        assert!(flag.to_string().contains("expectedRevision"), "{flag}");
        assert!(flag.to_string().contains("onVariant"), "{flag}");
        let rollout = &document["components"]["schemas"]["Rollout"]["properties"];
        assert_eq!(rollout["percentage"]["type"], "number");
    }
}
