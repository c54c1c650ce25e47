//! What the audit log says of accounts. It must not know how they are changed.
//!
//! An entry names its account by the id. Addresses are personal, and nothing is ever taken out of the log: they stand in it
//! where an account was made or deleted, for without them nobody could tell later whose it was, as the names of those who
//! make changes do. Of a password an entry says that it is another one; neither it nor its hash is there.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::account::Account;

pub(crate) const CREATE: &str = "account.create";
pub(crate) const UPDATE: &str = "account.update";
pub(crate) const DELETE: &str = "account.delete";
/// Nobody changed it: so many passwords were wrong that nobody may try for a time.
pub(crate) const WAIT: &str = "account.wait";

/// An account that was made, or is deleted.
pub(crate) fn whole(account: &Account) -> Value {
    json!({
        "email": account.email.as_str(),
        "role": account.role.as_str(),
        "enabled": account.enabled,
    })
}

/// What is another in `after`: as it was, and as it is.
pub(crate) fn changed(before: &Account, after: &Account) -> (Option<Value>, Value) {
    let (mut was, mut is) = (Map::new(), Map::new());
    if before.role != after.role {
        was.insert("role".to_owned(), before.role.as_str().into());
        is.insert("role".to_owned(), after.role.as_str().into());
    }
    if before.enabled != after.enabled {
        was.insert("enabled".to_owned(), before.enabled.into());
        is.insert("enabled".to_owned(), after.enabled.into());
    }
    if before.password_hash != after.password_hash {
        is.insert("password".to_owned(), "changed".into());
    }
    ((!was.is_empty()).then_some(Value::Object(was)), is.into())
}

/// How long nobody may sign in after a wrong password.
pub(crate) fn waits(wait: Duration) -> Value {
    json!({ "waitSeconds": wait.as_secs() })
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use uuid::Uuid;

    use super::*;
    use crate::account::{Email, Role};

    fn ada() -> Account {
        Account {
            id: Uuid::nil(),
            email: Email::parse("ada@shop.example").unwrap(),
            password_hash: "$argon2id$one".to_owned(),
            role: Role::Admin,
            enabled: true,
            revision: 1,
            created_at: SystemTime::UNIX_EPOCH,
            last_sign_in: None,
        }
    }

    #[test]
    fn what_changed_is_told_and_nothing_else() {
        let promoted = Account {
            role: Role::SuperAdmin,
            enabled: false,
            revision: 2,
            ..ada()
        };
        assert_eq!(
            changed(&ada(), &promoted),
            (
                Some(json!({ "role": "admin", "enabled": true })),
                json!({ "role": "super_admin", "enabled": false })
            )
        );
    }

    #[test]
    fn a_password_is_told_to_be_another_and_never_shown() {
        let after = Account {
            password_hash: "$argon2id$two".to_owned(),
            ..ada()
        };
        let told = changed(&ada(), &after);
        assert_eq!(told, (None, Value::from_iter([("password", "changed")])));
        assert!(!whole(&after).to_string().contains("argon2"));
    }
}
