//! The error vocabulary as a gRPC status with `google.rpc` details, and back. It must never put
//! transport text before a user.

use std::{collections::HashMap, error::Error as _};

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

use super::{Code, Error, Violation};

/// Who gives the reasons.
const DOMAIN: &str = "troika";

/// Statuses travel in a header: what a client could read of more violations does not matter.
const MAX_VIOLATIONS: usize = 32;

/// Logs the error and its sources; only code, reason, message, violations and waiting time are sent.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        error.log();
        let mut details = ErrorDetails::new();
        let mut kinds = HashMap::new();
        for Violation { field, kind, .. } in error.violations.iter().take(MAX_VIOLATIONS) {
            kinds.entry(field.clone()).or_insert_with(|| kind.clone());
        }
        details.set_error_info(error.reason.as_ref(), DOMAIN, kinds);
        if !error.violations.is_empty() {
            let fields = error
                .violations
                .iter()
                .take(MAX_VIOLATIONS)
                .map(|violation| {
                    let mut field = FieldViolation::new(&violation.field, &violation.message);
                    field.reason.clone_from(&violation.kind);
                    field
                });
            details.set_bad_request(fields.collect::<Vec<_>>());
        }
        if error.retry_after.is_some() {
            details.set_retry_info(error.retry_after);
        }
        Self::with_error_details(error.code.grpc(), error.message, details)
    }
}

/// A status from one of our services comes back as it was; of any other only the code is taken.
impl From<&Status> for Error {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let retry_after = details.retry_info().and_then(|info| info.retry_delay);
        let mut error = match details.error_info().filter(|info| info.domain == DOMAIN) {
            Some(info) => {
                let fields = details
                    .bad_request()
                    .map(|request| request.field_violations.as_slice())
                    .unwrap_or_default();
                let violations = fields.iter().map(|field| Violation {
                    field: field.field.clone(),
                    message: field.description.clone(),
                    kind: match field.reason.as_str() {
                        "" => info.metadata.get(&field.field).cloned().unwrap_or_default(),
                        kind => kind.to_owned(),
                    },
                });
                Self::new(
                    Code::from_grpc(status.code()),
                    info.reason.clone(),
                    status.message(),
                )
                .with_violations(violations)
            }
            None => Self::of(code_without_details(status)),
        };
        error.retry_after = retry_after;
        // The text of the transport is for the log.
        error.source = status
            .source()
            .map(|source| super::Causes(Some(source)).to_string().into());
        error
    }
}

/// As for a reference.
impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::from(&status)
    }
}

/// How tonic's clients begin to tell that a channel cannot take a call, of which the status keeps no source.
const NOT_READY: &str = "Service was not ready: ";

/// A status that tonic made from a broken connection has a source and no details: the peer is away,
/// whatever code the break was given. A peer that refuses this process's certificate is told so: with TLS 1.3 the
/// handshake is over here before it has looked at it, and the connection breaks under the first calls.
fn code_without_details(status: &Status) -> Code {
    match status.code() {
        tonic::Code::Unknown | tonic::Code::Internal | tonic::Code::Cancelled
            if status.source().is_some() || status.message().starts_with(NOT_READY) =>
        {
            Code::Unavailable
        }
        code => Code::from_grpc(code),
    }
}

/// What the transport said under a status, for the log; empty where it said nothing.
pub fn transport_cause(status: &Status) -> String {
    super::Causes(status.source()).to_string()
}

/// The alert by which a peer refused a connection, such as `CertificateRequired`, where the transport says so. Of several
/// calls that break with a connection only some are told why.
pub fn tls_alert(status: &Status) -> Option<String> {
    const BEFORE: &str = "received fatal alert: ";
    let cause = transport_cause(status);
    let (_, alert) = cause.split_once(BEFORE)?;
    let end = alert.find(|letter: char| !letter.is_ascii_alphanumeric());
    Some(alert[..end.unwrap_or(alert.len())].to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CODES: [Code; 13] = [
        Code::InvalidArgument,
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::NotFound,
        Code::AlreadyExists,
        Code::Conflict,
        Code::PayloadTooLarge,
        Code::ResourceExhausted,
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Unavailable,
        Code::Unimplemented,
        Code::Internal,
    ];

    #[test]
    fn every_code_comes_back_from_its_status() {
        for code in CODES {
            assert_eq!(Code::from_grpc(code.grpc()), code);
            let back = Error::from(&Status::from(Error::of(code)));
            assert_eq!((back.code(), back.reason()), (code, code.reason()));
        }
    }

    #[test]
    fn reason_violations_and_waiting_time_come_back() {
        let error = Error::new(
            Code::InvalidArgument,
            "invalid_question",
            "Please check the question.",
        )
        .with_violation("query", "is required", "any.required")
        .with_violation("query", "is too long", "string.max")
        .with_violation("email", "is no address", "string.email")
        .with_retry_after(Duration::from_millis(1500));
        let violations = error.violations().to_vec();
        let status = Status::from(error);
        let back = Error::from(&status);
        assert_eq!(back.reason(), "invalid_question");
        assert_eq!(back.message(), "Please check the question.");
        assert_eq!(back.violations(), violations);
        assert_eq!(back.retry_after(), Some(Duration::from_millis(1500)));
        let info = status.get_details_error_info().unwrap();
        assert_eq!(
            (info.domain.as_str(), info.metadata["email"].as_str()),
            ("troika", "string.email")
        );
    }

    #[test]
    fn the_source_is_never_sent() {
        let status = Status::from(Error::internal(std::io::Error::other("hunter2")));
        assert!(!format!("{status:?}").contains("hunter2"));
    }

    #[test]
    fn text_of_the_transport_is_not_shown() {
        let error = Error::from(&Status::unavailable("tcp connect error: 10.0.0.7:50051"));
        assert_eq!(
            (error.code(), error.reason()),
            (Code::Unavailable, "unavailable")
        );
        assert!(!error.message().contains("10.0.0.7"));
    }

    #[test]
    fn a_broken_connection_means_unavailable() {
        let broken = Status::from_error(Box::new(std::io::Error::from(
            std::io::ErrorKind::BrokenPipe,
        )));
        let error = Error::from(&broken);
        assert_eq!(error.code(), Code::Unavailable);
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn a_channel_that_is_not_ready_means_unavailable() {
        let text = "Service was not ready: transport error";
        assert_eq!(
            Error::from(&Status::unknown(text)).code(),
            Code::Unavailable
        );
        assert_eq!(Error::from(&Status::unknown("x")).code(), Code::Internal);
    }

    #[test]
    fn an_alert_is_found_in_what_the_transport_said() {
        let of = |text: &str| {
            let broken = std::io::Error::other(text.to_owned());
            tls_alert(&Status::from_error(Box::new(broken)))
        };
        let told = of("connection error: received fatal alert: CertificateRequired");
        assert_eq!(told.as_deref(), Some("CertificateRequired"));
        assert_eq!(
            of("received fatal alert: DecryptError, x").as_deref(),
            Some("DecryptError")
        );
        assert_eq!(of("stream closed because of a broken pipe"), None);
        assert_eq!(tls_alert(&Status::unknown("received fatal alert: X")), None);
    }

    #[test]
    fn a_flood_of_violations_is_cut() {
        let violations = (0..1000).map(|n| Violation {
            field: n.to_string(),
            message: "is wrong".into(),
            kind: "any".into(),
        });
        let status = Status::from(Error::of(Code::InvalidArgument).with_violations(violations));
        assert_eq!(Error::from(&status).violations().len(), MAX_VIOLATIONS);
    }
}
