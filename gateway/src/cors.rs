//! Pages of other origins: what their browsers are told about what they may ask and read. The routes that visitors'
//! pages call are open to all origins, never with credentials; all others, and credentials, are for the operators' own
//! pages. Whether a bot's list names a page is not known before the body is read: handlers refuse with
//! [`NOT_ALLOWED`], and that answer is given to no page. It must not know what the routes do.

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
        ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
    },
};
use troika_chassis::origin::{Origin, Origins};

use crate::{config, problem::Problem};

/// The code of a problem that tells that a bot's list does not name a page: the edge's word for it, and chat's.
pub(crate) const NOT_ALLOWED: &str = "origin_not_allowed";

/// Routes that pages of visitors call, by how they begin.
const OPEN: [&str; 6] = [
    "/api/chat/",
    "/api/troika/",
    "/api/text-to-speech",
    "/api/tts/",
    "/api/auth/",
    "/ofrep/v1/",
];

const OPEN_METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const ALL_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// Headers that pages may send beside those that every page may.
const SENT: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, if-match, if-none-match, cache-control, last-event-id, x-request-id, x-session-token, \
     traceparent, tracestate",
);

/// Headers that pages may read beside those that every page may.
const READ: HeaderValue = HeaderValue::from_static(
    "x-request-id, retry-after, ratelimit, ratelimit-policy, ratelimit-limit, ratelimit-remaining, ratelimit-reset, \
     x-session-token, x-warning, etag",
);

/// How long a browser remembers what it was told, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// What an answer depends on.
const VARIES: HeaderValue = HeaderValue::from_static("origin");

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whose page makes a request, as its browser says; noted at every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The gateway's own, or none at all: who is no browser says nothing.
    Own,
    /// One of the operators' list.
    Operators,
    /// Somebody else's: its origin, or `null` where it is none.
    Foreign(String),
}

impl Page {
    /// The origin that is held to a bot's list; chat is told this one. `None`: nobody's list matters.
    pub(crate) fn foreign(&self) -> Option<&str> {
        match self {
            Self::Foreign(origin) => Some(origin),
            Self::Own | Self::Operators => None,
        }
    }
}

/// Knows the operators' pages. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Cors(Arc<Origins>);

/// What a request says of its page.
struct Asked {
    page: Page,
    /// The header itself, where it is an origin: what a browser compares an answer with.
    origin: Option<HeaderValue>,
}

impl Cors {
    /// Lets the pages of `config` ask everything.
    pub(crate) fn new(config: &config::Cors) -> Self {
        Self(Arc::new(config.operators()))
    }

    fn asked(&self, request: &Request) -> Asked {
        let headers = request.headers();
        let mut sent = headers.get_all(ORIGIN).iter();
        let nobody = |page| Asked { page, origin: None };
        let Some(header) = sent.next() else {
            return nobody(Page::Own);
        };
        let parsed = header.to_str().ok().and_then(Origin::parse);
        let (Some(origin), None) = (parsed, sent.next()) else {
            return nobody(Page::Foreign("null".to_owned()));
        };
        let page = if self.0.name(&origin) {
            Page::Operators
        } else if is_own(&origin, request) {
            Page::Own
        } else {
            Page::Foreign(origin.to_string())
        };
        Asked {
            page,
            origin: Some(header.clone()),
        }
    }

    /// What a browser is told: nothing, where the page may not read the answer.
    fn allow(&self, asked: &Asked, open: bool, headers: &mut HeaderMap) {
        if open || self.0.is_list() {
            headers.append(VARY, VARIES);
        }
        let by_operators = asked.page == Page::Operators;
        let Some(origin) = asked.origin.clone().filter(|_| open || by_operators) else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if by_operators {
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}

/// A page asks the server that it came from. Browsers that tell so themselves know it better than a `Host` header that a
/// proxy may have changed.
fn is_own(origin: &Origin, request: &Request) -> bool {
    let told = request.headers().get(SEC_FETCH_SITE);
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request
            .headers()
            .get(HOST)
            .and_then(|host| host.to_str().ok()),
    };
    told.is_some_and(|site| site == "same-origin") || host.is_some_and(|host| origin.is_host(host))
}

/// Whether pages of visitors call it.
fn is_open(path: &str) -> bool {
    OPEN.iter().any(|start| path.starts_with(start))
}

/// Answers preflights, notes whose page asks, and tells browsers who may read the answer.
pub(crate) async fn share(State(cors): State<Cors>, mut request: Request, next: Next) -> Response {
    let asked = cors.asked(&request);
    let open = is_open(request.uri().path());
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight && (open || asked.page == Page::Operators) {
        return preflight(&cors, &asked, open);
    }
    request.extensions_mut().insert(asked.page.clone());
    let mut response = next.run(request).await;
    let is_refused = response
        .extensions()
        .get::<Problem>()
        .is_some_and(|problem| problem.code() == NOT_ALLOWED);
    let open = open && !is_refused;
    let headers = response.headers_mut();
    cors.allow(&asked, open, headers);
    if is_refused {
        headers.append(VARY, VARIES);
    }
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
    }
    response
}

/// What a page may ask. The bot is not known yet, so that every origin may ask what is open.
fn preflight(cors: &Cors, asked: &Asked, open: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    cors.allow(asked, open, headers);
    if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        let methods = if open { OPEN_METHODS } else { ALL_METHODS };
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, SENT);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    }
    response
}

#[cfg(test)]
mod tests;
