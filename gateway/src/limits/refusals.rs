//! Requests that were not let through: what their clients read, what is counted, and what the log says without being
//! filled by it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::metrics::{counter::Counter, family::Family};
use troika_chassis::{
    error::{Code, Error},
    meters::Meters,
};

use super::{INVALID, STREAMS, kind::Kind};
use crate::problem::Problem;

/// What existing clients read of the routes that stream.
const STREAMING: &str = "Streaming rate limit exceeded. Please wait before starting a new stream.";

/// Between two lines of the log of one policy.
const QUIET: Duration = Duration::from_secs(1);

/// Every policy there is.
const POLICIES: [&str; 6] = ["api", "stream", "speech", "user", INVALID, STREAMS];

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

/// Counts and logs refusals.
pub(super) struct Refusals {
    counted: Family<[(&'static str, &'static str); 1], Counter>,
    /// When the log was told of a policy last, and how many it was not told of since.
    told: Mutex<HashMap<&'static str, (Instant, u64)>>,
}

impl Refusals {
    pub(super) fn new(meters: &Meters) -> Self {
        let counted: Family<[(&'static str, &'static str); 1], Counter> = meters.metric(
            "troika_limit_refusals",
            "Requests that were not let through, by the policy they had used up",
            Family::default,
        );
        for policy in POLICIES {
            let _from_the_start = counted.get_or_create(&[("policy", policy)]);
        }
        Self {
            counted,
            told: Mutex::default(),
        }
    }

    /// One more. Nothing of who it was is told.
    pub(super) fn note(&self, policy: &'static str, route: &str) {
        self.counted.get_or_create(&[("policy", policy)]).inc();
        if let Some(untold) = self.speaks(policy, Instant::now()) {
            tracing::info!(policy, route, untold, "a request was refused: too many");
        }
    }

    /// Whether the log is to be told, and how many it was not told of.
    fn speaks(&self, policy: &'static str, now: Instant) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match told.get_mut(policy) {
            Some((last, untold)) if now.saturating_duration_since(*last) < QUIET => {
                *untold += 1;
                None
            }
            Some((last, untold)) => {
                *last = now;
                Some(std::mem::take(untold))
            }
            None => {
                told.insert(policy, (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_one_line_a_second_for_each_policy() {
        let refusals = Refusals::new(&Meters::new());
        let now = Instant::now();
        assert_eq!(refusals.speaks("api", now), Some(0));
        assert_eq!(refusals.speaks("api", now + QUIET / 2), None);
        assert_eq!(refusals.speaks("api", now + QUIET / 2), None);
        assert_eq!(refusals.speaks("user", now + QUIET / 2), Some(0));
        assert_eq!(refusals.speaks("api", now + QUIET), Some(2));
        assert_eq!(refusals.speaks("api", now + QUIET * 2), Some(0));
    }

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
