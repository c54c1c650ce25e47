//! An account, and its address. It knows neither stores nor wires.

use std::{fmt, time::SystemTime};

use troika_chassis::email::is_address;
use uuid::Uuid;

/// What an account may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Everything but changing accounts.
    #[default]
    Admin,
    /// Everything.
    SuperAdmin,
}

impl Role {
    /// The word for it in stores and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::SuperAdmin => "super_admin",
        }
    }
}

/// An account. Its `Debug` shows no address and no hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Stays, whatever else changes.
    pub id: Uuid,
    /// Whose it is; no other account has it.
    pub email: Email,
    /// The password, in the format of the Password Hashing Competition.
    pub password_hash: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may sign in.
    pub enabled: bool,
    /// Rises when the password, the role or `enabled` changes: sessions of before are over.
    pub revision: u64,
    /// When it was made, to the millisecond.
    pub created_at: SystemTime,
    /// When it signed in last, to the millisecond.
    pub last_sign_in: Option<SystemTime>,
}

impl Account {
    /// Whether it can change accounts now.
    pub fn is_in_charge(&self) -> bool {
        self.enabled && self.role == Role::SuperAdmin
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("id", &self.id)
            .field("role", &self.role)
            .field("enabled", &self.enabled)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// An email address in lower case. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// Reads an address as people type it.
    ///
    /// # Errors
    /// What to change.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = lowered(text);
        if text.is_empty() {
            return Err("email is required: whose account is it?");
        }
        if is_address(&text) {
            Ok(Self(text))
        } else {
            Err("email must be an address, such as ada@shop.example")
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub(crate) fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// An address as it is looked for, whether it is one or not.
pub(crate) fn lowered(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_type_it() {
        let email = Email::parse("  Ada.Lovelace@Shop.Example ").unwrap();
        assert_eq!(email.as_str(), "ada.lovelace@shop.example");
        assert_eq!(email.local_part(), "ada.lovelace");
        assert!(Email::parse("root@localhost").is_ok());
    }

    #[test]
    fn what_is_no_address_is_refused_with_words() {
        let long = format!("{}@{}.example", "a".repeat(64), "b".repeat(200));
        for wrong in [
            "",
            " ",
            "ada",
            "ada@",
            "@shop.example",
            "ada@@shop.example",
            "Ada <ada@shop.example>",
            "ada@[127.0.0.1]",
            "\"a da\"@shop.example",
            "ada\n@shop.example",
            long.as_str(),
        ] {
            assert!(
                Email::parse(wrong).is_err_and(|words| words.starts_with("email ")),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn neither_address_nor_hash_is_shown_by_accident() {
        let account = Account {
            id: Uuid::nil(),
            email: Email::parse("ada@shop.example").unwrap(),
            password_hash: "$argon2id$…".to_owned(),
            role: Role::Admin,
            enabled: true,
            revision: 1,
            created_at: SystemTime::UNIX_EPOCH,
            last_sign_in: None,
        };
        let shown = format!("{account:?} {:?}", account.email);
        assert!(
            !shown.contains("ada") && !shown.contains("argon2"),
            "{shown}"
        );
    }
}
