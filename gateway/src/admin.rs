//! Who may change flags, rollouts and figures: staff whose token or sign-in says so. It must not know what they do.

use axum::extract::FromRequestParts;
use http::request::Parts;
use troika_identity::{Access, Caller};
use troika_proto::flags::v1::Author;

use crate::identity::TurnedAway;

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

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = TurnedAway;

    /// Fails with 401 or 403.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TurnedAway> {
        let caller = Caller::from_extensions(&parts.extensions);
        Access::Admin.admit(&caller, false)?;
        Ok(Self { name: caller.name })
    }
}
