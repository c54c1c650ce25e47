//! A request's JSON body to a value, within bounds of size and time, with errors that say where the
//! mistake is. It never repeats the content it read: that is personal. It must not know which
//! requests there are.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRef, FromRequest, Request},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT},
};
use http_body_util::BodyExt as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, error::Category};

use crate::problem::{Detail, Problem};

mod values;

/// How much of an oversized body is read and thrown away so that the client, which may still be
/// sending, gets to read the answer instead of a reset connection.
const DISCARDED: u64 = 8 * 1024 * 1024;

/// Room that is made for a body before it comes; its declared length is only a promise.
const PROMISED: usize = 16 * 1024;

/// The bounds of a request's body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Bytes.
    pub(crate) size: usize,
    /// Values of JSON.
    pub(crate) values: usize,
    /// From the end of the head to the end of the body.
    pub(crate) time: Duration,
}

/// A request's body, read as JSON.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    BodyLimits: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    /// Fails with 415, 413, 408 or 400, in this order of looking.
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let limits = BodyLimits::from_ref(state);
        let (head, body) = request.into_parts();
        check_type(&head.headers)?;
        let bytes = tokio::time::timeout(limits.time, read(&head.headers, body, limits.size))
            .await
            .map_err(|_| {
                Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "body_timeout",
                    format!(
                        "The request's body did not arrive within {} seconds.",
                        limits.time.as_secs()
                    ),
                )
            })??;
        check_values(&bytes, limits.values)?;
        parse(&bytes).map(Self)
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = |message: &str| {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            message,
        )
    };
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase());
    match media_type.as_deref() {
        Some("application/json") => {}
        Some(other) if other.starts_with("application/") && other.ends_with("+json") => {}
        Some(_) => {
            return Err(unsupported(
                "The body must be JSON, sent with Content-Type: application/json.",
            ));
        }
        None => {
            return Err(unsupported(
                "The Content-Type header is missing; send application/json.",
            ));
        }
    }
    match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity" | b"") => Ok(()),
        Some(_) => Err(unsupported(
            "A compressed body is not taken; send it without Content-Encoding.",
        )),
    }
}

async fn read(headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("The request's body is too large: at most {limit} bytes are taken."),
        )
    };
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok())
        .unwrap_or(0);
    // A client that asks first has sent nothing yet: nothing is to be thrown away.
    if declared > limit && headers.contains_key(EXPECT) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(declared.min(PROMISED));
    let mut received: u64 = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "incomplete_body",
                "The request's body broke off before its end.",
            )
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        received += data.len() as u64;
        if received > limit as u64 || declared > limit {
            bytes = BytesMut::new();
            if received > (limit as u64).saturating_add(DISCARDED) {
                break;
            }
        } else {
            bytes.put(data);
        }
    }
    if received > limit as u64 || declared > limit {
        return Err(too_large());
    }
    Ok(bytes.freeze())
}

/// Many small values take far more memory, and time, than the text they came as. A value takes two bytes at least, a
/// comma beside it, so that what people send is never even looked at; of the rest the marks between values are counted.
fn check_values(bytes: &[u8], limit: usize) -> Result<(), Problem> {
    if bytes.len() / 2 < limit || values::count(bytes, limit) <= limit {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::BAD_REQUEST,
        "too_many_values",
        format!("The request's body has too many values: at most {limit} are taken."),
    ))
}

/// Reads a JSON object, and says where it is none.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde would take an array for a struct, field by field; clients send objects.
    let is_object = bytes
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|byte| *byte == b'{');
    if !is_object {
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| malformed(&error))?;
        return Err(wrong_type("", "object.base", "an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            Category::Data => mismatch(&field, &error),
            _ => malformed(&error),
        }
    })?;
    deserializer.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// Reads a value that stood in a body, and says where it does not fit.
pub(crate) fn of_value<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| mismatch(&error.path().to_string(), error.inner()))
}

fn malformed(error: &serde_json::Error) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let message = match error.classify() {
        _ if text.starts_with("recursion limit exceeded") => {
            format!("The body is nested too deeply: see line {line}, column {column}.")
        }
        _ if text.starts_with("number out of range") => {
            format!("The body has a number that is too large: see line {line}, column {column}.")
        }
        Category::Eof if column == 0 => "The body is empty; send a JSON object.".to_owned(),
        Category::Eof => format!(
            "The body is not valid JSON: it ends too early, at line {line}, column {column}."
        ),
        _ => format!("The body is not valid JSON: see line {line}, column {column}."),
    };
    Problem::new(StatusCode::BAD_REQUEST, "malformed_json", message)
}

/// Valid JSON that does not fit. serde's text repeats the value it found, so only what it expected
/// is taken from it.
fn mismatch(field: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    if text.starts_with("duplicate field") {
        return Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_argument",
            "The body names a field twice.",
        );
    }
    if let Some(missing) = text.strip_prefix("missing field `") {
        let name = missing.split('`').next().unwrap_or_default();
        let field = match field {
            "" | "." => name.to_owned(),
            parent => format!("{parent}.{name}"),
        };
        return wrong(&field, "any.required", format!("{field} is required"));
    }
    if text.starts_with("unknown field") {
        return wrong(field, "any.unknown", format!("{field} is not known here"));
    }
    // A field's own reader says "expected one of …"; serde_json adds where.
    let expected = text.rsplit("expected ").next().unwrap_or_default();
    let expected = expected.split(" at line ").next().unwrap_or_default();
    let (kind, expected) = if expected.starts_with("a boolean") {
        ("boolean.base", "true or false")
    } else if expected.starts_with("a string") {
        ("string.base", "a string")
    } else if expected.starts_with("a map") || expected.starts_with("struct") {
        ("object.base", "an object")
    } else if expected.starts_with("a sequence") {
        ("array.base", "a list")
    } else if expected.starts_with("f64") {
        ("number.base", "a number")
    } else if expected.starts_with("u32") || expected.starts_with("u64") {
        ("number.integer", "a whole number that is not negative")
    } else if expected.starts_with("a timestamp") {
        ("date.base", "a time such as 2026-01-31T08:00:00Z")
    } else if expected.starts_with("one of ") || expected.starts_with('`') {
        ("any.only", expected)
    } else {
        ("any.invalid", "of another type")
    };
    wrong_type(field, kind, expected)
}

fn wrong_type(field: &str, kind: &str, expected: &str) -> Problem {
    let subject = if field.is_empty() { "The body" } else { field };
    wrong(field, kind, format!("{subject} must be {expected}"))
}

/// One field is wrong, and `message` says what to change.
pub(crate) fn wrong(field: &str, kind: &str, message: impl Into<String>) -> Problem {
    let message = message.into();
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_argument",
        format!("{message}."),
    )
    .with_detail(Detail {
        field: field.to_owned(),
        message,
        kind: kind.to_owned(),
    })
}

#[cfg(test)]
mod tests;
