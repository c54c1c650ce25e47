//! The embedded store: one file of one process.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use redb::{
    ReadTransaction, ReadableTable as _, ReadableTableMetadata as _, TableDefinition,
    WriteTransaction,
};
use serde::{Deserialize, Serialize};
use troika_audit::store::embedded as audit;
use troika_chassis::embedded::{DatabaseFile, Fault, FileError, make_table};
use uuid::Uuid;

pub use troika_chassis::embedded::OpenError;

use super::{Inserted, MOST_ACCOUNTS, Store, StoreError};
use crate::{
    account::{Account, Email, Role},
    tries::Tries,
};

/// Accounts by their id.
const ACCOUNTS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("accounts");
/// Ids by address.
const EMAILS: TableDefinition<'_, &str, u128> = TableDefinition::new("emails");
/// Tries by their key.
const TRIES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tries");
/// The keys of tries by when they expire.
const EXPIRING: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("expiring_tries");

/// Memory for pages of the file.
const PAGE_CACHE: usize = 2 << 20;

/// Keys whose tries are known; beyond them those are forgotten that would be first.
const MOST_TRIES: u64 = 50_000;
/// Those that are let go of with one write, so that none takes long.
const SWEPT: usize = 100;

/// An account in the file. Variants are added at the end, and none is changed.
#[derive(Serialize, Deserialize)]
enum Record {
    V1 {
        email: String,
        password_hash: String,
        is_super: bool,
        enabled: bool,
        revision: u64,
        created_at: u64,
        last_sign_in: Option<u64>,
    },
}

/// Accounts and tries in one file. Clones share it.
#[derive(Clone, Debug)]
pub struct Embedded {
    file: DatabaseFile,
}

impl Embedded {
    /// Opens the file, or makes it; only its owner may read it. Blocks.
    ///
    /// # Errors
    /// When another process has it open, it is damaged, or the disk refuses.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = DatabaseFile::open(path, PAGE_CACHE, |transaction| {
            make_table(transaction, ACCOUNTS)?;
            make_table(transaction, EMAILS)?;
            make_table(transaction, TRIES)?;
            make_table(transaction, EXPIRING)?;
            audit::make_tables(transaction)
        })?;
        Ok(Self { file })
    }

    /// The audit log, which lies in the same file.
    pub fn audit(&self) -> audit::Embedded {
        audit::Embedded::new(self.file.clone())
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Fault<StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.file.read(work).await.map_err(StoreError::from)
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Fault<StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.file.write(work).await.map_err(StoreError::from)
    }

    /// Changes an account whose revision is the one that is known; `false` when it is not.
    async fn edit(
        &self,
        id: Uuid,
        revision: u64,
        edit: impl FnOnce(&mut Account) + Send + 'static,
    ) -> Result<bool, StoreError> {
        self.write(move |transaction| {
            let mut accounts = transaction.open_table(ACCOUNTS)?;
            let found = accounts.get(id.as_u128())?;
            let found = found
                .map(|bytes| parsed(id.as_u128(), bytes.value()))
                .transpose()?;
            let Some(mut account) = found.filter(|account| account.revision == revision) else {
                return Ok(false);
            };
            edit(&mut account);
            accounts.insert(id.as_u128(), written(&account)?.as_slice())?;
            Ok(true)
        })
        .await
    }
}

#[async_trait]
impl Store for Embedded {
    async fn list(&self) -> Result<Vec<Account>, StoreError> {
        self.read(|transaction| {
            let emails = transaction.open_table(EMAILS)?;
            let accounts = transaction.open_table(ACCOUNTS)?;
            let mut found = Vec::new();
            for entry in emails.iter()?.take(MOST_ACCOUNTS) {
                let id = entry?.1.value();
                if let Some(bytes) = accounts.get(id)? {
                    found.push(parsed(id, bytes.value())?);
                }
            }
            Ok(found)
        })
        .await
    }

