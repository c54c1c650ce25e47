//! How records become bytes: a version, then postcard. A record type never changes once it was released:
//! a new shape is a new type under a new version, and the old one stays readable.

use std::time::{Duration, SystemTime};

use serde::{Serialize, de::DeserializeOwned};

use crate::store::StoreError;

/// The version that is written.
const VERSION: u8 = 1;

/// The bytes of a record.
pub(super) fn encode(record: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(record, vec![VERSION]).map_err(StoreError::unavailable)
}

/// The record in the bytes; `what` names it in the error.
pub(super) fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    what: impl FnOnce() -> String,
) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, record)) => {
            postcard::from_bytes(record).map_err(|_| StoreError::Corrupt { what: what() })
        }
        Some((version, _)) => Err(StoreError::Corrupt {
            what: format!(
                "{} is of version {version}, which a newer troika wrote",
                what()
            ),
        }),
        None => Err(StoreError::Corrupt { what: what() }),
    }
}

/// Milliseconds since 1970, negative before.
pub(super) fn millis(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis)
        }
    }
}

/// The time that many milliseconds after 1970.
pub(super) fn time(millis: i64) -> SystemTime {
    let distance = Duration::from_millis(millis.unsigned_abs());
    let time = if millis < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_an_unknown_version_says_so() {
        let mut bytes = encode(&7_u32).unwrap();
        assert_eq!(decode::<u32>(&bytes, || "seven".into()).unwrap(), 7);
        bytes[0] = 9;
        let error = decode::<u32>(&bytes, || "seven".into())
            .unwrap_err()
            .to_string();
        assert!(error.contains("seven is of version 9"), "{error}");
    }

    #[test]
    fn times_before_and_after_1970_survive() {
        for offset in [-1_500, -1, 0, 1, 1_790_000_000_123] {
            assert_eq!(millis(time(offset)), offset);
        }
    }
}
