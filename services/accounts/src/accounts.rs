//! What can be done with accounts, and by whom. It must not know wires or engines.

mod signing_in;

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::Value;
use troika_audit::{AuditLog, By, Intent};
use troika_chassis::error::{Code, Error, Violation};
use troika_identity::{Access, Caller};
use uuid::Uuid;

use crate::{
    account::{Account, Email, Role},
    audited,
    config::TryLimits,
    hashing::Hasher,
    password::Password,
    sign_in::{Counter, now},
    store::{Inserted, MOST_ACCOUNTS, Store, StoreError},
    turn::Turns,
};

/// The accounts.
pub(crate) struct Accounts {
    store: Arc<dyn Store>,
    hasher: Hasher,
    counter: Counter,
    turns: Turns,
    audit: AuditLog,
}

/// A new account as it is asked for.
pub(crate) struct New {
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) role: Role,
}

/// What is to change; nothing where nothing is said.
#[derive(Default)]
pub(crate) struct Change {
    pub(crate) password: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) enabled: Option<bool>,
}

impl Accounts {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        hasher: Hasher,
        limits: TryLimits,
        audit: AuditLog,
    ) -> Self {
        Self {
            counter: Counter::new(Arc::clone(&store), limits),
            turns: Turns::new(Arc::clone(&store)),
            store,
            hasher,
            audit,
        }
    }

    /// All accounts, in the order of their addresses.
    ///
    /// # Errors
    /// When the caller may not; when the store is away.
    pub(crate) async fn list(&self, caller: &Caller) -> Result<Vec<Account>, Error> {
        Access::SuperAdmin.admit(caller, false)?;
        self.store.list().await.map_err(unavailable)
    }

    /// Makes an account. The first one can be made by any admin, and is a super admin: somebody has to be.
    ///
    /// # Errors
    /// When the caller may not; everything that is wrong with address and password at once; `account_exists`.
    pub(crate) async fn create(&self, by: &By, new: New) -> Result<Account, Error> {
        // Before any work, and again when nobody else can change anything.
        may_create(by.caller(), &self.store.list().await.map_err(unavailable)?)?;
        let email = Email::parse(&new.email);
        let password = Password::chosen(&new.password, email.as_ref().ok());
        let (email, password) = match (email, password) {
            (Ok(email), Ok(password)) => (email, password),
            (email, password) => {
                let address = email.err().map(|message| Violation {
                    field: "email".to_owned(),
                    kind: if new.email.trim().is_empty() {
                        "any.required"
                    } else {
                        "string.email"
                    }
                    .to_owned(),
                    message: message.to_owned(),
                });
                return Err(invalid(address.into_iter().chain(password.err()).collect()));
            }
        };
        let password_hash = self.hasher.hash(password).await?;
        let turn = self.turns.take().await?;
        let created = self.added(by, email, password_hash, new.role).await;
        turn.over(&created).await;
        created
    }

    async fn added(
        &self,
        by: &By,
        email: Email,
        password_hash: String,
        role: Role,
    ) -> Result<Account, Error> {
        let there = self.store.list().await.map_err(unavailable)?;
        may_create(by.caller(), &there)?;
        if there.len() >= MOST_ACCOUNTS {
            return Err(Error::new(
                Code::ResourceExhausted,
                "too_many_accounts",
                format!(
                    "There are {MOST_ACCOUNTS} accounts already: delete one that is not needed any more."
                ),
            ));
        }
        let account = Account {
            id: Uuid::new_v4(),
            email,
            password_hash,
            role: if there.is_empty() {
                Role::SuperAdmin
            } else {
                role
            },
            enabled: true,
            revision: 1,
            created_at: UNIX_EPOCH + Duration::from_millis(now()),
            last_sign_in: None,
        };
        let intent = self.intent(by, audited::CREATE, account.id, None)?;
        match self.store.insert(&account).await.map_err(unavailable)? {
            Inserted::Done => {
                intent.done(Some(&audited::whole(&account))).await;
                Ok(account)
            }
            Inserted::Taken => {
                intent.not_done();
                Err(Error::new(
                    Code::AlreadyExists,
                    "account_exists",
                    "There is an account with this address already.",
                ))
            }
        }
    }

    /// Room in the audit log for a change. It is told there before the next one may be made, so that entries have the order
    /// of their changes over all replicas. Where the store fails nobody knows whether it was made: dropping the intent says
    /// so.
    fn intent(
        &self,
        by: &By,
        action: &'static str,
        account: Uuid,
        before: Option<&Value>,
    ) -> Result<Intent, Error> {
        let target = account.to_string();
        Ok(self.audit.intend(by.change(action, &target), before)?)
    }

    /// Changes an account.
    ///
    /// # Errors
    /// When the caller may not; `account_not_found`, `last_super_admin`; what is wrong with the password.
    pub(crate) async fn update(&self, by: &By, id: &str, change: Change) -> Result<Account, Error> {
        Access::SuperAdmin.admit(by.caller(), false)?;
        let Change {
            password,
            role,
            enabled,
        } = change;
        if password.is_none() && role.is_none() && enabled.is_none() {
            return Err(invalid(vec![Violation {
                field: "password".to_owned(),
                kind: "object.missing".to_owned(),
                message: "nothing is named that should change: password, role or enabled"
                    .to_owned(),
            }]));
        }
        let before = self.found(id).await?;
        let password_hash = match password {
            Some(text) => {
                let password = Password::chosen(&text, Some(&before.email));
                let password = password.map_err(|violation| invalid(vec![violation]))?;
                Some(self.hasher.hash(password).await?)
            }
            None => None,
        };
        let turn = self.turns.take().await?;
        let changed = self.changed(by, id, password_hash, role, enabled).await;
        turn.over(&changed).await;
        changed
    }

    async fn changed(
        &self,
        by: &By,
        id: &str,
        password_hash: Option<String>,
        role: Option<Role>,
        enabled: Option<bool>,
    ) -> Result<Account, Error> {
        // As it is now: it was read before others were kept from changing it.
        let before = self.found(id).await?;
        let mut after = before.clone();
        after.role = role.unwrap_or(before.role);
        after.enabled = enabled.unwrap_or(before.enabled);
        if let Some(hash) = password_hash {
            after.password_hash = hash;
        }
        if after == before {
            return Ok(after);
        }
        if before.is_in_charge() && !after.is_in_charge() {
            self.somebody_is_left(&before).await?;
        }
        after.revision += 1;
        let (was, is) = audited::changed(&before, &after);
        let intent = self.intent(by, audited::UPDATE, after.id, was.as_ref())?;
        let changed = self.store.change(&after, before.revision).await;
        if changed.map_err(unavailable)? {
            intent.done(Some(&is)).await;
            Ok(after)
        } else {
            intent.not_done();
            Err(changed_meanwhile())
        }
    }

    /// Deletes an account.
    ///
    /// # Errors
    /// When the caller may not; `account_not_found`, `last_super_admin`.
    pub(crate) async fn delete(&self, by: &By, id: &str) -> Result<(), Error> {
        Access::SuperAdmin.admit(by.caller(), false)?;
        let turn = self.turns.take().await?;
        let deleted = self.removed(by, id).await;
        turn.over(&deleted).await;
        deleted
    }

    async fn removed(&self, by: &By, id: &str) -> Result<(), Error> {
        let account = self.found(id).await?;
        if account.is_in_charge() {
            self.somebody_is_left(&account).await?;
        }
        let was = audited::whole(&account);
        let intent = self.intent(by, audited::DELETE, account.id, Some(&was))?;
        let deleted = self.store.delete(account.id, account.revision).await;
        if deleted.map_err(unavailable)? {
            intent.done(None).await;
            Ok(())
        } else {
            intent.not_done();
            Err(changed_meanwhile())
        }
    }

    async fn found(&self, id: &str) -> Result<Account, Error> {
        let found = match Uuid::parse_str(id) {
            Ok(id) => self.store.by_id(id).await.map_err(unavailable)?,
            Err(_) => None,
        };
        found.ok_or_else(|| {
            Error::new(
                Code::NotFound,
                "account_not_found",
                "There is no such account.",
            )
        })
    }

    /// Whether somebody but `leaving` can change accounts.
    async fn somebody_is_left(&self, leaving: &Account) -> Result<(), Error> {
        let all = self.store.list().await.map_err(unavailable)?;
        let left = all
            .iter()
            .any(|account| account.id != leaving.id && account.is_in_charge());
        if left {
            return Ok(());
        }
        Err(Error::new(
            Code::Conflict,
            "last_super_admin",
            "Nobody would be left who can change accounts: make somebody else a super admin first.",
        ))
    }
}

fn may_create(caller: &Caller, there: &[Account]) -> Result<(), Error> {
    let rule = if there.is_empty() {
        Access::Admin
    } else {
        Access::SuperAdmin
    };
    Ok(rule.admit(caller, false)?)
}

fn changed_meanwhile() -> Error {
    Error::new(
        Code::Conflict,
        "account_changed",
        "Somebody else has changed this account meanwhile. Look at it again.",
    )
}

/// Bad input, with all of its faults.
pub(crate) fn invalid(faults: Vec<Violation>) -> Error {
    let message = faults
        .iter()
        .map(|fault| fault.message.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    Error::new(Code::InvalidArgument, "invalid_argument", message).with_violations(faults)
}

/// The store's failure, for whoever asked.
pub(crate) fn unavailable(error: StoreError) -> Error {
    match error {
        StoreError::Corrupt(_) => Error::internal(error),
        StoreError::Unavailable(_) => Error::new(
            Code::Unavailable,
            "store_unavailable",
            "Accounts cannot be read or stored right now. Please try again in a moment.",
        )
        .with_retry_after(Duration::from_secs(1))
        .with_source(error),
    }
}
