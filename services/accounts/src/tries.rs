//! Wrong passwords in a row, and how long to wait after them. Pure but for naming whom they are counted for.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::TryLimits;

/// Bytes of a key's hash.
const KEY_BYTES: usize = 16;

/// The part of an IPv6 address that names a network: whoever has one address of it has them all.
const NETWORK: u128 = !0 << 64;

/// What is known of the tries of one account or address. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// Told apart from others that say the same: each one that is written has another.
    pub tag: u64,
    /// Tries that were wrong, or are not known to be right yet.
    pub wrong: u32,
    /// No try before this.
    pub until: u64,
    /// Forgotten then.
    pub expires: u64,
}

impl Tries {
    /// How long to wait before another try.
    pub(crate) fn wait(&self, now: u64) -> Option<Duration> {
        let left = self.until.saturating_sub(now);
        (left > 0 && self.expires > now).then(|| Duration::from_millis(left))
    }

    /// One try more. It counts as wrong until it is known to be right, so that many at once are no way around the limit.
    pub(crate) fn counted(known: Option<&Self>, most: u32, limits: &TryLimits, now: u64) -> Self {
        let before = known
            .filter(|known| known.expires > now)
            .map_or(0, |known| known.wrong);
        let wrong = before.saturating_add(1);
        let wait = match wrong.checked_sub(most) {
            None => Duration::ZERO,
            Some(over) => limits
                .first_wait
                .saturating_mul(1_u32.checked_shl(over).unwrap_or(u32::MAX))
                .min(limits.longest_wait),
        };
        let until = now.saturating_add(millis(wait));
        Self {
            tag: rand::random(),
            wrong,
            until: if wait.is_zero() { 0 } else { until },
            expires: until.saturating_add(millis(limits.window)),
        }
    }

    /// One try was right, or came to nothing: it is not counted any more. Nobody else waits because of it either.
    pub(crate) fn without_one(&self) -> Option<Self> {
        let wrong = self.wrong.saturating_sub(1);
        (wrong > 0).then(|| Self {
            tag: rand::random(),
            wrong,
            until: 0,
            expires: self.expires,
        })
    }
}

/// The key of an address of mail, whether there is such an account or not: its hash, as it may be anything.
pub(crate) fn of_account(email: &str) -> String {
    hashed("account", email.as_bytes())
}

/// The key of a client's address: of IPv6 its network.
pub(crate) fn of_address(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => hashed("address", &address.octets()),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & NETWORK);
            hashed("address", &network.octets())
        }
    }
}

fn hashed(kind: &str, text: &[u8]) -> String {
    let hash = Sha256::new()
        .chain_update(kind)
        .chain_update([0])
        .chain_update(text)
        .finalize();
    hex::encode(&hash[..KEY_BYTES])
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
