//! What ties an entry to the one before. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::entry::{Entry, Recorded};

/// Says what the bytes are that are hashed, and in which order; another order would be another version.
const VERSION: &str = "troika.audit.v1";

/// SHA-256 over an entry and the hash of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Hash {
    /// Reads hex digits.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The hash of an entry under a number of a log, after the one whose hash this is; the first one comes after zeros.
    pub(crate) fn next(self, log: &str, number: u64, recorded: &Recorded) -> Self {
        let mut hashed = Sha256::new();
        hashed.update(self.0);
        hashed.update(number.to_be_bytes());
        hashed.update(recorded.at.to_be_bytes());
        let texts = [
            VERSION,
            log,
            &recorded.id,
            &recorded.subject,
            &recorded.name,
            &recorded.role,
            &recorded.action,
            &recorded.target,
            &recorded.before,
            &recorded.after,
            &recorded.request_id,
        ];
        for text in texts {
            // With its length before it no text can pass a part of itself off as the next one's.
            hashed.update((text.len() as u64).to_be_bytes());
            hashed.update(text);
        }
        Self(hashed.finalize().into())
    }
}

impl Entry {
    /// The entry that follows.
    pub(crate) fn after(before: Head, log: &str, recorded: Recorded) -> Self {
        let number = before.number + 1;
        Self {
            number,
            hash: before.hash.next(log, number, &recorded),
            recorded,
        }
    }
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The newest entry's; 0 when there is none.
    pub(crate) number: u64,
    pub(crate) hash: Hash,
}

impl From<&Entry> for Head {
    fn from(entry: &Entry) -> Self {
        Self {
            number: entry.number,
            hash: entry.hash,
        }
    }
}

#[cfg(test)]
mod tests;
