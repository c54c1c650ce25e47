//! Which pages of other hosts may read an answer. A bot's own list of origins is chat's to enforce, before it answers
//! anything; here its browser is told the same.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
    },
};

use crate::{config::Cors, problem::Problem};

/// What chat says to a page that may not show a bot.
const NOT_ALLOWED: &str = "origin_not_allowed";

/// Routes for pages of any host: what a widget needs.
const FOR_PAGES: [&str; 5] = [
    "/api/chat/",
    "/api/text-to-speech",
    "/api/tts/",
    "/api/auth/",
    "/ofrep/",
];

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, accept, cache-control, last-event-id, if-match, if-none-match, x-request-id, x-session-token, traceparent, tracestate",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-session-token, x-warning, etag, location, retry-after, ratelimit, ratelimit-policy, ratelimit-limit, ratelimit-remaining, ratelimit-reset",
);
/// Seconds that a browser remembers what it may send.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Tells browsers which pages may read an answer, and answers their questions before.
pub(crate) async fn cors(State(cors): State<Arc<Cors>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(ORIGIN).cloned() else {
        let mut response = next.run(request).await;
        vary(response.headers_mut());
        return response;
    };
    let listed = cors.origins.iter().any(|listed| origin == listed.as_str());
    let path = request.uri().path();
    let readable = listed || FOR_PAGES.iter().any(|route| path.starts_with(route));
    let asks_before = *request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks_before {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let refused = response
        .extensions()
        .get::<Problem>()
        .is_some_and(|problem| problem.code() == NOT_ALLOWED);
    let headers = response.headers_mut();
    vary(headers);
    if readable && !refused {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            CROSS_ORIGIN_RESOURCE_POLICY,
            HeaderValue::from_static("cross-origin"),
        );
        if listed {
            // Never for whoever comes: their pages could act as an administrator who visits them.
            headers.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        if asks_before {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        } else {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
    response
}

/// The answer depends on who reads it: caches must know.
fn vary(headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_static("origin"));
}
