//! The `[auth]` section: what opens doors.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Secret, Validate};
use url::Url;

use crate::keys::Algorithm;

/// Bytes below which a key for HMAC-SHA-256 is weaker than the signature it makes (RFC 7518, 3.2).
pub const SHORTEST_SECRET: usize = 32;

/// Fewer different bytes than this are no secret, however many there are.
const FEWEST_DIFFERENT: usize = 8;

/// Words that stand in examples, and in secrets that were copied from them.
const EXAMPLES: [&str; 7] = [
    "changeme",
    "change-me",
    "change_me",
    "your-secret",
    "your_secret",
    "your_jwt",
    "secretsecret",
];

/// What opens doors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Signs and verifies tokens, HS256. At least 32 bytes.
    pub jwt_secret: Secret,
    /// Verifies tokens that were signed before the secret was changed.
    pub jwt_previous_secret: Secret,
    /// Signs sessions of visitors, and of administrators on the pages. At least 32 bytes.
    pub session_secret: Secret,
    /// What processes of this system show each other. Made of `jwt_secret` when absent.
    pub service_secret: Secret,
    /// The algorithms that tokens may be signed with: HS256, RS256, ES256, EdDSA.
    pub algorithms: Vec<Algorithm>,
    /// Public keys of tokens that others sign: a JSON Web Key Set, read again while it changes.
    pub jwks_url: Option<Url>,
    /// The same in a file; not read where there is an address.
    pub jwks_file: Option<PathBuf>,
    /// How often the key set is read again.
    #[serde(with = "humantime_serde")]
    pub jwks_refresh: Duration,
    /// Who must have signed a token, when set.
    pub issuer: Option<String>,
    /// Whom a token must be for, when set.
    pub audience: Option<String>,
    /// How far clocks may be apart.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// How long a visitor's session can be gone on with.
    #[serde(with = "humantime_serde")]
    pub session_lifetime: Duration,
    /// How long an administrator stays signed in on the pages.
    #[serde(with = "humantime_serde")]
    pub sign_in_lifetime: Duration,
    /// Whether gRPC calls without a service credential or a token are refused. Absent: in production alone.
    pub require_credentials: Option<bool>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            jwt_secret: Secret::default(),
            jwt_previous_secret: Secret::default(),
            session_secret: Secret::default(),
            service_secret: Secret::default(),
            algorithms: vec![
                Algorithm::HS256,
                Algorithm::RS256,
                Algorithm::ES256,
                Algorithm::EdDSA,
            ],
            jwks_url: None,
            jwks_file: None,
            jwks_refresh: Duration::from_secs(10 * 60),
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(10),
            session_lifetime: Duration::from_secs(24 * 60 * 60),
            sign_in_lifetime: Duration::from_secs(8 * 60 * 60),
            require_credentials: None,
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        for (key, secret) in [
            ("jwt_secret", &self.jwt_secret),
            ("jwt_previous_secret", &self.jwt_previous_secret),
            ("session_secret", &self.session_secret),
            ("service_secret", &self.service_secret),
        ] {
            if let Some(weakness) = weakness(secret) {
                problems.push(
                    key,
                    format!("{weakness}; `openssl rand -hex 32` prints a good one"),
                );
            }
        }
        problems.check(
            !self.algorithms.is_empty(),
            "algorithms",
            "must name at least one of HS256, RS256, ES256, EdDSA",
        );
        if let Some(url) = &self.jwks_url {
            let local = url.host().is_some_and(|host| match host {
                url::Host::Ipv4(ip) => ip.is_loopback(),
                url::Host::Ipv6(ip) => ip.is_loopback(),
                url::Host::Domain(name) => name == "localhost",
            });
            problems.check(
                url.scheme() == "https" || (url.scheme() == "http" && local),
                "jwks_url",
                "must be an https address: who can change the keys on the way can sign any token",
            );
        }
        for (key, lifetime) in [
            ("jwks_refresh", self.jwks_refresh),
            ("session_lifetime", self.session_lifetime),
            ("sign_in_lifetime", self.sign_in_lifetime),
        ] {
            problems.check(
                lifetime >= Duration::from_secs(1),
                key,
                "must be at least 1s",
            );
        }
        problems.check(
            self.leeway <= Duration::from_secs(300),
            "leeway",
            "must be at most 5m: tokens live that much longer",
        );
    }
}

/// Why a secret protects nothing; nothing is said of an empty one.
fn weakness(secret: &Secret) -> Option<String> {
    let text = secret.expose();
    if text.is_empty() {
        return None;
    }
    if text.len() < SHORTEST_SECRET {
        return Some(format!("must be at least {SHORTEST_SECRET} bytes long"));
    }
    let mut seen = [false; 256];
    for byte in text.bytes() {
        seen[usize::from(byte)] = true;
    }
    let different = seen.iter().filter(|seen| **seen).count();
    let small = text.to_ascii_lowercase();
    if different < FEWEST_DIFFERENT || EXAMPLES.iter().any(|example| small.contains(example)) {
        return Some("is one that can be guessed".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        Problems::of(&config).to_string()
    }

    #[test]
    fn nothing_needs_to_be_said_on_a_developers_machine() {
        assert!(Problems::of(&Config::default()).is_empty());
    }

    #[test]
    fn a_secret_that_is_short_or_stands_in_examples_is_refused_and_not_repeated() {
        for secret in [
            "short",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabcabcabcabcabcabcabcabcabc",
            "please-CHANGEME-before-production-0123456789",
            "your_jwt_secret_key_for_production_use_1234",
        ] {
            let problems = problems(|config| config.jwt_secret = Secret::from(secret));
            assert!(problems.starts_with("jwt_secret: "), "{problems}");
            assert!(!problems.contains(secret));
        }
        let good = "3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0";
        assert_eq!(
            problems(|config| config.session_secret = Secret::from(good)),
            ""
        );
    }

    #[test]
    fn keys_come_over_a_way_that_nobody_can_change() {
        for (url, allowed) in [
            ("https://login.example/keys", true),
            ("http://127.0.0.1:8080/keys", true),
            ("http://[::1]:8080/keys", true),
            ("http://login.example/keys", false),
            ("file:///keys", false),
        ] {
            let problems = problems(|config| config.jwks_url = url.parse().ok());
            assert_eq!(problems.is_empty(), allowed, "{url}: {problems}");
        }
    }
}
