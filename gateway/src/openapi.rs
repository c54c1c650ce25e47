//! The gateway's own description: the OpenAPI document at `/openapi.json` and a page to browse it
//! at `/docs`. It must not know how the routes work.

use axum::Router;
use http::{HeaderValue, header::CONTENT_SECURITY_POLICY};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::{answer, chat, events, health, problem, request, speech};

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
        health::live,
        health::ready
    ),
    components(schemas(
        request::Question,
        request::Stop,
        answer::Answer,
        answer::Stopped,
        speech::ToSpeak,
        speech::format::Format,
        speech::SpokenText,
        speech::voices::Voices,
        speech::voices::Voice,
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
        (name = "health", description = "For load balancers and orchestrators"),
    )
)]
pub(crate) struct Document;

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
}
