//! Signing in, and whether who did is still as good. It must not know how tries are counted.

use std::{
    net::IpAddr,
    time::{Duration, UNIX_EPOCH},
};

use troika_audit::By;
use troika_chassis::error::{Code, Error};
use troika_identity::{Access, Caller};
use uuid::Uuid;

use super::{Accounts, unavailable};
use crate::{
    account::{Account, Email, lowered},
    audited,
    hashing::Fits,
    password::Password,
    sign_in::now,
};

/// What became of a password.
enum Checked {
    Right(Account),
    /// With the account that it was tried for, where there is one.
    Wrong(Option<Uuid>),
}

impl Accounts {
    /// Checks a password. Whatever is wrong, the work and the answer are the same.
    ///
    /// # Errors
    /// `wrong_credentials`, `too_many_tries`; when the store is away or too many sign in.
    pub(crate) async fn sign_in(
        &self,
        by: &By,
        email: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<Account, Error> {
        Access::Service.admit(by.caller(), false)?;
        let begun = self.counter.begin(&lowered(email), address).await;
        let begun = begun.inspect_err(|error| {
            if error.code() == Code::ResourceExhausted {
                tracing::warn!("a sign-in has to wait after too many wrong tries");
            }
        })?;
        match self.verified(email, password).await {
            Ok(Checked::Right(account)) => {
                self.counter.right(begun).await;
                Ok(account)
            }
            Ok(Checked::Wrong(account)) => {
                if let (Some(account), Some(wait)) = (account, begun.wait) {
                    self.tell_of_wait(by, account, wait);
                }
                Err(Error::new(
                    Code::Unauthenticated,
                    "wrong_credentials",
                    "The address or the password is wrong.",
                ))
            }
            Err(error) => {
                self.counter.came_to_nothing(begun).await;
                Err(error)
            }
        }
    }

    /// Notes that an account has to wait: somebody guesses. There is one entry for each wait, and waits grow, so that guessing
    /// fills no log. Nobody waits for the entry, or the time that it takes would tell that there is such an account.
    fn tell_of_wait(&self, by: &By, account: Uuid, wait: Duration) {
        match self.intent(by, audited::WAIT, account, None) {
            Ok(intent) => {
                tokio::spawn(async move { intent.done(Some(&audited::waits(wait))).await });
            }
            Err(error) => {
                tracing::warn!(%error, %account, "that an account has to wait is not in the audit log")
            }
        }
    }

    async fn verified(&self, email: &str, password: &str) -> Result<Checked, Error> {
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
            return Ok(Checked::Wrong(id));
        };
        let at = UNIX_EPOCH + Duration::from_millis(now());
        let (id, revision) = (account.id, account.revision);
        let unchanged = self
            .store
            .signed_in(id, revision, at, rehashed.as_deref())
            .await
            .map_err(unavailable)?;
        if !unchanged {
            // Changed while the password was looked at: it may be another one now.
            return Ok(Checked::Wrong(Some(id)));
        }
        if let Some(hash) = rehashed {
            account.password_hash = hash;
        }
        account.last_sign_in = Some(at);
        Ok(Checked::Right(account))
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
}
