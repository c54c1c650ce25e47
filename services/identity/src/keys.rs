//! The keys that tokens are verified with, by algorithm and by their names. A secret verifies HS256 alone and a public key
//! its own algorithm alone, whatever a token's header says.

use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde::{Deserialize, Serialize};

/// How a token may be signed. `none` is no way of signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names of RFC 7518 and RFC 8037")]
pub enum Algorithm {
    HS256,
    RS256,
    ES256,
    EdDSA,
}

impl Algorithm {
    /// The library's word for it.
    pub(crate) fn known(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::HS256 => jsonwebtoken::Algorithm::HS256,
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// One key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

impl Key {
    /// A shared secret.
    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self {
            name: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret),
        }
    }

    /// A public key; `None` for one that verifies nothing here: a secret, one for encryption, another kind.
    fn public(jwk: &Jwk) -> Option<Self> {
        if matches!(&jwk.common.public_key_use, Some(used) if *used != PublicKeyUse::Signature) {
            return None;
        }
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let named = match jwk.common.key_algorithm {
            None => Some(algorithm),
            Some(KeyAlgorithm::RS256) => Some(Algorithm::RS256),
            Some(KeyAlgorithm::ES256) => Some(Algorithm::ES256),
            Some(KeyAlgorithm::EdDSA) => Some(Algorithm::EdDSA),
            Some(_) => None,
        };
        if named != Some(algorithm) {
            return None;
        }
        Some(Self {
            name: jwk.common.key_id.clone(),
            algorithm,
            key: DecodingKey::from_jwk(jwk).ok()?,
        })
    }
}

/// A key set could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// It is no JSON Web Key Set.
    #[error("it is no JSON Web Key Set")]
    Malformed(#[source] serde_json::Error),
    /// No key in it verifies RS256, ES256 or EdDSA.
    #[error("no key in it verifies RS256, ES256 or EdDSA")]
    Empty,
}

/// The public keys of a JSON Web Key Set. What is no key for signatures is passed over.
pub(crate) fn read(text: &[u8]) -> Result<Vec<Key>, KeySetError> {
    // One by one: a key of a kind that nobody here knows must not cost the others.
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(text).map_err(KeySetError::Malformed)?;
    let nothing = set.keys.is_empty();
    let set = JwkSet {
        keys: set
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value(key).ok())
            .collect(),
    };
    let keys: Vec<Key> = set.keys.iter().filter_map(Key::public).collect();
    // A set that says that there are none takes all back; one whose keys nobody here knows is a mistake.
    if keys.is_empty() && !nothing {
        return Err(KeySetError::Empty);
    }
    Ok(keys)
}
