//! Sessions' names for those who may not know them: the same session has the same name, which nobody else can find
//! out. It must not know who asks.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};
use troika_chassis::config::Secret;

/// Digits of a name.
const LENGTH: usize = 16;

/// Makes names. Cloning is cheap.
#[derive(Clone)]
pub(super) struct Names {
    key: Arc<str>,
}

impl Names {
    /// All gateways with the same secret make the same names. Without one each makes its own.
    pub(super) fn new(secret: &Secret) -> Self {
        // One way, and for this use alone: a name says nothing about the secret.
        let key = if secret.is_empty() {
            Sha256::digest(rand::random::<[u8; 32]>())
        } else {
            Sha256::digest(format!("session names\n{}", secret.expose()))
        };
        Self {
            key: BASE64_STANDARD.encode(key).into(),
        }
    }

    /// The name of a session.
    pub(super) fn of(&self, session: &str) -> String {
        let hash = Sha256::digest(format!("{}\n{session}", self.key));
        let mut name = hex::encode(hash);
        name.truncate(LENGTH);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_name_that_does_not_hold_it() {
        let names = Names::new(&"a secret".into());
        let session = "11111111-1111-4111-8111-111111111111";
        let name = names.of(session);
        assert_eq!(name, names.of(session));
        assert_eq!(name, Names::new(&"a secret".into()).of(session));
        assert_ne!(name, names.of("another"));
        assert_ne!(name, Names::new(&"another secret".into()).of(session));
        assert!(name.len() == LENGTH && !session.contains(&name));
    }

    #[test]
    fn without_a_secret_nobody_can_make_the_names_of_sessions_they_know() {
        let own = || Names::new(&Secret::default());
        assert_ne!(own().of("a session"), own().of("a session"));
    }
}
