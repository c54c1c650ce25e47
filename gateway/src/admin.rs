//! Who may change flags and rollouts: staff whose token says `admin`. It must not know what they do. Neither a
//! token nor what it says ever gets into a log.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
    request::Parts,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use serde::Deserialize;
use troika_chassis::config::Secret;
use troika_proto::flags::v1::Author;

use crate::problem::Problem;

/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 10;

/// The role of those who are let in.
const ADMIN: &str = "admin";

/// A member of staff who may change everything.
pub(crate) struct Admin {
    /// The email address, or the id when the token names none.
    pub(crate) name: String,
}

impl Admin {
    /// Who makes a change, and why.
    pub(crate) fn author(self, reason: String) -> Author {
        Author {
            name: self.name,
            reason,
        }
    }
}

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Gatekeeper: FromRef<S>,
{
    type Rejection = TurnedAway;

    /// Fails with 401 or 403.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, TurnedAway> {
        Gatekeeper::from_ref(state).admit(&parts.headers)
    }
}

/// Checks tokens. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Gatekeeper(Option<Arc<Lock>>);

struct Lock {
    key: DecodingKey,
    validation: Validation,
}

/// What staff's tokens say, as far as it matters here. No `Debug`: it is personal.
#[derive(Deserialize)]
struct Claims {
    id: Option<String>,
    email: Option<String>,
    role: Option<String>,
}

impl Gatekeeper {
    /// Lets in whose token is signed with `secret`; nobody, when it is empty.
    pub(crate) fn new(secret: &Secret) -> Self {
        if secret.is_empty() {
            tracing::warn!("there is no secret to check tokens with: admins are not let in");
            return Self(None);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        Self(Some(Arc::new(Lock {
            key: DecodingKey::from_secret(secret.expose().as_bytes()),
            validation,
        })))
    }

    /// Whether a request carries an admin's token: for what others may see too, though less of it.
    pub(crate) fn knows(&self, headers: &HeaderMap) -> bool {
        self.admit(headers).is_ok()
    }

    fn admit(&self, headers: &HeaderMap) -> Result<Admin, TurnedAway> {
        let token = bearer(headers)?;
        let lock = self.0.as_ref().ok_or(TurnedAway::InvalidToken)?;
        let claims = decode::<Claims>(token, &lock.key, &lock.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TurnedAway::TokenExpired,
                _ => TurnedAway::InvalidToken,
            })?
            .claims;
        if claims.role.as_deref() != Some(ADMIN) {
            return Err(TurnedAway::NoAdmin);
        }
        let name = [claims.email, claims.id]
            .into_iter()
            .flatten()
            .find(|name| !name.trim().is_empty())
            .ok_or(TurnedAway::InvalidToken)?;
        Ok(Admin { name })
    }
}

/// The token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Result<&str, TurnedAway> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let first = sent.next().ok_or(TurnedAway::NoToken)?;
    if sent.next().is_some() {
        return Err(TurnedAway::InvalidToken);
    }
    let text = first.to_str().map_err(|_| TurnedAway::InvalidToken)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(TurnedAway::NoToken);
    }
    Ok(token)
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// No token was sent.
    NoToken,
    /// It is none of ours.
    InvalidToken,
    /// It was one of ours.
    TokenExpired,
    /// It is somebody else's.
    NoAdmin,
}

impl TurnedAway {
    fn problem(self) -> Problem {
        let (status, code, message) = match self {
            Self::NoToken => (
                StatusCode::UNAUTHORIZED,
                "auth_required",
                "This needs an admin's token: send it as `Authorization: Bearer …`. `troika token --role admin` makes one.",
            ),
            Self::InvalidToken => (
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "The token is not valid here. `troika token --role admin` makes one that is.",
            ),
            Self::TokenExpired => (
                StatusCode::UNAUTHORIZED,
                "token_expired",
                "The token has expired. `troika token --role admin` makes a new one.",
            ),
            Self::NoAdmin => (
                StatusCode::FORBIDDEN,
                "admin_required",
                "The token is valid, but this is for admins: its role must be `admin`.",
            ),
        };
        Problem::new(status, code, message)
    }

    /// What RFC 6750 tells a client of it.
    fn challenge(self) -> &'static str {
        match self {
            Self::NoToken => r#"Bearer realm="troika""#,
            Self::InvalidToken | Self::TokenExpired => {
                r#"Bearer realm="troika", error="invalid_token""#
            }
            Self::NoAdmin => r#"Bearer realm="troika", error="insufficient_scope""#,
        }
    }
}

impl IntoResponse for TurnedAway {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge()));
        response
    }
}

#[cfg(test)]
mod tests;
