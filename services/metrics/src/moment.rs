//! Times as whole seconds since 1970. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 60 * MINUTE;

/// The second in which a time lies.
pub(crate) fn second(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The beginning of a second.
pub(crate) fn time(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

/// The first second of its minute.
pub(crate) fn minute(second: u64) -> u64 {
    second - second % MINUTE
}

/// The first second of its hour.
pub(crate) fn hour(second: u64) -> u64 {
    second - second % HOUR
}
