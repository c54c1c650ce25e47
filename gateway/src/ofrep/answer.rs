//! OFREP's answers and errors, with the protocol's own names. It must not know how they come about.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use serde::Serialize;
use serde_json::{Map, Value};
use troika_evaluation::evaluate::{Evaluation, Step};
use utoipa::ToSchema;

/// What is asked.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "described, and never made")]
pub(crate) struct EvaluationRequest {
    /// Attributes by name. The identifier is the first of `targetingKey`, `userId`, `sessionId`, `ip`, `chatbotId`.
    #[schema(value_type = Object, example = json!({"targetingKey": "user-1", "language": "hi-IN"}))]
    context: Map<String, Value>,
}

/// What a flag says.
#[derive(Serialize, ToSchema)]
pub(crate) struct EvaluationSuccess<'a> {
    /// The flag's key.
    key: &'a str,
    /// The variant's value.
    #[schema(value_type = Value)]
    value: &'a Value,
    /// The variant's name.
    variant: &'a str,
    /// OpenFeature's word: `DISABLED`, `TARGETING_MATCH`, `SPLIT` or `STATIC`.
    reason: &'static str,
    /// How it came about.
    metadata: FlagMetadata,
}

/// How an evaluation came about.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlagMetadata {
    /// The revision at which the flag last changed.
    revision: u64,
    /// The step that decided, such as `blacklist` or `percentage`.
    decided_by: &'static str,
}

/// Why a flag says nothing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EvaluationFailure {
    /// The flag's key; absent when all flags were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// OpenFeature's word for it.
    error_code: ErrorCode,
    /// For a person to read.
    error_details: String,
}

/// OpenFeature's words for what can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ErrorCode {
    /// The body cannot be read.
    ParseError,
    /// There is nothing to deal by.
    TargetingKeyMissing,
    /// The context cannot be used.
    InvalidContext,
    /// There is no such flag.
    FlagNotFound,
    /// Anything else.
    General,
}

/// What one flag says, or why it does not.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum FlagAnswer<'a> {
    /// It says something.
    Success(EvaluationSuccess<'a>),
    /// It does not.
    Failure(EvaluationFailure),
}

impl<'a> FlagAnswer<'a> {
    /// What comes of an evaluation. A flag that deals by identifier and got none is an error in this protocol, which
    /// has no word for a flag's own default.
    pub(super) fn new(evaluation: &Evaluation<'a>) -> Self {
        if evaluation.decided_by == Step::NoIdentifier {
            return Self::Failure(EvaluationFailure {
                key: Some(evaluation.flag.key.clone()),
                error_code: ErrorCode::TargetingKeyMissing,
                error_details:
                    "This flag is dealt by identifier: the context needs a targetingKey.".to_owned(),
            });
        }
        Self::Success(EvaluationSuccess {
            key: &evaluation.flag.key,
            value: &evaluation.variant.value,
            variant: &evaluation.variant.name,
            reason: evaluation.reason().name(),
            metadata: FlagMetadata {
                revision: evaluation.flag.revision,
                decided_by: evaluation.decided_by.name(),
            },
        })
    }
}

/// What all flags say.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bulk<'a> {
    /// By key.
    flags: Vec<FlagAnswer<'a>>,
    /// Where changes are told.
    event_streams: [EventStream; 1],
    /// Of all flags.
    metadata: BulkMetadata,
}

/// What holds for all flags.
#[derive(Serialize, ToSchema)]
pub(crate) struct BulkMetadata {
    /// Counts up with every change of any flag.
    revision: u64,
}

impl<'a> Bulk<'a> {
    /// What `flags` say at `revision`; changes are told by `stream`.
    pub(super) fn new(flags: Vec<FlagAnswer<'a>>, stream: EventStream, revision: u64) -> Self {
        Self {
            flags,
            event_streams: [stream],
            metadata: BulkMetadata { revision },
        }
    }
}

/// Where changes are told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventStream {
    /// `sse`: server-sent events.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its place.
    endpoint: Endpoint,
    /// How long somebody who does not look may listen, in seconds.
    inactivity_delay_sec: u32,
}

/// A place at the origin that was asked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoint {
    /// Path and query.
    request_uri: &'static str,
}

impl EventStream {
    /// The stream at a path of this server.
    pub(super) fn at(request_uri: &'static str) -> Self {
        Self {
            kind: "sse",
            endpoint: Endpoint { request_uri },
            inactivity_delay_sec: 120,
        }
    }
}

/// A request that is not answered.
pub(crate) struct Refused {
    status: StatusCode,
    failure: EvaluationFailure,
    retry_after: Option<u64>,
}

impl Refused {
    /// A request that is not answered, and why.
    pub(super) fn new(
        status: StatusCode,
        error_code: ErrorCode,
        error_details: impl Into<String>,
    ) -> Self {
        Self {
            status,
            failure: EvaluationFailure {
                key: None,
                error_code,
                error_details: error_details.into(),
            },
            retry_after: None,
        }
    }

    /// The same, about one flag.
    pub(super) fn about(mut self, key: String) -> Self {
        self.failure.key = Some(key);
        self
    }

    /// The same, to be tried again after so many seconds.
    pub(super) fn until(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.failure)).into_response();
        if let Some(seconds) = self.retry_after {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
