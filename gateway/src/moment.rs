//! Moments as JSON tells them: RFC 3339, to the millisecond, which every client's parser takes. It must not know what
//! happened then.

use prost_types::Timestamp;

/// A moment in words.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let milliseconds = at.nanos / 1_000_000;
    Timestamp {
        nanos: milliseconds * 1_000_000,
        ..at
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_milliseconds_or_none() {
        for (seconds, nanos, told) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_771_622_898, 816_004_058, "2026-02-20T21:28:18.816Z"),
            (1_771_622_898, 999_999, "2026-02-20T21:28:18Z"),
        ] {
            assert_eq!(rfc3339(Timestamp { seconds, nanos }), told);
        }
        // What is no moment is still told somehow.
        for (seconds, nanos) in [(i64::MAX, i32::MAX), (i64::MIN, i32::MIN)] {
            assert!(!rfc3339(Timestamp { seconds, nanos }).is_empty());
        }
    }
}
