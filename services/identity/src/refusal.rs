//! Why somebody is not let in, in a stable word and in one sentence that says what to change.

use troika_chassis::error::{Code, Error};

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Nothing was shown, and something is needed.
    NoToken,
    /// It is no token of ours: malformed, signed by another key, by another algorithm, for another audience.
    InvalidToken,
    /// It was one of ours.
    TokenExpired,
    /// Its bearer signed out, or it was taken back.
    TokenRevoked,
    /// It is somebody else's: this is for admins.
    AdminRequired,
    /// This is for those who may change accounts.
    SuperAdminRequired,
    /// This is between processes.
    ServiceRequired,
    /// A process shows a credential that was signed with another secret, or too long ago.
    InvalidCredential,
}

impl Refusal {
    /// The stable word.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoToken => "auth_required",
            Self::InvalidToken => "invalid_token",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::AdminRequired => "admin_required",
            Self::SuperAdminRequired => "super_admin_required",
            Self::ServiceRequired => "service_required",
            Self::InvalidCredential => "invalid_credential",
        }
    }

    /// What to change.
    pub fn message(self) -> &'static str {
        match self {
            Self::NoToken => {
                "This needs a token: send it as `Authorization: Bearer …`. `troika token --help` tells how to make one."
            }
            Self::InvalidToken => "The token is not valid here.",
            Self::TokenExpired => "The token has expired. Sign in again, or have a new one made.",
            Self::TokenRevoked => "The token was revoked. Sign in again, or have a new one made.",
            Self::AdminRequired => {
                "The token is valid, but this is for admins: its role must be `admin`."
            }
            Self::SuperAdminRequired => {
                "This is for those who may change accounts: the role must be `super_admin`."
            }
            Self::ServiceRequired => {
                "This is for processes of this system: it needs a service credential."
            }
            Self::InvalidCredential => {
                "The service credential is not valid here: all processes need the same SERVICE_SECRET (or JWT_SECRET), and clocks that agree."
            }
        }
    }

    /// What RFC 6750 tells a client of it.
    pub fn challenge(self) -> &'static str {
        match self {
            Self::NoToken | Self::ServiceRequired | Self::InvalidCredential => {
                r#"Bearer realm="troika""#
            }
            Self::InvalidToken | Self::TokenExpired | Self::TokenRevoked => {
                r#"Bearer realm="troika", error="invalid_token""#
            }
            Self::AdminRequired | Self::SuperAdminRequired => {
                r#"Bearer realm="troika", error="insufficient_scope""#
            }
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NoToken
            | Refusal::InvalidToken
            | Refusal::TokenExpired
            | Refusal::TokenRevoked
            | Refusal::InvalidCredential => Code::Unauthenticated,
            Refusal::AdminRequired | Refusal::SuperAdminRequired | Refusal::ServiceRequired => {
                Code::PermissionDenied
            }
        };
        Self::new(code, refusal.reason(), refusal.message())
    }
}
