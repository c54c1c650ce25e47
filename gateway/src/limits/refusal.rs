//! Requests that were not let through: what their clients read.

use std::time::Duration;

use troika_chassis::error::{Code, Error};

use super::{INVALID, STREAMS, kind::Kind};
use crate::problem::Problem;

/// What existing clients read of the routes that stream.
const STREAMING: &str = "Streaming rate limit exceeded. Please wait before starting a new stream.";

/// Every policy there is.
pub(super) const POLICIES: [&str; 6] = ["api", "stream", "speech", "user", INVALID, STREAMS];

/// Why a request is not let through.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// Too often.
    Rate {
        policy: &'static str,
        retry_after: Duration,
    },
    /// Too many streams at once.
    Streams { retry_after: Duration },
    /// Too many that could not be taken.
    Invalid { retry_after: Duration },
}

impl Refusal {
    pub(super) fn policy(self) -> &'static str {
        match self {
            Self::Rate { policy, .. } => policy,
            Self::Streams { .. } => STREAMS,
            Self::Invalid { .. } => INVALID,
        }
    }

    /// What the client reads.
    pub(super) fn problem(self, kind: Kind) -> Problem {
        let is_stream = kind == Kind::Stream;
        let (code, message, retry_after) = match self {
            Self::Rate { retry_after, .. } if is_stream => ("rate_limited", STREAMING, retry_after),
            Self::Rate { retry_after, .. } => (
                "rate_limited",
                "Too many requests. Please wait before sending another.",
                retry_after,
            ),
            Self::Streams { retry_after } => ("too_many_streams", STREAMING, retry_after),
            Self::Invalid { retry_after } => (
                "too_many_invalid_requests",
                "Too many requests that could not be taken. Please correct them, and wait before sending another.",
                retry_after,
            ),
        };
        Error::new(Code::ResourceExhausted, code, message)
            .with_retry_after(retry_after)
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_the_streams_read_what_they_always_did() {
        let retry_after = Duration::from_millis(1_500);
        let policy = "stream";
        let document = Refusal::Rate {
            policy,
            retry_after,
        }
        .problem(Kind::Stream)
        .as_json();
        assert_eq!(document["status"], 429);
        assert_eq!(
            document["error"],
            "Streaming rate limit exceeded. Please wait before starting a new stream."
        );
        assert_eq!(document["code"], "rate_limited");
        let document = Refusal::Streams { retry_after }
            .problem(Kind::Stream)
            .as_json();
        assert_eq!(
            (&document["status"], &document["code"]),
            (&429.into(), &"too_many_streams".into())
        );
    }
}