    async fn by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let email = email.clone();
        self.read(move |transaction| {
            let id = transaction
                .open_table(EMAILS)?
                .get(email.as_str())?
                .map(|id| id.value());
            match id {
                Some(id) => account(transaction, id),
                None => Ok(None),
            }
        })
        .await
    }

    async fn by_id(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        self.read(move |transaction| account(transaction, id.as_u128()))
            .await
    }

    async fn insert(&self, account: &Account) -> Result<Inserted, StoreError> {
        let account = account.clone();
        self.write(move |transaction| {
            let mut emails = transaction.open_table(EMAILS)?;
            if emails.get(account.email.as_str())?.is_some() {
                return Ok(Inserted::Taken);
            }
            let id = account.id.as_u128();
            emails.insert(account.email.as_str(), id)?;
            let mut accounts = transaction.open_table(ACCOUNTS)?;
            accounts.insert(id, written(&account)?.as_slice())?;
            Ok(Inserted::Done)
        })
        .await
    }

    async fn change(&self, account: &Account, before: u64) -> Result<bool, StoreError> {
        let new = account.clone();
        self.edit(account.id, before, move |account| {
            account.password_hash = new.password_hash;
            account.role = new.role;
            account.enabled = new.enabled;
            account.revision = new.revision;
        })
        .await
    }

    async fn signed_in(
        &self,
        id: Uuid,
        revision: u64,
        at: SystemTime,
        rehashed: Option<&str>,
    ) -> Result<bool, StoreError> {
        let rehashed = rehashed.map(ToOwned::to_owned);
        self.edit(id, revision, move |account| {
            account.last_sign_in = Some(at);
            if let Some(hash) = rehashed {
                account.password_hash = hash;
            }
        })
        .await
    }

    async fn delete(&self, id: Uuid, before: u64) -> Result<bool, StoreError> {
        self.write(move |transaction| {
            let mut accounts = transaction.open_table(ACCOUNTS)?;
            let found = accounts.get(id.as_u128())?;
            let found = found
                .map(|bytes| parsed(id.as_u128(), bytes.value()))
                .transpose()?;
            let Some(account) = found.filter(|account| account.revision == before) else {
                return Ok(false);
            };
            accounts.remove(id.as_u128())?;
            transaction
                .open_table(EMAILS)?
                .remove(account.email.as_str())?;
            Ok(true)
        })
        .await
    }

    async fn tries(&self, key: &str) -> Result<Option<Tries>, StoreError> {
        let key = key.to_owned();
        self.read(move |transaction| {
            let table = transaction.open_table(TRIES)?;
            let found = table.get(key.as_str())?;
            found.map(|bytes| decoded(bytes.value())).transpose()
        })
        .await
    }

    async fn swap_tries(
        &self,
        key: &str,
        known: Option<&Tries>,
        new: Option<&Tries>,
    ) -> Result<bool, StoreError> {
        let (key, known, new) = (key.to_owned(), known.map(|known| known.tag), new.cloned());
        self.write(move |transaction| {
            let mut tries = transaction.open_table(TRIES)?;
            let mut expiring = transaction.open_table(EXPIRING)?;
            let there = match tries.get(key.as_str())? {
                Some(bytes) => Some(decoded::<Tries>(bytes.value())?),
                None => None,
            };
            if there.as_ref().map(|there| there.tag) != known {
                return Ok(false);
            }
            if let Some(there) = there {
                tries.remove(key.as_str())?;
                expiring.remove((there.expires, key.as_str()))?;
            }
            let Some(new) = new else {
                return Ok(true);
            };
            for _ in 0..SWEPT {
                let first = expiring.first()?.map(|(first, _)| {
                    let (expires, key) = first.value();
                    (expires, key.to_owned())
                });
                let Some((expires, old)) = first else { break };
                if expires > millis(SystemTime::now()) && tries.len()? < MOST_TRIES {
                    break;
                }
                expiring.remove((expires, old.as_str()))?;
                tries.remove(old.as_str())?;
            }
            expiring.insert((new.expires, key.as_str()), ())?;
            tries.insert(key.as_str(), encoded(&new)?.as_slice())?;
            Ok(true)
        })
        .await
    }

    /// One process has the file: it is the one.
    async fn lease(&self, _: &str, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn release(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

impl From<FileError<StoreError>> for StoreError {
    fn from(error: FileError<StoreError>) -> Self {
        match error {
            FileError::Work(error) => error,
            FileError::Unavailable(source) => Self::Unavailable(source),
            FileError::Damaged(what) => Self::Corrupt(what),
        }
    }
}

fn account(transaction: &ReadTransaction, id: u128) -> Result<Option<Account>, Fault<StoreError>> {
    let accounts = transaction.open_table(ACCOUNTS)?;
    let found = accounts.get(id)?;
    found.map(|bytes| parsed(id, bytes.value())).transpose()
}

fn written(account: &Account) -> Result<Vec<u8>, Fault<StoreError>> {
    encoded(&Record::V1 {
        email: account.email.as_str().to_owned(),
        password_hash: account.password_hash.clone(),
        is_super: account.role == Role::SuperAdmin,
        enabled: account.enabled,
        revision: account.revision,
        created_at: millis(account.created_at),
        last_sign_in: account.last_sign_in.map(millis),
    })
}

fn parsed(id: u128, bytes: &[u8]) -> Result<Account, Fault<StoreError>> {
    let Record::V1 {
        email,
        password_hash,
        is_super,
        enabled,
        revision,
        created_at,
        last_sign_in,
    } = decoded(bytes)?;
    Ok(Account {
        id: Uuid::from_u128(id),
        email: Email::parse(&email).map_err(|_| corrupt("an account without an address"))?,
        password_hash,
        role: if is_super {
            Role::SuperAdmin
        } else {
            Role::Admin
        },
        enabled,
        revision,
        created_at: time(created_at),
        last_sign_in: last_sign_in.map(time),
    })
}

fn encoded(value: &impl Serialize) -> Result<Vec<u8>, Fault<StoreError>> {
    postcard::to_stdvec(value).map_err(corrupt)
}

fn decoded<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault<StoreError>> {
    postcard::from_bytes(bytes).map_err(corrupt)
}

fn corrupt(what: impl ToString) -> Fault<StoreError> {
    Fault::Work(StoreError::Corrupt(what.to_string()))
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}
