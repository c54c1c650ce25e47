//! Errors on the HTTP side: RFC 9457 problem documents that carry the members of the replaced
//! backend's errors as well. A handler returns a [`Problem`]; the middleware [`render`] writes it,
//! because it alone knows the request's id, and turns the bare errors of the router (unknown path,
//! wrong method) into problems too. It must not know what any handler does.

use std::{borrow::Cow, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
};
use serde::Serialize;
use troika_chassis::{
    context::RequestContext,
    error::{Error, Violation},
};
use utoipa::ToSchema;

/// The media type of a problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// An error as the client will read it. Everything in it is meant for the client's eyes.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    title: Cow<'static, str>,
    code: Cow<'static, str>,
    message: String,
    details: Vec<Detail>,
    retry_after: Option<Duration>,
}

/// One field of the request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Detail {
    /// The field's JSON name; dots lead into objects.
    #[schema(example = "chatbotId")]
    pub(crate) field: String,
    /// What to change.
    #[schema(example = "chatbotId must be 24 hexadecimal digits")]
    pub(crate) message: String,
    /// A stable word for the rule that was broken.
    #[serde(rename = "type")]
    #[schema(example = "string.pattern.base")]
    pub(crate) kind: String,
}

/// The document of an error.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProblemDocument<'a> {
    /// Names the kind of problem: `urn:troika:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What happened, for a person to read.
    detail: &'a str,
    /// The same text, for clients that read this name.
    error: &'a str,
    /// The same text, for clients that read this name.
    message: &'a str,
    /// A stable word for what happened.
    #[schema(example = "bot_not_found")]
    code: &'a str,
    /// The fields that are wrong; empty when the problem lies elsewhere.
    details: &'a [Detail],
    /// Names this request in the server's logs.
    request_id: &'a str,
}

impl Problem {
    /// A problem with no field to blame. `code` is stable, `message` tells what to change.
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            title: Cow::Borrowed(status.canonical_reason().unwrap_or("Error")),
            code: code.into(),
            message: message.into(),
            details: Vec::new(),
            retry_after: None,
        }
    }

    /// The same problem, blaming `detail`.
    pub(crate) fn with_detail(mut self, detail: Detail) -> Self {
        self.details.push(detail);
        self
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable word.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// What to change, for a person to read.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The first field that is wrong.
    pub(crate) fn field(&self) -> Option<&str> {
        self.details.first().map(|detail| detail.field.as_str())
    }

    /// A handler broke. What broke stands in the log.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong on our side. Please try again.",
        )
    }

    /// The document a client would read.
    #[cfg(test)]
    pub(crate) fn as_json(&self) -> serde_json::Value {
        serde_json::to_value(self.document("test")).unwrap()
    }

    /// The problem for an error response that says nothing but its status.
    fn of_bare(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(
                status,
                "path_not_found",
                "There is nothing at this path. /docs lists what there is.",
            ),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method_not_allowed",
                "This path does not take this method; the Allow header names those it takes.",
            ),
            StatusCode::INTERNAL_SERVER_ERROR => Self::internal(),
            other => Self::new(
                other,
                "http_error",
                other.canonical_reason().unwrap_or("The request failed."),
            ),
        }
    }

    fn document<'a>(&'a self, request_id: &'a str) -> ProblemDocument<'a> {
        ProblemDocument {
            kind: format!("urn:troika:problem:{}", self.code),
            title: &self.title,
            status: self.status.as_u16(),
            detail: &self.message,
            error: &self.message,
            message: &self.message,
            code: &self.code,
            details: &self.details,
            request_id,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self {
            status: error.code().http(),
            title: Cow::Borrowed(error.code().title()),
            code: Cow::Owned(error.reason().to_owned()),
            message: error.message().to_owned(),
            details: error.violations().iter().map(Detail::from).collect(),
            retry_after: error.retry_after(),
        }
    }
}

impl From<&Violation> for Detail {
    /// Roles name fields as the contract does; clients know them by their JSON names.
    fn from(violation: &Violation) -> Self {
        let wire = violation.field.as_str();
        let wire = wire.strip_prefix("question.").unwrap_or(wire);
        let field = json_name(wire);
        let message = if wire.is_empty() {
            violation.message.clone()
        } else {
            violation
                .message
                .replace(&violation.field, &field)
                .replace(wire, &field)
        };
        Self {
            message,
            field,
            kind: violation.kind.clone(),
        }
    }
}

/// `chatbot_id` → `chatbotId`; the one name that is spelt otherwise is named.
fn json_name(wire: &str) -> String {
    if wire == "enable_tts" {
        return "enableTTS".to_owned();
    }
    let mut name = String::with_capacity(wire.len());
    let mut capital = false;
    for letter in wire.chars() {
        if letter == '_' {
            capital = true;
        } else if std::mem::take(&mut capital) {
            name.extend(letter.to_uppercase());
        } else {
            name.push(letter);
        }
    }
    name
}

impl IntoResponse for Problem {
    /// The status alone, with the problem beside it for [`render`] to write.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes problems: those that handlers returned, and one for each error without a body of its own.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let context = RequestContext::from_extensions(request.extensions());
    let mut response = next.run(request).await;
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_bare(&response) => Problem::of_bare(response.status()),
        None => return response,
    };
    let document = problem.document(&context.request_id);
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(after) = problem.retry_after {
        // Whole seconds on the wire, and never earlier than meant.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    *response.body_mut() = Body::from(body);
    response
}

fn is_bare(response: &Response) -> bool {
    let status = response.status();
    let has_document = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.contains("json"));
    (status.is_client_error() || status.is_server_error()) && !has_document
}

#[cfg(test)]
mod tests;
