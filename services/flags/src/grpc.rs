//! The role on the wire: troika's own services, and flagd's protocols for OpenFeature's SDKs.

pub(crate) mod flagd;
pub(crate) mod flags;
pub(crate) mod rollouts;
mod watching;

pub(crate) use watching::Watchers;

use troika_chassis::error::{Error, Violation};

use crate::author::invalid;

/// Entries of a list when nothing is said, and at most.
const DEFAULT_LIMIT: u32 = 50;
const MOST: u32 = 500;

/// How long a list may be.
fn limit(asked: Option<u32>) -> Result<usize, Error> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MOST => Ok(limit as usize),
        _ => Err(invalid(vec![Violation {
            field: "limit".to_owned(),
            kind: "number.range".to_owned(),
            message: format!("limit must be from 1 to {MOST}"),
        }])),
    }
}
