//! What this system signs with: one key for each purpose, made of the configured secrets, so that what was signed for one
//! purpose is worth nothing for another.

use hkdf::Hkdf;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use troika_chassis::config::Secret;

/// The secrets in force. Cloning copies secrets: it is done at the start of a process alone.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Signs tokens; may be empty where all tokens are signed by others.
    pub jwt: Secret,
    /// Signs sessions.
    pub session: Secret,
    /// Signs credentials of processes; made of `jwt` when empty.
    pub service: Secret,
}

/// What a key is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// Visitors' sessions.
    Session,
    /// Administrators who signed in on a page.
    SignIn,
    /// Processes of this system.
    Service,
    /// Names of sessions for those who may not know them.
    Names,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"troika session",
            Self::SignIn => b"troika sign-in",
            Self::Service => b"troika service",
            Self::Names => b"troika session names",
        }
    }

    /// The key for this purpose.
    pub(crate) fn key(self, secret: &Secret) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(None, secret.expose().as_bytes())
            .expand(self.label(), &mut key)
            .ok()?;
        Some(key)
    }
}

/// Signs and verifies for one purpose. HS256 with a key of its own.
#[derive(Clone)]
pub(crate) struct Seal {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Seal {
    /// `None` without a secret.
    pub(crate) fn new(secret: &Secret, purpose: Purpose, leeway: u64) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        let key = purpose.key(secret)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = leeway;
        validation.validate_aud = false;
        Some(Self {
            encoding: EncodingKey::from_secret(&key),
            decoding: DecodingKey::from_secret(&key),
            validation,
        })
    }

    /// Signs; claims must have `exp`.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Option<String> {
        encode(&Header::new(Algorithm::HS256), claims, &self.encoding).ok()
    }

    /// What was signed here and has not expired.
    pub(crate) fn open<T: DeserializeOwned>(&self, token: &str) -> Option<T> {
        decode(token, &self.decoding, &self.validation)
            .ok()
            .map(|token| token.claims)
    }
}
