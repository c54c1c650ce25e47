//! The error vocabulary of every service: a small closed list of codes, each mapped once to gRPC and
//! once to HTTP, with a stable reason and a message that is safe to show. It must not know transport
//! details beyond those two mappings.

mod status;

pub use self::status::{tls_alert, transport_cause};

use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

/// What kind of failure it is, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The request is wrong and stays wrong.
    InvalidArgument,
    /// Nobody is known to be asking.
    Unauthenticated,
    /// Who asks may not.
    PermissionDenied,
    /// What is asked for does not exist.
    NotFound,
    /// What is to be made exists already.
    AlreadyExists,
    /// It does not fit the state of what is there; reading again may help.
    Conflict,
    /// The request is larger than accepted.
    PayloadTooLarge,
    /// A limit or quota is used up.
    ResourceExhausted,
    /// Who asked left.
    Cancelled,
    /// It took too long.
    DeadlineExceeded,
    /// It cannot be done now; trying again may help.
    Unavailable,
    /// Nobody offers this operation.
    Unimplemented,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// The gRPC code.
    pub fn grpc(self) -> tonic::Code {
        match self {
            Self::InvalidArgument => tonic::Code::InvalidArgument,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::PermissionDenied => tonic::Code::PermissionDenied,
            Self::NotFound => tonic::Code::NotFound,
            Self::AlreadyExists => tonic::Code::AlreadyExists,
            Self::Conflict => tonic::Code::Aborted,
            // What tonic itself answers to a message that is too large.
            Self::PayloadTooLarge => tonic::Code::OutOfRange,
            Self::ResourceExhausted => tonic::Code::ResourceExhausted,
            Self::Cancelled => tonic::Code::Cancelled,
            Self::DeadlineExceeded => tonic::Code::DeadlineExceeded,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Unimplemented => tonic::Code::Unimplemented,
            Self::Internal => tonic::Code::Internal,
        }
    }

    /// The HTTP status. A cancelled request is 499, which only logs ever see.
    pub fn http(self) -> http::StatusCode {
        match self {
            Self::InvalidArgument => http::StatusCode::BAD_REQUEST,
            Self::Unauthenticated => http::StatusCode::UNAUTHORIZED,
            Self::PermissionDenied => http::StatusCode::FORBIDDEN,
            Self::NotFound => http::StatusCode::NOT_FOUND,
            Self::AlreadyExists | Self::Conflict => http::StatusCode::CONFLICT,
            Self::PayloadTooLarge => http::StatusCode::PAYLOAD_TOO_LARGE,
            Self::ResourceExhausted => http::StatusCode::TOO_MANY_REQUESTS,
            Self::Cancelled => {
                http::StatusCode::from_u16(499).unwrap_or(http::StatusCode::BAD_REQUEST)
            }
            Self::DeadlineExceeded => http::StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable => http::StatusCode::SERVICE_UNAVAILABLE,
            Self::Unimplemented => http::StatusCode::NOT_IMPLEMENTED,
            Self::Internal => http::StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code that stands for a gRPC code. [`tonic::Code::Ok`] is no error and becomes internal.
    pub fn from_grpc(code: tonic::Code) -> Self {
        match code {
            tonic::Code::InvalidArgument => Self::InvalidArgument,
            tonic::Code::Unauthenticated => Self::Unauthenticated,
            tonic::Code::PermissionDenied => Self::PermissionDenied,
            tonic::Code::NotFound => Self::NotFound,
            tonic::Code::AlreadyExists => Self::AlreadyExists,
            tonic::Code::Aborted | tonic::Code::FailedPrecondition => Self::Conflict,
            tonic::Code::OutOfRange => Self::PayloadTooLarge,
            tonic::Code::ResourceExhausted => Self::ResourceExhausted,
            tonic::Code::Cancelled => Self::Cancelled,
            tonic::Code::DeadlineExceeded => Self::DeadlineExceeded,
            tonic::Code::Unavailable => Self::Unavailable,
            tonic::Code::Unimplemented => Self::Unimplemented,
            tonic::Code::Ok
            | tonic::Code::Unknown
            | tonic::Code::Internal
            | tonic::Code::DataLoss => Self::Internal,
        }
    }

    /// A short title for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::InvalidArgument => "Invalid request",
            Self::Unauthenticated => "Not signed in",
            Self::PermissionDenied => "Not allowed",
            Self::NotFound => "Not found",
            Self::AlreadyExists => "Already exists",
            Self::Conflict => "Conflict",
            Self::PayloadTooLarge => "Too large",
            Self::ResourceExhausted => "Too many requests",
            Self::Cancelled => "Cancelled",
            Self::DeadlineExceeded => "Took too long",
            Self::Unavailable => "Unavailable",
            Self::Unimplemented => "Not offered",
            Self::Internal => "Internal error",
        }
    }

    /// The reason of an error that has none of its own.
    fn reason(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::PayloadTooLarge => "payload_too_large",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Unavailable => "unavailable",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
        }
    }

    /// The message of an error that has none that may be shown.
    fn message(self) -> &'static str {
        match self {
            Self::InvalidArgument => "The request is not valid.",
            Self::Unauthenticated => "Signing in is needed for this.",
            Self::PermissionDenied => "This is not allowed.",
            Self::NotFound => "This does not exist.",
            Self::AlreadyExists => "This exists already.",
            Self::Conflict => "This does not fit the current state. Please read it again.",
            Self::PayloadTooLarge => "The request is too large.",
            Self::ResourceExhausted => "A limit is reached. Please try again later.",
            Self::Cancelled => "The request was cancelled.",
            Self::DeadlineExceeded => "This took too long. Please try again.",
            Self::Unavailable => {
                "The service is not available right now. Please try again in a moment."
            }
            Self::Unimplemented => "This operation is not offered.",
            Self::Internal => "Something went wrong on our side.",
        }
    }
}

