//! Which requests are counted, and as what. Pure.

use http::Method;

/// What a request is to the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A call of the API.
    Call,
    /// A question whose answer streams.
    Stream,
    /// A question that is answered in one piece.
    Answer,
    /// A text to speak.
    Speech,
}

impl Kind {
    /// The kind of a request, by its route and whether its query names a bot; `None` when it is not counted: pages that
    /// nobody is asked for, health, and preflights.
    pub(super) fn of(method: &Method, path: &str, names_bot: bool) -> Option<Self> {
        // What leads to other services: the interface, figures, and the page of a bot that must be looked up.
        let is_api = path.starts_with("/api/")
            || path.starts_with("/ofrep/")
            || matches!(path, "/metrics" | "/prometheus/metrics")
            || names_bot;
        if !is_api || path.starts_with("/api/metrics/health/") || method == Method::OPTIONS {
            return None;
        }
        if method != Method::POST {
            return Some(Self::Call);
        }
        Some(match path {
            "/api/chat/query/stream" | "/api/troika/intelligent-chat/stream" => Self::Stream,
            "/api/chat/query" | "/api/troika/intelligent-chat" => Self::Answer,
            "/api/text-to-speech" => Self::Speech,
            _ => Self::Call,
        })
    }

    /// Whether it begins a turn.
    pub(super) fn is_question(self) -> bool {
        matches!(self, Self::Stream | Self::Answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_the_api_is_not_counted() {
        for path in [
            "/",
            "/app.js",
            "/dashboard",
            "/health",
            "/ready",
            "/api/metrics/health/streaming",
            "/docs",
            "/openapi.json",
            "/grpc.health.v1.Health/Check",
            "/apidocs",
        ] {
            assert_eq!(Kind::of(&Method::GET, path, false), None, "{path}");
        }
        assert_eq!(
            Kind::of(&Method::OPTIONS, "/api/chat/query/stream", false),
            None
        );
        // A page whose bot must be looked up, and figures that are added up for whoever asks, cost others something.
        for (path, names_bot) in [
            ("/", true),
            ("/metrics", false),
            ("/prometheus/metrics", false),
        ] {
            assert_eq!(
                Kind::of(&Method::GET, path, names_bot),
                Some(Kind::Call),
                "{path}"
            );
        }
    }

    #[test]
    fn calls_are_counted_as_what_they_are() {
        let post = |path| Kind::of(&Method::POST, path, false);
        assert_eq!(post("/api/chat/query/stream"), Some(Kind::Stream));
        assert_eq!(
            post("/api/troika/intelligent-chat/stream"),
            Some(Kind::Stream)
        );
        assert_eq!(post("/api/chat/query"), Some(Kind::Answer));
        assert_eq!(post("/api/text-to-speech"), Some(Kind::Speech));
        assert_eq!(post("/api/chat/stop"), Some(Kind::Call));
        assert_eq!(post("/ofrep/v1/evaluate/flags"), Some(Kind::Call));
        assert_eq!(post("/api/nothing"), Some(Kind::Call));
        let got = Kind::of(&Method::GET, "/api/chat/query/stream", false);
        assert_eq!(got, Some(Kind::Call), "there is no such call");
    }
}
