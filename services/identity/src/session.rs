//! Sessions: of visitors, who can go on with their own conversation alone, and of administrators who signed in on a page.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    caller::{Caller, Role},
    config::Config,
    secrets::{Purpose, Seal, Secrets},
};

/// Bytes of a session's name.
const NAME_BYTES: usize = 8;

/// Signs and reads sessions. Cloning copies keys: few are made.
#[derive(Clone)]
pub struct Sessions {
    visitors: Option<Seal>,
    staff: Option<Seal>,
    visitor_life: Duration,
    staff_life: Duration,
    names: [u8; 32],
}

/// A visitor's conversation, as it was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Conversation {
    /// The conversation: a UUID.
    sid: String,
    /// The bot: 24 hex digits.
    bot: String,
    exp: u64,
}

/// An administrator who signed in.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignedIn {
    /// The account's id.
    pub id: String,
    /// Its address.
    pub email: String,
    /// Whether it may change accounts.
    #[serde(rename = "super")]
    pub is_super: bool,
    /// The account's revision: what was signed before a later one is over.
    pub revision: u64,
    /// Seconds since 1970.
    pub exp: u64,
}

impl SignedIn {
    /// Who that is.
    pub fn caller(&self) -> Caller {
        Caller {
            role: if self.is_super {
                Role::SuperAdmin
            } else {
                Role::Admin
            },
            subject: self.id.clone(),
            name: self.email.clone(),
            ..Caller::default()
        }
    }
}

impl Sessions {
    /// Signs with the session secret; nothing is signed, and nothing believed, without one.
    pub fn new(config: &Config, secrets: &Secrets) -> Self {
        let seal = |purpose| Seal::new(&secrets.session, purpose, 0);
        Self {
            visitors: seal(Purpose::Session),
            staff: seal(Purpose::SignIn),
            visitor_life: config.session_lifetime,
            staff_life: config.sign_in_lifetime,
            // All processes with the same secret make the same names; without one each makes its own.
            names: Some(&secrets.session)
                .filter(|secret| !secret.is_empty())
                .and_then(|secret| Purpose::Names.key(secret))
                .unwrap_or_else(rand::random),
        }
    }

    /// A session's name for those who may not know it: the same session has the same name, which nobody else can find out.
    pub fn name_of(&self, session: &str) -> String {
        let hash = Sha256::new()
            .chain_update(self.names)
            .chain_update(session)
            .finalize();
        hex::encode(&hash[..NAME_BYTES])
    }

    /// Signs a visitor's conversation with a bot.
    pub fn sign(&self, bot: &str, session: &str) -> Option<String> {
        self.visitors.as_ref()?.sign(&Conversation {
            sid: session.to_owned(),
            bot: bot.to_ascii_lowercase(),
            exp: after(self.visitor_life),
        })
    }

    /// The bot and the conversation of a signed session.
    pub fn read(&self, token: &str) -> Option<(String, String)> {
        let conversation: Conversation = self.visitors.as_ref()?.open(token)?;
        Some((conversation.bot, conversation.sid))
    }

    /// Signs an administrator in, and says for how long.
    pub fn sign_in(
        &self,
        id: &str,
        email: &str,
        is_super: bool,
        revision: u64,
    ) -> Option<(String, Duration)> {
        let token = self.staff.as_ref()?.sign(&SignedIn {
            id: id.to_owned(),
            email: email.to_owned(),
            is_super,
            revision,
            exp: after(self.staff_life),
        })?;
        Some((token, self.staff_life))
    }

    /// Who signed in.
    pub fn signed_in(&self, token: &str) -> Option<SignedIn> {
        self.staff.as_ref()?.open(token)
    }
}

/// Seconds since 1970, so long from now.
fn after(life: Duration) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (now + life).as_secs()
}

#[cfg(test)]
mod tests {
    use troika_chassis::config::Secret;

    use super::*;

    fn sessions(secret: &str) -> Sessions {
        let secrets = Secrets {
            session: Secret::from(secret),
            ..Secrets::default()
        };
        Sessions::new(&Config::default(), &secrets)
    }

    #[test]
    fn a_session_is_read_where_it_was_signed_and_for_its_purpose_alone() {
        let sessions = sessions("3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0");
        let token = sessions.sign("00000000000000000000000A", "s").unwrap();
        assert_eq!(
            sessions.read(&token),
            Some(("00000000000000000000000a".to_owned(), "s".to_owned()))
        );
        assert!(sessions.signed_in(&token).is_none());
        let (staff, _) = sessions.sign_in("1", "a@b.example", true, 3).unwrap();
        assert!(sessions.read(&staff).is_none());
        let signed_in = sessions.signed_in(&staff).unwrap();
        assert!(signed_in.caller().role == Role::SuperAdmin && signed_in.revision == 3);
        let others = self::sessions("0f9c1b7e5d2a4860b1c7e9f2a4d6b8c1");
        assert!(others.read(&token).is_none() && others.signed_in(&staff).is_none());
    }

    #[test]
    fn a_session_has_one_name_that_does_not_hold_it() {
        let one = sessions("3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0");
        let name = one.name_of("11111111-1111-4111-8111-111111111111");
        assert_eq!(name.len(), 16);
        let same = sessions("3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0");
        assert_eq!(same.name_of("11111111-1111-4111-8111-111111111111"), name);
        let none = || sessions("").name_of("a session");
        assert_ne!(none(), none());
    }

    #[test]
    fn without_a_secret_nothing_is_signed_and_nothing_believed() {
        let none = sessions("");
        assert!(none.sign("b", "s").is_none());
        let token = sessions("3f9c1b7e5d2a4860b1c7e9f2a4d6b8c0").sign("b", "s");
        assert!(none.read(&token.unwrap()).is_none());
    }
}
