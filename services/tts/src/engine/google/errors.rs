//! Google's errors as errors of an engine. Nothing that Google wrote is kept but names of codes and
//! reasons: its messages quote the text that was to be spoken.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use google_cloud_gax::{
    client_builder,
    error::{
        CredentialsError, Error,
        rpc::{Code, StatusDetails},
    },
};

use crate::engine::EngineError;

/// What happened, in words for the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

/// An error before the first sound. The limit is the one that the call had.
pub(super) fn of(error: &Error, limit: Duration) -> EngineError {
    if error.is_exhausted()
        && let Some(last) = error
            .source()
            .and_then(|source| source.downcast_ref::<Error>())
    {
        return of(last, limit);
    }
    let cause = || Arc::new(Cause(describe(error)));
    if let Some(status) = error.status() {
        return match status.code {
            Code::ResourceExhausted => EngineError::Throttled {
                retry_after: retry_after(error),
            },
            Code::PermissionDenied | Code::Unauthenticated => EngineError::Denied(cause()),
            Code::InvalidArgument
            | Code::NotFound
            | Code::OutOfRange
            | Code::FailedPrecondition
            | Code::Unimplemented => EngineError::Refused(cause()),
            Code::DeadlineExceeded => EngineError::TimedOut(limit),
            // An HTTP error whose body is like Google's but without a code that is known.
            Code::Unknown => of_http(error.http_status_code(), error)
                .unwrap_or_else(|| EngineError::Unavailable(cause())),
            _ => EngineError::Unavailable(cause()),
        };
    }
    if error.is_authentication() {
        return if credentials_of(error).is_some_and(CredentialsError::is_transient) {
            EngineError::Unavailable(cause())
        } else {
            EngineError::Denied(cause())
        };
    }
    if error.is_timeout() {
        return EngineError::TimedOut(limit);
    }
    if error.is_deserialization() {
        return EngineError::Interrupted(cause());
    }
    of_http(error.http_status_code(), error).unwrap_or_else(|| EngineError::Unavailable(cause()))
}

/// An error after sound has begun: whatever it is, the sound broke off.
pub(super) fn broken_off(error: &Error) -> EngineError {
    EngineError::Interrupted(Arc::new(Cause(describe(error))))
}

/// A client that cannot be made: nothing that another try changes.
pub(super) fn unusable(error: &client_builder::Error) -> EngineError {
    let cause = if error.is_universe_domain_mismatch() {
        "the credentials belong to another universe domain than GOOGLE_CLOUD_UNIVERSE_DOMAIN"
    } else {
        "the client cannot be made with this endpoint and these credentials"
    };
    EngineError::Denied(Arc::new(Cause(cause.to_owned())))
}

/// Sound that is none.
pub(super) fn no_sound(why: impl StdError + Send + Sync + 'static) -> EngineError {
    EngineError::Interrupted(Arc::new(why))
}

/// Whether an error says that the voice does not stream, though it may speak in one piece.
pub(super) fn does_not_stream(error: &Error) -> bool {
    error.status().is_some_and(|status| match status.code {
        Code::Unimplemented => true,
        // "… voices are supported for streaming synthesis" and the like.
        Code::InvalidArgument | Code::FailedPrecondition => {
            status.message.to_ascii_lowercase().contains("streaming")
        }
        _ => false,
    })
}

/// By the HTTP status alone; of those without Google's own error in the body, which then come from
/// something on the way. None where the status says nothing.
fn of_http(status: Option<u16>, error: &Error) -> Option<EngineError> {
    let cause = Arc::new(Cause(describe(error)));
    match status? {
        401 | 403 => Some(EngineError::Denied(cause)),
        429 => Some(EngineError::Throttled {
            retry_after: retry_after(error),
        }),
        400 => Some(EngineError::Refused(cause)),
        _ => Some(EngineError::Unavailable(cause)),
    }
}

/// When to come back: Google's `RetryInfo`, else the header `Retry-After` in seconds.
fn retry_after(error: &Error) -> Option<Duration> {
    let details = error.status().map(|status| status.details.as_slice());
    let told = details.unwrap_or_default().iter().find_map(|detail| {
        let StatusDetails::RetryInfo(info) = detail else {
            return None;
        };
        let delay = info.retry_delay.as_ref()?;
        Duration::try_from(*delay).ok()
    });
    told.or_else(|| {
        let header = error.http_headers()?.get("retry-after")?;
        let seconds: u64 = header.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    })
}

fn credentials_of(error: &Error) -> Option<&CredentialsError> {
    error.source()?.downcast_ref()
}

fn describe(error: &Error) -> String {
    if let Some(status) = error.status() {
        let reasons = status.details.iter().filter_map(|detail| match detail {
            StatusDetails::ErrorInfo(info) => Some(format!(" ({})", info.reason)),
            _ => None,
        });
        return format!(
            "Google answers {}{}",
            status.code.name(),
            reasons.collect::<String>()
        );
    }
    if let Some(status) = error.http_status_code() {
        return format!("the server answers with HTTP status {status}");
    }
    if error.is_deserialization() {
        return "the answer cannot be read".to_owned();
    }
    // Connections and credentials: what is on this side of the wire.
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        words = format!("{words}: {source}");
        next = source.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use google_cloud_gax::error::rpc::Status;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    fn status(code: Code, message: &str) -> Error {
        Error::service(Status::default().set_code(code).set_message(message))
    }

    #[test]
    fn a_voice_does_not_stream_when_google_says_so_in_either_way() {
        let says = "only Chirp 3: HD voices are supported for streaming synthesis";
        assert!(does_not_stream(&status(Code::InvalidArgument, says)));
        assert!(does_not_stream(&status(Code::Unimplemented, "")));
        assert!(!does_not_stream(&status(
            Code::InvalidArgument,
            "no such voice"
        )));
        assert!(!does_not_stream(&status(Code::Unavailable, "streaming")));
    }

    #[test]
    fn credentials_are_refused_for_good_or_for_now() {
        for transient in [true, false] {
            let cause = CredentialsError::from_msg(transient, "invalid_grant");
            let error = of(&Error::authentication(cause), LIMIT);
            assert_eq!(matches!(error, EngineError::Unavailable(_)), transient);
            assert_eq!(matches!(error, EngineError::Denied(_)), !transient);
        }
    }

    #[test]
    fn errors_on_this_side_of_the_wire_are_unavailability_or_time() {
        let connect = of(&Error::connect("refused"), LIMIT);
        assert!(matches!(connect, EngineError::Unavailable(_)));
        let late = of(&Error::timeout("late"), LIMIT);
        assert!(matches!(late, EngineError::TimedOut(LIMIT)));
        let last = of(&Error::exhausted(status(Code::NotFound, "")), LIMIT);
        assert!(matches!(last, EngineError::Refused(_)));
    }

    #[test]
    fn googles_words_are_not_kept() {
        let error = of(
            &status(Code::InvalidArgument, "about the secret sentence"),
            LIMIT,
        );
        let shown = format!("{error:?} {}", StdError::source(&error).unwrap());
        assert!(
            shown.contains("INVALID_ARGUMENT") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