/// One field of a request that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field as the client names it.
    pub field: String,
    /// What is wrong, for people.
    pub message: String,
    /// What is wrong, for programs; stable: `any.required`, `string.max`, …
    pub kind: String,
}

/// A failure that may cross process borders. Its source is for the log alone.
#[derive(Debug)]
pub struct Error {
    code: Code,
    reason: Cow<'static, str>,
    message: String,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure with a stable reason in snake_case (`bot_not_found`) and a message that users may see.
    pub fn new(
        code: Code,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        let (reason, message) = (reason.into(), message.into());
        Self {
            code,
            reason,
            message,
            violations: Vec::new(),
            retry_after: None,
            source: None,
        }
    }

    /// A failure of which only the code is known: the reason and a message follow from it.
    pub fn of(code: Code) -> Self {
        Self::new(code, code.reason(), code.message())
    }

    /// A fault of ours; users read a general message, the log reads the source.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::of(Code::Internal).with_source(source)
    }

    /// Adds what caused it. It is logged and never sent.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds a field that is wrong.
    #[must_use]
    pub fn with_violation(
        mut self,
        field: impl Into<String>,
        message: impl Into<String>,
        kind: impl Into<String>,
    ) -> Self {
        self.violations.push(Violation {
            field: field.into(),
            message: message.into(),
            kind: kind.into(),
        });
        self
    }

    /// Adds fields that are wrong.
    #[must_use]
    pub fn with_violations(mut self, violations: impl IntoIterator<Item = Violation>) -> Self {
        self.violations.extend(violations);
        self
    }

    /// Adds how long to wait before another try.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// The kind of failure.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The stable reason, in snake_case.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// A message that users may see.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The fields that are wrong.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How long to wait before another try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Logs the failure with its sources, unless it is the client's own. Whoever turns it into an
    /// answer calls this once; turning it into a [`tonic::Status`] does it.
    pub fn log(&self) {
        let (code, reason) = (self.code.reason(), self.reason());
        let cause =
            Causes(self.source.as_deref().map(|source| source as &dyn StdError)).to_string();
        match (self.code, &self.source) {
            (Code::Internal, _) => tracing::error!(code, reason, cause, "request failed"),
            (_, Some(_)) => tracing::warn!(code, reason, cause, "request failed"),
            (_, None) => tracing::debug!(code, reason, "request refused"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// An error and its sources in one line.
struct Causes<'a>(Option<&'a dyn StdError>);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = self.0;
        let mut before = String::new();
        while let Some(error) = next {
            let text = error.to_string();
            // Many errors repeat their source in their own text.
            if !before.contains(&text) {
                write!(f, "{}{text}", if before.is_empty() { "" } else { ": " })?;
                before = text;
            }
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_one_line() {
        let outer = Outer(std::io::Error::other("inner"));
        assert_eq!(Causes(Some(&outer)).to_string(), "outer: inner");
    }

    #[test]
    fn the_source_is_not_in_the_text() {
        let error = Error::internal(std::io::Error::other("password=1"));
        assert!(!error.to_string().contains("password"));
        assert!(StdError::source(&error).is_some());
    }

    #[test]
    fn every_code_but_conflict_has_a_status_of_its_own() {
        assert_eq!(Code::Conflict.http(), Code::AlreadyExists.http());
        assert_eq!(Code::Cancelled.http().as_u16(), 499);
        assert_eq!(Code::ResourceExhausted.http().as_u16(), 429);
        assert_eq!(
            Code::from_grpc(tonic::Code::FailedPrecondition),
            Code::Conflict
        );
    }
}
