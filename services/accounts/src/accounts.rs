//! What can be done with accounts, and by whom. It must not know wires or engines.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use troika_chassis::error::{Code, Error, Violation};
use troika_identity::{Access, Caller};
use uuid::Uuid;

use crate::{
    account::{Account, Email, Role, lowered},
    config::TryLimits,
    hashing::{Fits, Hasher},
    note::{Done, note},
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
    pub(crate) fn new(store: Arc<dyn Store>, hasher: Hasher, limits: TryLimits) -> Self {
        Self {
            counter: Counter::new(Arc::clone(&store), limits),
            turns: Turns::new(Arc::clone(&store)),
            store,
            hasher,
        }
    }

    /// Checks a password. Whatever is wrong, the work and the answer are the same.
    ///
    /// # Errors
    /// `wrong_credentials`, `too_many_tries`; when the store is away or too many sign in.
    pub(crate) async fn sign_in(
        &self,
        caller: &Caller,
        email: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<Account, Error> {
        Access::Service.admit(caller, false)?;
        let begun = self.counter.begin(&lowered(email), address).await;
        let begun = begun.inspect_err(|error| {
            if error.code() == Code::ResourceExhausted {
                tracing::warn!("a sign-in has to wait after too many wrong tries");
            }
        })?;
        match self.verified(email, password).await {
            Ok(Some(account)) => {
                self.counter.right(begun).await;
                Ok(account)
            }
            Ok(None) => Err(Error::new(
                Code::Unauthenticated,
                "wrong_credentials",
                "The address or the password is wrong.",
            )),
            Err(error) => {
                self.counter.came_to_nothing(begun).await;
                Err(error)
            }
        }
    }

    async fn verified(&self, email: &str, password: &str) -> Result<Option<Account>, Error> {
        let found = match Email::parse(email) {
            Ok(email) => self.store.by_email(&email).await.map_err(unavailable)?,
            Err(_) => None,
        };
        let stored = found.as_ref().map(|account| account.password_hash.clone());
        let enabled = found.as_ref().is_some_and(|account| account.enabled);
        let typed = Password::typed(password);
        let fits = self.hasher.check(stored, typed, enabled).await?;
        let id = found.as_ref().map(|account| account.id);
        let (Some(mut account), Fits::Yes(rehashed), true) = (found, fits, enabled) else {
            let account = id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
            tracing::info!(account, "a sign-in failed");
            return Ok(None);
        };
        let at = UNIX_EPOCH + Duration::from_millis(now());
        let (id, revision) = (account.id, account.revision);
        let unchanged = self
            .store
            .signed_in(id, revision, at, rehashed.as_deref())
            .await
            .map_err(unavailable)?;
        if let Some(hash) = rehashed {
            account.password_hash = hash;
        }
        account.last_sign_in = Some(at);
        // Changed while the password was looked at: it may be another one now.
        Ok(unchanged.then_some(account))
    }

    /// Whether an account is as good as it was when it signed in.
    ///
    /// # Errors
    /// When the store is away.
    pub(crate) async fn is_good(
        &self,
        caller: &Caller,
        id: &str,
        revision: u64,
    ) -> Result<bool, Error> {
        Access::Service.admit(caller, false)?;
        let Ok(id) = Uuid::parse_str(id) else {
            return Ok(false);
        };
        let found = self.store.by_id(id).await.map_err(unavailable)?;
        Ok(found.is_some_and(|account| account.enabled && account.revision == revision))
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
    pub(crate) async fn create(&self, caller: &Caller, new: New) -> Result<Account, Error> {
        // Before any work, and again when nobody else can change anything.
        may_create(caller, &self.store.list().await.map_err(unavailable)?)?;
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
        let created = self.added(caller, email, password_hash, new.role).await;
        turn.over(&created).await;
        let account = created?;
        note(caller, Done::Created, None, Some(&account));
        Ok(account)
    }

    async fn added(
        &self,
        caller: &Caller,
        email: Email,
        password_hash: String,
        role: Role,
    ) -> Result<Account, Error> {
        let there = self.store.list().await.map_err(unavailable)?;
        may_create(caller, &there)?;
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
        match self.store.insert(&account).await.map_err(unavailable)? {
            Inserted::Done => Ok(account),
            Inserted::Taken => Err(Error::new(
                Code::AlreadyExists,
                "account_exists",
                "There is an account with this address already.",
            )),
        }
    }

    /// Changes an account.
    ///
    /// # Errors
    /// When the caller may not; `account_not_found`, `last_super_admin`; what is wrong with the password.
    pub(crate) async fn update(
        &self,
        caller: &Caller,
        id: &str,
        change: Change,
    ) -> Result<Account, Error> {
        Access::SuperAdmin.admit(caller, false)?;
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
        let changed = self.changed(id, password_hash, role, enabled).await;
        turn.over(&changed).await;
        let (before, after) = changed?;
        if before.revision != after.revision {
            note(caller, Done::Updated, Some(&before), Some(&after));
        }
        Ok(after)
    }

    async fn changed(
        &self,
        id: &str,
        password_hash: Option<String>,
        role: Option<Role>,
        enabled: Option<bool>,
    ) -> Result<(Account, Account), Error> {
        // As it is now: it was read before others were kept from changing it.
        let before = self.found(id).await?;
        let mut after = before.clone();
        after.role = role.unwrap_or(before.role);
        after.enabled = enabled.unwrap_or(before.enabled);
        if let Some(hash) = password_hash {
            after.password_hash = hash;
        }
        if after == before {
            return Ok((before, after));
        }
        if before.is_in_charge() && !after.is_in_charge() {
            self.somebody_is_left(&before).await?;
        }
        after.revision += 1;
        let changed = self.store.change(&after, before.revision).await;
        if changed.map_err(unavailable)? {
            Ok((before, after))
        } else {
            Err(changed_meanwhile())
        }
    }

    /// Deletes an account.
    ///
    /// # Errors
    /// When the caller may not; `account_not_found`, `last_super_admin`.
    pub(crate) async fn delete(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        Access::SuperAdmin.admit(caller, false)?;
        let turn = self.turns.take().await?;
        let deleted = self.removed(id).await;
        turn.over(&deleted).await;
        note(caller, Done::Deleted, Some(&deleted?), None);
        Ok(())
    }

    async fn removed(&self, id: &str) -> Result<Account, Error> {
        let account = self.found(id).await?;
        if account.is_in_charge() {
            self.somebody_is_left(&account).await?;
        }
        let deleted = self.store.delete(account.id, account.revision).await;
        if deleted.map_err(unavailable)? {
            Ok(account)
        } else {
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
