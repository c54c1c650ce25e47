//! What is counted, by name. Who it is never leaves the process in clear.

use std::{fmt, sync::Arc};

use sha2::{Digest as _, Sha256};

/// Bytes of the hash that are kept: nobody meets by chance.
const KEPT: usize = 16;

/// A name to count under: what is counted, and a hash of whom it is counted for. Cheap to clone.
///
/// The hash keeps addresses and subjects out of dumps, logs and the screens of those who look into Redis. It is no
/// secret: whoever tries all four thousand million IPv4 addresses finds the one that was hashed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Counts `what` (a policy's name) for `who` (an address, a subject).
    pub fn new(what: &str, who: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(what.as_bytes());
        hash.update([0]);
        hash.update(who.as_bytes());
        let hash = hex::encode(&hash.finalize()[..KEPT]);
        Self(format!("{what}:{hash}").into())
    }

    /// As it is called in Redis.
    pub(crate) fn in_redis(&self, kind: &str) -> String {
        format!("troika:{{limits}}:{kind}:{}", self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_it_is_cannot_be_read_and_does_not_mix() {
        let key = Key::new("api", "192.0.2.7");
        let name = key.in_redis("rate");
        assert!(!name.contains("192"), "{name}");
        assert!(name.starts_with("troika:{limits}:rate:api:"), "{name}");
        assert_eq!(name.len(), "troika:{limits}:rate:api:".len() + 32);
        assert_eq!(key, Key::new("api", "192.0.2.7"));
        assert_ne!(key, Key::new("api", "192.0.2.8"));
        assert_ne!(Key::new("a", "bc"), Key::new("ab", "c"));
    }
}
