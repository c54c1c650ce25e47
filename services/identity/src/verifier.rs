//! Tokens to callers. The way a token may be signed is settled here, by a list and by the keys, never by the token alone.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Validation, decode, decode_header, errors::ErrorKind};
use tokio::time::timeout;
use troika_chassis::{config::Secret, redis::Redis};

use crate::{
    caller::Caller,
    claims::{Bearer, Claims},
    config::Config,
    key_set::{KeySet, Source},
    keys::{Algorithm, Key},
    refusal::Refusal,
    revocations::{Mark, Revocations},
};

/// A token longer than this is none: what it would cost to look at it is the sender's choice otherwise.
const LONGEST: usize = 8 * 1024;

/// A token that is good.
#[derive(Clone)]
pub struct Verified {
    /// Who sent it.
    pub caller: Caller,
    /// What it says of them.
    pub email: Option<String>,
    /// What it says of them.
    pub phone: Option<String>,
    /// Seconds since 1970.
    pub expires: u64,
}

/// Verifies tokens. Cloning is cheap.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    secrets: Vec<Key>,
    set: Arc<KeySet>,
    allowed: Vec<Algorithm>,
    validation: Validation,
    revocations: Revocations,
}

impl Verifier {
    /// Verifies by `jwt_secret` (which may differ from the configured one) and the keys that `config` names. Must be called
    /// inside a tokio runtime: a key set is followed in the background.
    pub fn new(config: &Config, jwt_secret: &Secret, redis: Option<Redis>) -> Self {
        let secrets = [jwt_secret, &config.jwt_previous_secret];
        let secrets = secrets
            .into_iter()
            .filter(|secret| !secret.is_empty())
            .map(|secret| Key::secret(secret.expose().as_bytes()))
            .collect();
        let source = match (&config.jwks_url, &config.jwks_file) {
            (Some(url), _) => Source::Address(url.clone()),
            (None, Some(file)) => Source::File(file.clone()),
            (None, None) => Source::Nothing,
        };
        let mut validation = Validation {
            leeway: config.leeway.as_secs(),
            validate_nbf: true,
            validate_aud: config.audience.is_some(),
            ..Validation::default()
        };
        let mut required = vec!["exp"];
        if let Some(audience) = &config.audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        if let Some(issuer) = &config.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        Self(Arc::new(Inner {
            secrets,
            set: KeySet::follow(source, config.jwks_refresh),
            allowed: config.algorithms.clone(),
            validation,
            revocations: Revocations::new(redis),
        }))
    }

    /// Waits until the keys that others sign with were read, or cannot be within `patience`.
    pub async fn keys_are_read(&self, patience: Duration) {
        let _ = timeout(patience, self.0.set.first_read()).await;
    }

    /// Who sent a token. One look into Redis a second for each token at most.
    ///
    /// # Errors
    /// Why it is not good, as far as its sender should know.
    pub async fn verify(&self, token: &str) -> Result<Verified, Refusal> {
        let verified = self.0.read(token)?;
        self.check(token).await?;
        Ok(verified)
    }

    /// Whether something that was signed elsewhere was taken back.
    ///
    /// # Errors
    /// When it was.
    pub async fn check(&self, signed: &str) -> Result<(), Refusal> {
        if self.0.revocations.include(Mark::of(signed)).await {
            return Err(Refusal::TokenRevoked);
        }
        Ok(())
    }

    /// Takes a token back that is good until it expires; `false` when other processes could not be told.
    pub async fn revoke(&self, token: &str, expires: u64) -> bool {
        // Leeway: it would still be taken for good that long.
        let expires = expires.saturating_add(self.0.validation.leeway);
        self.0.revocations.revoke(Mark::of(token), expires).await
    }
}

impl Inner {
    fn read(&self, token: &str) -> Result<Verified, Refusal> {
        if token.len() > LONGEST {
            return Err(Refusal::InvalidToken);
        }
        let header = decode_header(token).map_err(|_| Refusal::InvalidToken)?;
        let algorithm = self
            .allowed
            .iter()
            .copied()
            .find(|allowed| allowed.known() == header.alg)
            .ok_or(Refusal::InvalidToken)?;
        // What must be understood is not, and what is packed or encrypted is not opened.
        if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
            return Err(Refusal::InvalidToken);
        }
        let mut validation = self.validation.clone();
        validation.algorithms = vec![algorithm.known()];
        let set = self.set.keys();
        let keys = self.secrets.iter().chain(set.iter());
        let mut named = false;
        for key in keys.filter(|key| key.algorithm == algorithm) {
            if let (Some(name), Some(wanted)) = (&key.name, &header.kid)
                && name != wanted
            {
                continue;
            }
            named = true;
            match decode::<Claims>(token, &key.key, &validation) {
                Ok(token) => return verified(token.claims),
                Err(error) => match error.kind() {
                    ErrorKind::InvalidSignature => {}
                    ErrorKind::ExpiredSignature => return Err(Refusal::TokenExpired),
                    _ => return Err(Refusal::InvalidToken),
                },
            }
        }
        if !named && header.kid.is_some() {
            self.set.look_again();
        }
        Err(Refusal::InvalidToken)
    }
}

fn verified(claims: Claims) -> Result<Verified, Refusal> {
    let expires = claims.exp;
    let Bearer {
        caller,
        email,
        phone,
    } = claims.bearer().map_err(|_| Refusal::InvalidToken)?;
    Ok(Verified {
        caller,
        email,
        phone,
        expires,
    })
}

#[cfg(test)]
mod tests;
